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
        case .none, .nak, .hang, .timeout, .contended, .stuck: return value + noise * grain
        case .outOfRange: return (settings.watch.plausible?.upperBound ?? value * 10 + 100) + 50
        case .drift(let rate):
            return value + rate * Double((now - since).nanoseconds) / 1e9 + noise * grain
        }
    }

    /// A little more than one step of the chip: a reading that never moves is a stuck one.
    private var grain: Double {
        switch settings.driver {
        case .tmp102, .mcp9808: 0.1
        case .ds3231: 0.3
        case .sht3x: 0.01
        case .ina226(.busVoltage, _): 0.0025
        case .ina226(.shuntVoltage, _): 0.000_005
        case .ina226(.current, _), .ina226(.power, _): 0.02
        case .hwmon: 0.01
        case .lm75(let bits): bits > 9 ? 0.15 : 0.6
        case .ina219(.busVoltage, _): 0.008
        case .ina219(.shuntVoltage, _): 0.000_02
        case .ina219(.current, _), .ina219(.power, _): 0.02
        case .ads1115(_, let range, let scale, _): abs(range.fullScale / 32_768 * scale) * 2
        case .register(let register): abs(register.scale) * 1.5
        }
    }
}

/// One chip on a bus. Several sensors may be quantities or channels of it.
final class SimulatedDevice {
    let address: UInt8
    var sensors: [SimulatedSensor] = []
    private var pointer: UInt8 = 0
    private var written: [UInt8: UInt16] = [:]
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
            if write.count >= 3 { written[register] = UInt16(write[1]) << 8 | UInt16(write[2]) }
        }
        guard count > 0 else { return [] }
        let bytes = content(of: pointer, at: now)
        return (0..<count).map { $0 < bytes.count ? bytes[$0] : 0xFF }
    }

    private func content(of register: UInt8, at now: Instant) -> [UInt8] {
        guard let first = sensors.first else { return [] }
        switch first.settings.driver {
        case .tmp102: return word(temperature(register, first, bits: 12, at: now))
        case .lm75(let bits): return word(temperature(register, first, bits: bits, at: now))
        case .mcp9808: return word(mcp9808(register, first, at: now))
        case .ds3231:
            let steps = (reading(first, at: now) * 4).rounded()
            return word(UInt16(bitPattern: Int16(max(-512, min(511, steps)))) << 6)
        case .sht3x: return sht3x(at: now)
        case .hwmon(let hwmon):
            let divisor = HwmonDescription.scale(of: hwmon.input)?.divisor ?? 1
            let number = Int32(max(-2e9, min(2e9, (reading(first, at: now) * divisor).rounded())))
            return (0..<4).map { UInt8(truncatingIfNeeded: number >> Int32(24 - 8 * $0)) }
        case .ina226: return word(ina226(register, at: now))
        case .ina219: return word(ina219(register, at: now))
        case .ads1115: return word(ads1115(register, at: now))
        case .register: return described(register, at: now)
        }
    }

    private func word(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xFF)] }

    private func reading(_ sensor: SimulatedSensor, at now: Instant) -> Double {
        sensor.reading(at: now, noise: Double.random(in: -1...1, using: &random))
    }

    // MARK: - TMP102 (TI SBOS397) and LM75 (TI SNIS153): left-aligned, two's complement

    /// One degree is bit 8 in all of them.
    private func temperature(
        _ register: UInt8, _ sensor: SimulatedSensor, bits: Int, at now: Instant
    ) -> UInt16 {
        switch register {
        case 0:
            let unused = 16 - bits
            let steps = (reading(sensor, at: now) * 256 / Double(1 << unused)).rounded()
            let limit = Double(1 << (bits - 1))
            return UInt16(bitPattern: Int16(max(-limit, min(limit - 1, steps)))) << UInt16(unused)
        case 1: return written[1] ?? 0x60A0
        case 2: return written[2] ?? 0x4B00
        case 3: return written[3] ?? 0x5000
        default: return 0xFFFF
        }
    }

    // MARK: - MCP9808 (Microchip DS25095) and SHT3x (Sensirion)

    private func mcp9808(
        _ register: UInt8, _ sensor: SimulatedSensor, at now: Instant
    ) -> UInt16 {
        switch register {
        case 5:
            let steps = (reading(sensor, at: now) * 16).rounded()
            return UInt16(bitPattern: Int16(max(-4096, min(4095, steps)))) & 0x1FFF
        case 6: return 0x0054
        default: return written[register] ?? 0
        }
    }

    /// Two words, each with its checksum.
    private func sht3x(at now: Instant) -> [UInt8] {
        var (celsius, humidity) = (20.0, 40.0)
        for sensor in sensors {
            if case .sht3x(let measure) = sensor.settings.driver {
                let value = reading(sensor, at: now)
                if measure == .temperature { celsius = value } else { humidity = value }
            }
        }
        var bytes: [UInt8] = []
        for share in [(celsius + 45) / 175, humidity / 100] {
            let both = word(UInt16(max(0, min(65_535, (share * 65_535).rounded()))))
            var crc: UInt8 = 0xFF
            for byte in both {
                crc ^= byte
                for _ in 0..<8 { crc = crc & 0x80 != 0 ? crc << 1 ^ 0x31 : crc << 1 }
            }
            bytes += both + [crc]
        }
        return bytes
    }

    // MARK: - INA219 (TI SBOS448) and INA226 (TI SBOS547)

    private func ina226(_ register: UInt8, at now: Instant) -> UInt16 {
        switch register {
        case 0: return written[0] ?? 0x4127
        case 1: return signed(shuntVolts(at: now) / 2.5e-6)
        case 2:
            let volts = quantity(.busVoltage, at: now)?.value ?? 5
            return UInt16(max(0, min(32_767, (volts / 0.001_25).rounded())))
        case 0xFE: return 0x5449
        default: return written[register] ?? 0
        }
    }

    private func ina219(_ register: UInt8, at now: Instant) -> UInt16 {
        switch register {
        case 0: return written[0] ?? 0x399F
        case 1: return signed(shuntVolts(at: now) / 10e-6)
        // Volts in 4 mV steps above CNVR (conversion ready) and OVF.
        case 2:
            let volts = quantity(.busVoltage, at: now)?.value ?? 5
            return UInt16(max(0, min(8191, (volts / 0.004).rounded()))) << 3 | 0b10
        default: return written[register] ?? 0
        }
    }

    private func shuntVolts(at now: Instant) -> Double {
        if let volts = quantity(.shuntVoltage, at: now) { return volts.value }
        if let current = quantity(.current, at: now) { return current.value * current.shunt }
        guard let power = quantity(.power, at: now) else { return 0.001 }
        let volts = quantity(.busVoltage, at: now)?.value ?? 5
        return power.value / volts * power.shunt
    }

    private func quantity(
        _ wanted: INA219.Measure, at now: Instant
    ) -> (value: Double, shunt: Double)? {
        for sensor in sensors {
            switch sensor.settings.driver {
            case .ina219(wanted, let shunt), .ina226(wanted, let shunt):
                return (reading(sensor, at: now), shunt)
            default: continue
            }
        }
        return nil
    }

    // MARK: - ADS1115 (TI SBAS444)

    private func ads1115(_ register: UInt8, at now: Instant) -> UInt16 {
        let configuration = written[1] ?? 0x8583
        switch register {
        // Bit 15 reads 1: no conversion is under way.
        case 1: return configuration | 0x8000
        case 0:
            for sensor in sensors {
                guard case .ads1115(let input, let range, let scale, _) = sensor.settings.driver,
                    input.rawValue == configuration >> 12 & 7
                else { continue }
                return signed(reading(sensor, at: now) / scale / range.fullScale * 32_768)
            }
            return 0
        case 2: return written[2] ?? 0x8000
        case 3: return written[3] ?? 0x7FFF
        default: return 0xFFFF
        }
    }

    // MARK: - Registers that the configuration describes

    private func described(_ register: UInt8, at now: Instant) -> [UInt8] {
        for sensor in sensors {
            guard case .register(let settings) = sensor.settings.driver,
                settings.register == register
            else { continue }
            let raw = ((reading(sensor, at: now) - settings.offset) / settings.scale).rounded()
            let bits = UInt32(truncatingIfNeeded: Int64(max(-2e9, min(4e9, raw))))
            let placed = (bits << UInt32(settings.shift)) & settings.mask
            let count = settings.width.bytes
            let bytes = (0..<count).map {
                UInt8(truncatingIfNeeded: placed >> UInt32(8 * (count - 1 - $0)))
            }
            return settings.order == .little ? bytes.reversed() : bytes
        }
        return []
    }

    private func signed(_ value: Double) -> UInt16 {
        UInt16(bitPattern: Int16(max(-32768, min(32767, value.rounded()))))
    }
}
