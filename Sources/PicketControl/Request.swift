public import PicketCore
import PicketText

/// A client's request to the agent: one line of text, words separated by blanks.
///
/// A request names groups, nodes and sensors as the configuration does, and counts links from 1.
/// It is parsed in full before anything is done. A request that is not understood to its last word
/// is refused with a text that says what was expected. The whole list:
///
///     status
///     watch [every DURATION]
///     history [COUNT] [follow]
///     handover [GROUP]
///     failback [GROUP]
///     fence NODE
///     confirm NODE
///     restore NODE
///     maintenance on [GROUP]
///     maintenance off [GROUP] [despite GROUP...]
///     pause DURATION
///     clear [GROUP]
///     clear budgets
///     take [GROUP] [stale]
///     apply BYTES [within DURATION]      and then the file
///     apply confirm
///     apply revert
///     drill sensor NAME value NUMBER[UNIT] for DURATION
///     drill sensor NAME fail|stuck for DURATION
///     drill link N for DURATION [live]
///     drill relay [live]
///     drill failover [live]
///     drill hang [live]
public enum Request: Equatable, Sendable {
    case status
    /// The status now, after every change, and at least once in `every`, until the client closes.
    case watch(every: Duration)
    /// The newest `count` entries, oldest first; then, to follow, each new one as it comes.
    case history(count: Int, follow: Bool)
    case handover(group: String?)
    case failback(group: String?)
    case fence(node: String)
    case confirmFence(node: String)
    /// Switch on a peer that a fence with policy `off` left off.
    case restore(node: String)
    /// Of one group, or of the whole pair. `despite`: the groups that are not as they should be, as
    /// the operator knows.
    case maintenance(Bool, of: String? = nil, despite: [String])
    case pause(Duration)
    case clear(group: String?)
    /// Gives back what was spent of the budgets of fences and moves.
    case clearBudgets
    /// Take over a group that waits for this order, or all that do.
    case take(group: String?, stale: Bool)
    case drill(Drill)
    /// A configuration for both nodes, which follows the line. It is taken back if it is not confirmed
    /// within that time.
    case apply(bytes: Int, within: Duration?)
    case applyConfirm
    case applyRevert

    public static let longestFile = 1 << 18
    /// A request is at most this long, its line feed not counted.
    public static let longestLine = 512
    public static let longestHistory = 10_000
}

/// A rehearsed failure.
public enum Drill: Equatable, Sendable {
    case sensor(name: String, SensorFault, for: Duration)
    /// Drops everything that arrives or leaves on one link, counted from 0. `live` permits to cut
    /// the last one that works.
    case link(Int, for: Duration, live: Bool)
    /// The self-test of relay and feedback. `live` permits to cut one supply of several at a time; the
    /// peer keeps its power.
    case relay(live: Bool)
    case failover(live: Bool)
    case hang(live: Bool)

    public enum SensorFault: Equatable, Sendable {
        /// Reads this much; `unit` as the operator wrote it, empty for the sensor's own.
        case value(Double, unit: String)
        /// Every reading fails.
        case fail
        /// Every reading repeats the last one.
        case stuck
    }

    /// No drill is longer.
    public static let longest = Duration.seconds(3_600)
}

/// Why a line is no request, in words for the person who wrote it.
public struct RequestError: Error, Equatable, Sendable {
    public enum Code: UInt8, CaseIterable, Sendable {
        case empty, tooLong, incomplete, encoding, unknown, malformed, unknownName
        /// Understood, and refused as things are.
        case refused
        /// The part of the agent that would do it is busy.
        case busy
    }
    public var code: Code
    public var text: String
    public init(_ code: Code, _ text: String) {
        self.code = code
        self.text = text
    }
}

extension Request {
    /// Reads one line, without its line feed.
    public static func parse(_ line: [UInt8]) throws(RequestError) -> Request {
        guard line.count <= longestLine else { throw .tooLong }
        guard let text = decoded(line) else {
            throw RequestError(
                .encoding, "The request is not text in UTF-8, or holds control characters.")
        }
        var words = Words(text)
        guard let verb = words.next() else {
            throw RequestError(.empty, "The request is empty; try \"status\".")
        }
        let request = try parse(verb, &words)
        if let surplus = words.next() {
            throw RequestError(
                .malformed, "\"\(surplus)\" is more than \"\(verb)\" takes; nothing was done.")
        }
        return request
    }

