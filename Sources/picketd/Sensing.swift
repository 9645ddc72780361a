/// The sensors: one worker for each bus, for a hung bus holds only its own. The workers read; what
/// a reading means is judged by the loop (SensorMonitor, HealthModel).

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

final class Sensing {
    private let readings: BoundedQueue<SensorReading>
    var monitors: [SensorMonitor] = []
    /// When time was last let pass for the monitors.
    var passedAt: Instant

    init(_ sensors: [SensorDescription], rack: String?, at now: Instant) throws(SystemError) {
        readings = try BoundedQueue<SensorReading>(capacity: 256)
        passedAt = now
        monitors = sensors.map { SensorMonitor($0, at: now) }
        var buses: [Int] = []
        for sensor in sensors where !buses.contains(sensor.bus) { buses.append(sensor.bus) }
        for bus in buses {
            var mine: [(Int, Sensor)] = []
            for (index, sensor) in sensors.enumerated() where sensor.bus == bus {
                mine.append((index, Sensor(sensor)))
            }
            try start(bus, mine, rack: rack)
        }
    }

    /// Readable when a reading is there.
    var raw: Int32 { readings.raw }
    func clear() { readings.clear() }
    func next() -> SensorReading? { readings.pop() }

    private func start(
        _ bus: Int, _ sensors: [(Int, Sensor)], rack: String?
    ) throws(SystemError) {
        let readings = self.readings
        try Worker.start(bus == HwmonDescription.noBus ? "hwmon" : "i2c-\(bus)") {
            var worker = BusWorker(number: bus, rack: rack, sensors: sensors, readings: readings)
            while true { worker.round() }
        }
    }
}

/// Reads the sensors of one bus, each at its interval.
private struct BusWorker: ~Copyable {
    let rack: String?
    var sensors: [(Int, Sensor)]
    let readings: BoundedQueue<SensorReading>
    var bus: DeviceBus
    var due: [Instant] = []
    var clock = Clock()
    var delay = WorkerDelay()

    init(
        number: Int, rack: String?, sensors: [(Int, Sensor)],
        readings: BoundedQueue<SensorReading>
    ) {
        self.rack = rack
        self.sensors = sensors
        self.readings = readings
        bus = DeviceBus(number: number, rack: rack)
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
            if rack == nil, case .hwmon = sensors[index].1.description.driver {
                return .sample(try Hwmon.read(sensors[index].1.description))
            }
            return .sample(try sensors[index].1.read(from: &bus, delay: &delay))
        } catch {
            guard case .bus(.claimed) = error.problem else { return .failure(error) }
        }
        // A driver of the kernel has the chip, and reads it for all.
        do throws(SensorError) {
            return .sample(try Hwmon.read(sensors[index].1.description))
        } catch { return .failure(error) }
    }
}
