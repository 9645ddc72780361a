/// LM75 and its kin, temperature. Texas Instruments LM75B/LM75C datasheet SNIS153 (9 bits, 0.5 °C)
/// and NXP LM75B (11 bits, 0.125 °C), section "Temperature register": left-aligned alike, the unused
/// bits undefined.
public struct LM75: Equatable, Sendable {
    public var address: UInt8
    /// 9…16.
    public var bits: Int

    public init(address: UInt8, bits: Int = 9) {
        self.address = address
        self.bits = bits
    }

    static let temperature = Register(0x00, "LM75 temperature")

    func read<B: Bus & ~Copyable>(_ bus: inout B) throws(SensorError) -> Sample {
        let found = try Self.temperature.read16(&bus, address)
        return Sample(
            bits: UInt64(found), quantity: Quantity(Self.convert(found, bits: bits), .celsius))
    }

    /// °C.
    public static func convert(_ found: UInt16, bits: Int) -> Double {
        let unused = max(0, min(15, 16 - bits))
        return Double((Int16(bitPattern: found) >> unused) << unused) / 256
    }
}
