/// One node's side of the pair's protocol.
public struct Machine: Sendable {
    public let policy: Policy
    public init(
        policy: Policy, memory: Memory, session: SessionID, note: RunNote, at now: Instant
    ) {
        self.policy = policy
    }
    public var nextDeadline: Instant { .distantFuture }
    public mutating func handle<Sink: EffectSink>(
        _ event: Event, at now: Instant, into effects: inout Sink
    ) {}
}
