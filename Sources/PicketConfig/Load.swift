public import PicketCore
import PicketHardware
import PicketText

/// The file's schema, section by section, and what the sections owe each other.
///
/// Each section is read to the end, whatever mistakes it has. A stand-in replaces a value with a
/// mistake, so that the rest can still be checked. A `Configuration` is made only when no mistake
/// was found.
extension Configuration {
    /// Reads a configuration file.
    ///
    /// - Parameters:
    ///   - bytes: the file's content; it need not be valid UTF-8 to be refused politely.
    ///   - file: its name, for the errors.
    ///   - node: this node's name, in place of the file's `node:`.
    ///   - boards: the board files that `board:` may name.
    ///   - simulated: the hardware is a rack's, whatever the board says.
    ///   - running: groups that run on this node, which a file for it must have, and with these
    ///     resources.
    /// - Throws: every mistake of the file at once.
    public static func load(
        _ bytes: [UInt8], file: String, node: String? = nil, boards: BoardLibrary = BoardLibrary(),
        simulated: Bool = false, running: [RunningGroup] = []
    ) throws(ConfigurationErrors) -> Configuration {
        let problems = Problems(file: file)
        let root = Found(try YamlNode.parse(bytes, file: file), problems)
        let configuration = read(root, node, boards, simulated, running)
        try problems.throwIfAny()
        guard let configuration else { preconditionFailure("no configuration and no problem") }
        configuration.text = bytes
        configuration.noteLines(of: root.node, in: file)
        return configuration
    }

    /// `nil` only with a problem noted.
    private static func read(
        _ found: Found, _ nodeOverride: String?, _ boards: BoardLibrary,
        _ simulated: Bool, _ running: [RunningGroup]
    ) -> Configuration? {
        let root = found.mapping([
            "node", "pair", "board", "watchdog", "sensors", "fence", "groups", "startup", "budgets",
            "control", "directories", "rehearse_every",
        ])
        let board = root["board"].flatMap { $0.board(from: boards) }
        let pair = PairSection(
            root.required("pair", "the pair's name, key, detect_within and nodes"))
        let me = readNode(root, nodeOverride, pair.names)
        let watchdog = readWatchdog(root, board)
        let sensors = root["sensors"].map { readSensors($0, board: board) } ?? []
        let cuts = readFence(root, pair.names, board, sensors)
        let groups = readGroups(root, pair, running)
        let budgets = readBudgets(root)
        let startup = readStartup(root, pair.detectWithin)
        refuseRisk(startup.risk, cuts)
        let isProvable = me.map { cuts?[$0.peer].first?.provesOff ?? false } ?? false
        let paths = readPaths(root)
        let timing = deriveTiming(pair, cuts, groups, watchdog)

        guard let me, let names = pair.names, let cuts, let timing, found.problems.isEmpty else {
            return nil
        }
        let configuration = Configuration(
            node: names[me], me: me, pair: pair.name, names: names, keys: pair.keys,
            links: pair.links,
            policy: Policy(
                me: me, linkCount: pair.links.count, timing: timing.timing,
                startup: startup.stated
                    ?? (isProvable ? Self.usualStartup(pair.detectWithin) : .wait),
                fenceLevels: cuts[me.peer].map { $0.level }, fenceBudget: budgets.fences,
                moveBudget: budgets.moves, groups: groups.map { $0.policy }, digest: 0,
                simulated: simulated || (board?.simulated ?? false),
                resetAfterStops: watchdog?.resetAfterStops),
            startup: startup.stated,
            timing: timing, board: board, watchdog: watchdog, sensors: sensors, cuts: cuts,
            groups: groups.map { $0.settings }, paths: paths)
        if let every = root["rehearse_every"]?.duration(
            in: .seconds(3600) ... .seconds(3_650 * 86_400))
        {
            configuration.rehearseEvery = every
        }
        found.problems.sortWarnings()
        configuration.warnings = found.problems.warnings
        return configuration
    }

    // MARK: This node

    private static func readNode(
        _ root: FoundMapping, _ nodeOverride: String?, _ names: PerNode<String>?
    ) -> NodeID? {
        let stated = root["node"]
        let text = stated?.name()
        guard let names else { return nil }
        let known = "\(names.low) or \(names.high)"
        if let text, text != names.low, text != names.high {
            stated?.fail(
                "found \(Text.quoted(text)), expected a node of pair.nodes: \(known)"
                    + Text.suggestion(text, [names.low, names.high]))
            return nil
        }
        if let nodeOverride {
            if nodeOverride == names.low { return .low }
            if nodeOverride == names.high { return .high }
            root.fail(
                "node",
                "the name given in its place is \(Text.quoted(nodeOverride)), expected \(known)")
            return nil
        }
        if text == nil && stated == nil {
            root.fail("node", "missing; expected the name of this node: \(known)")
        }
        return text.map { $0 == names.low ? .low : .high }
    }

