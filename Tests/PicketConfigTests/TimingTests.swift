import PicketConfig
import PicketCore
import PicketText
import Testing

func derive(_ intent: TimingIntent) -> Result<TimingBudget, TimingRefusal> {
    do throws(TimingRefusal) {
        return .success(try intent.derive())
    } catch {
        return .failure(error)
    }
}

struct TimingTests {
    struct Row: Sendable {
        var detect: Int64
        var off: Int64
        var heartbeat: Int64
        var dead: Int64
        var probe: Int64
        var head: Int64
        var needed: Int
        var sent: Int
    }

    /// Milliseconds in, microseconds out.
    @Test(arguments: [
        Row(
            detect: 50, off: 5, heartbeat: 2_428, dead: 29_142, probe: 628, head: 15_356,
            needed: 20, sent: 20),
        Row(
            detect: 200, off: 5, heartbeat: 12_928, dead: 155_142, probe: 1_180, head: 37_856,
            needed: 18, sent: 64),
        Row(
            detect: 200, off: 50, heartbeat: 9_714, dead: 116_571, probe: 1_000, head: 76_428,
            needed: 19, sent: 56),
        Row(
            detect: 1000, off: 50, heartbeat: 65_714, dead: 788_571, probe: 6_129, head: 196_428,
            needed: 17, sent: 64),
        Row(
            detect: 30_000, off: 50, heartbeat: 1_000_000, dead: 27_340_000, probe: 213_562,
            head: 2_355_000, needed: 7, sent: 64),
    ])
    func `what the operator wants gives every duration`(row: Row) throws {
        let budget = try derive(
            TimingIntent(
                detectWithin: .milliseconds(row.detect), offWithin: .milliseconds(row.off))
        ).get()
        let timing = budget.timing
        #expect(timing.heartbeat == .microseconds(row.heartbeat))
        #expect(timing.deadAfter == .microseconds(row.dead))
        #expect(timing.probe == .microseconds(row.probe))
        #expect(timing.headStart == .microseconds(row.head))
        #expect(budget.probesNeeded == row.needed)
        #expect(budget.probesSent == row.sent)
        #expect(timing.fenceTimeout == .milliseconds(2 * row.off + 500))
    }

    @Test(arguments: [(50, 5, true), (200, 50, true), (500, 50, false), (1000, 50, false)])
    func `a plug's wires have parted before the peer counts as dead`(
        detect: Int64, off: Int64, isLonger: Bool
    ) throws {
        var intent = TimingIntent(
            detectWithin: .milliseconds(detect), offWithin: .milliseconds(off))
        let stated = try derive(intent).get().timing
        intent.awaitsPlug = true
        let timing = try derive(intent).get().timing
        #expect((timing != stated) == isLonger)
        #expect(timing.deadAfter >= TimingIntent.plugPartsWithin + timing.heartbeat * 2)
        // Nor for much longer.
        #expect(!isLonger || timing.deadAfter < .milliseconds(370))
    }

