internal import PicketCore

/// Texas Instruments ADS1115, four inputs, 16 bits. Datasheet SBAS444.
///
/// Single-shot: a conversion is started, and the bit OS of the configuration register tells when
/// it is complete. Several sensors can thus share one chip on one bus.
public struct ADS1115: SensorDriver {
    /// As the field MUX has it.
    public enum Input: UInt16, CaseIterable, Sendable {
        case between0and1 = 0
        case between0and3 = 1
        case between1and3 = 2
        case between2and3 = 3
        case input0 = 4
        case input1 = 5
        case input2 = 6
        case input3 = 7
    }

    /// Full scale, as the field PGA has it.
    public enum Range: UInt16, CaseIterable, Sendable {
        case volts6_144 = 0
        case volts4_096 = 1
        case volts2_048 = 2
        case volts1_024 = 3
        case volts0_512 = 4
        case volts0_256 = 5

        /// Volts.
        public var fullScale: Double {
            switch self {
            case .volts6_144: 6.144
            case .volts4_096: 4.096
            case .volts2_048: 2.048
            case .volts1_024: 1.024
            case .volts0_512: 0.512
            case .volts0_256: 0.256
            }
        }
    }

    public var input: Input
    public var range: Range
    /// What one volt at the input means, in `unit`: a divider, a transducer.
    public var scale: Double
    public var unit: Unit

    public init(input: Input, range: Range, scale: Double = 1, unit: Unit = .volts) {
        self.input = input
        self.range = range
        self.scale = scale
        self.unit = unit
    }

    public static var word: String { "ads1115" }
    public static var keys: [String] { ["input", "range", "scale", "unit"] }
    public static var number: UInt8 { 4 }
    public static var addresses: ClosedRange<UInt8>? { 0x48...0x4B }
    public var grain: Double { abs(range.fullScale / 32_768 * scale) * 2 }

    public static func configured<S: DriverSettings>(by settings: S) -> (driver: Self?, unit: Unit)
    {
        let unit = settings.unit(otherwise: .volts)
        let input = settings.required("input", "a0, a1, a2, a3, or a difference such as a0-a1")?
            .word([
                ("a0", Input.input0), ("a1", .input1), ("a2", .input2), ("a3", .input3),
                ("a0-a1", .between0and1), ("a0-a3", .between0and3), ("a1-a3", .between1and3),
                ("a2-a3", .between2and3),
            ])
        let range =
            settings["range"].map {
                $0.word([
                    ("6.144V", Range.volts6_144), ("4.096V", .volts4_096),
                    ("2.048V", .volts2_048), ("1.024V", .volts1_024), ("0.512V", .volts0_512),
                    ("0.256V", .volts0_256),
                ])
            } ?? .volts4_096
        let scale = settings.scale()
        guard let input, let range, let scale else { return (nil, unit) }
        return (Self(input: input, range: range, scale: scale, unit: unit), unit)
    }

    public func add<D: SettingsDigest>(to digest: inout D) {
        digest.add(Int(input.rawValue))
        digest.add(Int(range.rawValue))
        digest.add(scale)
    }

    static let conversion = Register(0x00, "ADS1115 conversion")
    static let configuration = Register(0x01, "ADS1115 configuration")

    /// OS: written, starts a conversion; read, says that none is under way.
    static let ready: UInt16 = 0x8000

    /// Start, single-shot, 860 samples a second, comparator off (table "Config Register").
    var start: UInt16 {
        Self.ready | input.rawValue << 12 | range.rawValue << 9 | 0x0100 | 7 << 5 | 0b11
    }

    /// A conversion takes 1.2 ms and, after the power-down, 25 µs to begin; it is given five times
    /// that.
    public func read<B: Bus & ~Copyable, D: Delay & ~Copyable>(
        _ bus: inout B, _ address: UInt8, _ delay: inout D
    ) throws(SensorError) -> Sample {
        try Self.configuration.write16(&bus, address, start)
        for _ in 0..<5 {
            delay.delay(.microseconds(1_300))
            let found = try Self.configuration.read16(&bus, address)
            guard found & ~Self.ready == start & ~Self.ready else {
                throw SensorError(Self.configuration.name, .wrongDevice)
            }
            if found & Self.ready != 0 { return try readConversion(&bus, address) }
        }
        throw SensorError(Self.configuration.name, .notReady)
    }

    /// An input beyond the range clips to the last code.
    private func readConversion<B: Bus & ~Copyable>(
        _ bus: inout B, _ address: UInt8
    ) throws(SensorError) -> Sample {
        let bits = try Self.conversion.read16(&bus, address)
        guard bits != 0x7FFF, bits != 0x8000 else {
            throw SensorError(Self.conversion.name, .overflow)
        }
        let volts = Self.convert(bits, range: range)
        return Sample(bits: UInt64(bits), quantity: Quantity(volts * scale, unit))
    }

    /// Volts, two's complement of full scale (table "Input Signal Versus Ideal Output Code").
    public static func convert(_ bits: UInt16, range: Range) -> Double {
        Double(Int16(bitPattern: bits)) * range.fullScale / 32_768
    }

    public static func content(of register: UInt8, _ chip: SimulatedChip) -> [UInt8] {
        let configuration = chip.written(1) ?? 0x8583
        switch register {
        // No conversion is under way.
        case 1: return SimulatedChip.bytes(configuration | ready)
        case 0:
            for (driver, value) in chip.measured {
                guard case .ads1115(let sensor) = driver,
                    sensor.input.rawValue == configuration >> 12 & 7
                else { continue }
                let volts = value / sensor.scale
                return SimulatedChip.bytes(
                    SimulatedChip.signed(volts / sensor.range.fullScale * 32_768))
            }
            return [0, 0]
        case 2: return SimulatedChip.bytes(chip.written(2) ?? 0x8000)
        case 3: return SimulatedChip.bytes(chip.written(3) ?? 0x7FFF)
        default: return [0xFF, 0xFF]
        }
    }
}
