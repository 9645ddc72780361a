import PicketCore
import PicketHardware
import Testing

/// Conversions against the datasheets' own numbers.
struct MoreConversionTests {
    /// DS25095A §5.1.3.1, "Ambient Temperature Register", equation 5-1 and example 5-1: C1h 94h is
    /// +25.25 °C; negative ones are 256 below. Flags of register 5-4 above bit 12.
    @Test(
        arguments: [
            (0xC194, 25.25), (0x0194, 25.25), (0x07D0, 125), (0x0000, 0), (0x0001, 0.0625),
            (0x1FFF, -0.0625), (0x1D80, -40), (0xFE70, -25),
        ] as [(UInt16, Double)])
    func `an MCP9808 code is its datasheet's temperature`(code: UInt16, celsius: Double) {
        #expect(MCP9808.convert(code) == celsius)
    }

    /// SNOSD82, table "16-Bit Temperature Data Format": 7.8125 m°C a step.
    @Test(
        arguments: [
            (0x8000, -256), (0xF380, -25), (0xFFF0, -0.125), (0xFFFF, -0.007_812_5), (0x0000, 0),
            (0x0001, 0.007_812_5), (0x0010, 0.125), (0x0080, 1), (0x0C80, 25), (0x3200, 100),
            (0x7FFF, 255.992_187_5),
        ] as [(UInt16, Double)])
    func `a TMP117 code is its datasheet's temperature`(code: UInt16, celsius: Double) {
        #expect(TMP117.convert(code) == celsius)
    }

    /// DS3231, 19-5170 Rev. 10, p. 15: "00011001 01b = +25.25 °C"; ten bits, left-aligned.
    @Test(
        arguments: [
            (0b0001_1001_0100_0000, 25.25), (0, 0), (0b0000_0000_0100_0000, 0.25),
            (0b1111_1111_1100_0000, -0.25), (0b1101_1000_0000_0000, -40),
        ] as [(UInt16, Double)])
    func `a DS3231 code is its datasheet's temperature`(code: UInt16, celsius: Double) {
        #expect(DS3231.convert(code) == celsius)
    }

    /// SHT3x-DIS version 6 §4.13: the ends of both ranges, and their middle.
    @Test(
        arguments: [
            (0, -45, 0), (0xFFFF, 130, 100), (0x8000, 42.501_335_16, 50.000_762_95),
        ] as [(UInt16, Double, Double)])
    func `an SHT3x code spans its range`(code: UInt16, celsius: Double, humidity: Double) {
        #expect(abs(SHT3x.convertTemperature(code) - celsius) < 1e-6)
        #expect(abs(SHT3x.convertHumidity(code) - humidity) < 1e-6)
    }

    /// SBOS547A: bus 1.25 mV, shunt 2.5 µV a step; table 8 "Shunt Voltage Register": -80 mV is
    /// 8300h; p. 17, figure 24 and table 1: 2570h is 11.98 V, 1F40h is 20 mV.
    @Test func `an INA226 measures its datasheet's example`() {
        #expect(abs(INA226.convertBusVoltage(0x2570) - 11.98) < 1e-9)
        #expect(abs(INA226.convertShuntVoltage(0x1F40) - 0.02) < 1e-12)
        #expect(abs(INA226.convertShuntVoltage(0x8300) + 0.08) < 1e-12)
    }

    @Test(arguments: [
        ("temp1", 45_250, Quantity(45.25, .celsius)), ("in0", 1_200, Quantity(1.2, .volts)),
        ("curr1", -20, Quantity(-0.02, .amperes)), ("power1", 2_500_000, Quantity(2.5, .watts)),
        ("fan2", 1_350, Quantity(1_350, .named("rpm"))),
    ])
    func `the kernel's units are scaled by the file's kind`(
        input: String, number: Int64, expected: Quantity
    ) {
        let sample = HwmonDescription(chip: nil, input: input).sample(number)
        #expect(sample.quantity == expected)
    }
}

struct MoreReadingTests {
    func value(_ driver: DriverDescription, _ bus: inout FakeBus) throws -> Quantity {
        var delay = CountingDelay()
        var sensor = Sensor(
            SensorDescription(name: "probe", driver: driver, bus: 1, address: 0x48))
        return try sensor.read(from: &bus, delay: &delay).quantity
    }

