/// The core's `RunNote` under /run: what this agent runs and knows, for an agent that is
/// restarted on a node that did not reboot. It lies on tmpfs and is written at once, by the loop.
///
/// The next agent may be an older or a newer one, as for the state file (MemoryFile.swift). What is
/// up only in part stands in a line that looks like a term's, because 0.1.0 refuses a line that it
/// does not know, and stops a group of which no line says that it holds it.
///
///     picket-run 1
///     boot 6f1c…
///     contact 1
///     offset 1200345
///     word 1
///     maintenance 0
///     holding gateway 7
///     term #maintenance 3
///     term gateway 7
///     term #partial:cache 3
///     term #gone 9
///     term #maintained:web 5
///     checksum 8d3f…

import CPicket
public import PicketCore
import PicketText

public struct RunNoteFile: Sendable {
    public let path: String
    public let boot: String
    /// In the configuration's order.
    public let groups: [String]

    static let title = "picket-run 1"
    /// No group's name begins so.
    private static let partial = "#partial:"

    public init(path: String, boot: String, groups: [String]) {
        self.path = path
        self.boot = boot
        self.groups = groups
    }

    public struct Loaded: Equatable, Sendable {
        public var note: RunNote
        /// Groups that ran, or were up in part, when the note was written and that the configuration
        /// no longer has.
        public var unknown: [String]
        /// Why it tells nothing. Then anything may run that was ever started in this boot.
        public var damage: String?
    }

    /// What an earlier life of the agent noted in this boot; blank if there was none. A note of
    /// another boot is worthless and is ignored.
    ///
    /// - Throws: `FileError.refused` if the note is damaged: something may be running.
    public func load() throws(FileError) -> Loaded {
        let bytes: [UInt8]?
        do throws(SystemError) { bytes = try DurableFile.read(path) } catch {
            throw .system(error)
        }
        guard let bytes else { return Loaded(note: .blank, unknown: []) }
        return try decode(bytes)
    }

    /// As `load`, for an agent: a damaged note must not keep it from starting. What runs is not known
    /// then, as where there is none, and all that was started may.
    public func load(started: [StartedFile.Group]) throws(FileError) -> Loaded {
        do throws(FileError) { return try load() } catch {
            guard case .refused(_, let reason) = error else { throw error }
            let gone = started.map { $0.name }.filter { !groups.contains($0) }
            return Loaded(note: .blank, unknown: gone, damage: reason)
        }
    }

    /// The note of whatever groups it tells of, and their names in its order.
    static func everything(
        in path: String, boot: String
    ) throws(FileError) -> (names: [String], note: RunNote) {
        let bytes: [UInt8]?
        do throws(SystemError) { bytes = try DurableFile.read(path) } catch {
            throw .system(error)
        }
        guard let bytes else { return ([], .blank) }
        var names: [String] = []
        // A damaged one is refused below.
        if case .lines(let lines) = SealedText.open(bytes, title: title) {
            for line in lines where line.count == 3 {
                let name = MemoryFile.part(of: line[1], after: partial) ?? line[1]
                guard line[0] == "holding" || line[0] == "term", !name.hasPrefix("#"),
                    !names.contains(name)
                else { continue }
                names.append(name)
            }
        }
        let file = RunNoteFile(path: path, boot: boot, groups: names)
        return (names, try file.decode(bytes).note)
    }

    func decode(_ bytes: [UInt8]) throws(FileError) -> Loaded {
        var loaded = Loaded(note: .blank, unknown: [])
        let lines: [[String]]
        switch SealedText.open(bytes, title: RunNoteFile.title) {
        case .damaged(let reason): throw damaged(reason)
        case .lines(let all): lines = all
        }
        guard lines.contains(["boot", boot]) else { return loaded }
        loaded.note.terms = groups.map { _ in .never }
        for line in lines {
            guard take(line, into: &loaded) else {
                throw damaged("it holds a line that is not understood: \(Text.joined(line, " "))")
            }
        }
        return loaded
    }

