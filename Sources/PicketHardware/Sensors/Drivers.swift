/// Every driver that there is. The whole program knows a driver by its lines here; its own file
/// says the rest of it.
internal import PicketCore

public enum DriverDescription: Equatable, Sendable {
    case tmp102(TMP102)
    case tmp117(TMP117)
    case lm75(LM75)
    case mcp9808(MCP9808)
    case sht3x(SHT3x)
    case ina219(INA219)
    case ina226(INA226)
    case ads1115(ADS1115)
    case ds3231(DS3231)
    case register(RegisterDescription)
    case hwmon(HwmonDescription)

    /// In the order in which people see them.
    static func each<V: DriverKindVisitor>(_ visitor: inout V) {
        visitor.visit(TMP102.self, DriverDescription.tmp102)
        visitor.visit(TMP117.self, DriverDescription.tmp117)
        visitor.visit(LM75.self, DriverDescription.lm75)
        visitor.visit(MCP9808.self, DriverDescription.mcp9808)
        visitor.visit(SHT3x.self, DriverDescription.sht3x)
        visitor.visit(INA219.self, DriverDescription.ina219)
        visitor.visit(INA226.self, DriverDescription.ina226)
        visitor.visit(ADS1115.self, DriverDescription.ads1115)
        visitor.visit(DS3231.self, DriverDescription.ds3231)
        visitor.visit(RegisterDescription.self, DriverDescription.register)
        visitor.visit(HwmonDescription.self, DriverDescription.hwmon)
    }

    func visit<V: DriverVisitor>(_ visitor: inout V) -> V.Answer {
        switch self {
        case .tmp102(let driver): visitor.visit(driver)
        case .tmp117(let driver): visitor.visit(driver)
        case .lm75(let driver): visitor.visit(driver)
        case .mcp9808(let driver): visitor.visit(driver)
        case .sht3x(let driver): visitor.visit(driver)
        case .ina219(let driver): visitor.visit(driver)
        case .ina226(let driver): visitor.visit(driver)
        case .ads1115(let driver): visitor.visit(driver)
        case .ds3231(let driver): visitor.visit(driver)
        case .register(let driver): visitor.visit(driver)
        case .hwmon(let driver): visitor.visit(driver)
        }
    }

    /// - Parameter preparing: The chip may have been without power, and be as the factory left it.
    func read<B: Bus & ~Copyable, D: Delay & ~Copyable>(
        _ bus: inout B, _ address: UInt8, _ delay: inout D, preparing: Bool
    ) throws(SensorError) -> Sample {
        switch self {
        case .tmp102(let driver): try driver.sample(&bus, address, &delay, preparing)
        case .tmp117(let driver): try driver.sample(&bus, address, &delay, preparing)
        case .lm75(let driver): try driver.sample(&bus, address, &delay, preparing)
        case .mcp9808(let driver): try driver.sample(&bus, address, &delay, preparing)
        case .sht3x(let driver): try driver.sample(&bus, address, &delay, preparing)
        case .ina219(let driver): try driver.sample(&bus, address, &delay, preparing)
        case .ina226(let driver): try driver.sample(&bus, address, &delay, preparing)
        case .ads1115(let driver): try driver.sample(&bus, address, &delay, preparing)
        case .ds3231(let driver): try driver.sample(&bus, address, &delay, preparing)
        case .register(let driver): try driver.sample(&bus, address, &delay, preparing)
        case .hwmon(let driver): try driver.sample(&bus, address, &delay, preparing)
        }
    }
}
