internal import PicketCore

/// One sensor on a bus: whichever driver its description names.
///
/// The first read, and the first after a failure, prepares the chip anew: it may have been without
/// power meanwhile, and be as the factory left it.
public struct Sensor: Sendable {
    public let description: SensorDescription
    private var prepared = false

    public init(_ description: SensorDescription) { self.description = description }

    /// Blocks for as long as the bus does, for an ADS1115 some 7 ms at the most and for an SHT3x
    /// 16 ms; a TMP102 takes 35 ms more when it is prepared, an MCP9808 300 ms.
    public mutating func read<B: Bus & ~Copyable, D: Delay & ~Copyable>(
        from bus: inout B, delay: inout D
    ) throws(SensorError) -> Sample {
        let wasPrepared = prepared
        prepared = false
        if !wasPrepared { delay.delay(try prepare(&bus)) }
        let sample = try sample(&bus, &delay)
        prepared = true
        return sample
    }

    /// The time that the chip then needs until its first conversion is complete.
    private func prepare<B: Bus & ~Copyable>(_ bus: inout B) throws(SensorError) -> Duration {
        let address = description.address
        switch description.driver {
        case .tmp102: return try TMP102(address: address).prepare(&bus)
        case .ina219(let measure, let shunt):
            return try INA219(address: address, measure: measure, shunt: shunt).prepare(&bus)
        case .ina226(let measure, let shunt):
            return try INA226(address: address, measure: measure, shunt: shunt).prepare(&bus)
        case .mcp9808: return try MCP9808(address: address).prepare(&bus)
        case .lm75, .ads1115, .sht3x, .ds3231, .register, .hwmon: return .zero
        }
    }

    private func sample<B: Bus & ~Copyable, D: Delay & ~Copyable>(
        _ bus: inout B, _ delay: inout D
    ) throws(SensorError) -> Sample {
        let address = description.address
        switch description.driver {
        case .tmp102: return try TMP102(address: address).read(&bus)
        case .lm75(let bits): return try LM75(address: address, bits: bits).read(&bus)
        case .ina219(let measure, let shunt):
            return try INA219(address: address, measure: measure, shunt: shunt).read(&bus)
        case .ads1115(let input, let range, let scale, let unit):
            return try ADS1115(
                address: address, input: input, range: range, scale: scale, unit: unit
            ).read(&bus, &delay)
        case .mcp9808: return try MCP9808(address: address).read(&bus)
        case .sht3x(let measure):
            return try SHT3x(address: address, measure: measure).read(&bus, &delay)
        case .ina226(let measure, let shunt):
            return try INA226(address: address, measure: measure, shunt: shunt).read(&bus)
        case .ds3231: return try DS3231(address: address).read(&bus)
        case .hwmon(let hwmon): return try hwmon.read(&bus, address)
        case .register(let register):
            return try RegisterSensor(address: address, description: register).read(&bus)
        }
    }
}
