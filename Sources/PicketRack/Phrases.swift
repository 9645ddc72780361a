/// The words of scenarios: short English phrases for what is done to a rack, and for what is waited
/// for. The live view's keys do the same actions.
///
/// Actions:
///
///     crash NODE                          the kernel dies; the watchdog or the relay ends it
///     boot NODE | cut power of NODE       the mains, before the relays
///     kill|pause|resume|stop|start|reload agent of NODE
///     pause NODE | resume NODE            all of its processes stand still
///     sensor NAME of NODE reads VALUE [within DURATION]
///     sensor NAME of NODE is nak|hung|timed-out|contended|stuck|out-of-range|well
///     sensor NAME of NODE drifts VALUE    so much a second
///     bus N of NODE hangs | recovers
///     relay of NODE is stuck-on|stuck-off|bouncing|well|slow DURATION
///     supply N of NODE dead | well        one of several, before the relay's contact
///     outlet of NODE is late DURATION | stuck-on | well     that a fence agent switches; only where they
///                                         are processes
///     fence worker of NODE hangs | answers          the lines by which NODE cuts and senses its peer;
///                                         only where they are processes
///     feedback of NODE says on|off|opposite|truth
///     harness of NODE parts [sense after DURATION] | returns      the plug of all links and of the wires
///                                         by which NODE cuts and senses its peer: each at a time of its
///                                         own within 300 ms, or the sense wires so long after the rest
///     link N|all [to NODE] cut | well
///     link N|all [to NODE] [loss P%] [duplicate P%] [reorder P%] [delay D] [jitter D]
///     GROUP of NODE start|stop|monitor hangs | fails | works | slow DURATION
///     GROUP of NODE ends                  what runs of it, as by a hand that stops it
///     command NODE TEXT                   a request to the agent's control socket
///     clock of NODE +1d | -1d             a step of its wall clock; also s, m and h
///     disk of NODE full | free | hangs | answers
///     key of NODE wrong | right           read at the agent's next start
///     file of NODE lacks GROUP            its configuration, read at the agent's next start
///     file of NODE calls GROUP NAME
///     file of NODE is whole
///     capture NAME | end capture | replay NAME
///     junk to NODE COUNT                  random, cut short and altered datagrams
///     line NAME of NODE is stuck-high|stuck-low|well      on a virtual machine
///     run on NODE TEXT                    a shell command on a virtual machine; the next step waits for
///                                         its end, and a status other than 0 fails the scenario
///     copy of GROUP on NODE stalls | follows        of its data; only where they are processes
///     say TEXT
///
/// Conditions:
///
///     ready                               paired, protected both ways, and every group active,
///                                         with a current copy of its data on the other node
///     paired                              both agents say so
///     NODE is waiting|paired|alone|pausing|leaving|left|silent      by its agent's word
///     NODE is fit                                                   its health is above 50
///     NODE is protected|weakened|unprotected                        by its agent's word
///     NODE off | NODE running             by the rack's
///     GROUP active [on NODE] | GROUP inactive                       by the records of its processes
///     fences|attempts|takeovers|handovers|resets N                         at least so many
///     NODE reports KIND [N times]         an entry of its history of this kind
///     NODE says WORDS                     an entry of its history has these words in its sentence
///     sensor NAME of NODE is normal|warn|critical|stale|failed      by its agent's word
import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketText

enum Action: Equatable {
    case crash(NodeID)
    case boot(NodeID)
    case cutPower(NodeID)
    case agent(NodeID, AgentVerb)
    case agentStalls(NodeID, Stalls?)
    case pauseNode(NodeID, Bool)
    case sensorReads(NodeID, String, Double, within: Duration)
    case sensorFault(NodeID, String, SimulatedSensor.Fault)
    case bus(NodeID, Int, hangs: Bool)
    case relay(NodeID, SimulatedRelay.Fault)
    case supply(NodeID, Int, dead: Bool)
    case outlet(NodeID, SimulatedRelay.Fault)
    case fenceWorker(NodeID, hangs: Bool)
    case feedback(NodeID, SimulatedRelay.Feedback)
    case harness(NodeID, Harness)
    case link(Int?, to: NodeID?, LinkChange)
    case workload(NodeID, group: String, verb: String, behaviour: String)
    case command(NodeID, String)
    case clock(NodeID, seconds: Int64)
    case disk(NodeID, full: Bool)
    case diskHangs(NodeID, Bool)
    case key(NodeID, right: Bool)
    case file(NodeID, GroupEdit?)
    case capture(String?)
    case replay(String)
    case junk(NodeID, Int)
    case line(NodeID, String, stuck: Bool?)
    case run(NodeID, String)
    case copy(String, NodeID, stalls: Bool)
    case say(String)

