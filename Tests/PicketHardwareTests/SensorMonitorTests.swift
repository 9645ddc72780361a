import PicketCore
import PicketHardware
import Testing

extension Instant {
    /// Seconds from the test's beginning, which is not the clock's.
    static func at(_ seconds: Double) -> Instant {
        Instant(nanoseconds: 1_000_000_000_000 + Int64(seconds * 1e9))
    }
}

/// One line of a story: at each second a value, or a failure.
enum Input: Sendable {
    case value(Double)
    case nak
    case nothing

    static let error = SensorError("TMP102 temperature", .bus(.nak(address: 0x48)))
}

struct SensorMonitorTests {
    static let watch = SensorWatch(
        warn: [.above(60)], critical: [.above(75)], hysteresis: 3, debounce: 3)

    func monitor(_ watch: SensorWatch = watch) -> SensorMonitor {
        SensorMonitor(
            SensorDescription(
                name: "inlet", driver: .tmp102(TMP102()), bus: 1, address: 0x48, watch: watch),
            at: .at(0))
    }

    func sample(_ value: Double) -> Sample {
        Sample(bits: value.bitPattern, quantity: Quantity(value, .celsius))
    }

    /// Feeds one input a second from second 1, and gives the verdict after each.
    func run(_ monitor: inout SensorMonitor, _ inputs: [Input], from start: Double = 1) -> [Verdict]
    {
        var verdicts: [Verdict] = []
        for (index, input) in inputs.enumerated() {
            let now = Instant.at(start + Double(index))
            switch input {
            case .value(let value): _ = monitor.take(sample(value), at: now)
            case .nak: _ = monitor.fail(Input.error, at: now)
            case .nothing: _ = monitor.pass(at: now)
            }
            verdicts.append(monitor.verdict)
        }
        return verdicts
    }

    func levels(_ watch: SensorWatch, _ values: [Double]) -> [Level] {
        var monitor = monitor(watch)
        return run(&monitor, values.map(Input.value)).map(\.level)
    }

    @Test(
        arguments: [
            // The first good value is believed, a bad one only when it is repeated.
            ([20], [.ok]),
            ([70, 70, 70], [.unknown, .unknown, .warn]),
            ([20, 61, 61, 61], [.ok, .ok, .ok, .warn]),
            ([20, 61, 61, 20, 61, 61, 61], [.ok, .ok, .ok, .ok, .ok, .ok, .warn]),
            // At the threshold is not above it.
            ([20, 60, 60, 60, 60], [.ok, .ok, .ok, .ok, .ok]),
            // A run that goes up ends at its mildest, and goes on from there.
            ([20, 80, 80, 61], [.ok, .ok, .ok, .warn]),
            ([20, 80, 80, 80], [.ok, .ok, .ok, .critical]),
            // Hysteresis: warn holds down to 57, critical down to 72.
            ([61, 61, 61, 58, 58, 58], [.unknown, .unknown, .warn, .warn, .warn, .warn]),
            ([61, 61, 61, 57, 57, 57], [.unknown, .unknown, .warn, .warn, .warn, .ok]),
            (
                [80, 80, 80, 73, 73, 73],
                [.unknown, .unknown, .critical, .critical, .critical, .critical]
            ),
            (
                [80, 80, 80, 71, 71, 71],
                [.unknown, .unknown, .critical, .critical, .critical, .warn]
            ),
            // A run that goes down ends at its worst.
            (
                [80, 80, 80, 20, 65, 20],
                [.unknown, .unknown, .critical, .critical, .critical, .warn]
            ),
        ] as [([Double], [Level])])
    func `values make levels with hysteresis and debounce`(values: [Double], expected: [Level]) {
        #expect(levels(Self.watch, values) == expected)
    }

