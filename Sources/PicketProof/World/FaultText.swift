/// Faults as text: one line each, so that a script can be read, kept and replayed.
///
///     at 3200ms for 5s cut low link 0
///     at 4s relay low stuck-on
///     at 5s command high handover 0
internal import PicketCore
import PicketText

public struct ScriptError: Error, Equatable, Sendable {
    /// From 1.
    public var line: Int
    public var expected: String
}

public enum FaultText {
    /// The words after `at … for …`.
    static func words(_ fault: Fault) -> [String] {
        switch fault {
        case .cut(let from, let link): ["cut", text(from)] + text(link)
        case .loss(let from, let link, let percent):
            ["loss", text(from)] + text(link) + ["\(percent)%"]
        case .delay(let from, let link, let upTo):
            ["delay", text(from)] + text(link) + [text(upTo)]
        case .duplicate(let from, let link, let percent):
            ["duplicate", text(from)] + text(link) + ["\(percent)%"]
        case .corrupt(let from, let link, let percent):
            ["corrupt", text(from)] + text(link) + ["\(percent)%"]
        case .replay(let to, let count): ["replay", text(to), "\(count)"]
        case .pause(let node): ["pause", text(node)]
        case .pauseAfter(let node, let steps): ["pause-after", text(node), "\(steps)"]
        case .hang(let node): ["hang", text(node)]
        case .livelock(let node): ["livelock", text(node)]
        case .crash(let node): ["crash", text(node)]
        case .crashAfter(let node, let effects): ["crash-after", text(node), "\(effects)"]
        case .late(let node, let upTo): ["late", text(node), text(upTo)]
        case .loseState(let node): ["lose-state", text(node)]
        case .damageState(let node): ["damage-state", text(node)]
        case .diskFull(let node): ["disk-full", text(node)]
        case .diskHangs(let node): ["disk-hangs", text(node)]
        case .diskSlow(let node, let upTo): ["disk-slow", text(node), text(upTo)]
        case .powerLoss(let node): ["power-loss", text(node)]
        case .relay(let node, let fault): ["relay", text(node), fault.rawValue]
        case .harness(let node): ["harness", text(node)]
        case .deadSupply(let node, let supply): ["dead-supply", text(node), "\(supply)"]
        case .deadWatchdog(let node): ["dead-watchdog", text(node)]
        case .otherConfiguration(let node): ["other-configuration", text(node)]
        case .list(let node, let list): ["list", text(node)] + list.map { text($0) }
        case .reload(let node): ["reload", text(node)]
        case .links(let node, let links): ["links", text(node)] + links.map { "\($0)" }
        case .fenceAnew(let node, let levels): ["fence-anew", text(node), "\(levels)"]
        case .wrongKey(let node): ["wrong-key", text(node)]
        case .wallStep(let node, let by): ["wall-step", text(node), text(by)]
        case .sensor(let node, let sensor, let fault):
            ["sensor", text(node), "\(sensor)", fault.rawValue]
        case .sensorGone(let node, let sensor): ["sensor-gone", text(node), "\(sensor)"]
        case .drill(let node, let kind): ["drill", text(node), kind.rawValue]
        case .sync(let node, let group, let state):
            ["sync", text(node), "\(group)", "\(state.rawValue)"]
        case .resource(let node, let group, let fault):
            ["resource", text(node), "\(group)", fault.rawValue]
        case .command(let node, let command): ["command", text(node)] + words(command)
        case .byHand(let node, let group): ["by-hand", text(node), "\(group)"]
        case .stray(let node, let group): ["stray", text(node), "\(group)"]
        case .falseWord(let node): ["false-word", text(node)]
        }
    }

    private static func words(_ command: Command) -> [String] {
        switch command {
        case .handover(let group): ["handover"] + (group.map { ["\($0)"] } ?? [])
        case .failback(let group): ["failback"] + (group.map { ["\($0)"] } ?? [])
        case .fence: ["fence"]
        case .confirmFence: ["confirm-fence"]
        case .maintenance(let on, let group, let despite):
            ["maintenance", on ? "on" : "off"] + (group.map { ["\($0)"] } ?? [])
                + (despite == .none ? [] : ["despite-all"])
        case .pause(let length): ["agree-pause", text(length)]
        case .leave: ["leave"]
        case .clearBudgets: ["clear-budgets"]
        case .clear(let group): ["clear"] + (group.map { ["\($0)"] } ?? [])
        case .take(let group, let stale):
            ["take"] + (group.map { ["\($0)"] } ?? []) + (stale ? ["stale"] : [])
        case .drillFailover(let live): ["drill-failover", live ? "live" : "plan"]
        case .drill(let on): ["drill", on ? "on" : "off"]
        }
    }

