/// The core's `Memory` on disk.
///
/// A small text, so that an operator can read it; groups by name, so that the configuration may
/// order them anew. A group that the configuration no longer names stays in the file with its term:
/// if it ever comes back, or another one has what it had, its terms must not have fallen (S4).
///
/// The ages of fences and moves stand in a file beside it, because a board's wall clock may begin in
/// 1970 at each boot and step at any time. They are as old as was last written, and older by what was
/// seen to pass since (`Stamp`). So a budget is never given back early. The stamps in the state file
/// are for 0.1.0, and for a node that has no ages: a stamp from the future tells nothing.
///
/// The versions of maintenance, that the fence is not believed, the data terms, the branch, and that a
/// copy is not in step stand in lines of their own that look like a group's, because 0.1.0 refuses a line that it does not know, and keeps
/// a group that it does not have. Data terms go with the line of their group as it was: where 0.1.0
/// has changed that since, they tell nothing.
///
/// A second copy stands beside it while it is the same: it is removed in the instant in which the
/// first is replaced, and written anew when nothing else is waiting. So a first one that its disk has
/// damaged or lost is restored from it exactly, or not at all. A planned end removes it, because an
/// older agent may follow, which would leave it beside a newer state.
///
/// The file may be an older or a newer agent's (ARCHITECTURE, "Versions"): a field that it lacks
/// has the value of a node that never wrote anything, and a line of an unknown kind is skipped.
///
///     picket-memory 1
///     alone 0
///     maintenance 0
///     group gateway 7 me
///     group #maintenance 3 nobody
///     group #ran:gateway 5 me
///     group #heard:gateway 4 nobody
///     group #branch:3735928559:50331648:gateway 1 nobody
///     group #as-of:gateway 7 me
///     group #out-of-step:web 1 nobody
///     group #maintained:web 2 me
///     fence 1764000000000000000
///     checksum 8d3f…
///
///     picket-ages 1
///     boot 6f1c…
///     at 81200000000
///     wall 1764000000000000000 1
///     fence 1200000000
///     checksum 77aa…

public import PicketCore
import PicketText

public struct MemoryFile: Sendable {
    public let path: String
    /// In the configuration's order; what a changed configuration adds comes last.
    public private(set) var groups: [String]
    /// Of the file, but not of the configuration.
    private var others: [(name: String, memory: GroupMemory)] = []
    /// Why what was loaded comes from the second copy.
    public private(set) var restored: String?

    static let title = "picket-memory 1"
    static let agesTitle = "picket-ages 1"
    /// The kernel's name of this boot.
    private let boot: String
    /// No group can have these names.
    static let maintenance = "#maintenance"
    static let distrusted = "#distrusted"
    static let ran = "#ran:"
    static let heard = "#heard:"
    static let asOf = "#as-of:"
    static let branch = "#branch:"
    static let maintained = "#maintained:"
    static let outOfStep = "#out-of-step:"

    public init(path: String, groups: [String], boot: String = "") {
        self.path = path
        self.groups = groups
        self.boot = boot
    }

    /// A changed configuration adds these. Returns what the file said of them when it was read.
    public mutating func add(_ names: [String]) -> [GroupMemory] {
        names.map { name in
            groups.append(name)
            guard let index = others.firstIndex(where: { $0.name == name }) else {
                return GroupMemory()
            }
            return others.remove(at: index).memory
        }
    }

    public var agesPath: String { path + "-ages" }
    public var copyPath: String { path + "-copy" }

