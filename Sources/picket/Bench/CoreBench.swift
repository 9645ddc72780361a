import CPicket
import PicketCore

/// How many events a second the machine takes: heartbeats in steady contact, effects into a sink.
enum CoreBench {
    private struct Counter: EffectSink {
        var effects = 0
        mutating func emit(_ effect: Effect) { effects += 1 }
    }

    /// Events a second, one figure a round.
    static func run(rounds: Int, events: Int) -> [Double] {
        (0..<rounds).map { _ in
            let started = monotonicSeconds()
            exchange(events)
            return Double(events) / (monotonicSeconds() - started)
        }
    }

    private static func exchange(_ events: Int) {
        let timing = Timing(
            detectWithin: .milliseconds(500), heartbeat: .milliseconds(30),
            deadAfter: .milliseconds(370), probe: .milliseconds(4),
            headStart: .milliseconds(120), offWithin: .milliseconds(50),
            fenceTimeout: .milliseconds(600), fenceRetry: .seconds(5), feed: .seconds(2),
            longestPause: .seconds(60), leaveWithin: .seconds(5))
        let policy = Policy(
            me: .low, linkCount: 2, timing: timing, fenceLevels: [.relay(verified: true)],
            groups: [GroupPolicy(prefer: .high)], digest: 1)
        var now = Instant(nanoseconds: 1_000_000_000)
        var machine = Machine(
            policy: policy, memory: .blank(groups: 1), session: SessionID(1), note: .blank,
            at: now)
        var counter = Counter()
        var message = Message(sequence: 0, phase: .paired, configurationDigest: 1)
        message.groups = [GroupReport(role: .holding, term: Term(1), flags: [.running])]
        for index in 0..<events {
            now = now + .milliseconds(10)
            message.sequence += 1
            message.acknowledged = UInt64(index / 3)
            message.sentAt = now
            machine.handle(
                .received(message, session: SessionID(2), link: 0), at: now, into: &counter)
        }
        precondition(counter.effects > 0)
    }

    static func monotonicSeconds() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
