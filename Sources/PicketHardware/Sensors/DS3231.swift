/// Maxim DS3231, the temperature that its clock compensates by, 0.25 °C. Datasheet 19-5170, Rev. 10.
///
/// The chip measures by itself every 64 seconds (p. 7): nothing is written to it, as it is the
/// node's clock.
public struct DS3231: Equatable, Sendable {
    public var address: UInt8

    public init(address: UInt8) { self.address = address }

    static let temperature = Register(0x11, "DS3231 temperature")

    func read<B: Bus & ~Copyable>(_ bus: inout B) throws(SensorError) -> Sample {
        let bits = try Self.temperature.read16(&bus, address)
        guard bits & 0x3F == 0 else { throw SensorError(Self.temperature.name, .wrongDevice) }
        return Sample(bits: UInt64(bits), quantity: Quantity(Self.convert(bits), .celsius))
    }

    /// °C. Ten bits, left-aligned, two's complement ("Temperature Registers", p. 15).
    public static func convert(_ bits: UInt16) -> Double {
        Double(Int16(bitPattern: bits) >> 6) * 0.25
    }
}
