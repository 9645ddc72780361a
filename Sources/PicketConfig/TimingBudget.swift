public import PicketCore
import PicketText

/// One time budget: it leads from the operator's wishes to every duration of the protocol.
///
/// The operator states three times: `detect_within` (a standby orders the fence at most this long
/// after its peer's death), the relay's `off_within`, the group's `start_within`. Nothing else is
/// set by hand, so no two settings can be set against each other. This is how the rest follows.
///
/// **Death.** A node dies just after one of its answers. Contact is lost when the newest
/// acknowledged sending is older than `dead_after`; the holder then fences at once. The standby
/// has its turn later by the holder's turn (`head start`), and in a takeover the standby is the node
/// that waits. So the sum that must hold is
///
///     dead_after + head start + margin ≤ detect_within
///
/// It holds for a standby that is fit. One that is not leaves four turns of `dead_after + off_within`
/// to others first (FencingTurns).
///
/// **Margin**: 5 ms + 1 % of `detect_within`, for late wake-ups of loop and worker, and the round
/// trip.
///
/// **Head start.** The two nodes lose contact at different instants. Both measure from the sending
/// of a packet that was acknowledged, and the two newest such packets are at most one heartbeat
/// apart each way: this makes 2 × heartbeat. The holder's fence must have taken effect before the
/// standby's turn comes, however late it switches, so off_within and a margin are added:
///
///     head start = 2 × heartbeat + off_within + margin
///
/// **Heartbeat**: dead_after / 12, so that twelve round trips have failed when contact is lost; not
/// more often than once a millisecond, not less often than once a second. With it
///
///     dead_after + 2 × heartbeat = detect_within − off_within − 2 × margin
///
/// of which dead_after is 6/7 wherever the heartbeat is not at one of its bounds.
///
/// **Probes.** Suspicion begins when the newest acknowledged sending is older than dead_after / 2.
/// Then probes go out on every link, each answered at once. Loss is taken as 20 % each way on a
/// single link (more links only help), so a round trip succeeds with p = 0.8² = 0.64 and fails with
/// q = 0.36. Until suspicion k = dead_after / 2 / heartbeat − 1 heartbeats' round trips must have
/// failed in a row (one less than fit, since the answer to a heartbeat waits for the peer's next),
/// 5 of 6 in the usual case, so that suspicions come at
///
///     r = p / heartbeat × qᵏ        (heartbeat 66 ms: 0.64 / 0.066 × 0.36⁵ = 0.06 a second)
///
/// Each of them turns into a false alarm if all N probes fail, qᴺ. One false alarm in ten years of
/// such loss (3.2 × 10⁸ s) needs r × 3.2 × 10⁸ × qᴺ ≤ 1, which is N = 17 … 20. They must fit into
/// dead_after / 2 less 2 ms for the last round trip. Where there is time we send 64 of them, but at
/// most one a millisecond; 64 are far beyond the target and outlast bursts of loss too. Where there
/// is little time we send the N that the target needs, down to one every 250 µs. A `detect_within`
/// in which not even those fit is refused.
///
/// **Fence**: a level that has not reported after 2 × off_within + 500 ms has failed. Where there
/// is no feedback, the supply's full off time stands in for off_within. A fence agent has its own
/// timeout (and a second to be killed); what it ordered may take effect until then, so that is not
/// beyond its off_within. An agent that is no first level counts in late turns alone. Attempts after
/// every level failed: 5 s, doubling.
///
/// **Watchdog**: fed every quarter of its timeout, at least every 5 s and never more than 5 times a
/// second, so a timeout below 800 ms cannot hold. A hung agent is reset at the latest one whole
/// timeout after its last healthy turn.
///
/// **Leaving** waits for the slowest stop here and the slowest start there, and 3 s for the
/// messages between them.
public struct TimingBudget: Equatable, Sendable {
    public var timing: Timing
    /// Terms of detection; their sum is at most `detect_within`.
    public var detection: [Term]
    /// Terms of the takeover; their sum is `worstTakeover`.
    public var takeover: [Term]
    /// The longest time from a node's death until its groups are active on the other node.
    public var worstTakeover: Duration
    /// A hung agent is reset within this; `nil` without a watchdog.
    public var watchdog: Duration?
    /// Probes that the false-alarm target needs within half of `dead_after`, and those sent.
    public var probesNeeded: Int
    public var probesSent: Int

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

/// The times that the operator states, and those that follow from the rest of the file.
public struct TimingIntent: Equatable, Sendable {
    public var detectWithin: Duration
    /// The slowest first level's: from the order until the power is off. Zero without a fence.
    public var offWithin: Duration
    /// From the order to the receipt: `offWithin`, or the off time where there is no feedback.
    public var receiptWithin: Duration
    /// The slowest fence agent's: until then what it ordered may take effect. `nil` without one.
    public var agentTimeout: Duration?
    /// A node's first level is an agent.
    public var agentIsFirst: Bool
    /// The slowest group's.
    public var startWithin: Duration
    public var stopWithin: Duration
    /// For how long a planned stop may wait for a copy.
    public var copyWithin: Duration
    public var watchdog: Duration?
    public var longestPause: Duration
    /// A sense wire may share its plug with a link, and then read *off* when that is pulled. The peer
    /// is cut only when all wires of such a plug have parted, so that an edge after it is the cut's.
    public var awaitsPlug = false