    private static func parse(
        _ verb: String, _ words: inout Words
    ) throws(RequestError) -> Request {
        switch verb {
        case "status": return .status
        case "watch":
            guard words.take("every") else { return .watch(every: .seconds(1)) }
            return .watch(every: try words.duration("watch every", from: .milliseconds(50)))
        case "history": return try history(&words)
        case "handover": return .handover(group: words.next())
        case "failback": return .failback(group: words.next())
        case "clear":
            return words.take("budgets") ? .clearBudgets : .clear(group: words.next())
        case "take":
            if words.take("stale") { return .take(group: nil, stale: true) }
            return .take(group: words.next(), stale: words.take("stale"))
        case "fence": return .fence(node: try words.word("fence", "the peer's name"))
        case "confirm": return .confirmFence(node: try words.word("confirm", "the peer's name"))
        case "restore": return .restore(node: try words.word("restore", "the peer's name"))
        case "pause": return .pause(try words.duration("pause"))
        case "maintenance":
            if words.take("on") { return .maintenance(true, of: words.next(), despite: []) }
            if words.take("off") {
                let group = words.peek() == "despite" ? nil : words.next()
                var despite: [String] = []
                if words.take("despite") {
                    despite.append(try words.word("maintenance off despite", "a group's name"))
                    while let group = words.next() { despite.append(group) }
                }
                return .maintenance(false, of: group, despite: despite)
            }
            throw RequestError(.malformed, "\"maintenance\" wants \"on\" or \"off\".")
        case "drill": return .drill(try Drill.parse(&words))
        case "apply":
            if words.take("confirm") { return .applyConfirm }
            if words.take("revert") { return .applyRevert }
            let word = try words.word("apply", "the file's size, \"confirm\" or \"revert\"")
            guard let bytes = Int(word), (1...longestFile).contains(bytes) else {
                throw RequestError(
                    .malformed,
                    "\"apply\" wants a file of 1 to \(longestFile) bytes, not \"\(word)\".")
            }
            let within =
                words.take("within")
                ? try words.duration("apply … within", from: .seconds(10)) : nil
            return .apply(bytes: bytes, within: within)
        default:
            throw RequestError(
                .unknown,
                "\"\(verb)\" is no request. Known are status, watch, history, handover, failback, "
                    + "fence, confirm, restore, maintenance, pause, clear, take, apply and drill.")
        }
    }

    private static func history(_ words: inout Words) throws(RequestError) -> Request {
        var count = 50
        if let word = words.peek(), word != "follow" {
            guard let value = Int(word), value >= 0, value <= longestHistory else {
                throw RequestError(
                    .malformed,
                    "\"history\" wants a count of 0 to \(longestHistory), not \"\(word)\".")
            }
            count = value
            words.skip()
        }
        return .history(count: count, follow: words.take("follow"))
    }

    /// Valid UTF-8 without control characters (a tab counts as a blank).
    private static func decoded(_ line: [UInt8]) -> String? {
        var line = line
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        for byte in line where (byte < 0x20 && byte != 0x09) || byte == 0x7F { return nil }
        let text = String(decoding: line, as: UTF8.self)
        // Repaired: here, or where the bytes were first made a string.
        return text.unicodeScalars.contains("\u{FFFD}") ? nil : text
    }

