/// What the shell reports of the node itself: its health, the self-test of its way to fence, its
/// watchdog, and whether it is in a drill.
package struct Vitals: Sendable {
    package private(set) var health = Health(score: 100)
    package private(set) var relayTest: Message.RelayTest
    /// The hardware watchdog's timeout; zero while it is not armed.
    package private(set) var watchdog = Duration.zero
    package private(set) var drill = false
    private var fedAt = Instant(nanoseconds: .min / 2)

    init(canFence: Bool) { relayTest = canFence ? .unknown : .absent }

    /// Returns whether the peer is to be told.
    mutating func note<Sink: EffectSink>(_ new: Health, into out: inout Sink) -> Bool {
        let before = health
        health = new
        if before.score != new.score {
            out.emit(.trace(Trace(.healthChanged, number: UInt64(new.score))))
        }
        return before != new
    }

    mutating func note<Sink: EffectSink>(_ result: Message.RelayTest, into out: inout Sink) {
        guard relayTest != result else { return }
        relayTest = result
        switch result {
        case .passed: out.emit(.trace(Trace(.relayTestPassed)))
        case .failed: out.emit(.trace(Trace(.relayTestFailed)))
        case .unknown, .absent: break
        }
    }

    mutating func note<Sink: EffectSink>(watchdog timeout: Duration, into out: inout Sink) {
        guard watchdog != timeout else { return }
        watchdog = timeout
        out.emit(
            .trace(
                timeout > .zero
                    ? Trace(.watchdogArmed, duration: timeout) : Trace(.watchdogUnarmed)))
    }

    /// Returns whether that is new.
    mutating func note<Sink: EffectSink>(drill on: Bool, into out: inout Sink) -> Bool {
        guard drill != on else { return false }
        drill = on
        out.emit(.trace(Trace(on ? .drillBegan : .drillEnded, cause: .drill)))
        return true
    }

    /// S8: the only place that feeds.
    mutating func feed<Sink: EffectSink>(
        every interval: Duration, at now: Instant, into out: inout Sink
    ) {
        // The driver may have set another timeout than the one that was asked for.
        guard watchdog > .zero,
            now - fedAt >= min(interval, max(.milliseconds(200), watchdog / 4))
        else { return }
        fedAt = now
        out.emit(.feedWatchdog)
    }
}

extension Vitals {
    /// As an image has it; `other` gives what an image does not hold.
    package init(health: Health, drill: Bool, like other: Vitals) {
        self = other
        self.health = health
        self.drill = drill
    }
}
