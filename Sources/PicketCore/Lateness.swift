/// How late the loop comes. Time for which the agent did not run is no evidence against the peer
/// (`Contact`), so a loop that comes late again and again would find a dead peer late by as much. It
/// is told, because nothing else shows it.
package struct Lateness: Sendable {
    private var began: Instant
    private var sum = Duration.zero
    private var wasBad = false
    /// A good part of two spans in a row was lost, and of none since.
    package private(set) var isLasting = false

    private static var span: Duration { .seconds(10) }

    init(at now: Instant) { began = now }

    mutating func note(_ lateness: Duration) { sum = sum + lateness }

    /// To be called at each step.
    @inline(__always)
    mutating func look<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        if now - began >= Lateness.span { judge(at: now, into: &out) }
    }

    private mutating func judge<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        let isBad = sum * 5 >= now - began
        let lasts = isBad && wasBad && !planted(.latenessUntold)
        if lasts != isLasting {
            out.emit(.trace(lasts ? Trace(.alwaysLate, duration: sum) : Trace(.inTimeAgain)))
        }
        isLasting = lasts
        wasBad = isBad
        began = now
        sum = .zero
    }
}
