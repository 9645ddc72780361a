/// The sensors: one worker for each bus, because a hung bus holds only its own. The workers read;
/// the loop judges what a reading means (SensorMonitor, HealthModel).

import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux

struct SensorReading: Sendable {
    /// Index in the configuration's sensors.
    var sensor: Int
    var result: Outcome

    enum Outcome: Sendable {
        case sample(Sample)
        case failure(SensorError)
    }
}

final class Sensors: Part {
    private let readings: BoundedQueue<SensorReading>
    private(set) var monitors: [SensorMonitor]
    private let units: [String]
    /// When time was last let pass for the monitors.
    private var passedAt: Instant

    init(
        _ sensors: [SensorDescription], _ hardware: Hardware, at now: Instant
    ) throws(SystemError) {
        readings = try BoundedQueue<SensorReading>(capacity: 256)
        passedAt = now
        monitors = sensors.map { SensorMonitor($0, at: now) }
        units = sensors.map { $0.driver.unit.symbol }
        super.init()
        var buses: [Int] = []
        for sensor in sensors where !buses.contains(sensor.bus) { buses.append(sensor.bus) }
        for bus in buses {
            var mine: [(Int, Sensor)] = []
            for (index, sensor) in sensors.enumerated() where sensor.bus == bus {
                mine.append((index, Sensor(sensor)))
            }
            try start(bus, mine, hardware)
        }
    }

    private func start(
        _ bus: Int, _ sensors: [(Int, Sensor)], _ hardware: Hardware
    ) throws(SystemError) {
        let readings = self.readings
        try Worker.start(bus == HwmonDescription.noBus ? "hwmon" : "i2c-\(bus)") {
            var worker = BusWorker(hardware.bus(bus), sensors: sensors, readings: readings)
            while true { worker.round() }
        }
    }

    override func open(_ agent: Agent) throws(SystemError) {
        try agent.wait(on: readings.raw, of: self)
    }

    override func close(_ agent: Agent) { agent.forget(readings.raw) }

    override func drain(_ agent: Agent) {
        guard !ready.isEmpty else { return }
        readings.clear()
        pass(agent)
    }

    /// How often time alone is looked at: stale sensors.
    private static let pass = Duration.milliseconds(250)

    override var due: Instant { monitors.isEmpty ? .distantFuture : passedAt + Sensors.pass }

    /// Takes what the workers have read, also from a worker that now hangs in the middle of its
    /// round, and lets time pass for all sensors.
    override func pass(_ agent: Agent) {
        passedAt = agent.now
        while let reading = readings.pop() {
            let index = reading.sensor
            switch reading.result {
            case .sample(let sample):
                noticed(monitors[index].take(sample, at: agent.now), index, agent)
            case .failure(let error):
                noticed(monitors[index].fail(error, at: agent.now), index, agent)
            }
        }
        for index in monitors.indices {
            noticed(monitors[index].pass(at: agent.now), index, agent)
        }
        agent.health.update(agent)
    }

    /// The changed configuration judges the same sensors otherwise.
    func takeUp(_ sensors: [SensorDescription]) {
        for index in monitors.indices {
            let changed = sensors.first { $0.name == monitors[index].name }
            if let changed { monitors[index].judge(by: changed.watch) }
        }
    }

    // MARK: Drills

    func inject(
        _ fault: Drill.SensorFault, into sensor: Int, until: Instant, _ agent: Agent
    ) {
        let injection: SensorMonitor.Injection =
            switch fault {
            case .value(let value, _): .value(value)
            case .fail: .failure
            case .stuck: .stuck
            }
        noticed(monitors[sensor].inject(injection, until: until, at: agent.now), sensor, agent)
        agent.health.update(agent)
    }

    func endInjection(_ sensor: Int, _ agent: Agent) {
        noticed(monitors[sensor].endDrill(at: agent.now), sensor, agent)
        agent.health.update(agent)
    }

    /// A sensor's verdict has changed, or not.
    private func noticed(_ change: SensorChange?, _ index: Int, _ agent: Agent) {
        guard let change else { return }
        agent.tell(
            .sensor(
                name: monitors[index].name, change.to,
                reading: change.reading.words(SystemError.text), simulated: change.simulated))
        agent.drills.observe(sensor: index, state(of: index), agent)
    }

    // MARK: For the status

    func reports(simulated: Bool, at now: Instant) -> [SensorReport] {
        var reports: [SensorReport] = []
        for index in monitors.indices {
            let shown = monitors[index].injected ?? monitors[index].reading
            var report = SensorReport(
                name: monitors[index].name, value: nil, unit: "", state: state(of: index),
                simulated: monitors[index].isSimulated || simulated)
            report.age = monitors[index].readAt.map { now - $0 }
            switch shown {
            case .value(let quantity):
                report.value = quantity.value
                report.unit = quantity.unit.symbol
            case .stale(let last):
                report.value = last?.value
                report.unit = last?.unit.symbol ?? ""
            case .failed(let fault): report.fault = fault.words(SystemError.text)
            }
            if report.unit.isEmpty { report.unit = units[index] }
            reports.append(report)
        }
        return reports
    }

    /// Names of those whose values are not real.
    var simulated: [String] {
        var names: [String] = []
        for index in monitors.indices where monitors[index].isSimulated {
            names.append(monitors[index].name)
        }
        return names
    }

    private func state(of index: Int) -> SensorReport.State {
        let verdict = monitors[index].verdict
        if verdict.level == .critical { return .critical }
        switch monitors[index].injected ?? monitors[index].reading {
        case .failed: return verdict.failed ? .failed : Sensors.state(by: verdict.level)
        case .stale(let last): return last == nil && !verdict.failed ? .unknown : .stale
        case .value: return Sensors.state(by: verdict.level)
        }
    }

    private static func state(by level: Level) -> SensorReport.State {
        switch level {
        case .ok: .normal
        case .unknown: .unknown
        case .warn: .warn
        case .critical: .critical
        }
    }
}

/// Reads the sensors of one bus, each at its interval.
private struct BusWorker: ~Copyable {
    var sensors: [(Int, Sensor)]
    let readings: BoundedQueue<SensorReading>
    let bus: DeviceBus
    var due: [Instant] = []
    var clock = Clock()
    var delay = WorkerDelay()

    init(
        _ bus: DeviceBus, sensors: [(Int, Sensor)], readings: BoundedQueue<SensorReading>
    ) {
        self.sensors = sensors
        self.readings = readings
        self.bus = bus
        let now = clock.now()
        due = sensors.map { _ in now }
    }

    /// Sensors that are almost due are read in the same waking, and the loop is woken once for all.
    mutating func round() {
        var next = Instant.distantFuture
        for index in sensors.indices {
            let interval = sensors[index].1.description.watch.interval
            if clock.now() + interval / 8 >= due[index] {
                let result = read(index)
                // A loop that does not take readings has them go stale.
                _ = readings.push(
                    SensorReading(sensor: sensors[index].0, result: result), waking: false)
                // The interval is between readings: a slow bus is not read twice in a row.
                due[index] = clock.now() + interval
            }
            next = min(next, due[index])
        }
        readings.wake()
        Worker.sleep(next - clock.now())
    }

    private mutating func read(_ index: Int) -> SensorReading.Outcome {
        do throws(SensorError) {
            return .sample(try bus.sample(&sensors[index].1, &delay))
        } catch { return .failure(error) }
    }
}