    /// Over three decades of both, whatever is derived must keep the rules, and whatever is
    /// refused must be granted with what the refusal proposes.
    @Test func `the sum holds wherever it is not refused`() throws {
        var derived = 0
        for detect in stride(from: Int64(1), to: 20_000, by: 37) {
            for off in [0, 1, 5, 20, 80, 320, 1_280, 5_120] as [Int64] {
                let intent = TimingIntent(
                    detectWithin: .milliseconds(detect), offWithin: .milliseconds(off))
                guard case .success(let budget) = derive(intent) else { continue }
                derived += 1
                let timing = budget.timing
                let margin = Duration.milliseconds(5) + timing.detectWithin / 100
                #expect(timing.deadAfter + timing.headStart + margin <= timing.detectWithin)
                #expect(
                    budget.detection.reduce(Duration.zero) { $0 + $1.duration }
                        <= timing.detectWithin)
                #expect(timing.headStart >= timing.heartbeat * 2 + timing.offWithin + margin)
                #expect(timing.heartbeat >= .milliseconds(1) && timing.heartbeat <= .seconds(1))
                #expect(timing.probe >= .microseconds(250) && timing.probe <= timing.heartbeat)
                #expect(budget.probesSent >= budget.probesNeeded)
                #expect(
                    timing.probe * Int64(budget.probesNeeded) + .milliseconds(2)
                        <= timing.deadAfter / 2)
            }
        }
        #expect(derived > 2_000)
    }

    @Test func `what cannot hold is refused with its arithmetic`() {
        let result = load(
            changed("off_within: 50ms", "off_within: 300ms")
                .replacing("detect_within: 500ms", with: "detect_within: 200ms"))
        #expect(
            errors(result) == """
                p.yaml:5:18: pair.detect_within: 200ms cannot hold:
                      detect_within      200ms
                    − off_within         300ms   the standby waits until the holder's fence has taken effect
                    − 2 × margin          14ms   5ms and 1 % of detect_within, in the head start and behind it
                    = left              -114ms   for dead_after and two heartbeats
                      needed              17ms   so that 20 % loss looks like a death once in ten years
                    write detect_within: 334ms or more, or a relay with off_within: 169ms or less
                """)
    }

    @Test func `what a refusal proposes holds, and nothing shorter does`() {
        for (detect, off) in [(200, 300), (20, 5), (1, 1), (40, 30), (500, 60_000)]
            as [(Int64, Int64)]
        {
            var intent = TimingIntent(
                detectWithin: .milliseconds(detect), offWithin: .milliseconds(off))
            guard case .failure(let refusal) = derive(intent) else {
                Issue.record("\(detect) with \(off) is not refused")
                continue
            }
            let words = refusal.text.split(whereSeparator: { $0 == " " || $0 == "," })
            let place = words.lastIndex(of: "detect_within:")!
            let proposed = Duration(written: String(words[place + 1]))!
            intent.detectWithin = proposed
            #expect((try? derive(intent).get()) != nil)
            intent.detectWithin = proposed - .milliseconds(1)
            #expect((try? derive(intent).get()) == nil)
            if let place = words.lastIndex(of: "off_within:") {
                intent.detectWithin = .milliseconds(detect)
                intent.offWithin = Duration(written: String(words[place + 1]))!
                #expect((try? derive(intent).get()) != nil)
            }
        }
    }

    @Test(
        arguments: [
            (800, 200), (1_000, 250), (10_000, 2_500), (60_000, 5_000),
        ] as [(Int64, Int64)])
    func `a watchdog is fed four times within its timeout, and five times a second at most`(
        timeout: Int64, feed: Int64
    ) throws {
        let intent = TimingIntent(
            detectWithin: .seconds(1), offWithin: .milliseconds(50),
            watchdog: .milliseconds(timeout))
        let budget = try derive(intent).get()
        #expect(budget.timing.feed == .milliseconds(feed))
        #expect(budget.watchdog == .milliseconds(timeout))
    }

    @Test func `without feedback the off time stands in for the proof`() throws {
        let it = try load(changed("verify: { line: PEER_PGOOD }", "verify: none")).get()
        // The off time, longer than the agent's timeout and a second to kill it.
        #expect(it.policy.timing.fenceTimeout == .milliseconds(5_500))
        #expect(it.policy.timing.offWithin == .milliseconds(50))
        #expect(it.timing.takeover.map(\.name) == ["detect_within", "off_time", "start_within"])
        #expect(it.timing.worstTakeover == .milliseconds(500 + 5_000 + 10_000))
    }

    @Test func `the worst takeover is the sum of what the operator stated`() throws {
        let it = try load(example).get()
        #expect(
            it.timing.takeover.map(\.duration) == [
                .milliseconds(500), .milliseconds(50), .seconds(10),
            ])
        #expect(it.timing.worstTakeover == .milliseconds(10_550))
        // A stop may wait for the standby's copy as long as it may take itself.
        #expect(it.policy.groups[0].sync?.waits == .seconds(30))
        #expect(it.policy.timing.leaveWithin == .seconds(3 + 30 + 30 + 10))
        #expect(it.policy.timing.longestPause == .seconds(60))
    }

    @Test func `a pair with agents only waits for the agent`() throws {
        let text = changed("detect_within: 500ms", "detect_within: 10s")
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let start = lines.firstIndex { $0 == "  - relay:" }!
        let end = lines.firstIndex { $0 == "  - agent:" }!
        let it = try load((lines[..<start] + lines[end...]).joined(separator: "\n")).get()
        #expect(it.policy.fenceLevels == [.agent])
        #expect(it.policy.timing.offWithin == .seconds(3))
        #expect(it.policy.timing.headStart > .seconds(3))
    }

    @Test func `turns are apart by the longest time after which an order can take effect`() throws {
        // The first level is a relay, so first turns go by it; late turns are of any level.
        let both = try load(example).get().policy.timing
        #expect(both.offWithin == .milliseconds(50))
        #expect(both.slowestOff == .seconds(3))
        let intent = TimingIntent(
            detectWithin: .seconds(10), offWithin: .milliseconds(50), agentTimeout: .seconds(3),
            agentIsFirst: true)
        let late = try intent.derive().timing
        #expect(late.offWithin == .seconds(3))
        #expect(late.headStart > .seconds(3))
    }
}

extension String {
    func replacing(_ old: String, with new: String) -> String {
        split2(self, old).joined(separator: new)
    }
}

private func split2(_ text: String, _ separator: String) -> [String] { split(text, separator) }