    /// What the last life of the agent remembered; `nil` where there was none.
    ///
    /// - Throws: `FileError.refused` if the file is damaged or has another title, and no copy is
    ///   left of it.
    public mutating func load(
        now: Instant, wall: Int64, isSynchronised: Bool = false
    ) throws(FileError) -> Memory? {
        let copy = MemoryFile.bytes(at: copyPath)
        let ages = MemoryFile.bytes(at: agesPath)
        let reason: String
        do throws(FileError) {
            let bytes: [UInt8]?
            do throws(SystemError) { bytes = try DurableFile.read(path) } catch {
                throw .system(error)
            }
            if let bytes {
                return try decode(
                    bytes, ages: ages, now: now, wall: wall, isSynchronised: isSynchronised)
            }
            if copy == nil { return nil }
            reason = "it is gone"
        } catch { reason = error.reason }
        guard let copy,
            let memory = try? decode(
                copy, ages: ages, now: now, wall: wall, isSynchronised: isSynchronised)
        else {
            throw damaged(
                "\(reason), and no whole second copy is left of it. It holds the terms that keep"
                    + " the groups from running twice, so it is not guessed at: restore it, or, once"
                    + " you are sure that the peer runs nothing, move it and \(copyPath) away")
        }
        // A disk that takes nothing now takes the next state, or none.
        try? DurableFile.replace(path, with: copy)
        restored = reason
        return memory
    }

    /// What is there and cannot be read is as good as damaged.
    private static func bytes(at path: String) -> [UInt8]? {
        do throws(SystemError) { return try DurableFile.read(path) } catch { return [] }
    }

    /// Replaces the file. From then on its copy is not the same, so it goes in the same step.
    public func store(_ bytes: [UInt8]) throws(SystemError) {
        try DurableFile.replace(path, with: bytes, removing: copyPath)
    }

    /// Whether the disk would take the state, by a file that is not kept: a file system that is full,
    /// read-only or over its quota shows by that, and a disk that fails or does not answer. To ask how
    /// much room there is (statvfs(3)) would spare the write, and show no quota and no failing disk. On
    /// ext4 it is about 19 kB, and the state and its second copy would be twice that.
    public func tryDisk() throws(SystemError) {
        try DurableFile.tryWriting(try DurableFile.read(path) ?? [0], beside: path)
    }

    /// Writes the second copy where there is none, or another. The file may still be as damaged as
    /// when it was read: then what it was restored from stays.
    public func renewCopy() throws(SystemError) {
        guard let bytes = try DurableFile.read(path), bytes != MemoryFile.bytes(at: copyPath),
            case .lines = SealedText.open(bytes, title: MemoryFile.title)
        else { return }
        try DurableFile.replace(copyPath, with: bytes)
    }

    /// The files' bytes, as `encode` and `encodeAges` made them.
    public mutating func decode(
        _ bytes: [UInt8], ages: [UInt8]? = nil, now: Instant, wall: Int64,
        isSynchronised: Bool = false
    ) throws(FileError) -> Memory {
        let lines: [[String]]
        switch SealedText.open(bytes, title: MemoryFile.title) {
        case .damaged(let reason): throw damaged(reason)
        case .lines(let all): lines = all
        }
        var memory = Memory.blank(groups: groups.count)
        others = []
        for line in lines {
            guard take(line, into: &memory, now: now, wall: wall) else {
                throw damaged("it holds a line that is not understood: \(Text.joined(line, " "))")
            }
        }
        if let ages, !planted(.futureStampsAreNow) {
            take(ages: ages, into: &memory, now: now, wall: wall, isSynchronised)
        }
        for other in others { memory.goneTerm = max(memory.goneTerm, other.memory.term) }
        memory.fences.sortShort { $0 < $1 }
        memory.moves.sortShort { $0 < $1 }
        return memory
    }