    public static func line(_ entry: FaultEntry) -> String {
        var words = ["at", text(entry.at)]
        if entry.lasting > .zero { words += ["for", text(entry.lasting)] }
        return (words + self.words(entry.fault)).joined(separator: " ")
    }

    static func text(_ node: NodeID) -> String { node == .low ? "low" : "high" }
    private static func text(_ link: Int?) -> [String] { link.map { ["link", "\($0)"] } ?? [] }

    /// `1:2+3`: group 1 with resources 2 and 3; `1:2+3:off` where it is not enabled, `1:2+3:priority=4`
    /// where its priority was changed.
    static func text(_ group: ListedGroup) -> String {
        "\(group.name):" + group.resources.map { "\($0)" }.joined(separator: "+")
            + (group.priority.map { ":priority=\($0)" } ?? "") + (group.isEnabled ? "" : ":off")
    }

    static func text(_ duration: Duration) -> String { Text.exact(duration, inSeconds: true) }

    // MARK: Reading

    static func entry(_ words: [String], line: Int) throws(ScriptError) -> FaultEntry {
        var words = Words(words.dropFirst(), line: line)
        let at = try words.duration()
        var lasting = Duration.zero
        if words.next == "for" {
            words.skip()
            lasting = try words.duration()
        }
        let entry = FaultEntry(at: at, lasting: lasting, try fault(&words))
        try words.end()
        return entry
    }

    private static func fault(_ words: inout Words) throws(ScriptError) -> Fault {
        let verb = try words.word("a fault: \(Fault.names.joined(separator: ", "))")
        let node = try words.node()
        switch verb {
        case "cut": return .cut(from: node, link: try words.link())
        case "loss":
            return .loss(from: node, link: try words.link(), percent: try words.percent())
        case "delay":
            return .delay(from: node, link: try words.link(), upTo: try words.duration())
        case "duplicate":
            return .duplicate(from: node, link: try words.link(), percent: try words.percent())
        case "corrupt":
            return .corrupt(from: node, link: try words.link(), percent: try words.percent())
        case "replay": return .replay(to: node, count: try words.number(1...10_000))
        case "pause": return .pause(node)
        case "pause-after": return .pauseAfter(node, steps: try words.number(0...100_000))
        case "hang": return .hang(node)
        case "livelock": return .livelock(node)
        case "crash": return .crash(node)
        case "crash-after": return .crashAfter(node, effects: try words.number(1...100_000))
        case "late": return .late(node, upTo: try words.duration())
        case "lose-state": return .loseState(node)
        case "damage-state": return .damageState(node)
        case "disk-full": return .diskFull(node)
        case "disk-hangs": return .diskHangs(node)
        case "disk-slow": return .diskSlow(node, upTo: try words.duration())
        case "power-loss": return .powerLoss(node)
        case "relay":
            let name = try words.word("a relay's fault")
            guard let fault = RelayFault(rawValue: name) else {
                throw words.expected(list(RelayFault.allCases.map(\.rawValue)))
            }
            return .relay(node, fault)
        case "harness": return .harness(node)
        case "dead-supply": return .deadSupply(node, try words.number(0...1))
        case "dead-watchdog": return .deadWatchdog(node)
        case "other-configuration": return .otherConfiguration(node)
        case "list":
            return .list(node, try words.list())
        case "links":
            var links: [Int] = []
            while links.isEmpty || words.next != nil {
                links.append(try words.number(0...(Limits.links - 1)))
            }
            return .links(node, links)
        case "reload": return .reload(node)
        case "fence-anew": return .fenceAnew(node, levels: try words.number(1...2))
        case "wrong-key": return .wrongKey(node)
        case "wall-step": return .wallStep(node, try words.duration())
        case "sensor":
            let sensor = try words.number(0...(Chip.descriptions.count - 1))
            let name = try words.word("a sensor's fault")
            guard let fault = SensorFault(rawValue: name) else {
                throw words.expected(list(SensorFault.allCases.map(\.rawValue)))
            }
            return .sensor(node, sensor, fault)
        case "sensor-gone":
            return .sensorGone(node, try words.number(0...(Chip.descriptions.count - 1)))
        case "drill":
            let name = try words.word("what the drill pretends")
            guard let kind = DrillKind(rawValue: name) else {
                throw words.expected(list(DrillKind.allCases.map(\.rawValue)))
            }
            return .drill(node, kind)
        case "sync":
            let group = try words.group()
            guard let state = GroupReport.SyncState(rawValue: UInt8(try words.number(0...3)))
            else { throw words.expected("0 … 3") }
            return .sync(node, group, state)
        case "resource":
            let group = try words.group()
            let name = try words.word("a resource's fault")
            guard let fault = ResourceFault(rawValue: name) else {
                throw words.expected(list(ResourceFault.allCases.map(\.rawValue)))
            }
            return .resource(node, group, fault)
        case "command": return .command(node, try command(&words))
        case "by-hand": return .byHand(node, try words.group())
        case "stray": return .stray(node, try words.group())
        case "false-word": return .falseWord(node)
        default: throw words.expected("one of " + list(Fault.names))
        }
    }

