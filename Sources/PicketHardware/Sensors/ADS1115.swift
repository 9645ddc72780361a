internal import PicketCore

/// Texas Instruments ADS1115, four inputs, 16 bits. Datasheet SBAS444.
///
/// Single-shot: a conversion is started, and the bit OS of the configuration register tells when
/// it is complete. Several sensors can thus share one chip on one bus.
public struct ADS1115: Equatable, Sendable {
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

    public var address: UInt8
    public var input: Input
    public var range: Range
    /// What one volt at the input means, in `unit`: a divider, a transducer.
    public var scale: Double
    public var unit: Unit

    public init(
        address: UInt8, input: Input, range: Range, scale: Double = 1, unit: Unit = .volts
    ) {
        self.address = address
        self.input = input
        self.range = range
        self.scale = scale
        self.unit = unit
    }

    static let conversion = Register(0x00, "ADS1115 conversion")
    static let configuration = Register(0x01, "ADS1115 configuration")

    /// OS: written, starts a conversion; read, says that none is under way.
    static let ready: UInt16 = 0x8000

    /// Start, single-shot, 860 samples a second, comparator off (table "Config Register").
    var start: UInt16 {
        Self.ready | input.rawValue << 12 | range.rawValue << 9 | 0x0100 | 7 << 5 | 0b11
    }

    /// A conversion takes 1.2 ms and, after the power-down, 25 µs to begin; five times that is
    /// given to it.
    func read<B: Bus & ~Copyable, D: Delay & ~Copyable>(_ bus: inout B, _ delay: inout D)
        throws(SensorError) -> Sample
    {
        try Self.configuration.write16(&bus, address, start)
        for _ in 0..<5 {
            delay.delay(.microseconds(1_300))
            let found = try Self.configuration.read16(&bus, address)
            guard found & ~Self.ready == start & ~Self.ready else {
                throw SensorError(Self.configuration.name, .wrongDevice)
            }
            if found & Self.ready != 0 { return try readConversion(&bus) }
        }
        throw SensorError(Self.configuration.name, .notReady)
    }

    /// An input beyond the range clips to the last code.
    private func readConversion<B: Bus & ~Copyable>(_ bus: inout B) throws(SensorError) -> Sample {
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
}
