/// The sensors: one worker for each bus, because a hung bus holds only its own. The workers read;
/// the loop judges what a reading means (SensorMonitor, HealthModel).

import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux

struct SensorReading: Sendable {
    var number: UInt32
    var result: Outcome

    enum Outcome: Sendable {
        case sample(Sample)
        case failure(SensorError)
    }
}

final class Sensors: Part {
    private let readings: BoundedQueue<SensorReading>
    private(set) var monitors: [SensorMonitor] = []
    /// By which the workers name the sensors, in the monitors' order: a reading may come when a reload
    /// has changed their order, or has let its sensor go.
    private var numbers: [UInt32] = []
    private var lastNumber: UInt32 = 0
    private var buses: [SensorBus] = []
    /// When time was last let pass for the monitors.
    private var passedAt: Instant

    init(
        _ sensors: [SensorDescription], _ hardware: Hardware, at now: Instant
    ) throws(SystemError) {
        readings = try BoundedQueue<SensorReading>(capacity: 256)
        passedAt = now
        super.init()
        takeUp(sensors, try workers(for: sensors, hardware), at: now)
    }

    // MARK: Which sensors there are

    /// Workers for the buses on which there was nothing to read before. They do nothing until
    /// `takeUp` or `letGo`.
    func workers(
        for sensors: [SensorDescription], _ hardware: Hardware
    ) throws(SystemError) -> [SensorBus] {
        buses.removeAll { !$0.recall() }
        var new: [SensorBus] = []
        for sensor in sensors where !(buses + new).contains(where: { $0.number == sensor.bus }) {
            do throws(SystemError) {
                new.append(try SensorBus(sensor.bus, hardware, readings))
            } catch {
                letGo(new)
                throw error
            }
        }
        return new
    }

    /// The changed configuration is not taken up.
    func letGo(_ new: [SensorBus]) {
        for bus in new + buses.filter({ $0.isEnding }) { bus.give([]) }
    }

    /// - Parameter new: What `workers` has given for these sensors.
    func takeUp(_ sensors: [SensorDescription], _ new: [SensorBus], at now: Instant) {
        var named: [UInt32] = []
        for sensor in sensors {
            if let known = monitors.firstIndex(where: { $0.reads(sensor) }) {
                named.append(numbers[known])
            } else {
                lastNumber += 1
                named.append(lastNumber)
            }
        }
        numbers = named
        monitors = monitors.following(sensors, at: now)
        buses += new
        for bus in buses {
            var list: [SensorBus.Reads] = []
            for (number, sensor) in zip(numbers, sensors) where sensor.bus == bus.number {
                list.append(SensorBus.Reads(number: number, sensor: sensor))
            }
            bus.give(list)
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
            guard let index = numbers.firstIndex(of: reading.number) else { continue }
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
            if report.unit.isEmpty { report.unit = monitors[index].unit.symbol }
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

/// A bus on which there is something to read, and its worker, as the loop sees them.
final class SensorBus {
    struct Reads: Sendable {
        var number: UInt32
        var sensor: SensorDescription
    }

    let number: Int
    /// What the worker is to read from now on; nothing: it is to end.
    private let orders: BoundedQueue<[Reads]>
    private(set) var isEnding = false

    fileprivate init(
        _ number: Int, _ hardware: Hardware, _ readings: BoundedQueue<SensorReading>
    ) throws(SystemError) {
        self.number = number
        let orders = try BoundedQueue<[Reads]>(capacity: 1)
        self.orders = orders
        try Worker.start(number == HwmonDescription.noBus ? "hwmon" : "i2c-\(number)") {
            var worker = BusWorker(hardware.bus(number), orders: orders, readings: readings)
            worker.run()
        }
    }

    /// A worker that hangs in a transaction finds the newest.
    fileprivate func give(_ list: [Reads]) {
        _ = orders.pop()
        _ = orders.push(list)
        isEnding = list.isEmpty
    }

    /// False where its worker has ended; else it waits for what `give` brings.
    fileprivate func recall() -> Bool { !isEnding || orders.pop() != nil }
}

/// Reads the sensors of one bus, each at its interval.
private struct BusWorker: ~Copyable {
    private struct Read {
        var number: UInt32
        var sensor: Sensor
        var interval: Duration
        var due: Instant
    }

    private var sensors: [Read] = []
    private let bus: DeviceBus
    private let orders: BoundedQueue<[SensorBus.Reads]>
    private let readings: BoundedQueue<SensorReading>
    private var clock = Clock()
    private var delay = WorkerDelay()

    init(
        _ bus: DeviceBus, orders: BoundedQueue<[SensorBus.Reads]>,
        readings: BoundedQueue<SensorReading>
    ) {
        self.bus = bus
        self.orders = orders
        self.readings = readings
    }

    /// Until there is nothing to read any more.
    mutating func run() {
        var next = Instant.distantFuture
        while true {
            let pause = next == .distantFuture ? nil : next - clock.now()
            if let list = orders.wait(atMost: pause) {
                if list.isEmpty { return }
                take(list)
            }
            next = round()
        }
    }

    /// What it reads already stays as it is.
    private mutating func take(_ list: [SensorBus.Reads]) {
        let now = clock.now()
        var all: [Read] = []
        for one in list {
            let interval = one.sensor.watch.interval
            if var known = sensors.first(where: { $0.number == one.number }) {
                known.interval = interval
                known.due = min(known.due, now + interval)
                all.append(known)
            } else {
                all.append(
                    Read(
                        number: one.number, sensor: Sensor(one.sensor), interval: interval, due: now
                    ))
            }
        }
        sensors = all
    }

    /// Sensors that are almost due are read in the same waking, and the loop is woken once for all.
    private mutating func round() -> Instant {
        var next = Instant.distantFuture
        for index in sensors.indices {
            let interval = sensors[index].interval
            if clock.now() + interval / 8 >= sensors[index].due {
                let result = read(index)
                // A loop that does not take readings has them go stale.
                _ = readings.push(
                    SensorReading(number: sensors[index].number, result: result), waking: false)
                // The interval is between readings: a slow bus is not read twice in a row.
                sensors[index].due = clock.now() + interval
            }
            next = min(next, sensors[index].due)
        }
        readings.wake()
        return next
    }

    private mutating func read(_ index: Int) -> SensorReading.Outcome {
        do throws(SensorError) {
            return .sample(try bus.sample(&sensors[index].sensor, &delay))
        } catch { return .failure(error) }
    }
}
