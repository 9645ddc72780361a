import PicketCore
import PicketHardware
import Testing

struct SensorConversionTests {
    /// SBOS397C p. 6, table 5 "12-Bit Temperature Data Format"; left-aligned by four bits.
    @Test(
        arguments: [
            (0x7FF, 127.9375), (0x640, 100), (0x500, 80), (0x4B0, 75), (0x320, 50), (0x190, 25),
            (0x004, 0.25), (0x000, 0), (0xFFC, -0.25), (0xE70, -25), (0xC90, -55),
        ] as [(UInt16, Double)])
    func `a TMP102 code of 12 bits is its datasheet's temperature`(code: UInt16, celsius: Double) {
        #expect(TMP102.convert(code << 4) == celsius)
    }

    /// SBOS397C, table 6 "13-Bit Temperature Data Format"; left-aligned by three bits, bit 0 set.
    @Test(
        arguments: [
            (0x0960, 150), (0x0800, 128), (0x07FF, 127.9375), (0x0640, 100), (0x0190, 25),
            (0x0004, 0.25), (0x0000, 0), (0x1FFC, -0.25), (0x1E70, -25), (0x1C90, -55),
        ] as [(UInt16, Double)])
    func `a TMP102 code of the extended mode is known by its bit 0`(code: UInt16, celsius: Double) {
        #expect(TMP102.convert(code << 3 | 1) == celsius)
    }

    /// STMicroelectronics STLM75, Doc 13296, table 3; the seven bits below are undefined.
    @Test(
        arguments: [
            (0x0FA, 125), (0x032, 25), (0x001, 0.5), (0x000, 0), (0x1FF, -0.5), (0x1CE, -25),
            (0x1B0, -40), (0x192, -55),
        ] as [(UInt16, Double)])
    func `an LM75 code of 9 bits is its datasheet's temperature`(code: UInt16, celsius: Double) {
        #expect(LM75.convert(code << 7, bits: 9) == celsius)
        #expect(LM75.convert(code << 7 | 0x7F, bits: 9) == celsius)
    }

    /// NXP LM75B Rev. 6.1, table 10 "Temp register value".
    @Test(
        arguments: [
            (0x3F8, 127), (0x3F7, 126.875), (0x3F1, 126.125), (0x3E8, 125), (0x0C8, 25),
            (0x001, 0.125), (0x000, 0), (0x7FF, -0.125), (0x738, -25), (0x649, -54.875),
            (0x648, -55),
        ] as [(UInt16, Double)])
    func `an LM75B code of 11 bits is its datasheet's temperature`(code: UInt16, celsius: Double) {
        #expect(LM75.convert(code << 5, bits: 11) == celsius)
        #expect(LM75.convert(code << 5 | 0x1F, bits: 11) == celsius)
    }

    /// SBOS448F, table "Shunt Voltage Register Format" (p. 29).
    @Test(
        arguments: [
            (0x7D00, 0.32), (0x1F40, 0.08), (0x0001, 0.000_01), (0x0000, 0), (0xFFFF, -0.000_01),
            (0x8300, -0.32),
        ] as [(UInt16, Double)])
    func `an INA219 shunt code is 10 µV a step`(code: UInt16, volts: Double) {
        #expect(INA219.convertShuntVoltage(code) == volts)
    }

    /// SBAS444, table "Input Signal Versus Ideal Output Code".
    @Test(arguments: ADS1115.Range.allCases)
    func `ADS1115 codes span the full scale`(range: ADS1115.Range) {
        let full = range.fullScale
        #expect(ADS1115.convert(0x7FFF, range: range) == full * 32_767 / 32_768)
        #expect(ADS1115.convert(0x0001, range: range) == full / 32_768)
        #expect(ADS1115.convert(0x0000, range: range) == 0)
        #expect(ADS1115.convert(0xFFFF, range: range) == -full / 32_768)
        #expect(ADS1115.convert(0x8000, range: range) == -full)
    }

    struct RegisterCase: Sendable {
        var width: RegisterDescription.Width
        var order: RegisterDescription.ByteOrder = .big
        var signed = false
        var mask: UInt32 = .max
        var shift = 0
        var scale = 1.0
        var offset = 0.0
        var bytes: [UInt8]
        var value: Double
    }

