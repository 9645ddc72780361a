public import PicketCore

/// Microchip MCP9808, temperature, 0.0625 °C. Datasheet DS25095A.
public struct MCP9808: SensorDriver {
    public init() {}

    public static var word: String { "mcp9808" }
    public static var number: UInt8 { 6 }
    public var unit: Unit { .celsius }
    public var hwmonInput: String? { "temp1" }
    public var grain: Double { 0.1 }

    public static func configured<S: DriverSettings>(by settings: S) -> (driver: Self?, unit: Unit)
    { (Self(), .celsius) }

    static let configuration = Register(0x01, "MCP9808 configuration")
    static let temperature = Register(0x05, "MCP9808 temperature")
    static let manufacturer = Register(0x06, "MCP9808 manufacturer")
    static let maker: UInt16 = 0x0054

    public static var addresses: ClosedRange<UInt8>? { 0x18...0x1F }
    public static var identity: ChipIdentity? { ChipIdentity(0x06, maker) }

    /// Takes it out of shutdown (bit 8 of the configuration, register 5-2).
    ///
    /// - Returns: The time of a conversion at the power-on resolution, 250 ms (table "Resolution"),
    ///   with a fifth on top of it.
    public func prepare<B: Bus & ~Copyable>(_ bus: inout B, _ address: UInt8) throws(SensorError)
        -> Duration
    {
        guard try Self.manufacturer.read16(&bus, address) == Self.maker else {
            throw SensorError(Self.manufacturer.name, .wrongDevice)
        }
        let found = try Self.configuration.read16(&bus, address)
        if found & 0x0100 != 0 {
            try Self.configuration.write16(&bus, address, found & ~0x0100)
        }
        return .milliseconds(300)
    }

    public func read<B: Bus & ~Copyable, D: Delay & ~Copyable>(
        _ bus: inout B, _ address: UInt8, _ delay: inout D
    ) throws(SensorError) -> Sample {
        let bits = try Self.temperature.read16(&bus, address)
        return Sample(
            bits: UInt64(bits & 0x1FFF), quantity: Quantity(Self.convert(bits), .celsius))
    }

    /// °C. Bits 15…13 are the alert flags; below them 13 bits, two's complement (register 5-4).
    public static func convert(_ bits: UInt16) -> Double {
        Double(Int16(bitPattern: bits << 3) >> 3) * 0.0625
    }

    public static func content(of register: UInt8, _ chip: SimulatedChip) -> [UInt8] {
        switch register {
        case 5: SimulatedChip.bytes(SimulatedChip.signed(chip.value * 16, bits: 13) & 0x1FFF)
        case 6: SimulatedChip.bytes(maker)
        default: SimulatedChip.bytes(chip.written(register) ?? 0)
        }
    }
}
