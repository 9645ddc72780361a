public import PicketCore
import PicketText

/// The report of a drill: what was injected, what happened when, and the verdict.
public struct DrillReport: Equatable, Sendable {
    /// Name of the report's files without their extension, as in
    /// "2026-11-23T07-49-19Z-sensor"; unique on its node but for two drills in one second.
    public var identifier: String
    public var node: String
    /// As its request says it, without the word "drill".
    public var drill: String
    /// Real power or a real hang was allowed.
    public var live: Bool
    /// Wall clock at the beginning, milliseconds since 1970-01-01T00:00:00Z.
    public var beganMilliseconds: Int64
    public var lasted: Duration
    public var timeline: [Moment]
    public var verdict: Verdict
    /// One or two sentences: why this verdict.
    public var conclusion: String

    public struct Moment: Equatable, Sendable {
        /// Since the beginning.
        public var offset: Duration
        public var severity: Trace.Kind.Severity
        public var text: String
        public init(_ offset: Duration, _ severity: Trace.Kind.Severity, _ text: String) {
            self.offset = offset
            self.severity = severity
            self.text = text
        }
    }

    public enum Verdict: UInt8, CaseIterable, Sendable {
        /// The expected thing happened.
        case passed
        /// It did not.
        case failed
        /// Nothing was put to the test: the drill was too short, mild, or only a plan.
        case inconclusive
        /// The command went away, or the agent stopped, before the end.
        case interrupted

        public var label: String {
            switch self {
            case .passed: "passed"
            case .failed: "failed"
            case .inconclusive: "inconclusive"
            case .interrupted: "interrupted"
            }
        }
    }

    public init(
        identifier: String, node: String, drill: String, live: Bool, beganMilliseconds: Int64,
        lasted: Duration, timeline: [Moment], verdict: Verdict, conclusion: String
    ) {
        self.identifier = identifier
        self.node = node
        self.drill = drill
        self.live = live
        self.beganMilliseconds = beganMilliseconds
        self.lasted = lasted
        self.timeline = timeline
        self.verdict = verdict
        self.conclusion = conclusion
    }

    /// One line of JSON: the last reply to `drill`, and the content of the report's `.json` file.
    public var json: [UInt8] {
        JSONWriter.line { json in
            json.field("type", "report")
            json.field("report", identifier)
            json.field("node", node)
            json.field("drill", drill)
            json.field("live", live)
            json.field("began", Text.timestamp(beganMilliseconds))
            json.field("lasted_ms", inMilliseconds(lasted))
            json.field("verdict", verdict.label)
            json.field("conclusion", conclusion)
            json.array("timeline") { json in
                for moment in timeline { json.object { moment.write(into: &$0) } }
            }
        }
    }

    /// The content of the report's `.txt` file.
    public var text: String {
        var text = "Drill \(drill) on \(node)\n"
        text += "Began \(Text.timestamp(beganMilliseconds)), lasted \(Text.span(lasted))\n"
        text += "Verdict: \(verdict.label). \(conclusion)\n\n"
        for moment in timeline {
            text += "\(Text.offset(moment.offset)) s  \(moment.text)\n"
        }
        return text
    }
}

extension DrillReport.Moment {
    /// `progress`: one moment, said while the drill goes on.
    public var json: [UInt8] {
        JSONWriter.line { json in
            json.field("type", "progress")
            write(into: &json)
        }
    }

    func write(into json: inout JSONWriter) {
        json.field("offset_ms", inMilliseconds(offset))
        json.field("severity", severity.label)
        json.field("text", text)
    }
}

/// A note on disk that a drill is under way. It is for the next agent, which finds it at its start:
/// the agent that ran the drill died, by intent (a live hang) or not. `parse` reads its content,
/// one line, back.
public struct DrillMark: Equatable, Sendable {
    public var beganMilliseconds: Int64
    /// The boot in which it began, as /proc/sys/kernel/random/boot_id says it.
    public var boot: String
    public var drill: Drill

    public init(beganMilliseconds: Int64, boot: String, drill: Drill) {
        self.beganMilliseconds = beganMilliseconds
        self.boot = boot
        self.drill = drill
    }

    /// With a line feed.
    public var line: String { "\(beganMilliseconds) \(boot) drill \(drill.line)\n" }

    /// `nil` for anything that `line` did not write.
    public static func parse(_ bytes: [UInt8]) -> DrillMark? {
        guard bytes.last == UInt8(ascii: "\n"), bytes.count < 1_024 else { return nil }
        let text = String(decoding: bytes.dropLast(), as: UTF8.self)
        let words = text.parts(between: " ")
        guard words.count > 2, let began = Int64(words[0]), began >= 0 else { return nil }
        let line = text.dropping(first: words[0].utf8.count + words[1].utf8.count + 2)
        guard case .drill(let drill)? = try? Request.parse(Array(line.utf8)) else { return nil }
        return DrillMark(beganMilliseconds: began, boot: words[1], drill: drill)
    }

    /// The report on a drill that outlived its agent.
    ///
    /// - Parameter boot: the present one.
    public func report(node: String, boot: String, milliseconds: Int64) -> DrillReport {
        let reset = boot != self.boot
        let lasted = Duration.milliseconds(max(0, milliseconds - beganMilliseconds))
        var verdict = DrillReport.Verdict.interrupted
        var conclusion = "The \(DrillReport.interrupted)"
        if case .hang(live: true) = drill {
            verdict = reset ? .passed : .failed
            conclusion =
                reset
                ? "The node was reset and its agent runs again, \(Text.span(lasted)) after the "
                    + "agent hung. The history tells what the peer did meanwhile."
                : "The agent was started again without a reset of the node: the watchdog did not "
                    + "do its work, or something else ended the agent first."
        }
        return DrillReport(
            identifier: DrillReport.identifier(drill, beganMilliseconds), node: node,
            drill: drill.line, live: drill.isLive, beganMilliseconds: beganMilliseconds,
            lasted: lasted,
            timeline: [DrillReport.Moment(lasted, .notice, "The agent on \(node) started again.")],
            verdict: verdict, conclusion: conclusion)
    }
}

extension DrillReport {
    /// The words on a drill whose agent ended, behind "The ".
    public static var interrupted: String {
        "agent ended before the drill did, and the injected failure ended with the agent."
    }

    static func identifier(_ drill: Drill, _ milliseconds: Int64) -> String {
        var text = ""
        for byte in Text.timestamp(milliseconds).utf8.prefix(19) {
            text += byte == UInt8(ascii: ":") ? "-" : String(UnicodeScalar(byte))
        }
        return "\(text)Z-\(drill.kind)"
    }
}

extension Drill {
    /// "sensor", "link", "relay", "failover" or "hang".
    public var kind: String {
        switch self {
        case .sensor: "sensor"
        case .link: "link"
        case .relay: "relay"
        case .failover: "failover"
        case .hang: "hang"
        }
    }

    public var isLive: Bool {
        switch self {
        case .sensor: false
        case .link(_, for: _, let live): live
        case .relay(let live), .failover(let live), .hang(let live): live
        }
    }
}