    enum Harness: Equatable {
        case parts(senseAfter: Duration?)
        case returns
    }
    enum AgentVerb: String { case kill, pause, resume, stop, start, reload }
    /// Stands still for `length` of each `period`.
    struct Stalls: Equatable {
        let length: Duration
        let period: Duration
    }
    enum GroupEdit: Equatable {
        case lacks(String)
        case calls(String, String)
    }
    enum LinkChange: Equatable {
        case well
        case cut
        case disturb(Disturbance)
    }
}

enum Condition: Equatable {
    case ready
    case paired
    case phase(NodeID, String)
    case silent(NodeID)
    case fit(NodeID)
    case verdict(NodeID, Protection.Verdict)
    case power(NodeID, on: Bool)
    case active(String, NodeID?)
    case inactive(String)
    case count(Counter, Int)
    case reports(NodeID, String, times: Int)
    case says(NodeID, String)
    case sensor(NodeID, String, String)

    enum Counter: String { case fences, attempts, takeovers, handovers, resets }
}

/// Why some words are no phrase.
struct PhraseError: Error {
    var text: String
    init(_ text: String) { self.text = text }
}

/// Reads phrases, in the names of one rack.
struct PhraseReader {
    let plan: RackPlan
    private var words: [String] = []
    private var position = 0

    init(plan: RackPlan) { self.plan = plan }

    // MARK: - Actions

    static func action(_ text: String, plan: RackPlan) throws(PhraseError) -> Action {
        var reader = PhraseReader(plan: plan)
        reader.words = text.split(whereSeparator: { $0.isWhitespace }).map(String.init)
        let action = try reader.action()
        try reader.end()
        return action
    }

    private mutating func action() throws(PhraseError) -> Action {
        let verb = try next("an action")
        switch verb {
        case "crash": return .crash(try node())
        case "boot": return .boot(try node())
        case "cut":
            try expect("power", "of")
            return .cutPower(try node())
        case "kill", "stop", "start", "reload", "pause", "resume": return try agent(verb)
        case "agent":
            try expect("of")
            return .agentStalls(try node(), try stalls())
        case "sensor": return try sensor()
        case "bus":
            let number = try integer("the bus's number")
            try expect("of")
            let node = try node()
            return .bus(node, number, hangs: try choice([("hangs", true), ("recovers", false)]))
        case "relay": return try relay()
        case "supply": return try supply()
        case "outlet": return try outlet()
        case "fence":
            try expect("worker", "of")
            let node = try node()
            return .fenceWorker(node, hangs: try choice([("hangs", true), ("answers", false)]))
        case "feedback":
            try expect("of")
            let node = try node()
            try expect("says")
            return .feedback(
                node,
                try choice([
                    ("on", .saysOn), ("off", .saysOff), ("opposite", .inverted),
                    ("truth", .truthful),
                ]))
        case "harness":
            try expect("of")
            let node = try node()
            guard try choice([("parts", true), ("returns", false)]) else {
                return .harness(node, .returns)
            }
            guard peek() == "sense" else { return .harness(node, .parts(senseAfter: nil)) }
            try expect("sense", "after")
            return .harness(node, .parts(senseAfter: try duration()))
        case "link": return try link()
        case "line": return try line()
        case "command": return .command(try node(), rest())
        case "clock": return try clock()
        case "disk":
            try expect("of")
            let node = try node()
            return try choice([
                ("full", .disk(node, full: true)), ("free", .disk(node, full: false)),
                ("hangs", .diskHangs(node, true)), ("answers", .diskHangs(node, false)),
            ])
        case "key":
            try expect("of")
            return .key(try node(), right: try choice([("right", true), ("wrong", false)]))
        case "file": return try file()
        case "capture": return .capture(try next("a name"))
        case "end":
            try expect("capture")
            return .capture(nil)
        case "replay": return .replay(try next("a name"))
        case "junk":
            try expect("to")
            return .junk(try node(), try integer("a count"))
        case "run":
            try expect("on")
            return .run(try node(), rest())
        case "copy":
            try expect("of")
            let group = try group()
            try expect("on")
            return .copy(
                group, try node(), stalls: try choice([("stalls", true), ("follows", false)]))
        case "say": return .say(rest())
        default:
            guard plan.groups.contains(verb) else {
                throw PhraseError("\"\(verb)\" is no action and no group of this rack")
            }
            return try workload(verb)
        }
    }

