/// A sensor that a driver of the kernel reads (Linux Documentation/hwmon/sysfs-interface.rst).
public struct HwmonDescription: Equatable, Sendable {
    /// The device's name as /sys/class/hwmon/hwmonN/name has it; `nil`: the device at the sensor's
    /// bus and address.
    public var chip: String?
    /// `temp1`, `in0`, `curr1`, `power1`, `fan1`, `humidity1`: read from `temp1_input`.
    public var input: String

    public init(chip: String?, input: String) {
        self.chip = chip
        self.input = input
    }

    /// What the number in the file is to be divided by, and what it then is.
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

    /// In place of a bus: it has none. Sensors of it have addresses of their own all the same, by
    /// which a simulated rack knows them.
    public static let noBus = 256

    /// On a simulated rack: four bytes of register 0.
    func read<B: Bus & ~Copyable>(_ bus: inout B, _ address: UInt8) throws(SensorError) -> Sample {
        let register = Register(0, input)
        let bytes = try register.read(&bus, address, 4)
        var number: UInt32 = 0
        for byte in bytes { number = number << 8 | UInt32(byte) }
        return sample(Int64(Int32(bitPattern: number)))
    }
}

extension DriverDescription {
    /// Where the kernel's driver shows what this one would read; `nil`: nowhere.
    public var hwmonInput: String? {
        switch self {
        case .tmp102, .lm75, .mcp9808, .ds3231, .sht3x(.temperature): "temp1"
        case .sht3x(.humidity): "humidity1"
        case .ina219(let measure, _), .ina226(let measure, _):
            switch measure {
            case .shuntVoltage: "in0"
            case .busVoltage: "in1"
            case .current: "curr1"
            case .power: "power1"
            }
        case .hwmon(let hwmon): hwmon.input
        case .ads1115, .register: nil
        }
    }
}
