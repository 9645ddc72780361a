internal import PicketCore

/// Maxim DS3231, the temperature that its clock compensates by, 0.25 °C.
/// Datasheet 19-5170, Rev. 10.
///
/// The chip measures by itself every 64 seconds (p. 7): nothing is written to it, because it is the
/// node's clock.
public struct DS3231: SensorDriver {
    public init() {}

    public static var word: String { "ds3231" }
    public static var number: UInt8 { 9 }
    public static var addresses: ClosedRange<UInt8>? { 0x68...0x68 }
    public var unit: Unit { .celsius }
    public var hwmonInput: String? { "temp1" }
    public var grain: Double { 0.3 }

    public static func configured<S: DriverSettings>(by settings: S) -> (driver: Self?, unit: Unit)
    { (Self(), .celsius) }

    static let temperature = Register(0x11, "DS3231 temperature")

    public func read<B: Bus & ~Copyable, D: Delay & ~Copyable>(
        _ bus: inout B, _ address: UInt8, _ delay: inout D
    ) throws(SensorError) -> Sample {
        let bits = try Self.temperature.read16(&bus, address)
        guard bits & 0x3F == 0 else { throw SensorError(Self.temperature.name, .wrongDevice) }
        return Sample(bits: UInt64(bits), quantity: Quantity(Self.convert(bits), .celsius))
    }

    /// °C. Ten bits, left-aligned, two's complement ("Temperature Registers", p. 15).
    public static func convert(_ bits: UInt16) -> Double {
        Double(Int16(bitPattern: bits) >> 6) * 0.25
    }

    public static func content(of register: UInt8, _ chip: SimulatedChip) -> [UInt8] {
        SimulatedChip.bytes(SimulatedChip.signed(chip.value * 4, bits: 10) << 6)
    }
}