    private mutating func agent(_ verb: String) throws(PhraseError) -> Action {
        if peek() == "agent" {
            try expect("agent", "of")
            return .agent(try node(), Action.AgentVerb(rawValue: verb)!)
        }
        guard verb == "pause" || verb == "resume" else {
            throw PhraseError("expected \"\(verb) agent of NODE\"")
        }
        return .pauseNode(try node(), verb == "pause")
    }

    private mutating func stalls() throws(PhraseError) -> Action.Stalls? {
        guard try choice([("stalls", true), ("runs", false)]) else { return nil }
        let length = try duration()
        try expect("every")
        let period = try duration()
        guard length < period else { throw PhraseError("it stalls for longer than it is to run") }
        return Action.Stalls(length: length, period: period)
    }

    private mutating func sensor() throws(PhraseError) -> Action {
        let (name, node) = try sensorOfNode()
        switch try next("reads, drifts or is") {
        case "reads":
            let value = try quantity()
            guard peek() == "within" else {
                return .sensorReads(node, name, value, within: .zero)
            }
            try expect("within")
            return .sensorReads(node, name, value, within: try duration())
        case "drifts": return .sensorFault(node, name, .drift(try quantity()))
        case "is":
            return .sensorFault(
                node, name,
                try choice([
                    ("nak", .nak), ("hung", .hang), ("timed-out", .timeout),
                    ("contended", .contended), ("stuck", .stuck),
                    ("out-of-range", .outOfRange), ("well", .none),
                ]))
        default: throw PhraseError("expected \"reads VALUE\", \"drifts VALUE\" or \"is FAULT\"")
        }
    }

    private mutating func sensorOfNode() throws(PhraseError) -> (String, NodeID) {
        let name = try next("a sensor")
        try expect("of")
        let node = try node()
        guard plan.nodes[node].sensors.contains(where: { $0.settings.name == name }) else {
            let known = plan.nodes[node].sensors.map(\.settings.name)
            throw PhraseError("there is no sensor \"\(name)\"; known are \(Text.list(known))")
        }
        return (name, node)
    }

    private mutating func relay() throws(PhraseError) -> Action {
        try expect("of")
        let node = try node()
        try expect("is")
        if peek() == "slow" {
            try expect("slow")
            return .relay(node, .slow(try duration()))
        }
        return .relay(
            node,
            try choice([
                ("stuck-on", .stuckOn), ("stuck-off", .stuckOff), ("bouncing", .bouncing),
                ("well", .none),
            ]))
    }

    private mutating func supply() throws(PhraseError) -> Action {
        let number = try integer("the supply's number, from 1")
        try expect("of")
        let node = try node()
        let count = plan.nodes[node].supplies.count
        guard (1...max(1, count)).contains(number), count > 0 else {
            throw PhraseError(
                "\(plan.names[node]) has \(count) supplies with a relay, not \(number)")
        }
        return .supply(
            node, number - 1, dead: try choice([("dead", true), ("well", false)]))
    }

    private mutating func outlet() throws(PhraseError) -> Action {
        try expect("of")
        let node = try node()
        guard !plan.nodes[node].outlets.isEmpty else {
            throw PhraseError("no fence agent cuts \(plan.names[node])")
        }
        try expect("is")
        if peek() == "late" {
            try expect("late")
            return .outlet(node, .slow(try duration()))
        }
        return .outlet(node, try choice([("stuck-on", .stuckOn), ("well", .none)]))
    }

    private mutating func group() throws(PhraseError) -> String {
        let name = try next("a group")
        guard plan.groups.contains(name) else {
            throw PhraseError("there is no group \"\(name)\"; known are \(Text.list(plan.groups))")
        }
        return name
    }

