import PicketCore
import PicketHardware
import Testing

struct HealthModelTests {
    static let warn = HealthReason.sensor(0, Verdict(.warn), simulated: false)
    static let failed = HealthReason.sensor(1, Verdict(.warn, failed: true), simulated: false)
    static let critical = HealthReason.sensor(2, Verdict(.critical), simulated: false)

    @Test(
        arguments: [
            ([], 100),
            ([warn], 80),
            ([warn, warn], 60),
            ([failed], 95),
            ([critical], 0),
            ([warn, critical], 0),
            ([.sensor(0, Verdict(.critical, failed: true), simulated: false)], 0),
            ([.watchdogUnarmed], 90),
            ([.relayTestFailed], 95),
            ([.linksDown(2)], 90),
            ([.stateNotWritten], 80),
            ([.memoryNotLocked, .notRealTime], 98),
            // All but critical together leaves a node fit.
            (Array(repeating: warn, count: 6), 10),
            (Array(repeating: failed, count: 40) + [.watchdogUnarmed], 10),
        ] as [([HealthReason], UInt8)])
    func `reasons make a score`(reasons: [HealthReason], score: UInt8) {
        #expect(HealthModel.score(reasons) == score)
    }

    func sensor(_ value: Double) -> SensorMonitor {
        let watch = SensorWatch(warn: [.above(60)], critical: [.above(75)], debounce: 1)
        var monitor = SensorMonitor(
            SensorDescription(
                name: "inlet", driver: .tmp102(TMP102()), bus: 1, address: 0x48, watch: watch),
            at: .at(0))
        _ = monitor.take(Sample(bits: 0, quantity: Quantity(value, .celsius)), at: .at(0))
        return monitor
    }

    @Test func `the score falls at once and rises late, to the lowest meanwhile`() {
        var model = HealthModel(riseAfter: .seconds(10))
        func score(_ value: Double, at seconds: Double) -> UInt8 {
            _ = model.update(sensors: [sensor(value)], checks: SelfChecks(), at: .at(seconds))
            return model.health.score
        }
        #expect(score(20, at: 0) == 100)
        #expect(score(80, at: 1) == 0)
        #expect(score(20, at: 2) == 0)
        #expect(model.nextDeadline == .at(12))
        #expect(score(65, at: 5) == 0)
        #expect(score(20, at: 11.9) == 0)
        #expect(score(20, at: 12) == 80)
        #expect(score(20, at: 21.9) == 80)
        #expect(score(20, at: 22) == 100)
        #expect(model.nextDeadline == .distantFuture)
    }

    @Test func `a warning that comes and goes does not keep a node unfit`() {
        var model = HealthModel(riseAfter: .seconds(10))
        func score(_ value: Double, at seconds: Double) -> UInt8 {
            _ = model.update(sensors: [sensor(value)], checks: SelfChecks(), at: .at(seconds))
            return model.health.score
        }
        #expect(score(80, at: 0) == 0)
        for second in stride(from: 1.0, through: 10, by: 2) {
            #expect(score(20, at: second) == 0)
            #expect(score(65, at: second + 1) == 0)
        }
        #expect(score(20, at: 11) == 80)
    }

    @Test func `a relapse starts the wait anew`() {
        var model = HealthModel(riseAfter: .seconds(10))
        func score(_ value: Double, at seconds: Double) -> UInt8 {
            _ = model.update(sensors: [sensor(value)], checks: SelfChecks(), at: .at(seconds))
            return model.health.score
        }
        #expect(score(80, at: 0) == 0)
        #expect(score(20, at: 1) == 0)
        #expect(score(80, at: 9) == 0)
        #expect(score(20, at: 10) == 0)
        #expect(score(20, at: 19.9) == 0)
        #expect(score(20, at: 20) == 100)
    }

    @Test func `without a wait the score rises at once`() {
        var model = HealthModel(riseAfter: .zero)
        _ = model.update(sensors: [sensor(80)], checks: SelfChecks(), at: .at(0))
        #expect(model.update(sensors: [sensor(20)], checks: SelfChecks(), at: .at(1))?.score == 100)
        #expect(model.nextDeadline == .distantFuture)
        #expect(model.update(sensors: [sensor(20)], checks: SelfChecks(), at: .at(2)) == nil)
    }

    @Test func `health is told only when it changes, and its reasons always`() {
        var model = HealthModel()
        let unarmed = SelfChecks(watchdog: .unarmed)
        #expect(model.update(sensors: [sensor(20)], checks: SelfChecks(), at: .at(0)) == nil)
        #expect(model.update(sensors: [sensor(80)], checks: unarmed, at: .at(1))?.score == 0)
        #expect(model.update(sensors: [sensor(80)], checks: unarmed, at: .at(2)) == nil)
        #expect(
            model.reasons == [
                .sensor(0, Verdict(.critical), simulated: false), .watchdogUnarmed,
            ])
    }

    @Test func `a drill marks the health that it lowers`() {
        var model = HealthModel()
        var monitor = sensor(20)
        _ = monitor.inject(.value(95), until: .at(60), at: .at(1))
        _ = monitor.take(Sample(bits: 1, quantity: Quantity(20, .celsius)), at: .at(2))
        let health = model.update(sensors: [monitor], checks: SelfChecks(), at: .at(2))
        #expect(health == Health(score: 0, simulated: true))
    }

    @Test func `a pair's simulated hardware marks all its health`() {
        var model = HealthModel()
        let health = model.update(
            sensors: [], checks: SelfChecks(), simulated: true, at: .at(0))
        #expect(health == Health(score: 100, simulated: true))
    }
}
