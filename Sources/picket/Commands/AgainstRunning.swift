import ArgumentParser
import Foundation
import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
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
    /// With it the nodes would not hear each other.
    private var losesContact = false

    var verdict: Verdict {
        if changes.contains(where: { $0.kind == .refuse }) { return .refused }
        return changes.contains(where: \.needsRestart) ? .restart : .reload
    }

    /// - Parameters:
    ///   - new: Its groups are at the places where the agent has them.
    ///   - mistakes: of the file, because of what runs.
    init(
        _ new: Configuration, _ runs: WhatRuns, old: Configuration, mistakes: ConfigurationErrors?
    ) {
        let bound = new.needsRestart(from: old)
        for one in bound { change(one.path, one.what) }
        compare(old, new)
        compareGroups(runs, old, new, bound: bound.map { $0.path })
        compareOrder(old, new)
        let mistakes = mistakes?.list ?? []
        let left = new.leavesBehind(from: old)
        barsRestart = !mistakes.isEmpty || !left.isEmpty
        guard verdict == .restart else { return }
        for mistake in mistakes { refuse(mistake.path, mistake.text) }
        for one in left { refuse(one.path, one.what) }
    }

    private mutating func compare(_ old: Configuration, _ new: Configuration) {
        compareSensors(old.sensors, new.sensors)
        compareLinks(old, new)
        if !new.fencesAs(old) {
            change(
                "fence", "the fence levels", restart: false,
                note: ": what is new there is untested until it has passed its self-test")
        }
        if new.cuts[new.me] != old.cuts[old.me] {
            change("fence", "the levels by which the peer fences this node", restart: false)
        }
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

    private mutating func compareSensors(_ old: [SensorDescription], _ new: [SensorDescription]) {
        func note(_ kind: Change.Kind, _ name: String, _ text: String) {
            changes.append(
                Change(kind: kind, what: "sensors.\(name)", text: text, needsRestart: false))
        }
        for sensor in old where !new.contains(where: { $0.name == sensor.name }) {
            note(.remove, sensor.name, "removes sensor \(sensor.name)")
        }
        for sensor in new {
            let name = sensor.name
            guard let before = old.first(where: { $0.name == name }) else {
                note(.add, name, "adds sensor \(name): it is unknown until it is read")
                continue
            }
            if !before.isReadAs(sensor) {
                note(.change, name, "changes sensor \(name): it is unknown until it is read")
            } else if before.watch != sensor.watch {
                note(.change, name, "changes limits or times of sensor \(name)")
            }
        }
    }

    private mutating func compareLinks(_ old: Configuration, _ new: Configuration) {
        let numbers = new.numbersOfLinks(in: old)
        func note(_ kind: Change.Kind, _ link: PerNode<LinkAddress>?, _ text: String) {
            let ends = link.map { " \($0[new.me].text) to \($0[new.me.peer].text)" } ?? ""
            changes.append(
                Change(kind: kind, what: "pair.nodes", text: text + ends, needsRestart: false))
        }
        for number in old.links.indices where !numbers.contains(number) {
            note(.remove, old.links[number], "removes link \(number + 1),")
        }
        for (number, former) in numbers.enumerated() where former == nil {
            note(.add, new.links[number], "adds link \(number + 1),")
        }
        let kept = numbers.compactMap { $0 }
        if kept.isEmpty {
            losesContact = true
            refuse("pair.nodes", new.refusalOfLinks(from: old))
        } else if kept != kept.sorted() {
            note(.change, nil, "changes the order of the links")
        }
    }

    private mutating func change(
        _ what: String, _ text: String, restart: Bool = true, note: String = ""
    ) {
        changes.append(
            Change(
                kind: .change, what: what, text: "changes \(text)\(note)", needsRestart: restart))
    }

    private mutating func compareGroups(
        _ runs: WhatRuns, _ old: Configuration, _ new: Configuration, bound: [String]
    ) {
        let barred = new.policy.changes(of: old.policy.groups) { group in
            runs.isMaintained(group.map { old.groups[$0].name })
        }
        for (place, group) in new.groups.enumerated() {
            let what = "groups.\(group.name)"
            let former = place < old.groups.count ? old.groups[place] : nil
            let isActive = runs.groups.contains { $0.name == group.name }
            var listed = new.policy.groups[place]
            listed.position = nil
            func change(_ text: String, _ kind: Change.Kind = .change) -> Change {
                guard barred.contains(place) else {
                    return Change(kind: kind, what: what, text: text, needsRestart: false)
                }
                return Change(
                    kind: .refuse, what: what,
                    text: "\(text): "
                        + new.refusal(ofMaintained: place, pair: runs.isMaintained(nil)))
            }
            if listed.listing != .listed {
                changes.append(
                    change(
                        "removes group \(group.name), which is "
                            + (isActive ? "active here: it is stopped" : "not active here"),
                        .remove))
            } else if former == nil {
                changes.append(
                    change("adds group \(group.name): it starts once the peer has it too", .add))
            } else if let former, listed.resources != old.policy.groups[place].resources {
                guard !bound.contains(what) else { continue }
                changes.append(
                    change(
                        "changes the resources of group \(group.name)"
                            + (isActive ? AgainstRunning.steps(former, group) : "")))
            } else if former != group {
                changes.append(change("changes times or settings of group \(group.name)"))
            } else if listed != old.policy.groups[place] {
                changes.append(change("changes the policy of group \(group.name)"))
            }
        }
    }

    /// Of what both list, as the files have it.
    private mutating func compareOrder(_ old: Configuration, _ new: Configuration) {
        func listed(_ configuration: Configuration) -> [String] {
            configuration.policy.groups.enumerated()
                .filter { $0.element.listing == .listed }
                .sorted { ($0.element.position ?? $0.offset) < ($1.element.position ?? $1.offset) }
                .map { configuration.groups[$0.offset].name }
        }
        let (before, after) = (listed(old), listed(new))
        guard before.filter(after.contains) != after.filter(before.contains) else { return }
        changes.append(
            Change(
                kind: .change, what: "groups",
                text: "changes the order of the groups: both nodes say that the files differ until"
                    + " it is the same on both", needsRestart: false))
    }

    private mutating func refuse(_ what: String, _ text: String) {
        changes.append(Change(kind: .refuse, what: what, text: text))
    }

    /// What a reload does to a group that is active here.
    private static func steps(_ old: GroupSettings, _ new: GroupSettings) -> String {
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
        case .refused where losesContact:
            lines.append("\(file): a reload refuses it while the peer is heard.")
        case .refused where !barsRestart:
            lines.append("\(file): a reload refuses it until the maintenance has ended.")
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
        let old = try former(runs, in: directory)
        var mistakes: ConfigurationErrors?
        do {
            _ = try ConfigurationFile.parse(
                new.text, options.file, node: options.node, boards: options.boards,
                running: runs.groups)
        } catch let errors as ConfigurationErrors { mistakes = errors }
        new.keepPlaces(of: old)
        let found = AgainstRunning(new, runs, old: old, mistakes: mistakes)
        if json {
            found.write(options.file)
        } else {
            Terminal.say(found.lines(options.file).joined(separator: "\n"))
        }
        if found.verdict != .reload { throw ExitCode(Exit.refused.rawValue) }
    }

    /// The configuration by which the agent goes.
    private func former(_ runs: WhatRuns, in directory: String) throws -> Configuration {
        let path = directory + "/configuration"
        guard let bytes = runs.configuration else {
            throw Failure(
                .unreachable, "unreadable",
                "\(path): found nothing, expected the configuration by which the agent goes.")
        }
        do {
            return try ConfigurationFile.parse(
                bytes, path, node: options.node, boards: options.boards)
        } catch let errors as ConfigurationErrors {
            throw Failure(.unreachable, "unreadable", errors.text)
        }
    }
}
