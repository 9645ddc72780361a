/// One world: how it is set up, and what goes wrong when. A plan is drawn from a seed, or written
/// as a script. Either way the same plan plays the same story, byte for byte.
public import PicketCore
internal import PicketConfig

public struct Plan: Equatable, Sendable {
    /// Everything that is drawn while the plan plays comes from it: latencies, losses, crashes at a
    /// write.
    public var seed: UInt64
    public var detectWithin = Duration.milliseconds(500)
    public var offWithin = Duration.milliseconds(50)
    /// The fence is a switched outlet, and a fence agent's order takes effect at any time within
    /// this; usually within `offWithin`. It stays as it is when the node that switched it goes dark.
    public var outlet: Duration?
    public var offTime = Duration.seconds(1)
    /// Of each node: one, or two with a relay and a sense line each.
    public var supplies = 1
    public var bootTime = Duration.seconds(3)
    public var watchdog = Duration.seconds(5)
    public var links = 1
    public var groups = [GroupPolicy(prefer: .low)]
    public var fencesAnHour = 3
    public var movesAnHour = 3
    /// The window of both budgets.
    public var window = Duration.seconds(3600)
    public var startup = Startup.wait
    public var fencesUnreachable = false
    /// The nodes' watchdogs may end them after so many failed stops (`Policy.resetAfterStops`).
    public var resetAfterStops: Int?
    /// How the sense lines are wired, and stated to be.
    public var wiring = Wiring.readsOn
    /// Every datagram is sealed. Otherwise one in 256 is, and also the first of each session and
    /// all hellos.
    public var sealed = false
    /// Parts per million by which the two nodes' clocks are fast.
    public var drift = [0, 0]
    /// A loop wakes up late by up to this at ordinary times.
    public var jitter = Duration.microseconds(200)
    /// Faults are on for this long. Then they stop, and the pair must recover.
    public var safety = Duration.seconds(60)
    /// By node; `nil`: the board keeps its wall clock while it has no power.
    public var boardClocks: [BoardClock?] = [nil, nil]

    /// A wall clock that begins at the same instant at each boot.
    public struct BoardClock: Equatable, Sendable {
        /// In seconds since 1970.
        public var begins: Int
        /// From then on, something keeps it right.
        public var synchronisedAfter: Duration
    }

    /// The disk of this node takes nothing even then. Its agent is started anew in every other world.
    public var staysFull: NodeID?
    /// A supply of this node is dead even then.
    public var staysDead: DeadSupply?
    /// The file of this node still lists other groups even then: some are known to both, some not.
    public var staysOther: StaysOther?
    public var faults: [FaultEntry] = []

    public struct DeadSupply: Equatable, Sendable {
        public var node: NodeID
        public var supply: Int
    }

    public struct StaysOther: Equatable, Sendable {
        public var node: NodeID
        public var list: [ListedGroup]

        public init(node: NodeID, list: [ListedGroup]) {
            self.node = node
            self.list = list
        }
    }

    public enum Wiring: String, CaseIterable, Sendable {
        /// A parted wire reads *on*.
        case readsOn = "reads-on"
        /// Two contacts, which read alike where their wires have parted.
        case contacts
        /// A parted wire reads *off*, and nothing is stated of its plug.
        case readsOff = "reads-off"
        /// A parted wire reads *off*, in a plug that it shares with the link.
        case sharesPlug = "shares-plug"

        /// A peer whose supply is dead can be taken over.
        var survivesDeadSupply: Bool { self == .readsOn || self == .contacts }
    }

    public init(seed: UInt64) { self.seed = seed }

    /// The configuration after it was changed on one node: twice the patience, and other groups
    /// come first.
    func otherPolicy(of node: NodeID) -> Policy {
        var other = self
        other.detectWithin = detectWithin * 2
        for index in other.groups.indices {
            other.groups[index].priority = UInt32(1 + index * 10)
        }
        return other.policy(of: node)!
    }

    /// Names of groups: those of the plan, and one more for each, for a group that is renamed.
    var names: Int { groups.count * 2 }
    /// Those of the plan's groups, and one that none of them has. A number beyond them is one of
    /// these by another definition, which stops only what it has started.
    var resources: Int { groups.count * World.resources + 1 }

    /// The list of groups that both files should have.
    var list: [ListedGroup] {
        groups.indices.map { name in
            let first = name * World.resources
            return ListedGroup(name: name, resources: Array(first..<first + World.resources))
        }
    }

    /// By the group's name.
    func sync(of name: Int) -> GroupPolicy.Sync? { groups[name % groups.count].sync }

    /// The least that a copy of any stateful group may be behind; `nil` where there is none.
    var leastLag: Duration? { groups.compactMap { $0.sync?.maxLag }.min() }

    /// What a node's file lists when all is repaired.
    func lastingList(of node: NodeID) -> [ListedGroup] {
        staysOther.flatMap { $0.node == node ? $0.list : nil } ?? list
    }