    private static func readWatchdog(_ root: FoundMapping, _ board: Board?) -> WatchdogSettings? {
        let what = "a timeout, as { timeout: 10s }, or none"
        guard let found = root.required("watchdog", what) else { return nil }
        if found.isWord("none") {
            found.warn("without a watchdog a hung agent is ended by its peer alone")
            return nil
        }
        guard found.isMapping else {
            found.expected(what)
            return nil
        }
        let mapping = found.mapping([
            "timeout", "pretimeout", "device", "reset_after_stops",
        ])
        guard let timeout = mapping.required("timeout", "a duration such as 10s") else {
            return nil
        }
        guard let duration = timeout.duration(in: .zero ... .seconds(3600)) else { return nil }
        let shortest = Duration.milliseconds(200) * TimingIntent.fewestFeeds
        if duration < shortest {
            timeout.fail(
                "\(duration.asWritten) cannot hold: at least 4 feeds must fit into it, and there are "
                    + "at most 5 a second: 4 × 200ms = \(shortest.asWritten)")
            return nil
        }
        if let limits = board?.watchdog, let board,
            duration < limits.minimum || duration > limits.maximum
        {
            timeout.fail(
                "found \(duration.asWritten), but the watchdog of board \(board.name) takes "
                    + "\(limits.minimum.asWritten) to \(limits.maximum.asWritten)")
            return nil
        }
        var settings = WatchdogSettings(timeout: duration)
        settings.pretimeout = mapping["pretimeout"]?.duration(in: .seconds(1)...duration)
        settings.resetAfterStops = mapping["reset_after_stops"]?.integer(in: 1...100)
        if let device = mapping["device"] {
            let what = "a path such as /dev/watchdog0, what a driver calls itself, or a list"
            let items = device.isSequence ? device.list(what, atMost: 4) ?? [] : [device]
            for item in items {
                guard let word = item.line(what) else { continue }
                if settings.devices.contains(word) { item.fail("the same watchdog twice") }
                settings.devices.append(word)
            }
        }
        return settings
    }

    /// Five minutes are for checks of file systems, and for switches that boot.
    private static func usualStartup(_ detectWithin: Duration?) -> Startup {
        .aloneAfter(max(.seconds(300), (detectWithin ?? .zero) * 2 + .seconds(1)))
    }

    /// What the file states of it; `nil` stands for the default.
    private static func readStartup(
        _ root: FoundMapping, _ detectWithin: Duration?
    ) -> (stated: Startup?, risk: Found?) {
        guard let found = root["startup"] else { return (nil, nil) }
        if found.isWord("wait") { return (.wait, nil) }
        guard found.isMapping else {
            found.expected("wait, or { alone_after: 5m }")
            return (nil, nil)
        }
        let mapping = found.mapping(["alone_after", "fence_unreachable"])
        let risk = mapping["fence_unreachable"]
        let fencesUnreachable = risk?.bool() ?? false
        guard let after = mapping.required("alone_after", "a duration such as 5m"),
            let duration = after.duration(in: .seconds(1) ... .seconds(86_400))
        else { return (nil, nil) }
        if fencesUnreachable {
            risk?.warn(
                "a node that boots and cannot reach its peer cuts it, also one that works: where the"
                    + " network is down when both boot, each may cut the other until their budgets"
                    + " are spent")
        }
        if let detectWithin, duration <= detectWithin * 2 {
            after.fail(
                "found \(duration.asWritten), expected more than twice detect_within "
                    + "(\(detectWithin.asWritten)): a peer that is alive must have time to answer")
        }
        return (
            .aloneAfter(duration, unreachable: fencesUnreachable), fencesUnreachable ? risk : nil
        )
    }

    /// Two nodes that cut each other at once must both get their power back.
    private static func refuseRisk(_ risk: Found?, _ cuts: PerNode<[FenceSettings]>?) {
        guard let risk, let cuts else { return }
        for level in cuts.low + cuts.high {
            switch level {
            case .relay(let relay) where relay.policy == .reboot: break
            case .relay, .agent:
                risk.fail(
                    "found true, expected relays with \"policy: reboot\" alone: two nodes that boot"
                        + " without a link could switch each other off, and stay off")
                return
            }
        }
    }

    private static func readBudgets(_ root: FoundMapping) -> (fences: Budget, moves: Budget) {
        guard let found = root["budgets"] else { return (.perHour(3), .perHour(3)) }
        let mapping = found.mapping(["fences", "moves", "window"])
        let window =
            mapping["window"]?.duration(in: .seconds(60) ... .seconds(7 * 86_400)) ?? .seconds(3600)
        return (
            Budget(count: mapping["fences"]?.integer(in: 1...100) ?? 3, window: window),
            Budget(count: mapping["moves"]?.integer(in: 1...100) ?? 3, window: window)
        )
    }

