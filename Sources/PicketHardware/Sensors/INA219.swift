public import PicketCore

/// Texas Instruments INA219, bus voltage and shunt voltage, and with the shunt's resistance current
/// and power. Datasheet SBOS448.
///
/// The chip's own current and power registers need a calibration register that a brown-out clears
/// in silence, after which they read 0. Both are computed here instead.
public struct INA219: SensorDriver {
    public enum Measure: UInt8, Sendable { case busVoltage, shuntVoltage, current, power }

    public var measure: Measure
    /// Ohms, above 0.
    public var shunt: Double

    public init(measure: Measure, shunt: Double) {
        self.measure = measure
        self.shunt = shunt
    }

    public static var word: String { "ina219" }
    public static var keys: [String] { ["measure", "shunt"] }
    public static var number: UInt8 { 3 }
    public var unit: Unit { measure.unit }
    public var hwmonInput: String? { measure.hwmonInput }
    public var grain: Double {
        switch measure {
        case .busVoltage: 0.008
        case .shuntVoltage: 0.000_02
        case .current, .power: 0.02
        }
    }

    public static func configured<S: DriverSettings>(by settings: S) -> (driver: Self?, unit: Unit)
    {
        let (measure, shunt, unit) = Measure.configured(by: settings)
        guard let measure, let shunt else { return (nil, unit) }
        return (Self(measure: measure, shunt: shunt), unit)
    }

    public func add<D: SettingsDigest>(to digest: inout D) {
        digest.add(byte: measure.rawValue)
        digest.add(shunt)
    }

    static let configuration = Register(0x00, "INA219 configuration")
    static let shuntVoltage = Register(0x01, "INA219 shunt voltage")
    static let busVoltage = Register(0x02, "INA219 bus voltage")

    /// The chip's setting after power-on: ±320 mV, 32 V, 12 bits, both measured continuously.
    static let powerOn: UInt16 = 0x399F

    public static var addresses: ClosedRange<UInt8>? { 0x40...0x4F }
    public static var identity: ChipIdentity? {
        ChipIdentity(0x00, powerOn, doubt: "as after power-on")
    }

    /// - Returns: The time until both conversions are complete: twice 586 µs at the most (SBOS448,
    ///   "Electrical Characteristics").
    public func prepare<B: Bus & ~Copyable>(_ bus: inout B, _ address: UInt8) throws(SensorError)
        -> Duration
    {
        if try Self.configuration.read16(&bus, address) != Self.powerOn {
            try Self.configuration.write16(&bus, address, Self.powerOn)
        }
        return .milliseconds(2)
    }

    public func read<B: Bus & ~Copyable, D: Delay & ~Copyable>(
        _ bus: inout B, _ address: UInt8, _ delay: inout D
    ) throws(SensorError) -> Sample {
        switch measure {
        case .busVoltage:
            let bits = try readBusVoltage(&bus, address)
            return Sample(
                bits: UInt64(bits), quantity: Quantity(Self.convertBusVoltage(bits), .volts))
        case .shuntVoltage:
            let bits = try readShuntVoltage(&bus, address)
            return Sample(
                bits: UInt64(bits), quantity: Quantity(Self.convertShuntVoltage(bits), .volts))
        case .current:
            let bits = try readShuntVoltage(&bus, address)
            let amperes = Self.convertShuntVoltage(bits) / shunt
            return Sample(bits: UInt64(bits), quantity: Quantity(amperes, .amperes))
        case .power:
            let shuntBits = try readShuntVoltage(&bus, address)
            let busBits = try readBusVoltage(&bus, address)
            let amperes = Self.convertShuntVoltage(shuntBits) / shunt
            let watts = Self.convertBusVoltage(busBits) * amperes
            return Sample(
                bits: UInt64(shuntBits) << 16 | UInt64(busBits),
                quantity: Quantity(watts, .watts))
        }
    }