    @Test func `an MCP9808 is known by its maker and woken`() throws {
        var bus = FakeBus(registers: [1: [0x01, 0x00], 5: [0xC1, 0x94], 6: [0x00, 0x54]])
        #expect(try value(.mcp9808(MCP9808()), &bus) == Quantity(25.25, .celsius))
        #expect(bus.written == [[0x01, 0x00, 0x00]])
        bus.registers[6] = [0, 0]
        #expect(throws: SensorError("MCP9808 manufacturer", .wrongDevice)) {
            try value(.mcp9808(MCP9808()), &bus)
        }
    }

    @Test func `a TMP117 is known by its identification, of any revision, and woken`() throws {
        var bus = FakeBus(registers: [0: [0x0C, 0x80], 1: [0x06, 0x20], 0x0F: [0x11, 0x17]])
        #expect(try value(.tmp117(TMP117()), &bus) == Quantity(25, .celsius))
        #expect(bus.written == [[0x01, 0x02, 0x20]])
        bus.registers[0x0F] = [0x07, 0x54]
        #expect(throws: SensorError("TMP117 identification", .wrongDevice)) {
            try value(.tmp117(TMP117()), &bus)
        }
    }

    @Test func `a TMP117 that has converted nothing since power-on gives no number`() {
        var bus = FakeBus(registers: [0: [0x80, 0x00], 1: [0x02, 0x20], 0x0F: [0x01, 0x17]])
        #expect(throws: SensorError("TMP117 temperature", .notReady)) {
            try value(.tmp117(TMP117()), &bus)
        }
        #expect(bus.written.isEmpty)
    }

    @Test func `an INA226 is known by its maker, and multiplies its datasheet's example`() throws {
        var bus = FakeBus(registers: [
            0: [0x41, 0x27], 1: [0x1F, 0x40], 2: [0x25, 0x70], 0xFE: [0x54, 0x49],
        ])
        let power = try value(.ina226(INA226(measure: .power, shunt: 0.002)), &bus)
        #expect(abs(power.value - 119.8) < 1e-6)
        #expect(power.unit == .watts)
        bus.registers[0xFE] = [0, 0]
        #expect(throws: SensorError("INA226 manufacturer", .wrongDevice)) {
            try value(.ina226(INA226(measure: .power, shunt: 0.002)), &bus)
        }
    }

    @Test func `a DS3231 is never written to`() throws {
        var bus = FakeBus(registers: [0x11: [0x19, 0x40]])
        #expect(try value(.ds3231(DS3231()), &bus) == Quantity(25.25, .celsius))
        #expect(bus.written.isEmpty)
    }

    /// SHT3x-DIS version 6, table 20: the checksum of BEEFh is 92h.
    struct Humid: Bus {
        var answer: [UInt8] = [0xBE, 0xEF, 0x92, 0xBE, 0xEF, 0x92]
        var commands: [[UInt8]] = []
        mutating func transaction(address: UInt8, write: [UInt8], read count: Int)
            throws(BusError) -> [UInt8]
        {
            if !write.isEmpty { commands.append(write) }
            return Array(answer.prefix(count))
        }
    }

    @Test func `an SHT3x is believed by its checksum alone`() throws {
        var bus = Humid()
        var delay = CountingDelay()
        var sensor = Sensor(
            SensorDescription(
                name: "air", driver: .sht3x(SHT3x(.humidity)), bus: 1, address: 0x44))
        let percent = try sensor.read(from: &bus, delay: &delay).quantity
        #expect(abs(percent.value - 74.584_573) < 1e-5)
        #expect(bus.commands == [[0x24, 0x00]])
        #expect(delay.total >= .microseconds(15_500))
        bus.answer[5] ^= 1
        #expect(throws: SensorError("SHT3x measurement", .checksum)) {
            try sensor.read(from: &bus, delay: &delay)
        }
    }

    /// SMBus 3.1, appendix of the packet error code: CRC-8 x⁸+x²+x+1 over every byte with its
    /// addresses. 90h 07h 91h 19h 40h → 0x87, computed bit by bit by hand in the test.
    @Test func `a packet error code is checked over address and data`() throws {
        var register = RegisterDescription(register: 7, width: .bits16, scale: 1)
        register.checked = true
        var crc: UInt8 = 0
        for byte: UInt8 in [0x90, 0x07, 0x91, 0x19, 0x40] {
            crc ^= byte
            for _ in 0..<8 { crc = crc & 0x80 != 0 ? crc << 1 ^ 0x07 : crc << 1 }
        }
        var bus = FakeBus(registers: [7: [0x19, 0x40, crc]])
        #expect(try value(.register(register), &bus).value == 0x1940)
        bus.registers[7] = [0x19, 0x41, crc]
        #expect(throws: SensorError("register 7", .checksum)) {
            try value(.register(register), &bus)
        }
    }
}

/// A chip as its data sheet has it, shared by reference.
final class FakeExpander: ActuatorBus {
    let kind: ExpanderPin.Kind
    /// By register of an MCP23017; the latch alone of a PCF8574.
    var registers: [UInt8]
    var writes: [[UInt8]] = []
    /// Held low from outside.
    var pulledLow: UInt16 = 0

    init(_ kind: ExpanderPin.Kind) {
        self.kind = kind
        registers = [UInt8](repeating: 0, count: 0x16)
        if kind == .mcp23017 { registers[0] = 0xFF; registers[1] = 0xFF }
        if kind == .pcf8574 { registers[0] = 0xFF }
    }

    /// The electrical level of every pin; inputs float high.
    var pins: UInt16 {
        if kind == .pcf8574 { return UInt16(registers[0]) & ~pulledLow }
        let direction = UInt16(registers[1]) << 8 | UInt16(registers[0])
        let latch = UInt16(registers[0x15]) << 8 | UInt16(registers[0x14])
        return (latch | direction) & ~(pulledLow & direction)
    }