    private mutating func file() throws(PhraseError) -> Action {
        try expect("of")
        let node = try node()
        switch try next("lacks, calls or is whole") {
        case "lacks": return .file(node, .lacks(try group()))
        case "calls": return .file(node, .calls(try group(), try next("another name")))
        case "is":
            try expect("whole")
            return .file(node, nil)
        case let word:
            throw PhraseError("expected lacks, calls or is whole, not \"\(word)\"")
        }
    }

    private mutating func line() throws(PhraseError) -> Action {
        let name = try next("a line")
        try expect("of")
        let node = try node()
        let known = plan.nodes[node.peer].supplies.flatMap {
            [$0.line, $0.sense].compactMap { $0 }
        }
        guard known.contains(name) else {
            throw PhraseError("there is no line \"\(name)\"; known are \(Text.list(known))")
        }
        try expect("is")
        let levels: [(String, Bool?)] = [("stuck-high", true), ("stuck-low", false), ("well", nil)]
        return .line(node, name, stuck: try choice(levels))
    }

    private mutating func link() throws(PhraseError) -> Action {
        var link: Int?
        if peek() == "all" {
            try expect("all")
        } else {
            let number = try integer("the link's number, from 1, or all")
            guard (1...plan.linkCount).contains(number) else {
                throw PhraseError("this rack has links 1 to \(plan.linkCount), not \(number)")
            }
            link = number - 1
        }
        var to: NodeID?
        if peek() == "to" {
            try expect("to")
            to = try node()
        }
        if peek() == "cut" || peek() == "well" {
            return .link(link, to: to, try next("cut or well") == "cut" ? .cut : .well)
        }
        var disturbance = Disturbance()
        repeat {
            switch try next("cut, well, loss, duplicate, reorder, delay or jitter") {
            case "loss": disturbance.loss = try fraction()
            case "duplicate": disturbance.duplication = try fraction()
            case "reorder": disturbance.reordering = try fraction()
            case "delay": disturbance.delay = try duration()
            case "jitter": disturbance.jitter = try duration()
            case let word:
                throw PhraseError(
                    "expected cut, well, loss, duplicate, reorder, delay or jitter, not \"\(word)\""
                )
            }
        } while peek() != nil
        return .link(link, to: to, .disturb(disturbance))
    }

    private mutating func workload(_ group: String) throws(PhraseError) -> Action {
        try expect("of")
        let node = try node()
        let verb = try choice([
            ("start", "start"), ("stop", "stop"), ("monitor", "monitor"), ("ends", "run"),
        ])
        if verb == "run" {
            return .workload(node, group: group, verb: verb, behaviour: "end")
        }
        if peek() == "slow" {
            try expect("slow")
            let behaviour = "slow \(try duration().milliseconds)"
            return .workload(node, group: group, verb: verb, behaviour: behaviour)
        }
        let behaviour = try choice([("hangs", "hang"), ("fails", "fail"), ("works", "")])
        return .workload(node, group: group, verb: verb, behaviour: behaviour)
    }

    private mutating func clock() throws(PhraseError) -> Action {
        try expect("of")
        let node = try node()
        let word = try next("a step, as in +1d or -1h")
        guard let step = Duration(written: word) else {
            throw PhraseError("expected a step, as in +1d or -1h, not \"\(word)\"")
        }
        return .clock(node, seconds: step.milliseconds / 1_000)
    }

    // MARK: - Conditions

    static func condition(_ text: String, plan: RackPlan) throws(PhraseError) -> Condition {
        var reader = PhraseReader(plan: plan)
        reader.words = text.split(whereSeparator: { $0.isWhitespace }).map(String.init)
        let condition = try reader.condition()
        try reader.end()
        return condition
    }

    private mutating func condition() throws(PhraseError) -> Condition {
        let word = try next("a condition")
        switch word {
        case "ready": return .ready
        case "paired": return .paired
        case "fences", "attempts", "takeovers", "handovers", "resets":
            return .count(Condition.Counter(rawValue: word)!, try integer("a count"))
        case "sensor":
            let (name, node) = try sensorOfNode()
            try expect("is")
            let states = SensorReport.State.allCases.filter { $0 != .unknown }.map(\.label)
            return .sensor(node, name, try choice(states.map { ($0, $0) }))
        default: break
        }
        if plan.groups.contains(word) {
            if try choice([("active", false), ("inactive", true)]) { return .inactive(word) }
            guard peek() == "on" else { return .active(word, nil) }
            try expect("on")
            return .active(word, try node())
        }
        guard let node = plan.node(named: word) else {
            throw PhraseError("\"\(word)\" is no condition, group or node of this rack")
        }
        return try condition(of: node)
    }