    /// False for a malformed line of a known kind.
    private mutating func take(
        _ line: [String], into memory: inout Memory, now: Instant, wall: Int64
    ) -> Bool {
        switch line.first {
        case "alone", "maintenance":
            guard line.count == 2, line[1] == "0" || line[1] == "1" else { return false }
            if line[0] == "alone" { memory.alone = line[1] == "1" }
            if line[0] == "maintenance" { memory.maintenance.isOn = line[1] == "1" }
        case "fence", "move":
            guard line.count == 2, let at = Int64(line[1]) else { return false }
            guard let age = age(of: at, wall: wall) else { break }
            let instant = now - age
            if line[0] == "fence" { memory.fences.append(instant) }
            if line[0] == "move" { memory.moves.append(instant) }
        case "group":
            guard line.count == 4, let term = UInt64(line[2]), Term(term) <= .highest,
                let holder = MemoryFile.holder(line[3])
            else { return false }
            if line[1] == MemoryFile.maintenance {
                guard let version = Maintenance(isOn: memory.maintenance.isOn, version: term)
                else { return false }
                memory.maintenance = version
                return true
            }
            if line[1] == MemoryFile.distrusted {
                memory.distrusted = true
                return true
            }
            take(line[1], Term(term), holder, into: &memory)
        default: break
        }
        return true
    }

    private mutating func take(
        _ name: String, _ term: Term, _ holder: GroupMemory.LastHolder, into memory: inout Memory
    ) {
        if let group = MemoryFile.part(of: name, after: MemoryFile.ran) {
            edit(group, &memory) { ($0.data.own, $0.data.isLast) = (term, holder == .me) }
        } else if let group = MemoryFile.part(of: name, after: MemoryFile.heard) {
            edit(group, &memory) { $0.data.heard = term }
        } else if let group = MemoryFile.part(of: name, after: MemoryFile.outOfStep) {
            edit(group, &memory) { $0.isOutOfStep = true }
        } else if let group = MemoryFile.part(of: name, after: MemoryFile.maintained) {
            guard let told = Maintenance(isOn: holder == .me, version: term.value) else { return }
            edit(group, &memory) { $0.maintenance = told }
        } else if let group = MemoryFile.part(of: name, after: MemoryFile.asOf) {
            edit(group, &memory) {
                if $0.term != term || $0.holder != holder { ($0.data, $0.branch) = (.never, .none) }
            }
        } else if let words = MemoryFile.part(of: name, after: MemoryFile.branch) {
            guard let (position, group) = MemoryFile.position(words) else { return }
            edit(group, &memory) {
                $0.branch = Branch(position: position, isDiverged: holder == .me)
            }
        } else {
            edit(name, &memory) { ($0.term, $0.holder) = (term, holder) }
        }
    }

