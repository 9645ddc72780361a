/// The core's `Memory` on disk.
///
/// A small text, so that an operator can read it; groups by name, so that the configuration may
/// order them anew. A group that the configuration no longer names stays in the file with its term:
/// if it ever comes back, its terms must not have fallen (S4). Instants are stored by the wall
/// clock; where that clock fell meanwhile, they count as now, which errs towards a budget spent.
///
/// The file may be an older or a newer agent's (ARCHITECTURE, "Versions"): a field that it lacks
/// has the value of a node that never wrote anything, and a line of an unknown kind is skipped.
///
///     picket-memory 1
///     alone 0
///     maintenance 0
///     group gateway 7 me
///     fence 1764000000000000000
///     checksum 8d3f…

public import PicketCore
import PicketText

public struct MemoryFile: Sendable {
    public let path: String
    /// In the configuration's order.
    public let groups: [String]
    /// Of the file, but not of the configuration.
    private var others: [(name: String, memory: GroupMemory)] = []

    static let title = "picket-memory 1"

    public init(path: String, groups: [String]) {
        self.path = path
        self.groups = groups
    }

    /// What the last life of the agent remembered; `nil` where there was none.
    ///
    /// - Throws: `FileError.refused` if the file is damaged or has another title.
    public mutating func load(now: Instant, wall: Int64) throws(FileError) -> Memory? {
        let bytes: [UInt8]?
        do throws(SystemError) { bytes = try DurableFile.read(path) } catch {
            throw .system(error)
        }
        guard let bytes else { return nil }
        return try decode(bytes, now: now, wall: wall)
    }

    /// The file's bytes, as `encode` made them.
    public mutating func decode(
        _ bytes: [UInt8], now: Instant, wall: Int64
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
            if line[0] == "maintenance" { memory.maintenance = line[1] == "1" }
        case "fence", "move":
            guard line.count == 2, let at = Int64(line[1]) else { return false }
            let (age, overflow) = wall.subtractingReportingOverflow(at)
            let instant = now - Duration(nanoseconds: overflow ? 0 : max(0, age))
            if line[0] == "fence" { memory.fences.append(instant) }
            if line[0] == "move" { memory.moves.append(instant) }
        case "group":
            guard line.count == 4, let term = UInt64(line[2]), Term(term) <= .highest,
                let holder = MemoryFile.holder(line[3])
            else { return false }
            let stored = GroupMemory(term: Term(term), holder: holder)
            if let index = groups.firstIndex(of: line[1]) {
                memory.groups[index] = stored
            } else {
                others.append((line[1], stored))
            }
        default: break
        }
        return true
    }

    /// The file's bytes: made by the loop, written by the storage worker.
    public func encode(_ memory: Memory, now: Instant, wall: Int64) -> [UInt8] {
        precondition(memory.groups.count == groups.count)
        var text = MemoryFile.title + "\n"
        text += "alone \(memory.alone ? 1 : 0)\nmaintenance \(memory.maintenance ? 1 : 0)\n"
        for (name, group) in zip(groups, memory.groups) { text += line(name, group) }
        for other in others { text += line(other.name, other.memory) }
        for at in memory.fences { text += "fence \(wall - (now - at).nanoseconds)\n" }
        for at in memory.moves { text += "move \(wall - (now - at).nanoseconds)\n" }
        return SealedText.seal(text)
    }

    private func line(_ name: String, _ group: GroupMemory) -> String {
        let holder =
            switch group.holder {
            case .nobody: "nobody"
            case .me: "me"
            case .peer: "peer"
            }
        return "group \(name) \(group.term.value) \(holder)\n"
    }

    private static func holder(_ word: String) -> GroupMemory.LastHolder? {
        switch word {
        case "nobody": .nobody
        case "me": .me
        case "peer": .peer
        default: nil
        }
    }

    private func damaged(_ reason: String) -> FileError {
        .refused(
            path: path,
            reason: "\(reason). It holds the terms that keep the groups from running twice, so"
                + " it is not guessed at: restore it, or, once you are sure that the peer runs"
                + " nothing, move it away")
    }
}
