internal import PicketCore

/// Sensirion SHT30, SHT31, SHT35, temperature and relative humidity. Datasheet "SHT3x-DIS",
/// version 6.
///
/// Single shot at high repeatability without clock stretching: command, wait, read. Each word has a
/// checksum of its own.
public struct SHT3x: SensorDriver {
    public enum Measure: UInt8, Sendable { case temperature, humidity }

    public var measure: Measure

    public init(_ measure: Measure) { self.measure = measure }

    public static var word: String { "sht3x" }
    public static var keys: [String] { ["measure"] }
    public static var number: UInt8 { 7 }
    public static var addresses: ClosedRange<UInt8>? { 0x44...0x45 }
    public var unit: Unit { measure == .temperature ? .celsius : .named("%") }
    public var hwmonInput: String? { measure == .temperature ? "temp1" : "humidity1" }
    public var grain: Double { 0.01 }

    public static func configured<S: DriverSettings>(by settings: S) -> (driver: Self?, unit: Unit)
    {
        let measure = settings.required("measure", "temperature or humidity")?.word([
            ("temperature", Measure.temperature), ("humidity", .humidity),
        ])
        let driver = measure.map { Self($0) }
        return (driver, driver?.unit ?? .celsius)
    }

    public func add<D: SettingsDigest>(to digest: inout D) { digest.add(byte: measure.rawValue) }

    static let name = "SHT3x measurement"

    /// A measurement takes 15.5 ms at the most (table 4 "System timing").
    public func read<B: Bus & ~Copyable, D: Delay & ~Copyable>(
        _ bus: inout B, _ address: UInt8, _ delay: inout D
    ) throws(SensorError) -> Sample {
        let bytes: [UInt8]
        do throws(BusError) {
            _ = try bus.transaction(address: address, write: [0x24, 0x00], read: 0)
            delay.delay(.milliseconds(16))
            bytes = try bus.transaction(address: address, write: [], read: 6)
        } catch { throw SensorError(Self.name, .bus(error)) }
        guard bytes.count == 6 else { throw SensorError(Self.name, .shortAnswer) }
        let first = measure == .temperature ? 0 : 3
        guard Self.checksum(bytes[first], bytes[first + 1]) == bytes[first + 2] else {
            throw SensorError(Self.name, .checksum)
        }
        let bits = UInt16(bytes[first]) << 8 | UInt16(bytes[first + 1])
        let value =
            measure == .temperature ? Self.convertTemperature(bits) : Self.convertHumidity(bits)
        return Sample(bits: UInt64(bits), quantity: Quantity(value, unit))
    }

    /// CRC-8, polynomial 0x31, begins with 0xFF (table 20 "I2C CRC properties").
    static func checksum(_ high: UInt8, _ low: UInt8) -> UInt8 {
        var crc = Checksum(polynomial: 0x31, value: 0xFF)
        crc.add(high)
        crc.add(low)
        return crc.value
    }

    /// °C (§4.13).
    public static func convertTemperature(_ bits: UInt16) -> Double {
        -45 + 175 * Double(bits) / 65_535
    }

    /// % relative humidity (§4.13).
    public static func convertHumidity(_ bits: UInt16) -> Double { 100 * Double(bits) / 65_535 }

    /// Two words, each with its checksum.
    public static func content(of register: UInt8, _ chip: SimulatedChip) -> [UInt8] {
        var (celsius, humidity) = (20.0, 40.0)
        for (driver, value) in chip.measured {
            guard case .sht3x(let sensor) = driver else { continue }
            if sensor.measure == .temperature { celsius = value } else { humidity = value }
        }
        var bytes: [UInt8] = []
        for share in [(celsius + 45) / 175, humidity / 100] {
            let word = SimulatedChip.bytes(SimulatedChip.unsigned(share * 65_535))
            bytes += word + [checksum(word[0], word[1])]
        }
        return bytes
    }
}

/// CRC-8, the most significant bit first.
struct Checksum {
    var polynomial: UInt8
    var value: UInt8

    mutating func add(_ byte: UInt8) {
        value ^= byte
        for _ in 0..<8 { value = value & 0x80 != 0 ? value << 1 ^ polynomial : value << 1 }
    }
}