    static func part(of name: String, after prefix: String) -> String? {
        guard name.hasPrefix(prefix) else { return nil }
        return String(decoding: name.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
    }

    /// `EPOCH:NUMBER:GROUP`
    private static func position(_ words: String) -> (DataPosition, group: String)? {
        let parts = words.utf8.split(
            separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let epoch = UInt32(String(decoding: parts[0], as: UTF8.self)),
            let number = UInt64(String(decoding: parts[1], as: UTF8.self))
        else { return nil }
        return (
            DataPosition(epoch: epoch, number: number), String(decoding: parts[2], as: UTF8.self)
        )
    }

    private mutating func edit(
        _ name: String, _ memory: inout Memory, _ body: (inout GroupMemory) -> Void
    ) {
        if let index = groups.firstIndex(of: name) { return body(&memory.groups[index]) }
        if let index = others.firstIndex(where: { $0.name == name }) {
            return body(&others[index].memory)
        }
        others.append((name, GroupMemory()))
        body(&others[others.count - 1].memory)
    }

    /// `nil` for a stamp from the future.
    private func age(of stamp: Int64, wall: Int64) -> Duration? {
        let (age, overflow) = wall.subtractingReportingOverflow(stamp)
        if !overflow, age >= 0 { return Duration(nanoseconds: age) }
        return planted(.futureStampsAreNow) ? .zero : nil
    }

    /// They take the place of what the stamps say. Damaged ones tell nothing.
    private func take(
        ages bytes: [UInt8], into memory: inout Memory, now: Instant, wall: Int64,
        _ isSynchronised: Bool
    ) {
        guard case .lines(let lines) = SealedText.open(bytes, title: MemoryFile.agesTitle) else {
            return
        }
        let written = Stamp(lines)
        let present = Stamp(boot: boot, at: now, wall: wall, isSynchronised: isSynchronised)
        let since = written?.passed(until: present) ?? .zero
        var fences: [Instant] = []
        var moves: [Instant] = []
        for line in lines where line.count >= 2 {
            guard let value = Int64(line[1]) else { continue }
            switch line[0] {
            case "fence": fences.append(now - since - Duration(nanoseconds: max(0, value)))
            case "move": moves.append(now - since - Duration(nanoseconds: max(0, value)))
            default: break
            }
        }
        memory.fences = fences
        memory.moves = moves
    }

    /// The ages' bytes. They are on disk before the state that they belong to.
    public func encodeAges(
        _ memory: Memory, now: Instant, wall: Int64, isSynchronised: Bool = false
    ) -> [UInt8] {
        let written = Stamp(boot: boot, at: now, wall: wall, isSynchronised: isSynchronised)
        var text = "\(MemoryFile.agesTitle)\n" + written.text
        for at in memory.fences { text += "fence \((now - at).nanoseconds)\n" }
        for at in memory.moves { text += "move \((now - at).nanoseconds)\n" }
        return SealedText.seal(text)
    }

    /// The file's bytes: made by the loop, written by the storage worker.
    public func encode(_ memory: Memory, now: Instant, wall: Int64) -> [UInt8] {
        precondition(memory.groups.count == groups.count)
        var text = MemoryFile.title + "\n"
        text += "alone \(memory.alone ? 1 : 0)\n"
        text += "maintenance \(memory.maintenance.isOn ? 1 : 0)\n"
        for (name, group) in zip(groups, memory.groups) { text += line(name, group) }
        if memory.maintenance != .never {
            text += "group \(MemoryFile.maintenance) \(memory.maintenance.version) nobody\n"
        }
        if memory.distrusted { text += "group \(MemoryFile.distrusted) 1 nobody\n" }
        for other in others { text += line(other.name, other.memory) }
        for at in memory.fences { text += "fence \(wall - (now - at).nanoseconds)\n" }
        for at in memory.moves { text += "move \(wall - (now - at).nanoseconds)\n" }
        return SealedText.seal(text)
    }

    private func line(_ name: String, _ group: GroupMemory) -> String {
        var own = line(name, group.term, group.holder)
        let maintenance = group.maintenance
        if maintenance != .never {
            own += line(
                MemoryFile.maintained + name, Term(maintenance.version),
                maintenance.isOn ? .me : .nobody)
        }
        if group.isOutOfStep { own += line(MemoryFile.outOfStep + name, Term(1), .nobody) }
        let data = group.data
        guard data != .never else { return own }
        let (branch, at) = (group.branch, group.branch.position)
        if branch != .none {
            own += line(
                MemoryFile.branch + "\(UInt64(at.epoch)):\(at.number):" + name, Term(1),
                branch.isDiverged ? .me : .nobody)
        }
        return own + line(MemoryFile.ran + name, data.own, data.isLast ? .me : .nobody)
            + line(MemoryFile.heard + name, data.heard, .nobody)
            + line(MemoryFile.asOf + name, group.term, group.holder)
    }

    private func line(_ name: String, _ term: Term, _ holder: GroupMemory.LastHolder) -> String {
        let word =
            switch holder {
            case .nobody: "nobody"
            case .me: "me"
            case .peer: "peer"
            }
        return "group \(name) \(term.value) \(word)\n"
    }

    private static func holder(_ word: String) -> GroupMemory.LastHolder? {
        switch word {
        case "nobody": .nobody
        case "me": .me
        case "peer": .peer
        default: nil
        }
    }

    private func damaged(_ reason: String) -> FileError { .refused(path: path, reason: reason) }
}
