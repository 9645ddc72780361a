/// What runs on this node, by the files that its agent leaves under /run: for whoever would replace
/// the agent or its configuration.
///
/// Beside the note and the list of what is started lies a copy of the configuration that the agent
/// goes by, as it was read.

public import PicketCore
import PicketText

public struct WhatRuns: Sendable {
    /// The groups that are active.
    public private(set) var groups: [RunningGroup] = []
    /// The list of the agent, in its order; empty where it is not known.
    public var started: [StartedFile.Group]
    /// The configuration that it goes by; an agent of an earlier version does not leave one.
    public var configuration: [UInt8]?
    private let names: [String]
    private let note: RunNote
    private var isDamaged = false

    /// - Parameters:
    ///   - boot: nothing of another boot is believed; `nil` for the boot of the files.
    ///   - damaged: a damaged note tells nothing, in place of being refused.
    public init(
        in directory: String, boot: String?, damaged: Bool = false
    ) throws(FileError) {
        let file = StartedFile(
            path: directory + "/started",
            boot: boot ?? StartedFile.boot(of: directory + "/started") ?? "")
        let started = file.load()
        self.started = started
        do throws(FileError) {
            (names, note) = try RunNoteFile.everything(in: directory + "/note", boot: file.boot)
        } catch {
            guard damaged, case .refused = error else { throw error }
            (names, note) = ([], .blank)
            isDamaged = true
        }
        for holding in note.holdings {
            let name = names[holding.group]
            groups.append(
                RunningGroup(
                    name: name, resources: started.first { $0.name == name }?.resources,
                    isMaintained: note.isMaintained(holding.group)))
        }
        guard !started.isEmpty else { return }
        do throws(SystemError) {
            configuration = try DurableFile.read(WhatRuns.copy(in: directory))
        } catch { throw .system(error) }
    }

    /// Hands are off this group, active here or not; `nil` asks for one that the agent does not have.
    public func isMaintained(_ name: String?) -> Bool {
        guard let group = names.firstIndex(where: { $0 == name }) else {
            return note.maintenance?.isOn == true
        }
        return note.isMaintained(group)
    }

    /// The agent died, or was told to pause: one that leaves gives up its groups, and its contact.
    public var isLeftBehind: Bool { isDamaged || !note.holdings.isEmpty || note.contact }

    /// Leaves the configuration that the agent goes by from now on.
    public static func leave(
        _ configuration: [UInt8], in directory: String
    ) throws(SystemError) {
        try DurableFile.replace(copy(in: directory), with: configuration, durable: false)
    }

    private static func copy(in directory: String) -> String { directory + "/configuration" }
}
