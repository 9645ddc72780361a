public import PicketCore

/// Texas Instruments INA226, bus voltage and shunt voltage, and with the shunt's resistance current
/// and power. Datasheet SBOS547A.
///
/// As with the INA219, current and power are computed here: the chip's own need a calibration that
/// a brown-out clears.
public struct INA226: SensorDriver {
    public var measure: INA219.Measure
    /// Ohms, above 0.
    public var shunt: Double

    public init(measure: INA219.Measure, shunt: Double) {
        self.measure = measure
        self.shunt = shunt
    }

    public static var word: String { "ina226" }
    public static var keys: [String] { ["measure", "shunt"] }
    public static var number: UInt8 { 8 }
    public var unit: Unit { measure.unit }
    public var hwmonInput: String? { measure.hwmonInput }
    public var grain: Double {
        switch measure {
        case .busVoltage: 0.0025
        case .shuntVoltage: 0.000_005
        case .current, .power: 0.02
        }
    }

    public static func configured<S: DriverSettings>(by settings: S) -> (driver: Self?, unit: Unit)
    {
        let (measure, shunt, unit) = INA219.Measure.configured(by: settings)
        guard let measure, let shunt else { return (nil, unit) }
        return (Self(measure: measure, shunt: shunt), unit)
    }

    public func add<D: SettingsDigest>(to digest: inout D) {
        digest.add(byte: measure.rawValue)
        digest.add(shunt)
    }

    static let configuration = Register(0x00, "INA226 configuration")
    static let shuntVoltage = Register(0x01, "INA226 shunt voltage")
    static let busVoltage = Register(0x02, "INA226 bus voltage")
    static let manufacturer = Register(0xFE, "INA226 manufacturer")
    static let maker: UInt16 = 0x5449

    public static var addresses: ClosedRange<UInt8>? { 0x40...0x4F }
    public static var identity: ChipIdentity? { ChipIdentity(0xFE, maker) }

    /// The chip's setting after power-on: no averaging, 1.1 ms each, both continuously (§7.6.1).
    static let powerOn: UInt16 = 0x4127

    /// - Returns: The time until both conversions are complete: twice 1.21 ms at the most (§6.5).
    public func prepare<B: Bus & ~Copyable>(_ bus: inout B, _ address: UInt8) throws(SensorError)
        -> Duration
    {
        guard try Self.manufacturer.read16(&bus, address) == Self.maker else {
            throw SensorError(Self.manufacturer.name, .wrongDevice)
        }
        if try Self.configuration.read16(&bus, address) != Self.powerOn {
            try Self.configuration.write16(&bus, address, Self.powerOn)
        }
        return .milliseconds(3)
    }

    public func read<B: Bus & ~Copyable, D: Delay & ~Copyable>(
        _ bus: inout B, _ address: UInt8, _ delay: inout D
    ) throws(SensorError) -> Sample {
        let shuntBits = measure == .busVoltage ? 0 : try readShuntVoltage(&bus, address)
        let busBits =
            measure == .busVoltage || measure == .power
            ? try Self.busVoltage.read16(&bus, address) : 0
        let amperes = Self.convertShuntVoltage(shuntBits) / shunt
        let volts = Self.convertBusVoltage(busBits)
        let quantity: Quantity =
            switch measure {
            case .busVoltage: Quantity(volts, .volts)
            case .shuntVoltage: Quantity(Self.convertShuntVoltage(shuntBits), .volts)
            case .current: Quantity(amperes, .amperes)
            case .power: Quantity(volts * amperes, .watts)
            }
        return Sample(bits: UInt64(shuntBits) << 16 | UInt64(busBits), quantity: quantity)
    }

    /// Full scale is ±81.92 mV less a step; the last code is a clipped one (§7.6.2).
    private func readShuntVoltage<B: Bus & ~Copyable>(
        _ bus: inout B, _ address: UInt8
    ) throws(SensorError) -> UInt16 {
        let bits = try Self.shuntVoltage.read16(&bus, address)
        guard bits != 0x7FFF, bits != 0x8000 else {
            throw SensorError(Self.shuntVoltage.name, .overflow)
        }
        return bits
    }

    /// Volts; 1.25 mV.
    public static func convertBusVoltage(_ bits: UInt16) -> Double {
        Double(bits & 0x7FFF) * 1.25 / 1_000
    }

    /// Volts; 2.5 µV, two's complement.
    public static func convertShuntVoltage(_ bits: UInt16) -> Double {
        Double(Int16(bitPattern: bits)) * 2.5 / 1_000_000
    }

    public static func content(of register: UInt8, _ chip: SimulatedChip) -> [UInt8] {
        let word =
            switch register {
            case 0: chip.written(0) ?? powerOn
            case 1: SimulatedChip.signed(chip.shuntVolts / 2.5e-6)
            case 2: SimulatedChip.unsigned(chip.busVolts / 0.001_25, most: 32_767)
            case 0xFE: maker
            default: chip.written(register) ?? 0
            }
        return SimulatedChip.bytes(word)
    }
}