    private mutating func condition(of node: NodeID) throws(PhraseError) -> Condition {
        switch try next("is, off, running, reports or says") {
        case "says": return .says(node, rest())
        case "off": return .power(node, on: false)
        case "running": return .power(node, on: true)
        case "reports":
            let kind = try historyKind()
            var times = 1
            if peek() != nil {
                times = try integer("a count")
                try expect("times")
            }
            return .reports(node, kind, times: times)
        case "is":
            let phases = Message.Phase.allCases.map(\.label)
            return try choice(
                phases.map { ($0, .phase(node, $0)) }
                    + Protection.Verdict.allCases.map { ($0.label, .verdict(node, $0)) }
                    + [("silent", .silent(node)), ("fit", .fit(node))])
        default:
            throw PhraseError(
                "expected \"is PHASE\", \"off\", \"running\", \"reports KIND\" or \"says WORDS\"")
        }
    }

    private mutating func historyKind() throws(PhraseError) -> String {
        let kind = try next("the kind of a history entry")
        guard HistoryEntry.kinds.contains(kind) else {
            throw PhraseError(
                "\"\(kind)\" is no kind of history entry"
                    + Text.suggestion(kind, HistoryEntry.kinds))
        }
        return kind
    }

    // MARK: - Words

    private func peek() -> String? { position < words.count ? words[position] : nil }

    private mutating func next(_ what: String) throws(PhraseError) -> String {
        guard let word = peek() else { throw PhraseError("expected \(what) after the last word") }
        position += 1
        return word
    }

    private mutating func rest() -> String {
        defer { position = words.count }
        return words[position...].joined(separator: " ")
    }

    private func end() throws(PhraseError) {
        if let word = peek() { throw PhraseError("\"\(word)\" is one word too many") }
    }

    private mutating func expect(_ expected: String...) throws(PhraseError) {
        for word in expected {
            let found = try next("\"\(word)\"")
            guard found == word else {
                throw PhraseError("expected \"\(word)\", not \"\(found)\"")
            }
        }
    }

    private mutating func choice<Value>(_ choices: [(String, Value)]) throws(PhraseError) -> Value {
        let names = choices.map(\.0)
        let found = try next(names.joined(separator: ", "))
        guard let choice = choices.first(where: { $0.0 == found }) else {
            throw PhraseError("expected \(names.joined(separator: ", ")), not \"\(found)\"")
        }
        return choice.1
    }

    private mutating func node() throws(PhraseError) -> NodeID {
        let name = try next("a node")
        guard let node = plan.node(named: name) else {
            throw PhraseError(
                "there is no node \"\(name)\"; this rack has \(plan.names.low) and "
                    + plan.names.high)
        }
        return node
    }

    private mutating func integer(_ what: String) throws(PhraseError) -> Int {
        let word = try next(what)
        guard let number = Int(word), number >= 0 else {
            throw PhraseError("expected \(what), not \"\(word)\"")
        }
        return number
    }

    private mutating func duration() throws(PhraseError) -> Duration {
        let word = try next("a time, as in 500ms")
        guard let duration = Text.duration(word) else {
            throw PhraseError("expected a time, as in 500ms, not \"\(word)\"")
        }
        return duration
    }

    private mutating func quantity() throws(PhraseError) -> Double {
        let word = try next("a value, as in 95C")
        guard let quantity = Text.quantity(word) else {
            throw PhraseError("expected a value, as in 95C, not \"\(word)\"")
        }
        return quantity.value
    }

    private mutating func fraction() throws(PhraseError) -> Double {
        let word = try next("a percentage, as in 30%")
        guard let (value, unit) = Text.quantity(word), unit == "%", (0...100).contains(value)
        else { throw PhraseError("expected a percentage, as in 30%, not \"\(word)\"") }
        return value / 100
    }
}
