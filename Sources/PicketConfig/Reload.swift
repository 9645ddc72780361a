public import PicketCore
import PicketHardware

/// What an agent that lives does not take up of a changed file, whatever its peer says. Whoever
/// wants to know it beforehand asks here as well (`picket check --against-running`).
extension Configuration {
    /// What an agent binds to sockets, threads and files when it starts, and where the file states
    /// it.
    public struct Bound: Sendable {
        public var path: String
        public var what: String
    }

    /// What of this file needs another agent than the one that goes by the former file. Its groups
    /// are at their places (`keepPlaces`).
    public func needsRestart(from former: Configuration) -> [Bound] {
        var all: [Bound] = []
        func add(_ what: String, at path: String) { all.append(Bound(path: path, what: what)) }
        if former.me != me { add("this node's name", at: "node") }
        for section in Section.allCases where isBound(section, otherwiseThan: former) {
            add(section.text, at: section.key)
        }
        if former.board?.name != board?.name { add("the board", at: "board") }
        if let line = lineOtherwise(than: former) {
            add("how line \(line.name) is used", at: Section.fence.key)
        }
        for name in former.groups.map({ $0.name }) where changesData(of: name, from: former) {
            add("whether group \(name) has data of its own (sync)", at: "groups.\(name)")
        }
        if groups.count > Limits.groups {
            add("more than \(Limits.groups) groups, with those that it has had", at: "groups")
        }
        if movesDirectories(of: former) {
            add("the directories", at: "directories")
        } else if former.paths != paths {
            add("the control socket", at: "control")
        }
        return all
    }

    /// By link of this file, its number in the former one; `nil` for one that is new there. A link is
    /// the same where both of its ends are.
    public func numbersOfLinks(in former: Configuration) -> [Int?] {
        links.map { link in former.links.firstIndex(of: link) }
    }

    /// By level of this node's fence, its number in the former file; `nil` for one that is new there.
    /// A level is the same where all that is set for it is, with the sensors by which it sees.
    public func numbersOfLevels(in former: Configuration) -> [Int?] {
        var numbers: [Int?] = []
        for level in fence {
            numbers.append(
                former.fence.indices.first { number in
                    !numbers.contains(number) && former.fence[number] == level
                        && senses(level, as: former)
                })
        }
        return numbers
    }

    /// The levels, and their order, are those of the former file.
    public func fencesAs(_ former: Configuration) -> Bool {
        numbersOfLevels(in: former) == former.fence.indices.map { $0 }
    }

    private func senses(_ level: FenceSettings, as former: Configuration) -> Bool {
        guard case .relay(let relay) = level else { return true }
        return relay.supplies.allSatisfy { supply in
            guard case .sensor(let name, _, _) = supply.feedback,
                let mine = sensors.first(where: { $0.name == name })
            else { return true }
            return former.sensors.contains { $0.isReadAs(mine) }
        }
    }

    /// A line that the agent has, and that it would have to let go and take again, because it is to
    /// be used or called otherwise: it would not stay as it is meanwhile.
    private func lineOtherwise(than former: Configuration) -> LineDescription? {
        let known = former.usedLines
        return usedLines.first { mine in
            known.contains { $0.line.isSame(as: mine.line) && !$0.isTaken(like: mine) }
        }?.line
    }

    private var usedLines: [UsedLine] {
        var lines: [UsedLine] = []
        for case .relay(let relay) in fence {
            for supply in relay.supplies {
                lines.append(UsedLine(line: supply.line, onIsHigh: supply.isHigh(on: true)))
                for line in supply.feedback.lines { lines.append(UsedLine(line: line)) }
            }
        }
        return lines
    }

    /// A line of the kernel's or an expander's, as a level uses it.
    private struct UsedLine {
        var line: LineDescription
        /// The level that it is driven to when the supply is on; `nil` where it is read.
        var onIsHigh: Bool?

        func isTaken(like other: UsedLine) -> Bool {
            onIsHigh == other.onIsHigh && line.name == other.line.name
                && line.chip == other.line.chip && line.offset == other.line.offset
                && line.bias == other.line.bias && line.drive == other.line.drive
                && line.pin == other.line.pin
        }
    }

    /// Why it is not taken up while the peer is heard, and on none of the links that it keeps.
    public func refusalOfLinks(from former: Configuration) -> String {
        let kept = numbersOfLinks(in: former).compactMap { $0 }
        let peer = names[me.peer]
        let what =
            kept.isEmpty
            ? "found none of the links that the agent has"
            : "found of the links that the agent has only some on which \(peer) is not heard now"
        return "\(place(of: Section.links.key)): links: \(what), expected one on which \(peer) is"
            + " heard: without it each node would take the other for dead. Keep such a link beside"
            + " the new ones, reload that on both nodes, and take the old one out once \"picket"
            + " status\" shows a new one up"
    }

    /// What would keep the next agent from finding what the one that goes by the former file leaves
    /// for it. It would then stop the groups that run, though a pause promises that they go on.
    public func leavesBehind(from former: Configuration) -> [Bound] {
        var all: [Bound] = []
        func add(_ what: String, at path: String) { all.append(Bound(path: path, what: what)) }
        if former.me != me {
            add(
                "\(place(of: "node")): found \(node), expected \(former.node), as the agent that runs is called",
                at: "node")
        }
        if movesDirectories(of: former) {
            add(
                "\(place(of: "directories")): found \(paths.runDirectory) and \(paths.stateDirectory), expected"
                    + " \(former.paths.runDirectory) and \(former.paths.stateDirectory), where this"
                    + " agent leaves what the next one needs: stop it by plan to move them",
                at: "directories")
        }
        return all
    }

    private func movesDirectories(of former: Configuration) -> Bool {
        former.paths.runDirectory != paths.runDirectory
            || former.paths.stateDirectory != paths.stateDirectory
    }

    /// Why it is not taken up while a person may be at work on this group
    /// (`Policy.changes(of:whereMaintained:)`).
    ///
    /// - Parameter pair: the whole pair is in maintenance.
    public func refusal(ofMaintained group: GroupIndex, pair: Bool) -> String {
        let name = groups[group].name
        return "\(place(of: "groups.\(name)")): in maintenance nothing is started or stopped, and"
            + " the file changes what is up of it: end the maintenance first (picket maintenance"
            + " off\(pair ? "" : " " + name)), or take this group's change back"
    }
}