    @Test func `limits work downward and in both directions`() {
        let rail = SensorWatch(
            warn: [.below(4.8)], critical: [.below(4.65), .above(5.5)], hysteresis: 0.05,
            debounce: 1)
        #expect(
            levels(rail, [5, 4.79, 4.82, 4.86, 4.6, 4.69, 4.75, 5.6, 5.46, 5.4])
                == [.ok, .warn, .warn, .ok, .critical, .critical, .warn, .critical, .critical, .ok])
    }

    @Test func `changed limits judge the next values, and forget no level`() {
        var monitor = monitor()
        #expect(run(&monitor, [20, 20].map(Input.value)).last?.level == .ok)
        monitor.judge(by: SensorWatch(warn: [.above(15)], debounce: 2))
        #expect(monitor.verdict.level == .ok)
        #expect(run(&monitor, [20, 20].map(Input.value), from: 3).map(\.level) == [.ok, .warn])
        monitor.judge(by: Self.watch)
        #expect(
            run(&monitor, [20, 20, 20].map(Input.value), from: 5).map(\.level)
                == [.warn, .warn, .ok])
    }

    @Test func `a changed list keeps what a sensor knows, and nothing of one that is gone`() {
        func sensor(_ name: String, at address: UInt8, warn: Double = 30) -> SensorDescription {
            SensorDescription(
                name: name, driver: .tmp102(TMP102()), bus: 1, address: address,
                watch: SensorWatch(
                    warn: [.above(warn)], critical: [.above(40)], hysteresis: 5, debounce: 1,
                    staleAfter: .seconds(5)))
        }
        let start = Instant(nanoseconds: 0)
        var monitors = [SensorMonitor]().following(
            [sensor("hot", at: 0x48), sensor("warm", at: 0x49)], at: start)
        func read(_ index: Int, _ value: Double, at now: Instant) {
            let sample = Sample(bits: UInt64(value), quantity: Quantity(value, .celsius))
            _ = monitors[index].take(sample, at: now)
        }
        read(0, 50, at: start)
        read(1, 31, at: start)
        read(1, 28, at: start)
        var health = HealthModel(riseAfter: .zero)
        func score(at now: Instant) -> UInt8 {
            for index in monitors.indices { _ = monitors[index].pass(at: now) }
            _ = health.update(sensors: monitors, checks: SelfChecks(), at: now)
            return health.health.score
        }
        #expect(score(at: start) == 0)

        let later = start + .seconds(60)
        read(1, 28, at: later)
        monitors = monitors.following(
            [sensor("new", at: 0x4a), sensor("warm", at: 0x49), sensor("other", at: 0x4b)],
            at: later)
        #expect(monitors.map { $0.name } == ["new", "warm", "other"])
        // It is held past its warning limit by the hysteresis alone; the others are unknown.
        #expect(monitors.map { $0.verdict.level } == [.unknown, .warn, .unknown])
        #expect(monitors[1].readAt == later)
        #expect(score(at: later + .seconds(5)) == 100 - HealthModel.warnPenalty)
        // Then the time of their first reading is up.
        read(1, 28, at: later + .seconds(6))
        #expect(
            score(at: later + .seconds(6))
                == 100 - HealthModel.warnPenalty - 2 * HealthModel.failedPenalty)
        // Under the same name another chip.
        let end = later + .seconds(7)
        monitors = monitors.following(
            [sensor("warm", at: 0x50), sensor("new", at: 0x4a, warn: 20)], at: end)
        #expect(monitors.map { $0.verdict.level } == [.unknown, .warn])
        #expect(monitors.map { $0.verdict.failed } == [false, true])
    }

    @Test func `a failed read is never a value, and three in a row are a failed sensor`() {
        var monitor = monitor()
        let verdicts = run(&monitor, [.value(20), .nak, .nak, .nak])
        #expect(monitor.reading == .failed(.unreadable(Input.error)))
        #expect(
            verdicts == [
                Verdict(.ok), Verdict(.ok), Verdict(.ok), Verdict(.warn, failed: true),
            ])
    }

    @Test func `a single failure shows in the reading and not in the verdict`() {
        var monitor = monitor()
        _ = run(&monitor, [.value(20), .nak])
        #expect(monitor.reading == .failed(.unreadable(Input.error)))
        #expect(monitor.verdict == Verdict(.ok))
    }

    @Test(arguments: [
        (SensorWatch.OnFail.warn, Verdict(.warn, failed: true)),
        (.critical, Verdict(.critical, failed: true)),
        (.ignore, Verdict(.unknown, failed: true)),
    ])
    func `a failed sensor is as bad as the configuration says`(
        onFail: SensorWatch.OnFail, expected: Verdict
    ) {
        var watch = Self.watch
        watch.onFail = onFail
        var monitor = monitor(watch)
        _ = run(&monitor, [.value(20), .nak, .nak, .nak])
        #expect(monitor.verdict == expected)
    }

    @Test func `failures between hot values do not hide the heat`() {
        var monitor = monitor()
        let verdicts = run(
            &monitor, [.value(20), .value(80), .nak, .value(80), .nak, .nak, .value(80)])
        #expect(verdicts.last == Verdict(.critical))
    }

    @Test func `a sensor that fails while critical stays critical`() {
        var monitor = monitor()
        _ = run(&monitor, [.value(80), .value(80), .value(80), .nak, .nak, .nak, .nak])
        #expect(monitor.verdict == Verdict(.critical))
    }

    @Test func `a sensor that recovers is believed after as many values`() {
        var monitor = monitor()
        let verdicts = run(
            &monitor, [.value(20), .nak, .nak, .nak, .value(20), .value(20), .value(20)])
        #expect(
            verdicts.map(\.failed) == [false, false, false, true, true, true, false])
    }

    @Test func `silence makes a value stale`() {
        var monitor = monitor()
        _ = run(&monitor, [.value(20)])
        _ = monitor.pass(at: .at(6))
        #expect(monitor.reading == .value(Quantity(20, .celsius)))
        let change = monitor.pass(at: .at(6.1))
        #expect(monitor.reading == .stale(last: Quantity(20, .celsius)))
        #expect(change?.to == Verdict(.warn, failed: true))
    }

    @Test func `a sensor that is never read does not stay unknown`() {
        var monitor = monitor()
        #expect(monitor.reading == .stale(last: nil))
        #expect(monitor.pass(at: .at(5))?.to == nil)
        #expect(monitor.pass(at: .at(5.1))?.to == Verdict(.warn, failed: true))
    }

    @Test func `a hung bus and a return of values`() {
        var monitor = monitor()
        _ = run(&monitor, [.value(20)])
        _ = run(&monitor, Array(repeating: .nothing, count: 10), from: 2)
        #expect(monitor.verdict == Verdict(.warn, failed: true))
        _ = run(&monitor, [.value(20), .value(20), .value(20)], from: 12)
        #expect(monitor.verdict == Verdict(.ok))
    }

    @Test(arguments: [-41.0, 126, .nan, .infinity])
    func `a value that cannot be is a failure`(value: Double) {
        var watch = Self.watch
        watch.plausible = -40...125
        var monitor = monitor(watch)
        _ = run(&monitor, [.value(20), .value(value), .value(value), .value(value)])
        guard case .failed(.implausible) = monitor.reading else {
            Issue.record("\(monitor.reading)")
            return
        }
        #expect(monitor.verdict == Verdict(.warn, failed: true))
    }

    @Test func `the same bits for too long are a stuck sensor`() {
        var watch = Self.watch
        watch.stuckAfter = .seconds(4)
        var monitor = monitor(watch)
        let verdicts = run(&monitor, Array(repeating: .value(20), count: 8))
        #expect(monitor.reading == .failed(.stuck))
        #expect(verdicts.map(\.failed) == [false, false, false, false, false, false, false, true])
        _ = monitor.take(sample(20.0625), at: .at(9))
        #expect(monitor.reading == .value(Quantity(20.0625, .celsius)))
    }

    @Test func `a jump faster than its place allows is a failure`() {
        var watch = Self.watch
        watch.rateLimit = 2
        var monitor = monitor(watch)
        _ = run(&monitor, [.value(20), .value(22)])
        #expect(monitor.reading == .value(Quantity(22, .celsius)))
        _ = run(&monitor, [.value(25)], from: 3)
        #expect(monitor.reading == .failed(.tooFast(Quantity(25, .celsius))))
        _ = run(&monitor, [.value(26)], from: 4)
        #expect(monitor.reading == .value(Quantity(26, .celsius)))
    }

    @Test func `a jump that stays is judged by what was believed before it`() {
        var watch = Self.watch
        watch.rateLimit = 5
        var monitor = monitor(watch)
        _ = run(&monitor, [.value(40)])
        let verdicts = run(&monitor, Array(repeating: .value(85), count: 8), from: 2)
        #expect(monitor.reading == .failed(.tooFast(Quantity(85, .celsius))))
        #expect(verdicts.allSatisfy { $0 < Verdict(.critical) })
        _ = run(&monitor, [.value(41)], from: 10)
        #expect(monitor.reading == .value(Quantity(41, .celsius)))
    }

    @Test func `a slow drift ends in warn, then critical`() {
        let drift = stride(from: 50.0, through: 85, by: 1).map { $0 }
        let found = levels(Self.watch, drift)
        #expect(found.firstIndex(of: .warn) == 13)
        #expect(found.firstIndex(of: .critical) == 28)
    }

    @Test func `a change tells from, to and what made it`() {
        var monitor = monitor()
        _ = run(&monitor, [.value(20), .value(80), .value(80)])
        let change = monitor.take(sample(81), at: .at(4))
        #expect(
            change
                == SensorChange(
                    from: Verdict(.ok), to: Verdict(.critical),
                    reading: .value(Quantity(81, .celsius)), simulated: false))
    }

    // MARK: Drills

    @Test func `an injected value makes its level, marked, and leaves the reading alone`() {
        var monitor = monitor()
        _ = run(&monitor, [.value(20)])
        _ = monitor.inject(.value(95), until: .at(11), at: .at(1.5))
        _ = run(&monitor, [.value(20), .value(20), .value(20)], from: 2)
        #expect(monitor.verdict == Verdict(.critical))
        #expect(monitor.isSimulated)
        #expect(monitor.reading == .value(Quantity(20, .celsius)))
        #expect(monitor.injected == .value(Quantity(95, .celsius)))
    }

    @Test func `a drill ends by itself`() {
        var monitor = monitor()
        _ = run(&monitor, [.value(20)])
        _ = monitor.inject(.value(95), until: .at(11), at: .at(1.5))
        _ = run(&monitor, [.value(20), .value(20), .value(20)], from: 2)
        _ = run(&monitor, Array(repeating: .value(20), count: 6), from: 5)
        #expect(monitor.pass(at: .at(10.9)) == nil)
        #expect(monitor.verdict == Verdict(.critical))
        let change = monitor.pass(at: .at(11))
        #expect(change?.to == Verdict(.ok))
        #expect(change?.simulated == true)
        #expect(monitor.injected == nil)
        #expect(!monitor.isSimulated)
    }

    @Test func `a drill can be ended at once`() {
        var monitor = monitor()
        _ = run(&monitor, [.value(20)])
        _ = monitor.inject(.value(95), until: .at(11), at: .at(1.5))
        _ = run(&monitor, [.value(20), .value(20), .value(20)], from: 2)
        #expect(monitor.endDrill(at: .at(5))?.to == Verdict(.ok))
    }

    @Test(arguments: [SensorMonitor.Injection.value(20), .stuck, .failure])
    func `an injection never raises health`(injection: SensorMonitor.Injection) {
        var monitor = monitor()
        _ = run(&monitor, [.value(80), .value(80), .value(80)])
        _ = monitor.inject(injection, until: .at(60), at: .at(3.5))
        for verdict in run(&monitor, Array(repeating: .value(80), count: 10), from: 4) {
            #expect(verdict == Verdict(.critical))
        }
        #expect(!monitor.isSimulated)
    }

    @Test func `real heat during a drill of cold shows`() {
        var monitor = monitor()
        _ = run(&monitor, [.value(20)])
        _ = monitor.inject(.value(-20), until: .at(60), at: .at(1.5))
        _ = run(&monitor, [.value(80), .value(80), .value(80)], from: 2)
        #expect(monitor.verdict == Verdict(.critical))
    }

    @Test func `time alone makes no drill stale, however old the agent is`() {
        var monitor = monitor()
        _ = run(&monitor, Array(repeating: .value(20), count: 20))
        #expect(monitor.inject(.value(46), until: .at(60), at: .at(20.2)) == nil)
        #expect(monitor.pass(at: .at(20.4)) == nil)
        #expect(monitor.injected == .value(Quantity(20, .celsius)))
        _ = run(&monitor, Array(repeating: .value(20), count: 5), from: 21)
        #expect(monitor.verdict == Verdict(.ok))
        #expect(monitor.pass(at: .at(30.5))?.to == Verdict(.warn, failed: true))
    }

    @Test func `an injected failure is a failed sensor`() {
        var monitor = monitor()
        _ = run(&monitor, [.value(20)])
        _ = monitor.inject(.failure, until: .at(60), at: .at(1.5))
        _ = run(&monitor, [.value(20), .value(20), .value(20)], from: 2)
        #expect(monitor.verdict == Verdict(.warn, failed: true))
        #expect(monitor.injected == .failed(.injected))
    }

    @Test func `an injected stuck value is found by the sensor's own rule`() {
        var watch = Self.watch
        watch.stuckAfter = .seconds(4)
        var monitor = monitor(watch)
        _ = run(&monitor, [.value(20)])
        _ = monitor.inject(.stuck, until: .at(60), at: .at(1.5))
        _ = run(&monitor, (0..<10).map { .value(20 + Double($0) / 16) }, from: 2)
        #expect(monitor.injected == .failed(.stuck))
        #expect(monitor.verdict == Verdict(.warn, failed: true))
    }

    @Test func `an injected value is neither too fast nor stuck`() {
        var watch = Self.watch
        watch.stuckAfter = .seconds(2)
        watch.rateLimit = 1
        var monitor = monitor(watch)
        _ = run(&monitor, [.value(20)])
        _ = monitor.inject(.value(95), until: .at(60), at: .at(1.5))
        _ = run(&monitor, (1..<8).map { .value(20 + Double($0) / 16) }, from: 2)
        #expect(monitor.verdict == Verdict(.critical))
    }
}
