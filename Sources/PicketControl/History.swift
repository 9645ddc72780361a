public import PicketCore
import PicketText

/// One line of the history: what happened, when, and in one sentence.
///
/// The same bytes stand in `<state>/history.jsonl` and in the reply to `history`.
public struct HistoryEntry: Sendable {
    /// By the wall clock of the node that wrote it: milliseconds since 1970-01-01T00:00:00Z.
    public var milliseconds: Int64
    public var node: String
    public var severity: Trace.Kind.Severity
    /// The label of a trace's kind or of a notice's.
    public var kind: String
    public var text: String
    /// A drill or a simulated board had a part in it.
    public var simulated: Bool
    public var trace: Trace?
    public var group: String?
    /// The measured figures, by the names of JSON's fields.
    var figures: [(name: String, value: Double)] = []

    /// An entry on what the machine did.
    public init(_ trace: Trace, narrator: Narrator, milliseconds: Int64, simulated: Bool) {
        self.milliseconds = milliseconds
        self.node = narrator.names.node
        self.severity = trace.kind.severity
        self.kind = trace.kind.label
        self.text = narrator.sentence(trace)
        self.simulated = simulated
        self.trace = trace
        self.group = trace.group.map { narrator.names.group($0) }
    }

    /// An entry on what the agent says besides.
    public init(_ notice: Notice, narrator: Narrator, milliseconds: Int64, simulated: Bool) {
        self.milliseconds = milliseconds
        self.node = narrator.names.node
        self.severity = notice.severity
        self.kind = notice.kind.label
        self.text = narrator.sentence(notice)
        self.simulated = simulated || notice.isSimulated
        self.figures = notice.figures
    }

    /// All values of `kind`.
    public static var kinds: [String] {
        Trace.Kind.allCases.map { $0.label } + Notice.Kind.allCases.map { $0.label }
    }

    /// One line of JSON with its line feed.
    public var json: [UInt8] {
        JSONWriter.line { json in
            json.field("type", "history")
            json.field("time", Text.timestamp(milliseconds))
            json.field("node", node)
            json.field("severity", severity.label)
            json.field("kind", kind)
            if let group { json.field("group", group) }
            if let trace { write(trace, into: &json) }
            for figure in figures { json.field(figure.name, figure.value) }
            if simulated { json.field("simulated", true) }
            json.field("text", text)
        }
    }

    private func write(_ trace: Trace, into json: inout JSONWriter) {
        if let term = trace.term { json.field("term", term.value) }
        if trace.cause != .none { json.field("cause", trace.cause.label) }
        if let refusal = trace.refusal { json.field("refusal", refusal.label) }
        if let duration = trace.duration { json.field("milliseconds", inMilliseconds(duration)) }
        guard let number = trace.number else { return }
        // The reader of this counts links from 1, and the machine counts them from 0.
        let isLink = trace.kind == .linkUp || trace.kind == .linkDown
        json.field("number", isLink ? number &+ 1 : number)
    }
}

/// Milliseconds with their fraction: JSON's only unit of time here.
public func inMilliseconds(_ duration: Duration) -> Double { Double(duration.nanoseconds) / 1e6 }
