/// What runs on this node, by the files that its agent leaves under /run: for whoever would replace
/// the agent or its configuration.
///
/// Beside the note and the list of what is started lies a copy of the configuration that the agent
/// goes by, as it was read.

import PicketCore
import PicketText

public struct WhatRuns: Sendable {
    /// The groups that are active, with the digest of what was started, where the agent tells it,
    /// and whether hands are off it.
    public var groups: [(name: String, resources: UInt32?, isMaintained: Bool)] = []
    /// The list of the agent, in its order; empty where it is not known.
    public var started: [StartedFile.Group]
    /// The configuration that it goes by; an agent of an earlier version does not leave one.
    public var configuration: [UInt8]?

    /// - Parameter boot: nothing of another boot is believed; `nil` for the boot of the files.
    public init(in directory: String, boot: String?) throws(FileError) {
        let file = StartedFile(
            path: directory + "/started",
            boot: boot ?? StartedFile.boot(of: directory + "/started") ?? "")
        let started = file.load()
        self.started = started
        // To a note that is read for no group, each is unknown.
        let path = directory + "/note"
        let names = try RunNoteFile(path: path, boot: file.boot, groups: []).load().unknown
        let note = try RunNoteFile(path: path, boot: file.boot, groups: names).load().note
        for (group, name) in names.enumerated() {
            groups.append(
                (
                    name, started.first { $0.name == name }?.resources, note.isMaintained(group)
                ))
        }
        guard !started.isEmpty else { return }
        do throws(SystemError) {
            configuration = try DurableFile.read(WhatRuns.copy(in: directory))
        } catch { throw .system(error) }
    }

    /// Leaves the configuration that the agent goes by from now on.
    public static func leave(
        _ configuration: [UInt8], in directory: String
    ) throws(SystemError) {
        try DurableFile.replace(copy(in: directory), with: configuration, durable: false)
    }

    private static func copy(in directory: String) -> String { directory + "/configuration" }
}