    /// Done after each transaction: time passes on the bus.
    var afterwards: () -> Void = {}
    var now: () -> Instant = { Instant(nanoseconds: 0) }

    func write(_ bytes: [UInt8], to address: UInt8, notAfter: Instant) throws(BusError) -> Bool {
        if now() > notAfter { return false }
        _ = try transaction(address: address, write: bytes, read: 0)
        return true
    }

    func transaction(address: UInt8, write: [UInt8], read count: Int)
        throws(BusError) -> [UInt8]
    {
        defer { afterwards() }
        if kind == .pcf8574 {
            if let byte = write.first { registers[0] = byte; writes.append(write) }
            return count > 0 ? [UInt8(truncatingIfNeeded: pins)] : []
        }
        if write.count > 1 {
            writes.append(write)
            for (index, byte) in write.dropFirst().enumerated() {
                registers[Int(write[0]) + index] = byte
            }
        }
        guard count > 0 else { return [] }
        if write[0] == 0x12 {
            return [UInt8(truncatingIfNeeded: pins), UInt8(truncatingIfNeeded: pins >> 8)]
        }
        return Array(registers[Int(write[0])..<(Int(write[0]) + count)])
    }
}

struct ExpanderTests {
    @Test func `a PCF8574 leaves every pin that is not ours an input`() throws {
        let chip = FakeExpander(.pcf8574)
        let expander = Expander(.pcf8574, address: 0x20, bus: chip, outputs: 0b0110, levels: 0b0110)
        try expander.drive()
        #expect(chip.writes == [[0xFF]])
        // A switch holds pin 0: reading it low must not latch it low.
        chip.pulledLow = 1
        try expander.set(1, high: false)
        #expect(chip.writes.last == [0xFD])
        #expect(try !expander.read(1))
        #expect(try expander.read(2))
        #expect(try !expander.read(0))
        try expander.set(1, high: true)
        #expect(chip.writes.last == [0xFF])
    }

    @Test func `an MCP23017's pin has its level before it becomes an output`() throws {
        let chip = FakeExpander(.mcp23017)
        let expander = Expander(
            .mcp23017, address: 0x20, bus: chip, outputs: 0x0201, levels: 0x0200)
        try expander.drive()
        #expect(chip.writes == [[0x14, 0x00, 0x02], [0x00, 0xFE, 0xFD]])
        try expander.set(0, high: true)
        #expect(chip.writes.last == [0x14, 0x01, 0x02])
        #expect(try expander.read(0))
    }

    @Test func `an MCP23017 that lost its power is set up again by the next write`() throws {
        let chip = FakeExpander(.mcp23017)
        let expander = Expander(.mcp23017, address: 0x20, bus: chip, outputs: 0x0001, levels: 0)
        try expander.drive()
        chip.registers = [UInt8](repeating: 0, count: 0x16)
        chip.registers[0] = 0xFF
        chip.registers[1] = 0xFF
        #expect(try expander.read(0))
        try expander.set(0, high: false)
        #expect(try !expander.read(0))
        #expect(chip.registers[0] == 0xFE)
    }
}

/// A relay on a pin of an expander, *on* when it is high.
struct PinLine: RelayLine {
    let expander: Expander<FakeExpander>

    func set(on: Bool, unlessAfter: Instant) throws(LineError) {
        try expander.set(0, high: on, unlessAfter: unlessAfter)
    }
    func read() throws(LineError) -> Bool { try expander.read(0) }
}

struct ExpanderFenceTests {
    /// The order's time passes in the transaction of this number, counted from the order.
    @Test(
        arguments: [ExpanderPin.Kind.pcf8574, .mcp23017], [1, 2, 3])
    func `time that passes on the bus makes an order void before the pin moves, or undoes it`(
        kind: ExpanderPin.Kind, transaction: Int
    ) throws {
        let bench = Bench(end: 5)
        let chip = FakeExpander(kind)
        chip.now = { bench.now }
        let expander = Expander(kind, address: 0x20, bus: chip, outputs: 1, levels: 1)
        try expander.drive()
        var worker = FenceWorker<PinLine, BenchSense, BenchHost>(
            RelayDescription(
                supplies: [
                    SupplyDescription(
                        line: LineDescription(name: "RELAY"),
                        feedback: .line(LineDescription(name: "PGOOD")))
                ]),
            supplies: [
                .init(
                    line: PinLine(expander: expander),
                    sense: BenchSense(bench: bench, supply: bench.supplies[0]))
            ], host: BenchHost(bench: bench))
        chip.writes = []
        var seen = 0
        chip.afterwards = {
            seen += 1
            if seen == transaction { bench.now = bench.now + .seconds(2) }
        }
        bench.order(validFor: 1)
        bench.at(5) { $0.mailbox.append(.stop) }
        worker.run()
        // An MCP23017 is read before it is written; a PCF8574 is not.
        if kind == .mcp23017, transaction == 1 {
            #expect(chip.writes.isEmpty)
            #expect(bench.outcomes() == [.voided])
        } else {
            #expect(bench.outcomes().first.map { "\($0)".hasPrefix("failed") } == true)
        }
        #expect(chip.pins & 1 == 1)
    }
}
