public import PicketCore

/// Texas Instruments TMP102, temperature, 0.0625 °C. Datasheet SBOS397.
public struct TMP102: SensorDriver {
    public init() {}

    public static var word: String { "tmp102" }
    public static var number: UInt8 { 1 }
    public var unit: Unit { .celsius }
    public var hwmonInput: String? { "temp1" }
    public var grain: Double { 0.1 }

    public static func configured<S: DriverSettings>(by settings: S) -> (driver: Self?, unit: Unit)
    { (Self(), .celsius) }

    static let temperature = Register(0x00, "TMP102 temperature")
    static let configuration = Register(0x01, "TMP102 configuration")

    /// The chip has no identification register, but two bits of its configuration, R1 and R0, are
    /// fixed at 1 (table "Configuration and Power-Up/Reset Format").
    public static var addresses: ClosedRange<UInt8>? { 0x48...0x4B }
    public static var identity: ChipIdentity? {
        ChipIdentity(0x01, mask: 0x6000, 0x6000, doubt: "most likely")
    }

    /// - Returns: The time until a conversion is complete for certain, 35 ms (SBOS397, "Electrical
    ///   Characteristics"): after power-on the register reads 0 °C until then.
    public func prepare<B: Bus & ~Copyable>(_ bus: inout B, _ address: UInt8) throws(SensorError)
        -> Duration
    {
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

    public func read<B: Bus & ~Copyable, D: Delay & ~Copyable>(
        _ bus: inout B, _ address: UInt8, _ delay: inout D
    ) throws(SensorError) -> Sample {
        let bits = try Self.temperature.read16(&bus, address)
        return Sample(bits: UInt64(bits), quantity: Quantity(Self.convert(bits), .celsius))
    }

    /// °C. Bit 0 tells the extended mode, of 13 bits, from the normal one, of 12; both are
    /// left-aligned (tables "12-Bit Temperature Data Format" and "13-Bit …").
    public static func convert(_ bits: UInt16) -> Double {
        let extended = bits & 1 != 0
        return Double(Int16(bitPattern: bits) >> (extended ? 3 : 4)) * 0.0625
    }

    public static func content(of register: UInt8, _ chip: SimulatedChip) -> [UInt8] {
        LM75.content(of: register, bits: 12, chip)
    }
}