    /// The request as a line, without its line feed: what `parse` reads back.
    public var line: String {
        switch self {
        case .status: "status"
        case .watch(let every): "watch every \(Text.exact(every))"
        case .history(let count, let follow): "history \(count)\(follow ? " follow" : "")"
        case .handover(let group): "handover\(group.map { " " + $0 } ?? "")"
        case .failback(let group): "failback\(group.map { " " + $0 } ?? "")"
        case .fence(let node): "fence \(node)"
        case .confirmFence(let node): "confirm \(node)"
        case .restore(let node): "restore \(node)"
        case .maintenance(let on, let group, let despite):
            "maintenance \(on ? "on" : "off")\(group.map { " " + $0 } ?? "")"
                + (despite.isEmpty ? "" : " despite \(Text.joined(despite, " "))")
        case .pause(let duration): "pause \(Text.exact(duration))"
        case .clearBudgets: "clear budgets"
        case .clear(let group): "clear\(group.map { " " + $0 } ?? "")"
        case .take(let group, let stale):
            "take\(group.map { " " + $0 } ?? "")\(stale ? " stale" : "")"
        case .drill(let drill): "drill \(drill.line)"
        case .apply(let bytes, let within):
            "apply \(bytes)\(within.map { " within " + Text.exact($0) } ?? "")"
        case .applyConfirm: "apply confirm"
        case .applyRevert: "apply revert"
        }
    }

    /// The machine's command, where the request is one; `nil` for those that the shell answers
    /// (status, watch, history, restore, drills, apply).
    ///
    /// - Throws: for a name that this pair does not have.
    public func command(in names: Names) throws(RequestError) -> Command? {
        switch self {
        case .status, .watch, .history, .drill, .apply, .applyConfirm, .applyRevert: return nil
        case .handover(let group): return .handover(try Self.index(group, in: names))
        case .failback(let group): return .failback(try Self.index(group, in: names))
        case .clearBudgets: return .clearBudgets
        case .clear(let group): return .clear(try Self.index(group, in: names))
        case .take(let group, let stale):
            return .take(try Self.index(group, in: names), stale: stale)
        case .fence(let node):
            try Self.demandPeer(node, in: names)
            return .fence
        case .confirmFence(let node):
            try Self.demandPeer(node, in: names)
            return .confirmFence
        case .restore(let node):
            try Self.demandPeer(node, in: names)
            return nil
        case .maintenance(let on, let group, let despite):
            var groups = GroupSet.none
            for name in despite {
                if let group = try Self.index(name, in: names) { groups.insert(group) }
            }
            return .maintenance(
                on, of: try Self.index(group, in: names), despite: groups)
        case .pause(let duration): return .pause(duration)
        }
    }

    private static func index(
        _ group: String?, in names: Names
    ) throws(RequestError) -> GroupIndex? {
        guard let group else { return nil }
        guard let index = names.groupIndex(group) else {
            throw RequestError(
                .unknownName,
                "There is no group \"\(group)\"; this pair has \(Text.list(names.groups)).")
        }
        return index
    }

    private static func demandPeer(_ node: String, in names: Names) throws(RequestError) {
        if node == names.peer { return }
        if node == names.node {
            throw RequestError(
                .unknownName,
                "\(node) is this node; a node fences only its peer, \(names.peer). To fence "
                    + "\(node), ask the agent on \(names.peer).")
        }
        throw RequestError(
            .unknownName, "There is no node \"\(node)\" in this pair; the peer is \(names.peer).")
    }
}

extension Drill {
    fileprivate static func parse(_ words: inout Words) throws(RequestError) -> Drill {
        let kind = try words.word("drill", "sensor, link, relay, failover or hang")
        switch kind {
        case "sensor":
            let name = try words.word("drill sensor", "the sensor's name")
            let fault = try sensorFault(&words)
            return .sensor(name: name, fault, for: try span(&words))
        case "link":
            let word = try words.word("drill link", "the link's number")
            guard let number = Int(word), (1...Limits.links).contains(number) else {
                throw RequestError(
                    .malformed, "Links are counted from 1 to \(Limits.links); got \"\(word)\".")
            }
            let span = try span(&words)
            return .link(number - 1, for: span, live: words.take("live"))
        case "relay": return .relay(live: words.take("live"))
        case "failover": return .failover(live: words.take("live"))
        case "hang": return .hang(live: words.take("live"))
        default:
            throw RequestError(
                .unknown,
                "\"\(kind)\" is no drill. Known are sensor, link, relay, failover and hang.")
        }
    }

