import ArgumentParser
import Foundation
import PicketConfig
import PicketControl
import PicketCore
import PicketLinux
import PicketText

/// What a configuration would change on a node whose agent runs: line by line.
struct AgainstRunning {
    /// Whether the agent would go by the file.
    enum Verdict: String {
        /// It takes it up at a reload.
        case reload
        /// Something of it needs another agent.
        case restart
        case refused
    }

    struct Change {
        enum Kind: String { case add, change, remove, refuse }
        var kind: Kind
        var what: String
        var text: String
        var needsRestart = true
    }

    private(set) var changes: [Change] = []
    /// The next agent would not be let go on with what runs by it.
    private var barsRestart = false

    var verdict: Verdict {
        if changes.contains(where: { $0.kind == .refuse }) { return .refused }
        return changes.contains(where: \.needsRestart) ? .restart : .reload
    }

    init(
        _ new: Configuration, _ runs: WhatRuns, old: Configuration?, mistakes: ConfigurationErrors?
    ) {
        if let old { compare(old, new) }
        compare(runs, old, new)
        let mistakes = mistakes?.list ?? []
        barsRestart = !mistakes.isEmpty
        guard verdict == .restart else { return }
        for mistake in mistakes {
            changes.append(Change(kind: .refuse, what: mistake.path, text: mistake.text))
        }
    }

    private mutating func compare(_ old: Configuration, _ new: Configuration) {
        if old.me != new.me { change("node", "this node's name") }
        for section in Configuration.Section.allCases where section != .groups {
            if old.digest(of: section) != new.digest(of: section) {
                let isBound = new.isBound(section, otherwiseThan: old)
                let text = isBound ? section.text : "limits of sensors"
                change(section.label, text, restart: isBound)
            }
        }
        if old.paths != new.paths { change("directories", "the directories") }
        if old.keys != new.keys {
            change("pair.key", "the key", restart: false, note: ", if the peer has one of them")
        }
        var (before, after) = (old.policy, new.policy)
        (before.groups, before.digest) = ([], 0)
        (after.groups, after.digest) = ([], 0)
        (before.fenceLevels, after.fenceLevels) = ([], [])
        (before.linkCount, before.me) = (after.linkCount, after.me)
        if before != after { change("pair", "times, budgets or startup", restart: false) }
    }

    private mutating func change(
        _ what: String, _ text: String, restart: Bool = true, note: String = ""
    ) {
        changes.append(
            Change(
                kind: .change, what: what, text: "changes \(text)\(note)", needsRestart: restart))
    }

    private mutating func compare(_ runs: WhatRuns, _ old: Configuration?, _ new: Configuration) {
        for (group, policy) in zip(new.groups, new.policy.groups) {
            let what = "groups.\(group.name)"
            guard let known = runs.started.first(where: { $0.name == group.name }) else {
                changes.append(
                    Change(
                        kind: .add, what: what,
                        text: "adds group \(group.name): it starts once the peer has it too",
                        needsRestart: false))
                continue
            }
            let former = old?.groups.firstIndex { $0.name == group.name }
            if let old, let former, (old.groups[former].sync == nil) != (group.sync == nil) {
                change(what, "whether group \(group.name) has data of its own (sync)")
            } else if known.resources != policy.resources {
                let active = runs.groups.first { $0.name == group.name }
                guard active?.isMaintained != true else {
                    refuse(what, "changes the resources of group \(group.name)")
                    continue
                }
                change(
                    what, "the resources of group \(group.name)", restart: false,
                    note: active != nil
                        ? AgainstRunning.steps(former.flatMap { old?.groups[$0] }, group) : "")
            } else if let old, let at = former {
                if old.groups[at] != group {
                    change(what, "times or settings of group \(group.name)", restart: false)
                } else if old.policy.groups[at] != policy {
                    change(what, "the policy of group \(group.name)", restart: false)
                }
            }
        }
        for known in runs.started where !new.groups.contains(where: { $0.name == known.name }) {
            let what = "groups.\(known.name)"
            let active = runs.groups.first { $0.name == known.name }
            guard active?.isMaintained != true else {
                refuse(what, "removes group \(known.name)")
                continue
            }
            changes.append(
                Change(
                    kind: .remove, what: what,
                    text: "removes group \(known.name), which is "
                        + (active != nil ? "active here: it is stopped" : "not active here"),
                    needsRestart: false))
        }
    }

