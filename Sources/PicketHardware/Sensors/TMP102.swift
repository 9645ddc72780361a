internal import PicketCore

/// Texas Instruments TMP102, temperature, 0.0625 °C. Datasheet SBOS397.
public struct TMP102: Equatable, Sendable {
    public var address: UInt8

    public init(address: UInt8) { self.address = address }

    static let temperature = Register(0x00, "TMP102 temperature")
    static let configuration = Register(0x01, "TMP102 configuration")

    /// The chip has no identification register, but two bits of its configuration, R1 and R0, are
    /// fixed at 1 (table "Configuration and Power-Up/Reset Format"). Takes it out of shutdown.
    ///
    /// - Returns: The time until a conversion is complete for certain, 35 ms (SBOS397, "Electrical
    ///   Characteristics"): after power-on the register reads 0 °C until then.
    func prepare<B: Bus & ~Copyable>(_ bus: inout B) throws(SensorError) -> Duration {
        let found = try Self.configuration.read16(&bus, address)
        guard found & 0x6000 == 0x6000 else {
            throw SensorError(Self.configuration.name, .wrongDevice)
        }
        let shutdown: UInt16 = 0x0100
        if found & shutdown != 0 {
            try Self.configuration.write16(&bus, address, found & ~shutdown)
        }
        return .milliseconds(35)
    }

    func read<B: Bus & ~Copyable>(_ bus: inout B) throws(SensorError) -> Sample {
        let bits = try Self.temperature.read16(&bus, address)
        return Sample(bits: UInt64(bits), quantity: Quantity(Self.convert(bits), .celsius))
    }

    /// °C. Bit 0 tells the extended mode, of 13 bits, from the normal one, of 12; both are
    /// left-aligned (tables "12-Bit Temperature Data Format" and "13-Bit …").
    public static func convert(_ bits: UInt16) -> Double {
        let extended = bits & 1 != 0
        return Double(Int16(bitPattern: bits) >> (extended ? 3 : 4)) * 0.0625
    }
}