    /// False for a malformed line of a known kind.
    private func take(_ line: [String], into loaded: inout Loaded) -> Bool {
        switch line.first {
        case "contact", "word", "maintenance":
            guard line.count == 2, line[1] == "0" || line[1] == "1" else { return false }
            if line[0] == "contact" { loaded.note.contact = line[1] == "1" }
            if line[0] == "word" { loaded.note.word = line[1] == "1" }
            if line[0] == "maintenance" {
                loaded.note.maintenance = Maintenance(
                    isOn: line[1] == "1", count: loaded.note.maintenance?.count ?? 0, by: .low)
            }
        case "offset":
            guard line.count == 2, let offset = Int64(line[1]) else { return false }
            loaded.note.clockOffset = Duration(nanoseconds: offset)
        case "holding", "term":
            guard line.count == 3, let value = UInt64(line[2]), Term(value) <= .highest else {
                return false
            }
            let term = Term(value)
            if line[1] == MemoryFile.maintenance {
                guard
                    let version = Maintenance(
                        isOn: loaded.note.maintenance?.isOn ?? false, version: value)
                else { return false }
                loaded.note.maintenance = version
                return true
            }
            if let group = MemoryFile.part(of: line[1], after: MemoryFile.maintained) {
                guard let told = Maintenance(isOn: value & 1 == 1, version: value >> 1) else {
                    return false
                }
                guard let index = groups.firstIndex(of: group) else { return true }
                if loaded.note.maintained.isEmpty {
                    loaded.note.maintained = groups.map { _ in .never }
                }
                loaded.note.maintained[index] = told
                return true
            }
            let isPartial = line[0] == "term" && line[1].hasPrefix(RunNoteFile.partial)
            let name = isPartial ? line[1].dropping(first: RunNoteFile.partial.utf8.count) : line[1]
            let index = groups.firstIndex(of: name)
            if index == nil { loaded.note.goneTerm = max(loaded.note.goneTerm, term) }
            if line[0] == "term", !isPartial {
                if let index { loaded.note.terms[index] = term }
            } else if let index {
                loaded.note.holdings.append(
                    Holding(group: index, term: term, isPartial: isPartial))
            } else {
                loaded.unknown.append(name)
            }
        default: break
        }
        return true
    }

    public func store(_ note: RunNote) throws(SystemError) {
        try DurableFile.replace(path, with: encode(note), durable: false)
    }

    /// For a note that could not be replaced. The agent that follows finds it damaged, and goes by
    /// nothing that it said: neither by what ran nor by the terms that had been used (S4).
    public func spoil() { _ = try? Descriptor.open(path, picket_write_new, mode: 0o600) }

    func encode(_ note: RunNote) -> [UInt8] {
        var text = "\(RunNoteFile.title)\nboot \(boot)\ncontact \(note.contact ? 1 : 0)\n"
        if let offset = note.clockOffset { text += "offset \(offset.nanoseconds)\n" }
        if note.word { text += "word 1\n" }
        if let maintenance = note.maintenance {
            text += "maintenance \(maintenance.isOn ? 1 : 0)\n"
            if maintenance != .never {
                text += "term \(MemoryFile.maintenance) \(maintenance.version)\n"
            }
        }
        for holding in note.holdings {
            let (name, term) = (groups[holding.group], holding.term.value)
            text +=
                holding.isPartial
                ? "term \(RunNoteFile.partial)\(name) \(term)\n" : "holding \(name) \(term)\n"
        }
        for (group, term) in note.terms.enumerated() {
            text += "term \(groups[group]) \(term.value)\n"
        }
        if note.goneTerm != .never { text += "term #gone \(note.goneTerm.value)\n" }
        for (group, told) in note.maintained.enumerated() where told != .never {
            let value = told.version << 1 | (told.isOn ? 1 : 0)
            text += "term \(MemoryFile.maintained)\(groups[group]) \(value)\n"
        }
        return SealedText.seal(text)
    }

    private func damaged(_ reason: String) -> FileError {
        .refused(
            path: path,
            reason: "\(reason). It says which groups run here: stop them by hand, then remove it")
    }
}

public enum BootID {
    /// The kernel's random name of this boot.
    public static func read() throws(SystemError) -> String {
        let path = "/proc/sys/kernel/random/boot_id"
        let bytes = try Descriptor.open(path, picket_read_only).readAll(limit: 64, named: path)
        return String(decoding: bytes.filter { $0 > 32 }, as: UTF8.self)
    }
}