    public init(
        detectWithin: Duration, offWithin: Duration, receiptWithin: Duration? = nil,
        agentTimeout: Duration? = nil, agentIsFirst: Bool = false, startWithin: Duration = .zero,
        stopWithin: Duration = .zero, copyWithin: Duration = .zero,
        watchdog: Duration? = nil, longestPause: Duration = .seconds(60)
    ) {
        self.detectWithin = detectWithin
        self.offWithin = offWithin
        self.receiptWithin = receiptWithin ?? offWithin
        self.agentTimeout = agentTimeout
        self.agentIsFirst = agentIsFirst
        self.startWithin = startWithin
        self.stopWithin = stopWithin
        self.copyWithin = copyWithin
        self.watchdog = watchdog
        self.longestPause = longestPause
    }
}

/// Why a `detect_within` cannot hold.
public struct TimingRefusal: Error, Equatable, Sendable {
    /// The arithmetic, line by line.
    public var text: String
}

extension TimingIntent {
    /// The wires of a plug that is pulled part one after the other, the last one this long after the first.
    public static let plugPartsWithin = Duration.milliseconds(300)
    static let shortestProbe = Duration.microseconds(250)
    static let roundTrip = Duration.milliseconds(2)
    static let fewestFeeds: Int64 = 4

    var margin: Duration { .milliseconds(5) + detectWithin / 100 }

    /// The time that is left for dead_after and two heartbeats.
    var left: Duration { detectWithin - firstOff - margin * 2 }

    /// When an order to a first level has taken effect, at the latest.
    var firstOff: Duration { agentIsFirst ? slowestOff : offWithin }

    /// When an order to any level has.
    var slowestOff: Duration {
        planted(.turnsByUsualTime) ? offWithin : max(offWithin, agentTimeout ?? .zero)
    }

    /// Derives everything that follows, or throws the arithmetic that shows why it cannot hold.
    /// Where a plug must be waited for, `detectWithin` is as long as that takes.
    public func derive() throws(TimingRefusal) -> TimingBudget {
        let stated = try deriveAsStated()
        guard awaitsPlug, !planted(.plugNotAwaited) else { return stated }
        var intent = self
        intent.detectWithin = max(detectWithin, shortestPastPlug())
        return try intent.deriveAsStated()
    }

    private func deriveAsStated() throws(TimingRefusal) -> TimingBudget {
        guard let detection = Detection(left: left) else { throw refusal() }
        let headStart = detection.heartbeat * 2 + firstOff + margin
        let relay = max(offWithin * 2, receiptWithin) + .milliseconds(500)
        let agent = agentTimeout.map { $0 + .seconds(1) } ?? .zero
        let timing = Timing(
            detectWithin: detectWithin, heartbeat: detection.heartbeat,
            deadAfter: detection.deadAfter, probe: detection.probe, headStart: headStart,
            offWithin: firstOff, fenceTimeout: max(relay, agent), fenceRetry: .seconds(5),
            feed: feed, longestPause: longestPause,
            leaveWithin: .seconds(3) + copyWithin + stopWithin + startWithin,
            slowestOff: slowestOff)
        return TimingBudget(
            timing: timing,
            detection: [
                .init(
                    "dead_after", timing.deadAfter,
                    "the peer has acknowledged nothing newer than this"),
                .init(
                    "head start", headStart,
                    "2 heartbeats of \(timing.heartbeat.asWritten), off_within "
                        + "\(firstOff.asWritten) and margin: the holder would go first"),
                .init("margin", margin, "5ms and 1 % of detect_within"),
            ],
            takeover: [
                .init(
                    "detect_within", detectWithin,
                    "from the death to the fence order of a fit standby; of one that is not: "
                        + timing.unfitWithin.asWritten),
                .init(
                    receiptWithin == offWithin ? "off_within" : "off_time", receiptWithin,
                    receiptWithin == offWithin
                        ? "from the order to the power known to be off"
                        : "there is no feedback: the whole off time stands in for it"),
                .init("start_within", startWithin, "the slowest group's start"),
            ],
            worstTakeover: detectWithin + receiptWithin + startWithin, watchdog: watchdog,
            probesNeeded: detection.probesNeeded, probesSent: detection.probesSent)
    }

    /// At least four feeds in a timeout, at most 5 feeds a second.
    var feed: Duration {
        guard let watchdog else { return .seconds(1) }
        return max(.milliseconds(200), min(watchdog / Self.fewestFeeds, .seconds(5)))
    }

