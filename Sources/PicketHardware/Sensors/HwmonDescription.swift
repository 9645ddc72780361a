internal import PicketCore

/// A sensor that a driver of the kernel reads (Linux Documentation/hwmon/sysfs-interface.rst).
public struct HwmonDescription: SensorDriver {
    /// The device's name as /sys/class/hwmon/hwmonN/name has it; `nil`: the device at the sensor's
    /// bus and address.
    public var chip: String?
    /// `temp1`, `in0`, `curr1`, `power1`, `fan1`, `humidity1`: read from `temp1_input`.
    public var input: String

    public init(chip: String?, input: String) {
        self.chip = chip
        self.input = input
    }

    public static var word: String { "hwmon" }
    public static var keys: [String] { ["chip", "input"] }
    public static var number: UInt8 { 10 }
    public var unit: Unit { Self.scale(of: input)?.unit ?? .raw }
    /// With a chip, it is one of the kernel's, wherever that is.
    public var isOnBus: Bool { chip == nil }
    public var hwmonInput: String? { input }
    public var grain: Double { 0.01 }

    public static func configured<S: DriverSettings>(by settings: S) -> (driver: Self?, unit: Unit)
    {
        let inputs = "temp1, in1, curr1, power1, fan1 or humidity1"
        let chip = settings["chip"].map {
            $0.line("a chip's name, as hwmonN/name in /sys/class/hwmon")
        }
        let found = settings.required("input", inputs)
        guard let found, let input = found.name() else { return (nil, .raw) }
        guard scale(of: input) != nil else {
            found.expected(inputs)
            return (nil, .raw)
        }
        if case .some(.none) = chip { return (nil, .raw) }
        let description = Self(chip: chip ?? nil, input: input)
        return (description, description.unit)
    }

    public func add<D: SettingsDigest>(to digest: inout D) {
        digest.add(chip ?? "")
        digest.add(input)
    }

    /// The divisor for the number in the file, and the unit of the result.
    public static func scale(of input: String) -> (divisor: Double, unit: Unit)? {
        if input.hasPrefix("temp") { return (1_000, .celsius) }
        if input.hasPrefix("in") { return (1_000, .volts) }
        if input.hasPrefix("curr") { return (1_000, .amperes) }
        if input.hasPrefix("power") { return (1_000_000, .watts) }
        if input.hasPrefix("humidity") { return (1_000, .named("%")) }
        if input.hasPrefix("fan") { return (1, .named("rpm")) }
        return nil
    }

    public func sample(_ number: Int64) -> Sample {
        let (divisor, unit) = Self.scale(of: input) ?? (1, .raw)
        return Sample(
            bits: UInt64(bitPattern: number), quantity: Quantity(Double(number) / divisor, unit))
    }

    /// Stands in place of a bus, because it has none. Its sensors have addresses of their own all
    /// the same, by which a simulated rack knows them.
    public static let noBus = 256

    /// On a simulated rack: four bytes of register 0.
    public func read<B: Bus & ~Copyable, D: Delay & ~Copyable>(
        _ bus: inout B, _ address: UInt8, _ delay: inout D
    ) throws(SensorError) -> Sample {
        let register = Register(0, input)
        let bytes = try register.read(&bus, address, 4)
        var number: UInt32 = 0
        for byte in bytes { number = number << 8 | UInt32(byte) }
        return sample(Int64(Int32(bitPattern: number)))
    }

    public static func content(of register: UInt8, _ chip: SimulatedChip) -> [UInt8] {
        guard case .hwmon(let sensor) = chip.measured.first?.driver else { return [] }
        let number = (chip.value * (scale(of: sensor.input)?.divisor ?? 1)).rounded()
        let clipped = Int32(max(-2e9, min(2e9, number)))
        return SimulatedChip.bytes(UInt32(bitPattern: clipped), count: 4)
    }
}
