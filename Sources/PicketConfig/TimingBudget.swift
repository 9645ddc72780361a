public import PicketCore

/// The sum behind the derived timings, term by term, for `picket timing` and for errors.
public struct TimingBudget: Equatable, Sendable {
    public var timing: Timing
    /// `dead_after + head start + margin = detect_within`, in this order.
    public var detection: [Term]
    /// `detect_within + off_within + start_within`, in this order.
    public var takeover: [Term]
    /// The largest time from a node's death to its groups' being active on the other.
    public var worstTakeover: Duration

    public struct Term: Equatable, Sendable {
        /// `dead_after`
        public var name: String
        public var duration: Duration
        /// `the newest acknowledged sending may be this old`
        public var meaning: String

        public init(_ name: String, _ duration: Duration, _ meaning: String) {
            self.name = name
            self.duration = duration
            self.meaning = meaning
        }
    }
}