    private static func command(_ words: inout Words) throws(ScriptError) -> Command {
        switch try words.word("a command") {
        case "handover": return .handover(try words.optionalGroup())
        case "failback": return .failback(try words.optionalGroup())
        case "fence": return .fence
        case "confirm-fence": return .confirmFence
        case "maintenance":
            let on = try words.word("on or off") == "on"
            let group = words.next == "despite-all" ? nil : try words.optionalGroup()
            guard words.next != nil else { return .maintenance(on, of: group) }
            guard try words.word("despite-all") == "despite-all" else {
                throw words.expected("despite-all")
            }
            return .maintenance(on, of: group, despite: .all)
        case "agree-pause": return .pause(try words.duration())
        case "leave": return .leave
        case "clear-budgets": return .clearBudgets
        case "clear": return .clear(try words.optionalGroup())
        case "take":
            let group = words.next == "stale" ? nil : try words.optionalGroup()
            let stale = words.next == "stale"
            if stale { words.skip() }
            return .take(group, stale: stale)
        case "drill-failover": return .drillFailover(live: try words.word("live or plan") == "live")
        case "drill": return .drill(try words.word("on or off") == "on")
        default:
            throw words.expected(
                "handover, failback, fence, confirm-fence, maintenance, agree-pause, leave, "
                    + "clear, clear-budgets, take, drill-failover or drill")
        }
    }

    private static func list(_ names: [String]) -> String { names.joined(separator: ", ") }
}

/// The words of one line, taken one by one.
struct Words {
    private var words: ArraySlice<String>
    let line: Int

    init(_ words: ArraySlice<String>, line: Int) {
        self.words = words
        self.line = line
    }

    var next: String? { words.first }
    mutating func skip() { words.removeFirst() }
    func expected(_ what: String) -> ScriptError { ScriptError(line: line, expected: what) }

    mutating func word(_ what: String) throws(ScriptError) -> String {
        guard let word = words.popFirst() else { throw expected(what) }
        return word
    }
    mutating func duration() throws(ScriptError) -> Duration {
        let what = "a time such as 250ms or 3s"
        guard let duration = Duration(written: try word(what)) else { throw expected(what) }
        return duration
    }
    mutating func number(_ range: ClosedRange<Int>) throws(ScriptError) -> Int {
        let what = "a number \(range.lowerBound) … \(range.upperBound)"
        guard let number = Int(try word(what)), range.contains(number) else {
            throw expected(what)
        }
        return number
    }
    mutating func percent() throws(ScriptError) -> Int {
        let text = try word("a share such as 30%")
        guard text.hasSuffix("%"), let number = Int(text.dropLast()), (0...100).contains(number)
        else { throw expected("a share such as 30%") }
        return number
    }
    mutating func node() throws(ScriptError) -> NodeID {
        switch try word("low or high") {
        case "low": return .low
        case "high": return .high
        default: throw expected("low or high")
        }
    }
    mutating func link() throws(ScriptError) -> Int? {
        guard next == "link" else { return nil }
        skip()
        return try number(0...(Limits.links - 1))
    }
    mutating func group() throws(ScriptError) -> GroupIndex {
        try number(0...(Limits.groups - 1))
    }
    mutating func list() throws(ScriptError) -> [ListedGroup] {
        var list: [ListedGroup] = []
        while next != nil { list.append(try listed()) }
        return list
    }

    mutating func listed() throws(ScriptError) -> ListedGroup {
        let what = "a group and its resources, such as 1:2+3"
        var parts = try word(what).split(separator: ":")
        let isEnabled = parts.last != "off"
        if !isEnabled { parts.removeLast() }
        let priority = parts.last.flatMap { last in
            last.hasPrefix("priority=") ? UInt32(last.dropFirst("priority=".count)) : nil
        }
        if priority != nil { parts.removeLast() }
        guard parts.count == 2, let name = Int(parts[0]), (0..<Limits.groups).contains(name)
        else {
            throw expected(what)
        }
        let resources = parts[1].split(separator: "+").map { Int($0) ?? -1 }
        guard resources.allSatisfy({ (0...Limits.groups).contains($0) }) else {
            throw expected(what)
        }
        var group = ListedGroup(name: name, resources: resources)
        (group.isEnabled, group.priority) = (isEnabled, priority)
        return group
    }
    mutating func optionalGroup() throws(ScriptError) -> GroupIndex? {
        next == nil ? nil : try group()
    }
    func end() throws(ScriptError) {
        if let next { throw expected("the end of the line, not \"\(next)\"") }
    }
}
