internal import PicketCore

/// Microchip MCP9808, temperature, 0.0625 °C. Datasheet DS25095A.
public struct MCP9808: Equatable, Sendable {
    public var address: UInt8

    public init(address: UInt8) { self.address = address }

    static let configuration = Register(0x01, "MCP9808 configuration")
    static let temperature = Register(0x05, "MCP9808 temperature")
    static let manufacturer = Register(0x06, "MCP9808 manufacturer")

    /// Takes it out of shutdown (bit 8 of the configuration, register 5-2).
    ///
    /// - Returns: The time of a conversion at the power-on resolution, 250 ms (table "Resolution"),
    ///   with a fifth on top of it.
    func prepare<B: Bus & ~Copyable>(_ bus: inout B) throws(SensorError) -> Duration {
        guard try Self.manufacturer.read16(&bus, address) == 0x0054 else {
            throw SensorError(Self.manufacturer.name, .wrongDevice)
        }
        let found = try Self.configuration.read16(&bus, address)
        if found & 0x0100 != 0 {
            try Self.configuration.write16(&bus, address, found & ~0x0100)
        }
        return .milliseconds(300)
    }

    func read<B: Bus & ~Copyable>(_ bus: inout B) throws(SensorError) -> Sample {
        let bits = try Self.temperature.read16(&bus, address)
        return Sample(
            bits: UInt64(bits & 0x1FFF), quantity: Quantity(Self.convert(bits), .celsius))
    }

    /// °C. Bits 15…13 are the alert flags; below them 13 bits, two's complement (register 5-4).
    public static func convert(_ bits: UInt16) -> Double {
        Double(Int16(bitPattern: bits << 3) >> 3) * 0.0625
    }
}
