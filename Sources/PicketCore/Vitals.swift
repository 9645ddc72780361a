/// What the shell reports of the node itself: its health, the self-test of its way to fence, its
/// watchdog, and whether it is in a drill.
package struct Vitals: Sendable {
    package private(set) var health = Health(score: 100)
    package private(set) var relayTest: Message.RelayTest
    /// The hardware watchdog's timeout; zero while it is not armed.
    package private(set) var watchdog = Duration.zero
    package private(set) var drill = false
    /// Since when every look has found the peer without power.
    package private(set) var peerOffSince: Instant?
    private var fedAt = Instant(nanoseconds: .min / 2)
    private var resetting = Reset.none

    /// How far this node has come with letting its watchdog end it.
    private enum Reset: Equatable, Sendable {
        case none
        case refused(Refusal)
        /// What runs here is handed over.
        case givingUp
        /// Counted against the budget of fences, which has to be on disk first.
        case planned
        /// The watchdog is fed no more.
        case due
    }

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

    mutating func note(peerOff off: Bool, at now: Instant) {
        peerOffSince = off ? peerOffSince ?? now : nil
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

    // MARK: A reset by this node's own watchdog

    /// This node gives away what it has, and takes nothing.
    var isGivingUp: Bool {
        switch resetting {
        case .none, .refused: false
        case .givingUp, .planned, .due: true
        }
    }
    var isResetPlanned: Bool { resetting == .planned || resetting == .due }

    mutating func giveUp() { if !isGivingUp { resetting = .givingUp } }

    /// Returns whether that is new, and so to be counted.
    mutating func planReset() -> Bool {
        guard !isResetPlanned else { return false }
        resetting = .planned
        return true
    }

    mutating func reset<Sink: EffectSink>(for group: GroupIndex, into out: inout Sink) {
        guard resetting != .due else { return }
        resetting = .due
        out.emit(
            .trace(Trace(.resetDue, group: group, cause: .stopFailed, duration: watchdog)))
    }

    mutating func refuseReset<Sink: EffectSink>(
        _ refusal: Refusal, of group: GroupIndex, until: Duration?, into out: inout Sink
    ) {
        guard resetting != .refused(refusal) else { return }
        resetting = .refused(refusal)
        out.emit(
            .trace(Trace(.resetRefused, group: group, refusal: refusal, duration: until)))
    }

    /// What called for it is gone.
    mutating func callOffReset<Sink: EffectSink>(into out: inout Sink) {
        if resetting == .due { out.emit(.trace(Trace(.resetCalledOff))) }
        resetting = .none
    }

    /// S8: the only place that feeds.
    mutating func feed<Sink: EffectSink>(
        every interval: Duration, at now: Instant, into out: inout Sink
    ) {
        // The driver may have set another timeout than the one that was asked for.
        guard watchdog > .zero, resetting != .due,
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
