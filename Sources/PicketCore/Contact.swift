/// Contact: a fresh round trip with the peer, never mere reception.
///
/// `age = now − (the time at which I sent my newest packet that the peer has acknowledged)`.
/// Whatever I sent before that instant is the last on which the peer can have acted. One number
/// covers both directions; contact is lost when it exceeds `deadAfter`.
///
/// Two clocks. Evidence against the peer is counted on a *running* clock, which stands still while
/// this agent does not run: a paused node wakes up no wiser than it fell asleep, and cannot take
/// its own absence for the peer's death. Fencing turns, which must not overlap the peer's, are
/// counted on the real one (see FencingTurns).
///
/// In steady state a heartbeat is acknowledged by the peer's next one, so that `age` stays below
/// two heartbeats and a round trip. Beyond half of `deadAfter` the machine probes at a far shorter
/// interval, and every probe is answered at once: plain loss must eat dozens of round trips in a
/// row before it looks like death.
package struct Contact: Sendable {
    package struct Sending: Sendable {
        package var sequence: UInt64 = 0
        package var real = Instant(nanoseconds: 0)
        package var running = Instant(nanoseconds: 0)

        package init(
            sequence: UInt64 = 0, real: Instant = Instant(nanoseconds: 0),
            running: Instant = Instant(nanoseconds: 0)
        ) {
            self.sequence = sequence
            self.real = real
            self.running = running
        }
    }

    /// The newest sendings by sequence modulo the count, a power of two; an acknowledgement of an
    /// older one says nothing that is still worth knowing.
    package private(set) var sendings = [Sending](repeating: Sending(), count: 512)
    package private(set) var sequence: UInt64 = 0
    /// Total time for which the agent did not run.
    package private(set) var stalled = Duration.zero

    /// The newest acknowledged sending of this agent, on either clock.
    package private(set) var reachedReal: Instant?
    package private(set) var reachedRunning: Instant?
    package private(set) var reachedSequence: UInt64 = 0
    /// The newest reception from the peer, real clock.
    package private(set) var heard: Instant?
    package private(set) var heardOnLink: [Instant]
    package private(set) var roundTrip: Duration?
    /// The peer's clock less this node's: the sample with the least round trip of late.
    package private(set) var clockOffset: Duration?
    private var offsetRoundTrip = Duration(nanoseconds: .max)
    private var offsetSampled = Instant(nanoseconds: 0)

    init(linkCount: Int, clockOffset: Duration?) {
        heardOnLink = Array(repeating: Instant(nanoseconds: .min / 2), count: linkCount)
        self.clockOffset = clockOffset
    }

    @inline(__always) func running(_ now: Instant) -> Instant { now - stalled }

    /// The agent did not run for this long.
    mutating func forgive(_ lateness: Duration) { stalled = stalled + lateness }

    /// Counts a sending and returns its sequence number.
    mutating func noteSending(at now: Instant) -> UInt64 {
        sequence += 1
        sendings[place(of: sequence)] =
            Sending(sequence: sequence, real: now, running: running(now))
        return sequence
    }

    private func place(of sequence: UInt64) -> Int { Int(sequence & UInt64(sendings.count - 1)) }

    mutating func noteHeard(on link: Int, at now: Instant) {
        heard = now
        if link < heardOnLink.count { heardOnLink[link] = now }
    }

    /// - Parameter former: by link, the number that it had; `nil` for one that is new.
    mutating func renumber(_ former: [Int?]) {
        heardOnLink = former.map { link in
            link.map { heardOnLink[$0] } ?? Instant(nanoseconds: .min / 2)
        }
    }

    /// The links on which something arrived within `window`.
    func heardOn(within window: Duration, at now: Instant) -> LinkSet {
        var set = LinkSet.none
        for link in heardOnLink.indices where now - heardOnLink[link] <= window { set.insert(link) }
        return set
    }

    /// Takes in the peer's acknowledgement. Returns whether it is news.
    mutating func noteAcknowledged(_ message: borrowing Message, at now: Instant) -> Bool {
        sample(message, at: now)
        let acknowledged = message.acknowledged
        guard acknowledged > reachedSequence, acknowledged <= sequence else { return false }
        let sending = sendings[place(of: acknowledged)]
        guard sending.sequence == acknowledged else { return false }
        reachedSequence = acknowledged
        reachedReal = sending.real
        reachedRunning = sending.running
        if planted(.contactFromReception) { assume(at: now) }
        return true
    }

    /// Assumes contact at `now` though nothing was acknowledged: an agent restarted in a boot that
    /// had contact starts its evidence here.
    mutating func assume(at now: Instant) {
        reachedReal = now
        reachedRunning = running(now)
    }

    /// The peer may have booted, and with it started another clock.
    mutating func forgetClock() {
        clockOffset = nil
        offsetRoundTrip = Duration(nanoseconds: .max)
    }

    /// For the checker, whose nodes' clocks agree: what a round trip would have shown.
    mutating func knowCommonClock() { clockOffset = .zero }

    /// RFC 5905 §8, with the wait at the peer already taken off by the peer.
    private mutating func sample(_ message: borrowing Message, at now: Instant) {
        guard message.echo.nanoseconds != 0 else { return }
        let trip = now - message.echo
        guard trip >= .zero, trip < .seconds(60) else { return }
        roundTrip = trip
        if trip <= offsetRoundTrip || now - offsetSampled > .seconds(10) {
            clockOffset = message.sentAt - (now - trip / 2)
            offsetRoundTrip = trip
            offsetSampled = now
        }
    }

    /// Time of running since the newest acknowledged sending; `nil` before the first.
    @inline(__always) package func age(at now: Instant) -> Duration? {
        reachedRunning.map { running(now) - $0 }
    }

    /// When `age` will exceed `limit` if nothing more is acknowledged and the agent keeps running.
    func deadline(for limit: Duration) -> Instant? {
        reachedRunning.map { $0 + stalled + limit + .nanoseconds(1) }
    }
}

extension Contact {
    /// As an image has it: a clock that never stood still, and no offset unless it is known.
    package mutating func restore(
        sequence: UInt64, reached: UInt64, real: Instant?, running: Instant?, heard: Instant?,
        sendings: [Sending], clockIsKnown: Bool
    ) {
        stalled = .zero
        self.sequence = sequence
        reachedSequence = reached
        reachedReal = real
        reachedRunning = running
        self.heard = heard
        self.sendings = sendings
        forgetClock()
        if clockIsKnown { knowCommonClock() }
    }
}