    @Test(arguments: [
        RegisterCase(width: .bits8, bytes: [0xFF], value: 255),
        RegisterCase(width: .bits8, signed: true, bytes: [0xFF], value: -1),
        RegisterCase(width: .bits8, signed: true, bytes: [0x80], value: -128),
        RegisterCase(width: .bits16, bytes: [0x12, 0x34], value: 0x1234),
        RegisterCase(width: .bits16, order: .little, bytes: [0x34, 0x12], value: 0x1234),
        RegisterCase(width: .bits24, signed: true, bytes: [0xFF, 0xFF, 0xFE], value: -2),
        RegisterCase(width: .bits24, order: .little, bytes: [1, 2, 3], value: 0x030201),
        RegisterCase(width: .bits32, bytes: [0xFF, 0xFF, 0xFF, 0xFF], value: 4_294_967_295),
        RegisterCase(width: .bits32, signed: true, bytes: [0x80, 0, 0, 0], value: -2_147_483_648),
        RegisterCase(
            width: .bits16, signed: true, mask: 0x0FF0, shift: 4, bytes: [0xAF, 0xFB], value: -1),
        RegisterCase(width: .bits16, mask: 0x0FF0, shift: 4, bytes: [0xAF, 0xFB], value: 255),
        RegisterCase(width: .bits8, signed: true, mask: 0, bytes: [0xFF], value: 0),
        RegisterCase(width: .bits8, mask: 0xF0, shift: 31, bytes: [0xFF], value: 0),
        // A TMP102 at −25 °C, in data alone.
        RegisterCase(
            width: .bits16, signed: true, mask: 0xFFF0, shift: 4, scale: 0.0625,
            bytes: [0xE7, 0x00], value: -25),
        // Kelvin to Celsius.
        RegisterCase(width: .bits16, scale: 0.25, offset: -273.25, bytes: [0x04, 0xB1], value: 27),
    ])
    func `a register means what its description says`(row: RegisterCase) {
        let description = RegisterDescription(
            register: 0, width: row.width, order: row.order, signed: row.signed, mask: row.mask,
            shift: row.shift, scale: row.scale, offset: row.offset)
        #expect(description.convert(row.bytes) == row.value)
    }
}

struct SensorReadingTests {
    func sensor(_ driver: DriverDescription) -> Sensor {
        Sensor(SensorDescription(name: "probe", driver: driver, bus: 1, address: 0x48))
    }

    /// Fails the test if reading throws.
    func value(_ driver: DriverDescription, _ registers: [UInt8: [UInt8]]) throws -> Quantity {
        var bus = FakeBus(registers: registers)
        var delay = CountingDelay()
        var sensor = sensor(driver)
        return try sensor.read(from: &bus, delay: &delay).quantity
    }

    func failure(
        _ driver: DriverDescription, _ registers: [UInt8: [UInt8]], faults: [BusError?] = [],
        short: Bool = false
    ) -> SensorError? {
        var bus = FakeBus(registers: registers, faults: faults, short: short)
        var delay = CountingDelay()
        var sensor = sensor(driver)
        do throws(SensorError) {
            _ = try sensor.read(from: &bus, delay: &delay)
            return nil
        } catch {
            return error
        }
    }

    static let tmp102: [UInt8: [UInt8]] = [0: [0x19, 0x00], 1: [0x60, 0xA0]]
    /// SBOS448F p. 24, table 3 "Configure/Measure/Calculate Example", with CNVR set: 10 A through
    /// 2 mΩ at 11.98 V, and the power-on configuration.
    static let ina219: [UInt8: [UInt8]] = [0: [0x39, 0x9F], 1: [0x07, 0xD0], 2: [0x5D, 0x9A]]

    @Test func `a TMP102 is read in celsius`() throws {
        #expect(try value(.tmp102(TMP102()), Self.tmp102) == Quantity(25, .celsius))
    }

    @Test(arguments: [
        (INA219.Measure.busVoltage, Quantity(11.98, .volts)),
        (.shuntVoltage, Quantity(0.02, .volts)),
        (.current, Quantity(10, .amperes)),
        (.power, Quantity(119.8, .watts)),
    ])
    func `an INA219 measures its datasheet's example`(measure: INA219.Measure, expected: Quantity)
        throws
    {
        let found = try value(.ina219(INA219(measure: measure, shunt: 0.002)), Self.ina219)
        #expect(abs(found.value - expected.value) < 1e-9)
        #expect(found.unit == expected.unit)
    }

