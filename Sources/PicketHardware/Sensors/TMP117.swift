public import PicketCore

/// Texas Instruments TMP117, temperature, 7.8125 m°C. Datasheet SNOSD82.
public struct TMP117: SensorDriver {
    public init() {}

    public static var word: String { "tmp117" }
    public static var number: UInt8 { 11 }
    public var unit: Unit { .celsius }
    public var grain: Double { 0.01 }

    public static func configured<S: DriverSettings>(
        by settings: S
    ) -> (driver: Self?, unit: Unit) { (Self(), .celsius) }

    static let temperature = Register(0x00, "TMP117 temperature")
    static let configuration = Register(0x01, "TMP117 configuration")
    static let identification = Register(0x0F, "TMP117 identification")

    /// Bits 15…12 of the register are the chip's revision (table "Device ID Register").
    public static var addresses: ClosedRange<UInt8>? { 0x48...0x4B }
    public static var identity: ChipIdentity? { ChipIdentity(0x0F, mask: 0x0FFF, 0x0117) }

    /// Takes it out of shutdown: bits 11 and 10 of the configuration at 0 have it convert
    /// continuously (table "Configuration Register").
    ///
    /// - Returns: The time of the eight conversions that it averages as the factory left it, each
    ///   17.5 ms at the most ("Electrical Characteristics").
    public func prepare<B: Bus & ~Copyable>(_ bus: inout B, _ address: UInt8) throws(SensorError)
        -> Duration
    {
        guard Self.identity!.matches(try Self.identification.read16(&bus, address)) else {
            throw SensorError(Self.identification.name, .wrongDevice)
        }
        let mode: UInt16 = 0x0C00
        let found = try Self.configuration.read16(&bus, address)
        if found & mode != 0 { try Self.configuration.write16(&bus, address, found & ~mode) }
        return .milliseconds(140)
    }

    /// After power-on the register holds −256 °C until the first conversion is complete.
    public func read<B: Bus & ~Copyable, D: Delay & ~Copyable>(
        _ bus: inout B, _ address: UInt8, _ delay: inout D
    ) throws(SensorError) -> Sample {
        let bits = try Self.temperature.read16(&bus, address)
        guard bits != 0x8000 else { throw SensorError(Self.temperature.name, .notReady) }
        return Sample(bits: UInt64(bits), quantity: Quantity(Self.convert(bits), .celsius))
    }

    /// °C, two's complement (table "16-Bit Temperature Data Format").
    public static func convert(_ bits: UInt16) -> Double {
        Double(Int16(bitPattern: bits)) / 128
    }

    public static func content(of register: UInt8, _ chip: SimulatedChip) -> [UInt8] {
        switch register {
        case 0x00: SimulatedChip.bytes(SimulatedChip.signed(chip.value * 128))
        case 0x01: SimulatedChip.bytes(chip.written(1) ?? 0x0220)
        case 0x0F: SimulatedChip.bytes(0x0117)
        default: SimulatedChip.bytes(chip.written(register) ?? 0)
        }
    }
}