    /// CNVR (bit 1) tells that a conversion is complete, OVF (bit 0) that the chip's arithmetic
    /// overflowed (figure "Bus Voltage Register").
    private func readBusVoltage<B: Bus & ~Copyable>(
        _ bus: inout B, _ address: UInt8
    ) throws(SensorError) -> UInt16 {
        let bits = try Self.busVoltage.read16(&bus, address)
        guard bits & 0b10 != 0 else { throw SensorError(Self.busVoltage.name, .notReady) }
        guard bits & 0b01 == 0 else { throw SensorError(Self.busVoltage.name, .overflow) }
        return bits
    }

    /// At ±320 mV the register saturates at ±32000.
    private func readShuntVoltage<B: Bus & ~Copyable>(
        _ bus: inout B, _ address: UInt8
    ) throws(SensorError) -> UInt16 {
        let bits = try Self.shuntVoltage.read16(&bus, address)
        guard Int16(bitPattern: bits).magnitude < 32_000 else {
            throw SensorError(Self.shuntVoltage.name, .overflow)
        }
        return bits
    }

    /// Volts; 4 mV in bits 15…3.
    public static func convertBusVoltage(_ bits: UInt16) -> Double {
        Double(bits >> 3) * 4 / 1_000
    }

    /// Volts; 10 µV, two's complement.
    public static func convertShuntVoltage(_ bits: UInt16) -> Double {
        Double(Int16(bitPattern: bits)) / 100_000
    }

    public static func content(of register: UInt8, _ chip: SimulatedChip) -> [UInt8] {
        let word =
            switch register {
            case 0: chip.written(0) ?? powerOn
            case 1: SimulatedChip.signed(chip.shuntVolts / 10e-6)
            // 4 mV above CNVR (conversion ready) and OVF.
            case 2: SimulatedChip.unsigned(chip.busVolts / 0.004, most: 8191) << 3 | 0b10
            default: chip.written(register) ?? 0
            }
        return SimulatedChip.bytes(word)
    }
}

// MARK: - What the INA219 and the INA226 have in common

extension INA219.Measure {
    var unit: Unit {
        switch self {
        case .busVoltage, .shuntVoltage: .volts
        case .current: .amperes
        case .power: .watts
        }
    }

    var hwmonInput: String {
        switch self {
        case .shuntVoltage: "in0"
        case .busVoltage: "in1"
        case .current: "curr1"
        case .power: "power1"
        }
    }

    static func configured<S: DriverSettings>(
        by settings: S
    ) -> (measure: Self?, shunt: Double?, unit: Unit) {
        let measure = settings.required("measure", "voltage, current, power or shunt_voltage")?
            .word([
                ("voltage", Self.busVoltage), ("current", .current), ("power", .power),
                ("shunt_voltage", .shuntVoltage),
            ])
        guard let measure else { return (nil, nil, .volts) }
        let needsShunt = measure == .current || measure == .power
        let found =
            needsShunt
            ? settings.required("shunt", "the shunt's resistance, such as 100mOhm")
            : settings["shunt"]
        // Without a shunt to compute with, its value plays no part; the usual one stands in.
        let without = needsShunt ? nil : 0.1
        let shunt = found.map { $0.quantity(.ohms, in: 1e-6...1000) } ?? without
        return (measure, shunt, measure.unit)
    }
}

extension SimulatedChip {
    var busVolts: Double { shown(.busVoltage)?.value ?? 5 }

    var shuntVolts: Double {
        if let volts = shown(.shuntVoltage) { return volts.value }
        if let current = shown(.current) { return current.value * current.shunt }
        guard let power = shown(.power) else { return 0.001 }
        return power.value / busVolts * power.shunt
    }

    private func shown(_ measure: INA219.Measure) -> (value: Double, shunt: Double)? {
        for (driver, value) in measured {
            switch driver {
            case .ina219(let sensor) where sensor.measure == measure: return (value, sensor.shunt)
            case .ina226(let sensor) where sensor.measure == measure: return (value, sensor.shunt)
            default: continue
            }
        }
        return nil
    }
}