    @Test(
        arguments: [
            ([0x5D, 0x98], "INA219 bus voltage", SensorError.Problem.notReady),
            ([0x5D, 0x9B], "INA219 bus voltage", .overflow),
        ] as [([UInt8], String, SensorError.Problem)])
    func `an INA219 that says it has no number gives none`(
        bytes: [UInt8], register: String, problem: SensorError.Problem
    ) {
        var registers = Self.ina219
        registers[2] = bytes
        #expect(
            failure(.ina219(INA219(measure: .busVoltage, shunt: 0.1)), registers)
                == SensorError(register, problem))
    }

    @Test(arguments: [[0x7D, 0x00], [0x83, 0x00]] as [[UInt8]])
    func `a saturated shunt is an overflow`(bytes: [UInt8]) {
        var registers = Self.ina219
        registers[1] = bytes
        #expect(
            failure(.ina219(INA219(measure: .current, shunt: 0.1)), registers)
                == SensorError("INA219 shunt voltage", .overflow))
    }

    @Test func `an INA219 in another mode is set back and given time to convert`() throws {
        var registers = Self.ina219
        registers[0] = [0x01, 0x9F]
        var bus = FakeBus(registers: registers)
        var delay = CountingDelay()
        var sensor = sensor(.ina219(INA219(measure: .busVoltage, shunt: 0.1)))
        _ = try sensor.read(from: &bus, delay: &delay)
        #expect(bus.written == [[0x00, 0x39, 0x9F]])
        #expect(delay.total >= .microseconds(1_172))
    }

    @Test func `another chip at a TMP102's address is not believed`() {
        #expect(
            failure(.tmp102(TMP102()), [0: [0x19, 0x00], 1: [0x00, 0x00]])
                == SensorError("TMP102 configuration", .wrongDevice))
    }

    @Test func `a TMP102 in shutdown is woken`() throws {
        var bus = FakeBus(registers: [0: [0x19, 0x00], 1: [0x61, 0xA0]])
        var delay = CountingDelay()
        var sensor = sensor(.tmp102(TMP102()))
        _ = try sensor.read(from: &bus, delay: &delay)
        #expect(bus.written == [[0x01, 0x60, 0xA0]])
    }

    @Test func `a TMP102 is prepared once, and again after a failure`() throws {
        var bus = FakeBus(registers: Self.tmp102)
        var delay = CountingDelay()
        var sensor = sensor(.tmp102(TMP102()))
        _ = try sensor.read(from: &bus, delay: &delay)
        _ = try sensor.read(from: &bus, delay: &delay)
        #expect(delay.total == .milliseconds(35))
        bus.faults = [.timeout]
        #expect(throws: SensorError("TMP102 temperature", .bus(.timeout))) {
            try sensor.read(from: &bus, delay: &delay)
        }
        _ = try sensor.read(from: &bus, delay: &delay)
        #expect(delay.total == .milliseconds(70))
    }

    @Test func `an ADS1115 converts the input that was asked for`() throws {
        // Input 2 against ground, ±4.096 V, single-shot, 860 a second, comparator off.
        var bus = FakeBus(registers: [0: [0x10, 0x00]])
        var delay = CountingDelay()
        var sensor = sensor(
            .ads1115(ADS1115(input: .input2, range: .volts4_096, scale: 11, unit: .volts)))
        let sample = try sensor.read(from: &bus, delay: &delay)
        #expect(bus.written == [[0x01, 0xE3, 0xE3]])
        #expect(abs(sample.quantity.value - 0.512 * 11) < 1e-9)
    }

    @Test(arguments: [[0x7F, 0xFF], [0x80, 0x00]] as [[UInt8]])
    func `an ADS1115 that clips is an overflow`(bytes: [UInt8]) {
        #expect(
            failure(
                .ads1115(ADS1115(input: .input0, range: .volts2_048, scale: 1, unit: .volts)),
                [0: bytes])
                == SensorError("ADS1115 conversion", .overflow))
    }

    @Test func `an ADS1115 that never gets ready is given up`() {
        struct Deaf: Bus {
            func transaction(address: UInt8, write: [UInt8], read count: Int)
                throws(BusError) -> [UInt8]
            { count == 0 ? [] : [0x45, 0xE3] }
        }
        var bus = Deaf()
        var delay = CountingDelay()
        var sensor = sensor(
            .ads1115(ADS1115(input: .input0, range: .volts2_048, scale: 1, unit: .volts)))
        #expect(throws: SensorError("ADS1115 configuration", .notReady)) {
            try sensor.read(from: &bus, delay: &delay)
        }
        #expect(delay.total < .milliseconds(10))
    }

    @Test(arguments: [
        BusError.nak(address: 0x48), .timeout, .arbitrationLost, .vanished, .other(errno: 5),
    ])
    func `a bus error is an error that names its register, never a value`(fault: BusError) {
        #expect(
            failure(.lm75(LM75(bits: 9)), [0: [0, 0]], faults: [fault])
                == SensorError("LM75 temperature", .bus(fault)))
        let register = RegisterDescription(register: 7, width: .bits16)
        #expect(
            failure(.register(register), [7: [0, 0]], faults: [fault])
                == SensorError("register 7", .bus(fault)))
        #expect(
            failure(.tmp102(TMP102()), Self.tmp102, faults: [nil, fault])
                == SensorError("TMP102 temperature", .bus(fault)))
    }

    @Test func `too few bytes are no value`() {
        #expect(
            failure(.lm75(LM75(bits: 9)), [0: [0x19, 0]], short: true)
                == SensorError("LM75 temperature", .shortAnswer))
    }
}