    /// The arithmetic, and the nearest settings that would hold.
    private func refusal() -> TimingRefusal {
        var text = "\(detectWithin.asWritten) cannot hold:"
        @inline(never)
        func line(_ sign: String, _ name: String, _ value: String, _ meaning: String) {
            text += "\n    \(sign) " + padded(name, 14) + padded(value, 10, left: true)
            if !meaning.isEmpty { text += "   " + meaning }
        }
        line(" ", "detect_within", detectWithin.asWritten, "")
        line(
            "−", "off_within", firstOff.asWritten,
            "the standby waits until the holder's fence has taken effect")
        line(
            "−", "2 × margin", (margin * 2).asWritten,
            "5ms and 1 % of detect_within, in the head start and behind it")
        line("=", "left", left.asWritten, "for dead_after and two heartbeats")
        line(
            " ", "needed", shortestLeft().asWritten,
            "so that 20 % loss looks like a death once in ten years")
        text += "\n    write detect_within: \(shortestDetectWithin().asWritten) or more"
        if let off = longestOffWithin() {
            text += ", or a relay with off_within: \(off.asWritten) or less"
        }
        return TimingRefusal(text: text)
    }

    /// Whole milliseconds, found by halving.
    func shortestDetectWithin() -> Duration {
        shortest { candidate in
            var other = self
            other.detectWithin = .milliseconds(candidate)
            return Detection(left: other.left) != nil
        }
    }

    /// The newest packet that the peer acknowledged was sent up to two heartbeats and a round trip
    /// before the first wire parted: it was the last before a heartbeat, and so was its receipt.
    private func shortestPastPlug() -> Duration {
        shortest { candidate in
            var other = self
            other.detectWithin = .milliseconds(candidate)
            guard let detection = Detection(left: other.left) else { return false }
            let parted = Self.plugPartsWithin + detection.heartbeat * 2 + Self.roundTrip
            return detection.deadAfter >= parted
        }
    }

    private func shortestLeft() -> Duration {
        shortest { Detection(left: .milliseconds($0)) != nil }
    }

    private func longestOffWithin() -> Duration? {
        let longest = left + firstOff - shortestLeft()
        return longest < .milliseconds(1) ? nil : .milliseconds(longest.milliseconds)
    }

    private func shortest(_ holds: (Int64) -> Bool) -> Duration {
        var refused: Int64 = 0
        var held: Int64 = 3_600_000
        while held - refused > 1 {
            let middle = (held + refused) / 2
            if holds(middle) { held = middle } else { refused = middle }
        }
        return .milliseconds(held)
    }
}

/// The part of the derivation that is about telling loss from death.
private struct Detection {
    var deadAfter: Duration
    var heartbeat: Duration
    var probe: Duration
    var probesNeeded: Int
    var probesSent: Int

    /// - Parameter left: the time for `dead_after` and two heartbeats.
    init?(left: Duration) {
        let fastest = Duration.milliseconds(1)
        let slowest = Duration.seconds(1)
        var dead = left * 6 / 7
        if dead / 12 < fastest { dead = left - fastest * 2 }
        if dead / 12 > slowest { dead = left - slowest * 2 }
        deadAfter = .microseconds(dead.microseconds)
        heartbeat = .microseconds(min(max(dead / 12, fastest), slowest).microseconds)
        guard deadAfter > heartbeat * 4 else { return nil }

        probesNeeded = Self.probesNeeded(deadAfter, heartbeat)
        let window = deadAfter / 2 - TimingIntent.roundTrip
        let wanted = window / 64
        probe =
            wanted >= .milliseconds(1)
            ? wanted : min(.milliseconds(1), window / Int64(probesNeeded))
        probe = .microseconds(probe.microseconds)
        guard probe >= TimingIntent.shortestProbe else { return nil }
        probesSent = Int(window.nanoseconds / probe.nanoseconds)
    }

    /// N of the theory above: the least with r × T × qᴺ ≤ 1.
    private static func probesNeeded(_ deadAfter: Duration, _ heartbeat: Duration) -> Int {
        let succeeds = 0.64
        let fails = 1 - succeeds
        let tenYears = 10 * 365.25 * 86_400
        var alarms = succeeds / (Double(heartbeat.nanoseconds) / 1e9) * tenYears
        let silent = max(1, deadAfter.nanoseconds / 2 / heartbeat.nanoseconds - 1)
        for _ in 0..<min(silent, 1_000) { alarms *= fails }
        var count = 1
        alarms *= fails
        while alarms > 1 {
            alarms *= fails
            count += 1
        }
        return count
    }
}

private func padded(_ text: String, _ width: Int, left: Bool = false) -> String {
    var spaces = ""
    var count = text.unicodeScalars.count
    while count < width {
        spaces += " "
        count += 1
    }
    return left ? spaces + text : text + spaces
}
