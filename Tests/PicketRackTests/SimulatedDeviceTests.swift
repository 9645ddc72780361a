import PicketCore
import PicketHardware
import Testing

@testable import PicketRack

/// The simulated chips' registers, read back by the drivers' own conversions.
struct SimulatedDeviceTests {
    private let now = Instant(nanoseconds: 0)

    private func device(_ driver: DriverDescription, _ value: Double) -> SimulatedDevice {
        let device = SimulatedDevice(address: 0x48)
        let settings = SensorDescription(name: "s", driver: driver, bus: 1, address: 0x48)
        device.sensors.append(SimulatedSensor(settings: settings, value: value))
        return device
    }

    private func word(_ device: SimulatedDevice, _ register: UInt8) throws -> UInt16 {
        let bytes = try #require(device.transaction(write: [register], read: 2, at: now))
        return UInt16(bytes[0]) << 8 | UInt16(bytes[1])
    }

    @Test(arguments: [-40.0, -0.5, 0, 25, 41.3, 95])
    func `a temperature comes back`(_ celsius: Double) throws {
        let tmp102 = TMP102.convert(try word(device(.tmp102(TMP102()), celsius), 0))
        #expect(abs(tmp102 - celsius) < 0.2)
        let tmp117 = TMP117.convert(try word(device(.tmp117(TMP117()), celsius), 0))
        #expect(abs(tmp117 - celsius) < 0.02)
        let lm75 = LM75.convert(try word(device(.lm75(LM75(bits: 9)), celsius), 0), bits: 9)
        #expect(abs(lm75 - celsius) < 1.2)
        let lm75b = LM75.convert(try word(device(.lm75(LM75(bits: 11)), celsius), 0), bits: 11)
        #expect(abs(lm75b - celsius) < 0.3)
    }

    @Test(arguments: [0.0, 3.3, 5.08, 26])
    func `a rail's voltage comes back`(_ volts: Double) throws {
        let rail = device(.ina219(INA219(measure: .busVoltage, shunt: 0.1)), volts)
        let found = INA219.convertBusVoltage(try word(rail, 2))
        #expect(abs(found - volts) < 0.02)
    }

    @Test(arguments: [-1.5, 0.25, 2])
    func `a current comes back through the shunt`(_ amperes: Double) throws {
        let shunt = device(.ina219(INA219(measure: .current, shunt: 0.1)), amperes)
        let found = INA219.convertShuntVoltage(try word(shunt, 1)) / 0.1
        #expect(abs(found - amperes) < 0.05)
    }

    @Test(arguments: ADS1115.Input.allCases)
    func `an input of the converter comes back, and no other`(_ input: ADS1115.Input) throws {
        let range = ADS1115.Range.volts4_096
        let converter = device(
            .ads1115(ADS1115(input: input, range: range, scale: 10, unit: .volts)), 12)
        func read(_ input: ADS1115.Input) throws -> Double {
            let start = 0x8000 | input.rawValue << 12 | range.rawValue << 9 | 0x01E3
            let write = [UInt8(1), UInt8(start >> 8), UInt8(start & 0xFF)]
            _ = try #require(converter.transaction(write: write, read: 0, at: now))
            #expect(try word(converter, 1) == start)
            return ADS1115.convert(try word(converter, 0), range: range) * 10
        }
        #expect(abs(try read(input) - 12) < 0.01)
        let other = ADS1115.Input(rawValue: (input.rawValue + 1) % 8)!
        #expect(try read(other) == 0)
    }

    @Test(
        arguments: RegisterDescription.Width.allCases, [RegisterDescription.ByteOrder.big, .little])
    func `a described register comes back`(
        _ width: RegisterDescription.Width, _ order: RegisterDescription.ByteOrder
    ) throws {
        let register = RegisterDescription(
            register: 7, width: width, order: order, signed: true, scale: 0.5, offset: -10)
        let bytes = try #require(
            device(.register(register), -22).transaction(
                write: [7], read: width.bytes, at: now))
        #expect(abs(register.convert(bytes) - -22) < 1.6)
    }

    @Test func `faults are those of the chip`() throws {
        let chip = device(.tmp102(TMP102()), 40)
        chip.sensors[0].set(.nak, at: now)
        #expect(chip.transaction(write: [0], read: 2, at: now) == nil)
        chip.sensors[0].set(.stuck, at: now)
        let first = try word(chip, 0)
        for _ in 0..<20 { #expect(try word(chip, 0) == first) }
        chip.sensors[0].set(.drift(2), at: now)
        let later = now + .seconds(10)
        #expect(abs(chip.sensors[0].reading(at: later) - 60) < 0.001)
        chip.sensors[0].set(.none, at: now)
        #expect(chip.fault == .none)
    }
}
