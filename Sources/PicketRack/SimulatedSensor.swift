/// Sensors of the simulated rack: a value with faults, and the registers by which its chip serves
/// it. The agents run their real drivers against these.
import Foundation
import PicketCore
import PicketHardware

/// What one sensor measures, in its own unit.
final class SimulatedSensor {
    let settings: SensorDescription
    var value: Double
    var fault: Fault = .none
    private var since = Instant(nanoseconds: 0)
    private var frozen: Double?

    enum Fault: Equatable {
        case none
        /// The device does not acknowledge.
        case nak
        /// The bus hangs as soon as the device is addressed, until the fault is lifted.
        case hang
        /// The adapter gives up on it, as it does when the bus hangs.
        case timeout
        /// Another controller always wins the bus.
        case contended
        /// The reading does not change any more, to the last bit.
        case stuck
        /// Nothing that the place can be.
        case outOfRange
        /// The reading walks away, so much a second.
        case drift(Double)
    }

    /// For a sensor on a rail: without power it reads nothing, whatever `value` says.
    var powered: () -> Bool = { true }

    init(settings: SensorDescription, value: Double) {
        self.settings = settings
        self.value = value
    }

    func set(_ fault: Fault, at now: Instant) {
        frozen = fault == .stuck ? reading(at: now) : nil
        self.fault = fault
        since = now
    }

    /// As the sensor shows it; `noise` is in −1 … 1.
    func reading(at now: Instant, noise: Double = 0) -> Double {
        if let frozen { return frozen }
        let value = powered() ? value : 0
        switch fault {
        case .none, .nak, .hang, .timeout, .contended, .stuck:
            return value + noise * settings.driver.grain
        case .outOfRange: return (settings.watch.plausible?.upperBound ?? value * 10 + 100) + 50
        case .drift(let rate):
            return value + rate * Double((now - since).nanoseconds) / 1e9 + noise
                * settings.driver.grain
        }
    }
}

/// One chip on a bus. Several sensors may be quantities or channels of it.
final class SimulatedDevice {
    let address: UInt8
    var sensors: [SimulatedSensor] = []
    private var pointer: UInt8 = 0
    private var chip = SimulatedChip()
    private var random = SystemRandomNumberGenerator()

    init(address: UInt8) { self.address = address }

    var fault: SimulatedSensor.Fault {
        sensors.first { [.nak, .hang, .timeout, .contended].contains($0.fault) }?.fault ?? .none
    }

    /// `nil`: not acknowledged.
    func transaction(write: [UInt8], read count: Int, at now: Instant) -> [UInt8]? {
        if fault == .nak { return nil }
        if let register = write.first {
            pointer = register
            if write.count >= 3 {
                chip.write(UInt16(write[1]) << 8 | UInt16(write[2]), to: register)
            }
        }
        guard count > 0 else { return [] }
        let bytes = content(of: pointer, at: now)
        return (0..<count).map { $0 < bytes.count ? bytes[$0] : 0xFF }
    }

    private func content(of register: UInt8, at now: Instant) -> [UInt8] {
        guard let first = sensors.first else { return [] }
        chip.measured = sensors.map {
            let noise = Double.random(in: -1...1, using: &random)
            return ($0.settings.driver, $0.reading(at: now, noise: noise))
        }
        return first.settings.driver.content(of: register, chip)
    }
}