    /// A file lists other groups at times.
    public var rolls: Bool {
        staysOther != nil
            || faults.contains { if case .list = $0.fault { true } else { false } }
    }

    /// `policy` for a file that lists these groups.
    ///
    /// - Parameters:
    ///   - links: by their numbers here; `nil` for all of them.
    ///   - retired: what the file does not have any more, and is stopped.
    ///   - found: what was listed when something was started that runs and is listed no more, or
    ///     otherwise.
    func policy(
        _ policy: Policy, listing list: [ListedGroup], links: [Int]? = nil,
        retired: [ListedGroup] = [],
        found: [ListedGroup]? = nil
    ) -> Policy {
        var listed = policy
        let known = { (group: ListedGroup) in
            var known = policy.groups[group.name % groups.count]
            known.name = UInt64(group.name + 1)
            known.resources = group.digest
            if let priority = group.priority { known.priority = priority }
            if !group.isEnabled { (known.enabled, known.settings) = (false, 1) }
            known.isAdded = found.map { !$0.contains { $0.isStarted(like: group) } } ?? false
            return known
        }
        listed.groups = list.map(known) + retired.map { known($0).retired() }
        if list != self.list { listed.digest = list.reduce(policy.digest) { $0 &* 31 &+ $1.whole } }
        if let links, links != Array(0..<self.links) {
            listed.linkCount = links.count
            listed.digest = links.reduce(listed.digest &* 31) { $0 &* 31 &+ UInt64($1 + 1) }
        }
        return listed
    }

    /// `nil` where `detectWithin` cannot hold.
    func policy(of node: NodeID) -> Policy? {
        var intent = TimingIntent(
            detectWithin: detectWithin, offWithin: offWithin, agentTimeout: outlet,
            agentIsFirst: outlet != nil, startWithin: .seconds(2), stopWithin: .seconds(2),
            copyWithin: groups.compactMap { $0.sync?.waits }.max() ?? .zero,
            watchdog: watchdog)
        intent.awaitsPlug = wiring == .readsOff
        guard let budget = try? intent.derive() else { return nil }
        return Policy(
            me: node, linkCount: links, timing: budget.timing, startup: fullStartup,
            fenceLevels: [.relay(verified: true)],
            fenceBudget: Budget(count: fencesAnHour, window: window),
            moveBudget: Budget(count: movesAnHour, window: window), groups: groups, digest: 42,
            resetAfterStops: resetAfterStops)
    }

    private var fullStartup: Startup {
        guard case .aloneAfter(let patience, _) = startup else { return startup }
        return .aloneAfter(patience, unreachable: fencesUnreachable)
    }
}

/// A group as a node's file lists it.
public struct ListedGroup: Equatable, Sendable {
    /// A number: its place in the plan's list, or beyond that for another name.
    public var name: Int
    /// What is started, in this order. The plan's group n has 2n and 2n + 1.
    public var resources: [Int]
    public var isEnabled = true
    /// In place of the plan's.
    public var priority: UInt32?

    public init(name: Int, resources: [Int]) {
        self.name = name
        self.resources = resources
    }

    func isStarted(like other: ListedGroup) -> Bool {
        name == other.name && resources == other.resources
    }

    var digest: UInt32 { resources.reduce(7) { $0 &* 31 &+ UInt32($1 + 1) } }
    fileprivate var whole: UInt64 {
        let known = (UInt64(digest) &* 31 &+ UInt64(name + 1)) &* 2 &+ (isEnabled ? 0 : 1)
        return priority.map { known &* 31 &+ UInt64($0) } ?? known
    }
}

// MARK: - As text