    private static func sensorFault(_ words: inout Words) throws(RequestError) -> SensorFault {
        if words.take("fail") { return .fail }
        if words.take("stuck") { return .stuck }
        guard words.take("value") else {
            throw RequestError(
                .malformed, "\"drill sensor\" wants \"value NUMBER\", \"fail\" or \"stuck\".")
        }
        let text = try words.word("drill sensor … value", "a number, as in 95C")
        guard let (value, unit) = Text.quantity(text) else {
            throw .noQuantity(text)
        }
        return .value(value, unit: unit)
    }

    private static func span(_ words: inout Words) throws(RequestError) -> Duration {
        guard words.take("for") else {
            throw RequestError(.malformed, "A drill wants an end: \"for\" and a time, as in 10s.")
        }
        return try words.duration("for", from: .milliseconds(100), to: longest)
    }

    /// As in a request, without the word "drill".
    public var line: String {
        switch self {
        case .sensor(let name, .value(let value, let unit), let span):
            "sensor \(name) value \(Text.number(value, places: 6))\(unit) for \(Text.exact(span))"
        case .sensor(let name, .fail, let span): "sensor \(name) fail for \(Text.exact(span))"
        case .sensor(let name, .stuck, let span): "sensor \(name) stuck for \(Text.exact(span))"
        case .link(let index, let span, let live):
            "link \(index + 1) for \(Text.exact(span))\(live ? " live" : "")"
        case .relay(let live): "relay\(live ? " live" : "")"
        case .failover(let live): "failover\(live ? " live" : "")"
        case .hang(let live): "hang\(live ? " live" : "")"
        }
    }
}

extension RequestError {
    public static let tooLong = RequestError(
        .tooLong, "The request is longer than \(Request.longestLine) bytes; nothing was done.")
    public static let tooManyCallers = RequestError(
        .busy, "Too many clients are connected to the agent; try again later.")
    public static let slowDisk = RequestError(.busy, "The disk is too slow; try again later.")
    /// Refuses a pause after which the next agent would not start.
    public static func unfit(file: String, _ mistakes: [String]) -> RequestError {
        RequestError(
            .refused,
            "This agent goes on, because the next one would not keep what runs with \(file):\n"
                + Text.joined(mistakes, "\n"))
    }
    public static func noQuantity(_ text: String) -> RequestError {
        RequestError(.malformed, "\"\(text)\" is no number with a unit, as in 95C.")
    }
    /// The client closed, or went silent, in the middle of a line.
    public static let incomplete = RequestError(
        .incomplete, "The request ended without a line feed; nothing was done.")
}

extension RequestError.Code {
    /// As it stands in a reply.
    public var label: String {
        switch self {
        case .empty: "empty"
        case .tooLong: "too_long"
        case .incomplete: "incomplete"
        case .encoding: "encoding"
        case .unknown: "unknown"
        case .malformed: "malformed"
        case .unknownName: "unknown_name"
        case .refused: "refused"
        case .busy: "busy"
        }
    }
}

/// The words of one line.
struct Words {
    private var words: [String] = []
    private var position = 0

    init(_ text: String) {
        for part in text.parts(between: " ") { words += part.parts(between: "\t") }
    }

    func peek() -> String? { position < words.count ? words[position] : nil }

    mutating func skip() { position += 1 }

    mutating func next() -> String? {
        guard let word = peek() else { return nil }
        position += 1
        return word
    }

    mutating func take(_ word: String) -> Bool {
        guard peek() == word else { return false }
        position += 1
        return true
    }

    mutating func word(_ verb: String, _ what: String) throws(RequestError) -> String {
        guard let word = next() else {
            throw RequestError(.malformed, "\"\(verb)\" wants \(what).")
        }
        return word
    }

    mutating func duration(
        _ verb: String, from least: Duration = .milliseconds(1),
        to most: Duration = .seconds(86_400)
    ) throws(RequestError) -> Duration {
        let word = try word(verb, "a time, as in 30s or 500ms")
        guard let duration = Text.duration(word) else {
            throw RequestError(
                .malformed, "\"\(word)\" is no time; write a number and its unit, as in 30s.")
        }
        guard duration >= least, duration <= most else {
            throw RequestError(
                .malformed,
                "\"\(verb)\" takes \(Text.span(least)) to \(Text.span(most)), not "
                    + "\(Text.span(duration)).")
        }
        return duration
    }
}
