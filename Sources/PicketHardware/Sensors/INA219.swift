internal import PicketCore

/// Texas Instruments INA219, bus voltage and shunt voltage, and with the shunt's resistance current
/// and power. Datasheet SBOS448.
///
/// The chip's own current and power registers need a calibration register that a brown-out clears
/// in silence, after which they read 0. Both are computed here instead.
public struct INA219: Equatable, Sendable {
    public enum Measure: UInt8, Sendable { case busVoltage, shuntVoltage, current, power }

    public var address: UInt8
    public var measure: Measure
    /// Ohms.
    public var shunt: Double

    public init(address: UInt8, measure: Measure, shunt: Double) {
        self.address = address
        self.measure = measure
        self.shunt = shunt
    }

    static let configuration = Register(0x00, "INA219 configuration")
    static let shuntVoltage = Register(0x01, "INA219 shunt voltage")
    static let busVoltage = Register(0x02, "INA219 bus voltage")

    /// What the chip has after power-on: ±320 mV, 32 V, 12 bits, both measured continuously.
    static let powerOn: UInt16 = 0x399F

    /// - Returns: The time until both conversions are complete: twice 586 µs at the most (SBOS448,
    ///   "Electrical Characteristics").
    func prepare<B: Bus & ~Copyable>(_ bus: inout B) throws(SensorError) -> Duration {
        if try Self.configuration.read16(&bus, address) != Self.powerOn {
            try Self.configuration.write16(&bus, address, Self.powerOn)
        }
        return .milliseconds(2)
    }

    func read<B: Bus & ~Copyable>(_ bus: inout B) throws(SensorError) -> Sample {
        switch measure {
        case .busVoltage:
            let bits = try readBusVoltage(&bus)
            return Sample(
                bits: UInt64(bits), quantity: Quantity(Self.convertBusVoltage(bits), .volts))
        case .shuntVoltage:
            let bits = try readShuntVoltage(&bus)
            return Sample(
                bits: UInt64(bits), quantity: Quantity(Self.convertShuntVoltage(bits), .volts))
        case .current:
            let bits = try readShuntVoltage(&bus)
            let amperes = Self.convertShuntVoltage(bits) / shunt
            return Sample(bits: UInt64(bits), quantity: Quantity(amperes, .amperes))
        case .power:
            let shuntBits = try readShuntVoltage(&bus)
            let busBits = try readBusVoltage(&bus)
            let amperes = Self.convertShuntVoltage(shuntBits) / shunt
            let watts = Self.convertBusVoltage(busBits) * amperes
            return Sample(
                bits: UInt64(shuntBits) << 16 | UInt64(busBits),
                quantity: Quantity(watts, .watts))
        }
    }

    /// CNVR (bit 1) tells that a conversion is complete, OVF (bit 0) that the chip's arithmetic
    /// overflowed (figure "Bus Voltage Register").
    private func readBusVoltage<B: Bus & ~Copyable>(_ bus: inout B) throws(SensorError) -> UInt16 {
        let bits = try Self.busVoltage.read16(&bus, address)
        guard bits & 0b10 != 0 else { throw SensorError(Self.busVoltage.name, .notReady) }
        guard bits & 0b01 == 0 else { throw SensorError(Self.busVoltage.name, .overflow) }
        return bits
    }

    /// At ±320 mV the register saturates at ±32000.
    private func readShuntVoltage<B: Bus & ~Copyable>(_ bus: inout B) throws(SensorError)
        -> UInt16
    {
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
}