extension Plan {
    public var text: String {
        var lines = [
            "seed \(seed)", "detect-within \(FaultText.text(detectWithin))",
            "off-within \(FaultText.text(offWithin))", "off-time \(FaultText.text(offTime))",
            "boot-time \(FaultText.text(bootTime))", "watchdog \(FaultText.text(watchdog))",
            "links \(links)", "fences-an-hour \(fencesAnHour)", "moves-an-hour \(movesAnHour)",
            "drift \(drift[0]) \(drift[1])", "jitter \(FaultText.text(jitter))",
            "safety \(FaultText.text(safety))",
        ]
        if case .aloneAfter(let patience, _) = startup {
            lines.append("alone-after \(FaultText.text(patience))")
        }
        if fencesUnreachable { lines.append("fences-unreachable") }
        if let outlet { lines.append("outlet \(FaultText.text(outlet))") }
        if supplies != 1 { lines.append("supplies \(supplies)") }
        if wiring != .readsOn { lines.append("wiring \(wiring.rawValue)") }
        if window != .seconds(3600) { lines.append("window \(FaultText.text(window))") }
        for node in [NodeID.low, .high] {
            guard let clock = boardClocks[Int(node.rawValue)] else { continue }
            lines.append(
                "board-clock \(FaultText.text(node)) \(clock.begins)"
                    + " \(FaultText.text(clock.synchronisedAfter))")
        }
        if let resetAfterStops { lines.append("reset-after-stops \(resetAfterStops)") }
        if sealed { lines.append("sealed") }
        if let staysFull { lines.append("stays-full \(FaultText.text(staysFull))") }
        if let staysDead {
            lines.append("stays-dead \(FaultText.text(staysDead.node)) \(staysDead.supply)")
        }
        if let staysOther {
            let list = staysOther.list.map { FaultText.text($0) }
            lines.append(
                "stays-other \(FaultText.text(staysOther.node)) "
                    + list.joined(separator: " "))
        }
        for group in groups { lines.append(Plan.line(group)) }
        for fault in faults { lines.append(FaultText.line(fault)) }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func line(_ group: GroupPolicy) -> String {
        var text = "group \(FaultText.text(group.prefer)) priority \(group.priority)"
        if case .auto(let stableFor) = group.failback {
            text += " failback \(FaultText.text(stableFor))"
        }
        if group.takeover == .ask { text += " ask" }
        if let sync = group.sync {
            text += " sync \(FaultText.text(sync.maxLag))" + (sync.takesOverStale ? " allow" : "")
            if sync.waits > .zero { text += " waits \(FaultText.text(sync.waits))" }
            if sync.strict { text += " strict" }
        }
        return text
    }

    /// Reads a script. Blank lines and text after `#` are skipped.
    public init(text: String) throws(ScriptError) {
        self.init(seed: 1)
        var groups: [GroupPolicy] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false)
            .enumerated()
        {
            let content = line.split(separator: "#", omittingEmptySubsequences: false)[0]
            let words = content.split(separator: " ").map { String($0) }
            guard let verb = words.first else { continue }
            var rest = Words(words.dropFirst(), line: index + 1)
            if verb == "at" {
                faults.append(try FaultText.entry(words, line: index + 1))
                continue
            }
            if verb == "group" {
                groups.append(try Plan.group(&rest))
            } else {
                try take(verb, &rest)
            }
            try rest.end()
        }
        if !groups.isEmpty { self.groups = groups }
        guard policy(of: .low) != nil else {
            throw ScriptError(line: 1, expected: "a detect-within that can hold")
        }
    }

    private mutating func take(_ verb: String, _ words: inout Words) throws(ScriptError) {
        switch verb {
        case "seed":
            guard let seed = UInt64(try words.word("a seed")) else {
                throw words.expected("a seed: 0 … 2^64 - 1")
            }
            self.seed = seed
        case "detect-within": detectWithin = try words.duration()
        case "off-within": offWithin = try words.duration()
        case "outlet": outlet = try words.duration()
        case "off-time": offTime = try words.duration()
        case "boot-time": bootTime = try words.duration()
        case "watchdog": watchdog = try words.duration()
        case "links": links = try words.number(1...Limits.links)
        case "fences-an-hour": fencesAnHour = try words.number(0...1_000)
        case "moves-an-hour": movesAnHour = try words.number(0...1_000)
        case "drift":
            drift = [try words.number(-1_000...1_000), try words.number(-1_000...1_000)]
        case "jitter": jitter = try words.duration()
        case "safety": safety = try words.duration()
        case "alone-after": startup = .aloneAfter(try words.duration())
        case "fences-unreachable": fencesUnreachable = true
        case "wiring":
            let known = Wiring.allCases.map(\.rawValue).joined(separator: ", ")
            guard let wiring = Wiring(rawValue: try words.word(known)) else {
                throw words.expected(known)
            }
            self.wiring = wiring
        case "sealed": sealed = true
        case "reset-after-stops": resetAfterStops = try words.number(1...100)
        case "board-clock":
            let node = try words.node()
            boardClocks[Int(node.rawValue)] = BoardClock(
                begins: try words.number(0...10_000_000_000),
                synchronisedAfter: try words.duration())
        case "window": window = try words.duration()
        case "stays-full": staysFull = try words.node()
        case "supplies": supplies = try words.number(1...2)
        case "stays-dead":
            staysDead = DeadSupply(node: try words.node(), supply: try words.number(0...1))
        case "stays-other":
            staysOther = StaysOther(node: try words.node(), list: try words.list())
        default: throw words.expected("a setting, \"group\" or \"at\"; not \"\(verb)\"")
        }
    }

    private static func group(_ words: inout Words) throws(ScriptError) -> GroupPolicy {
        var group = GroupPolicy(prefer: try words.node())
        while let word = words.next {
            words.skip()
            switch word {
            case "priority": group.priority = UInt32(try words.number(0...1_000))
            case "failback": group.failback = .auto(stableFor: try words.duration())
            case "ask": group.takeover = .ask
            case "sync": group.sync = GroupPolicy.Sync(maxLag: try words.duration())
            case "allow" where group.sync != nil: group.sync?.takesOverStale = true
            case "waits" where group.sync != nil: group.sync?.waits = try words.duration()
            case "strict" where group.sync != nil: group.sync?.strict = true
            default:
                throw words.expected(
                    "priority, failback, ask, sync or, after it, allow, waits or strict")
            }
        }
        return group
    }
}