    private mutating func refuse(_ what: String, _ text: String) {
        changes.append(
            Change(
                kind: .refuse, what: what,
                text: "\(text), which is active here in maintenance: put it back, and do so after"
                    + " its end"))
    }

    /// What a reload does to a group that is active here.
    private static func steps(_ old: GroupSettings?, _ new: GroupSettings) -> String {
        guard let old else { return ", which is active here" }
        let kept = old.sharedResources(with: new)
        var steps: [String] = []
        let stopped = old.resources[kept...].map { $0.name }
        let started = new.resources[kept...].map { $0.name }
        if !stopped.isEmpty { steps.append("stops \(Text.list(stopped))") }
        if !started.isEmpty {
            steps.append("starts \(Text.list(started)) once the peer has the same groups")
        }
        return steps.isEmpty ? "" : ", which is active here: " + Text.list(steps)
    }

    // MARK: Words

    func lines(_ file: String) -> [String] {
        var lines = changes.map { change in
            change.kind == .refuse
                ? "refuse   \(change.text)"
                : "\(change.kind.rawValue.padding(toLength: 7, withPad: " ", startingAt: 0))  "
                    + change.text + (change.needsRestart ? " (with a restart)" : "")
        }
        switch verdict {
        case .reload where changes.isEmpty: lines.append("\(file): nothing differs from what runs.")
        case .reload:
            lines.append("\(file): a reload takes it up.")
            if barsRestart {
                lines.append(
                    "\(file): \"picket pause\" and an upgrade refuse it until then, because of what"
                        + " runs on this node.")
            }
        case .restart:
            lines.append(
                "\(file): a reload refuses it. It can be taken up with a restart: \"picket pause\","
                    + " then restart the agent.")
        case .refused:
            lines.append(
                "\(file): a reload, \"picket pause\" and an upgrade refuse it, because of what runs"
                    + " on this node.")
        }
        return lines
    }

    func write(_ file: String) {
        Terminal.write(
            JSONWriter.line { json in
                json.field("type", "check_running")
                json.field("file", file)
                json.field("verdict", verdict.rawValue)
                json.array("changes") { json in
                    for change in changes {
                        json.object { json in
                            json.field("change", change.kind.rawValue)
                            json.field("what", change.what)
                            json.field("text", change.text)
                            json.field("restart", change.needsRestart)
                        }
                    }
                }
            })
    }
}

extension CheckCommand {
    /// Ends with 1 where a reload would not take the file up.
    func compare(_ new: Configuration) throws {
        let directory = runDirectory ?? new.paths.runDirectory
        let runs: WhatRuns
        do throws(FileError) { runs = try WhatRuns(in: directory, boot: nil) } catch {
            throw Failure(.unreachable, "unreadable", "\(error.description).")
        }
        guard !runs.started.isEmpty else {
            throw Failure(
                .unreachable, "not_running",
                "\(directory): found nothing that an agent has left there, expected what it runs:"
                    + " no agent has started since this computer did, or it may only be read by"
                    + " root.")
        }
        let old = runs.configuration.flatMap { bytes in
            try? ConfigurationFile.parse(
                bytes, directory + "/configuration", node: options.node, boards: options.boards)
        }
        var mistakes: ConfigurationErrors?
        do {
            _ = try ConfigurationFile.parse(
                new.text, options.file, node: options.node, boards: options.boards,
                running: runs.groups.map {
                    RunningGroup(
                        name: $0.name, resources: $0.resources, isMaintained: $0.isMaintained)
                })
        } catch let errors as ConfigurationErrors { mistakes = errors }
        let found = AgainstRunning(new, runs, old: old, mistakes: mistakes)
        if json {
            found.write(options.file)
        } else {
            if old == nil {
                Terminal.say("The agent does not tell its whole file: only groups are compared.")
            }
            Terminal.say(found.lines(options.file).joined(separator: "\n"))
        }
        if found.verdict != .reload { throw ExitCode(Exit.refused.rawValue) }
    }
}