    private static func readPaths(_ root: FoundMapping) -> Paths {
        var paths = Paths()
        if let found = root["directories"] {
            let mapping = found.mapping(["state", "run"])
            paths.stateDirectory = mapping["state"]?.path() ?? paths.stateDirectory
            paths.runDirectory = mapping["run"]?.path() ?? paths.runDirectory
        }
        paths.controlSocket = paths.runDirectory + "/picketd.sock"
        if let found = root["control"] {
            let mapping = found.mapping(["socket", "group"])
            // sun_path holds 108 bytes with its end (unix(7)).
            paths.controlSocket = mapping["socket"]?.path(atMost: 107) ?? paths.controlSocket
            paths.controlGroup = mapping["group"]?.name()
        }
        if paths.controlSocket.utf8.count > 107 {
            root.fail(
                "directories",
                "the control socket \(Text.quoted(paths.controlSocket)) is longer than the 107 bytes that "
                    + "a socket's path may have; set control.socket")
        }
        return paths
    }

    // MARK: Timing

    /// A copy is spent by a fence that is proved later than `max_lag` after the loss of contact.
    private static func allow(
        _ group: LoadedGroup, _ budget: TimingBudget, _ intent: TimingIntent
    ) {
        guard let sync = group.settings.sync, !sync.takesOverStale else { return }
        let least = budget.timing.headStart + intent.receiptWithin + intent.margin
        guard sync.maxLag < least else {
            guard intent.agentIsFirst, let agent = intent.agentTimeout else { return }
            let longest = budget.timing.headStart + agent * 2 + intent.margin
            if sync.maxLag < longest {
                group.maxLag?.warn(
                    "\(sync.maxLag.asWritten) is less than \(longest.asWritten): a fence agent that takes"
                        + " its whole time (\(agent.asWritten)) to switch off and again to tell the"
                        + " status is too late for a takeover")
            }
            return
        }
        group.maxLag?.fail(
            "found \(sync.maxLag.asWritten), expected at least \(least.asWritten), which is the head start"
                + " \(budget.timing.headStart.asWritten), the proof of off"
                + " \(intent.receiptWithin.asWritten) and margin \(intent.margin.asWritten): a fence"
                + " takes so long, and the holder may write meanwhile, so every takeover would be"
                + " refused")
    }

    private static func deriveTiming(
        _ pair: PairSection, _ cuts: PerNode<[FenceSettings]>?,
        _ groups: [LoadedGroup], _ watchdog: WatchdogSettings?
    ) -> TimingBudget? {
        guard let detectWithin = pair.detectWithin, let cuts else { return nil }
        var intent = TimingIntent(
            detectWithin: detectWithin, offWithin: .zero, watchdog: watchdog?.timeout,
            longestPause: pair.longestPause)
        var agentOff = Duration.zero
        var relays = 0
        for cut in [cuts.low, cuts.high] {
            if case .agent? = cut.first { intent.agentIsFirst = true }
        }
        for level in cuts.low + cuts.high {
            switch level {
            case .relay(let relay):
                relays += 1
                if relay.mayShareLinksPlug != nil { intent.awaitsPlug = true }
                intent.offWithin = max(intent.offWithin, relay.offWithin)
                intent.receiptWithin = max(
                    intent.receiptWithin, relay.verified ? relay.offWithin : relay.offTime)
            case .agent(let agent):
                agentOff = max(agentOff, agent.offWithin)
                // It is at most what its outlet takes after it has spoken to it.
                intent.agentTimeout = max(intent.agentTimeout ?? .zero, agent.offWithin)
            }
        }
        // The head start is that of the level which comes first when things are as they should be.
        if relays == 0 {
            intent.offWithin = agentOff
            intent.receiptWithin = agentOff
        }
        for group in groups {
            intent.startWithin = max(intent.startWithin, group.settings.startWithin)
            intent.stopWithin = max(intent.stopWithin, group.settings.stopWithin)
            if let waits = group.policy.sync?.waits {
                intent.copyWithin = max(intent.copyWithin, waits)
            }
        }
        do throws(TimingRefusal) {
            let timing = try intent.derive()
            for group in groups { allow(group, timing, intent) }
            let detects = timing.timing.detectWithin
            if detects > detectWithin {
                pair.detectFound?.warn(
                    "\(detectWithin.asWritten) is too short for a feedback that may share a plug with a"
                        + " link: its wires part within \(TimingIntent.plugPartsWithin.asWritten) of"
                        + " each other, and a sense wire that parts must not look like a supply"
                        + " that was cut; so it is \(detects.asWritten). Write \"plug: own\" under"
                        + " verify if they share none, or wire it so that a parted wire reads on and"
                        + " write \"unplugged: on\" (boards/README.md)")
            }
            return timing
        } catch {
            pair.detectFound?.fail(error.text)
            return nil
        }
    }
}

