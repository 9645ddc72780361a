/// What the agent of this boot starts for each group, beside its run note: a digest of the
/// resources, so that the next agent can tell whether its file still means what runs. It is written
/// once in an agent's life, before anything is started.
///
///     picket-started 1
///     boot 6f1c…
///     group gateway 3735928559
///     checksum 8d3f…
///
/// It is a file of its own because 0.1.0 refuses a note with a line that it does not know.

import PicketText

public struct StartedFile: Sendable {
    public let path: String
    public let boot: String

    static let title = "picket-started 1"

    public struct Group: Equatable, Sendable {
        public var name: String
        public var resources: UInt32

        public init(name: String, resources: UInt32) {
            self.name = name
            self.resources = resources
        }
    }

    public init(path: String, boot: String) {
        self.path = path
        self.boot = boot
    }

    /// Nothing where there is no file of this boot, or none that can be read: then it is not known
    /// what was started, as after an agent of 0.1.0.
    public func load() -> [Group] {
        guard let bytes = try? DurableFile.read(path) else { return [] }
        return decode(bytes)
    }

    /// The boot of the agent that wrote it.
    static func boot(of path: String) -> String? {
        guard let bytes = try? DurableFile.read(path),
            case .lines(let lines) = SealedText.open(bytes, title: title)
        else { return nil }
        return lines.first { $0.count == 2 && $0[0] == "boot" }?[1]
    }

    func decode(_ bytes: [UInt8]) -> [Group] {
        guard case .lines(let lines) = SealedText.open(bytes, title: StartedFile.title),
            lines.contains(["boot", boot])
        else { return [] }
        var groups: [Group] = []
        for line in lines where line.count == 3 && line[0] == "group" {
            guard let digest = UInt32(line[2]) else { continue }
            groups.append(Group(name: line[1], resources: digest))
        }
        return groups
    }

    public func store(_ groups: [Group]) throws(SystemError) {
        try DurableFile.replace(path, with: encode(groups), durable: false)
    }

    func encode(_ groups: [Group]) -> [UInt8] {
        var text = "\(StartedFile.title)\nboot \(boot)\n"
        for group in groups { text += "group \(group.name) \(group.resources)\n" }
        return SealedText.seal(text)
    }
}
