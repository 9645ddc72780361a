internal import PicketCore

/// Texas Instruments INA226, bus voltage and shunt voltage, and with the shunt's resistance current
/// and power. Datasheet SBOS547A.
///
/// As with the INA219, current and power are computed here: the chip's own need a calibration that
/// a brown-out clears.
public struct INA226: Equatable, Sendable {
    public var address: UInt8
    public var measure: INA219.Measure
    /// Ohms.
    public var shunt: Double

    public init(address: UInt8, measure: INA219.Measure, shunt: Double) {
        self.address = address
        self.measure = measure
        self.shunt = shunt
    }

    static let configuration = Register(0x00, "INA226 configuration")
    static let shuntVoltage = Register(0x01, "INA226 shunt voltage")
    static let busVoltage = Register(0x02, "INA226 bus voltage")
    static let manufacturer = Register(0xFE, "INA226 manufacturer")

    /// What the chip has after power-on: no averaging, 1.1 ms each, both continuously (§7.6.1).
    static let powerOn: UInt16 = 0x4127

    /// - Returns: The time until both conversions are complete: twice 1.21 ms at the most (§6.5).
    func prepare<B: Bus & ~Copyable>(_ bus: inout B) throws(SensorError) -> Duration {
        guard try Self.manufacturer.read16(&bus, address) == 0x5449 else {
            throw SensorError(Self.manufacturer.name, .wrongDevice)
        }
        if try Self.configuration.read16(&bus, address) != Self.powerOn {
            try Self.configuration.write16(&bus, address, Self.powerOn)
        }
        return .milliseconds(3)
    }

    func read<B: Bus & ~Copyable>(_ bus: inout B) throws(SensorError) -> Sample {
        let shuntBits = measure == .busVoltage ? 0 : try readShuntVoltage(&bus)
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
    private func readShuntVoltage<B: Bus & ~Copyable>(_ bus: inout B) throws(SensorError)
        -> UInt16
    {
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
}