extension Problems {
    func sortWarnings() { warnings.sortShort { $0.position < $1.position } }
}

/// `pair:`, as far as it can be read.
struct PairSection {
    var name = ""
    var keys: [String] = []
    var detectWithin: Duration?
    var detectFound: Found?
    var longestPause = Duration.seconds(60)
    /// `nil` unless there are two.
    var names: PerNode<String>?
    var links: [PerNode<LinkAddress>] = []

    init(_ found: Found?) {
        guard let found else { return }
        let mapping = found.mapping(["name", "key", "detect_within", "longest_pause", "nodes"])
        name = mapping.required("name", "a name such as rack7")?.name() ?? ""
        if let key = mapping.required("key", "the path of the pair's key, or a list of two") {
            keys = Self.readKeys(key)
        }
        detectFound = mapping.required("detect_within", "a duration such as 500ms")
        detectWithin = detectFound?.duration(in: .milliseconds(1) ... .seconds(600))
        longestPause =
            mapping["longest_pause"]?.duration(in: .seconds(1) ... .seconds(600)) ?? longestPause
        if let nodes = mapping.required("nodes", "the two nodes and their links") {
            readNodes(nodes)
        }
    }

    private static func readKeys(_ found: Found) -> [String] {
        guard found.isSequence else { return found.path().map { [$0] } ?? [] }
        guard let items = found.list() else { return [] }
        if items.isEmpty || items.count > 2 {
            found.fail("found \(items.count) keys, expected one, or two while a key is changed")
            return []
        }
        var paths: [String] = []
        for item in items {
            guard let path = item.path() else { continue }
            if paths.contains(path) { item.fail("the same key twice") }
            paths.append(path)
        }
        return paths
    }

    private mutating func readNodes(_ found: Found) {
        guard let entries = found.entries("the two nodes and their links") else { return }
        guard entries.count == 2 else {
            found.fail(
                "found \(entries.count) \(entries.count == 1 ? "node" : "nodes"), expected two: "
                    + "a pair has two nodes")
            return
        }
        let inOrder = Array(entries[0].name.utf8).lexicographicallyPrecedes(
            Array(entries[1].name.utf8))
        let low = inOrder ? entries[0] : entries[1]
        let high = inOrder ? entries[1] : entries[0]
        names = PerNode(low: low.name, high: high.name)
        let bothEnds = (Self.readLinks(low.value), Self.readLinks(high.value))
        guard let lowEnds = bothEnds.0, let highEnds = bothEnds.1 else { return }
        if lowEnds.count != highEnds.count {
            found.fail(
                "\(low.name) has \(lowEnds.count) links and \(high.name) has \(highEnds.count); "
                    + "each link has an end on both nodes, in the same order")
            return
        }
        var seen: [String] = []
        for (one, other) in zip(lowEnds, highEnds) {
            for (address, item) in [one, other] {
                let plain = "\(address.plain) \(address.port)"
                if seen.contains(plain) {
                    item.fail("\(address.text) is the end of another link")
                }
                seen.append(plain)
            }
            if one.0.isIPv6 != other.0.isIPv6 {
                other.1.fail("this link has an IPv4 and an IPv6 end")
            }
            links.append(PerNode(low: one.0, high: other.0))
        }
        for ends in [lowEnds, highEnds] { Self.warnOfSubnets(ends) }
        if links.count == 1 {
            found.warn("a single link: whatever cuts it looks like the peer's death")
        }
    }

    /// The kernel sends what goes to one subnet by one interface, whichever link it was meant for.
    private static func warnOfSubnets(_ ends: [(LinkAddress, Found)]) {
        for (index, (address, found)) in ends.enumerated() {
            guard
                let other = ends[..<index].first(where: { $0.0.looksToBe(inSubnetOf: address) })
            else { continue }
            found.warn(
                "\(address.text) looks to be in the subnet of \(other.0.text): the kernel sends both"
                    + " links by one interface, and one cable is the only one; give each link a"
                    + " subnet of its own")
        }
    }

    private static func readLinks(_ found: Found) -> [(LinkAddress, Found)]? {
        let mapping = found.mapping(["links"])
        guard let list = mapping.required("links", "a list such as [10.0.0.1:7780]") else {
            return nil
        }
        guard let items = list.list("a list such as [10.0.0.1:7780]") else { return nil }
        if items.isEmpty || items.count > Limits.links {
            list.fail("found \(items.count) links, expected 1 to \(Limits.links)")
            return nil
        }
        var all: [(LinkAddress, Found)] = []
        for item in items {
            if let address = item.linkAddress() { all.append((address, item)) }
        }
        return all.count == items.count ? all : nil
    }
}
