/// LM75 and its kin, temperature. Texas Instruments LM75B/LM75C datasheet SNIS153 (9 bits, 0.5 °C)
/// and NXP LM75B (11 bits, 0.125 °C), section "Temperature register": left-aligned alike, the
/// unused bits undefined.
public struct LM75: SensorDriver {
    /// 9 (LM75, LM75A), 11 (LM75B) … 16.
    public var bits: Int

    public init(bits: Int = 9) { self.bits = bits }

    public static var word: String { "lm75" }
    public static var keys: [String] { ["bits"] }
    public static var number: UInt8 { 2 }
    public static var addresses: ClosedRange<UInt8>? { 0x48...0x4F }
    public var unit: Unit { .celsius }
    public var hwmonInput: String? { "temp1" }
    public var grain: Double { bits > 9 ? 0.15 : 0.6 }

    public static func configured<S: DriverSettings>(by settings: S) -> (driver: Self?, unit: Unit)
    { (Self(bits: settings["bits"]?.integer(in: 9...16) ?? 9), .celsius) }

    public func add<D: SettingsDigest>(to digest: inout D) { digest.add(bits) }

    static let temperature = Register(0x00, "LM75 temperature")

    public func read<B: Bus & ~Copyable, D: Delay & ~Copyable>(
        _ bus: inout B, _ address: UInt8, _ delay: inout D
    ) throws(SensorError) -> Sample {
        let found = try Self.temperature.read16(&bus, address)
        return Sample(
            bits: UInt64(found), quantity: Quantity(Self.convert(found, bits: bits), .celsius))
    }

    /// °C.
    public static func convert(_ found: UInt16, bits: Int) -> Double {
        let unused = max(0, min(15, 16 - bits))
        return Double((Int16(bitPattern: found) >> unused) << unused) / 256
    }

    public static func content(of register: UInt8, _ chip: SimulatedChip) -> [UInt8] {
        guard case .lm75(let driver) = chip.measured.first?.driver else { return [] }
        return content(of: register, bits: driver.bits, chip)
    }

    /// One degree is bit 8 in all of the family.
    static func content(of register: UInt8, bits: Int, _ chip: SimulatedChip) -> [UInt8] {
        switch register {
        case 0:
            let unused = 16 - bits
            let steps = chip.value * 256 / Double(1 << unused)
            return SimulatedChip.bytes(SimulatedChip.signed(steps, bits: bits) << UInt16(unused))
        case 1: return SimulatedChip.bytes(chip.written(1) ?? 0x60A0)
        case 2: return SimulatedChip.bytes(chip.written(2) ?? 0x4B00)
        case 3: return SimulatedChip.bytes(chip.written(3) ?? 0x5000)
        default: return [0xFF, 0xFF]
        }
    }
}
