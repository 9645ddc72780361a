import PicketCore
import PicketHardware
import PicketText

/// `sensors:`, and what they are held to: values that can be reached, a way back from every
/// level, one kind of chip at one address.

private let commonKeys = [
    "driver", "bus", "address", "interval", "warn", "critical", "hysteresis", "debounce",
    "plausible", "stuck_after", "stale_after", "rate_limit", "on_fail",
]

private enum DriverName: Int, CaseIterable {
    case tmp102, lm75, mcp9808, sht3x, ina219, ina226, ads1115, ds3231, register, hwmon

    var text: String {
        switch self {
        case .tmp102: "tmp102"
        case .lm75: "lm75"
        case .mcp9808: "mcp9808"
        case .sht3x: "sht3x"
        case .ina219: "ina219"
        case .ina226: "ina226"
        case .ads1115: "ads1115"
        case .ds3231: "ds3231"
        case .register: "register"
        case .hwmon: "hwmon"
        }
    }
}

func readSensors(_ found: Found, board: Board?) -> [SensorDescription] {
    var all: [SensorDescription] = []
    var chips = 0
    for (name, value) in found.entries("a mapping of sensors by name", atMost: 64) ?? [] {
        guard var sensor = readSensor(name, value, board) else { continue }
        if sensor.bus == HwmonDescription.noBus {
            sensor.address += UInt8(chips)
            chips += 1
        }
        if let other = all.first(where: {
            $0.bus == sensor.bus && $0.address == sensor.address
                && driverName($0.driver) != driverName(sensor.driver)
        }) {
            value.fail(
                "bus \(sensor.bus), address \(Text.address(sensor.address)) is a "
                    + "\(driverName(other.driver)) already (sensors.\(other.name))")
        }
        all.append(sensor)
    }
    return all
}

private func driverName(_ driver: DriverDescription) -> String {
    let kind: DriverName =
        switch driver {
        case .tmp102: .tmp102
        case .lm75: .lm75
        case .mcp9808: .mcp9808
        case .sht3x: .sht3x
        case .ina219: .ina219
        case .ina226: .ina226
        case .ads1115: .ads1115
        case .ds3231: .ds3231
        case .register: .register
        case .hwmon: .hwmon
        }
    return kind.text
}

private func readSensor(_ name: String, _ found: Found, _ board: Board?) -> SensorDescription? {
    guard found.isMapping else {
        found.expected("a mapping that describes the sensor: driver, bus, address, ...")
        return nil
    }
    // The driver says which keys there may be; without it nothing else can be judged.
    let drivers = DriverName.allCases.map { ($0.text, $0) }
    guard let word = found.peek("driver") else {
        found.problems.add(
            found.position, path: found.below("driver"),
            "missing; expected \(Text.list(drivers.map { $0.0 }, "or"))")
        return nil
    }
    guard let kind = word.word(drivers) else { return nil }
    let mapping = found.mapping(commonKeys + ownKeys(kind))
    let (driver, unit) = readDriver(kind, mapping)
    if case .hwmon(let hwmon) = driver, hwmon.chip != nil {
        for key in ["bus", "address"] where mapping[key] != nil {
            mapping.fail(key, "stands beside chip; the device is one or the other")
        }
        guard let watch = readWatch(mapping, unit) else { return nil }
        return SensorDescription(
            name: name, driver: .hwmon(hwmon), bus: HwmonDescription.noBus, address: 0x08,
            watch: watch)
    }
    let bus = mapping.required("bus", "the N of /dev/i2c-N")?.integer(in: 0...255)
    if let bus, let board, !board.buses.isEmpty, !board.buses.contains(bus) {
        mapping.fail(
            "bus",
            "board \(board.name) has no bus \(bus); it has \(Text.list(board.buses.map { "\($0)" }))"
        )
    }
    let address = mapping.required("address", "an I2C address such as 0x48")?.i2cAddress()
    let watch = readWatch(mapping, unit)
    guard let bus, let address, let driver, let watch else { return nil }
    return SensorDescription(name: name, driver: driver, bus: bus, address: address, watch: watch)
}

private func ownKeys(_ kind: DriverName) -> [String] {
    switch kind {
    case .tmp102, .mcp9808, .ds3231: []
    case .lm75: ["bits"]
    case .sht3x: ["measure"]
    case .ina219, .ina226: ["measure", "shunt"]
    case .ads1115: ["input", "range", "scale", "unit"]
    case .register:
        [
            "register", "width", "byte_order", "signed", "mask", "shift", "scale", "offset", "unit",
            "pec",
        ]
    case .hwmon: ["chip", "input"]
    }
}

// MARK: - Drivers

/// The driver, and what its values are of; the latter also where the driver has mistakes.
private func readDriver(
    _ kind: DriverName, _ mapping: FoundMapping
) -> (DriverDescription?, Dimension) {
    switch kind {
    case .tmp102: return (.tmp102, .temperature)
    case .lm75: return (.lm75(bits: mapping["bits"]?.integer(in: 9...16) ?? 9), .temperature)
    case .mcp9808: return (.mcp9808, .temperature)
    case .ds3231: return (.ds3231, .temperature)
    case .sht3x:
        let measure = mapping.required("measure", "temperature or humidity")?.word([
            ("temperature", SHT3x.Measure.temperature), ("humidity", .humidity),
        ])
        return (
            measure.map { .sht3x($0) }, measure == .humidity ? .named("%") : .temperature
        )
    case .ina219, .ina226: return readINA(kind, mapping)
    case .hwmon: return readHwmon(mapping)
    case .ads1115:
        let (unit, dimension) = readUnit(mapping, otherwise: .volts)
        return (readADS1115(mapping, unit), dimension)
    case .register:
        let (unit, dimension) = readUnit(mapping, otherwise: .raw)
        return (readRegister(mapping, unit), dimension)
    }
}

private func readHwmon(_ mapping: FoundMapping) -> (DriverDescription?, Dimension) {
    let chip = mapping["chip"].map { $0.line("what /sys/class/hwmon/hwmonN/name says") }
    let found = mapping.required("input", "temp1, in1, curr1, power1, fan1 or humidity1")
    guard let found, let input = found.name() else { return (nil, .none) }
    guard let (_, unit) = HwmonDescription.scale(of: input) else {
        found.expected("temp1, in1, curr1, power1, fan1 or humidity1")
        return (nil, .none)
    }
    if case .some(.none) = chip { return (nil, .none) }
    let description = HwmonDescription(chip: chip ?? nil, input: input)
    return (.hwmon(description), Dimension.named(unit.symbol))
}

private func readINA(
    _ kind: DriverName, _ mapping: FoundMapping
) -> (DriverDescription?, Dimension) {
    let measure = mapping.required("measure", "voltage, current, power or shunt_voltage")?.word([
        ("voltage", INA219.Measure.busVoltage), ("current", .current), ("power", .power),
        ("shunt_voltage", .shuntVoltage),
    ])
    guard let measure else { return (nil, .voltage) }
    let needsShunt: Bool
    let dimension: Dimension
    switch measure {
    case .busVoltage, .shuntVoltage: (needsShunt, dimension) = (false, .voltage)
    case .current: (needsShunt, dimension) = (true, .current)
    case .power: (needsShunt, dimension) = (true, .power)
    }
    let found =
        needsShunt
        ? mapping.required("shunt", "the shunt's resistance, such as 100mOhm") : mapping["shunt"]
    // Without a shunt to compute with, its value plays no part; the usual one stands in.
    var shunt = 0.1
    if let found {
        guard let given = found.quantity(.resistance, in: 1e-6...1000) else {
            return (nil, dimension)
        }
        shunt = given
    } else if needsShunt {
        return (nil, dimension)
    }
    return (
        kind == .ina219
            ? .ina219(measure: measure, shunt: shunt) : .ina226(measure: measure, shunt: shunt),
        dimension
    )
}

private func readADS1115(_ mapping: FoundMapping, _ unit: PicketHardware.Unit) -> DriverDescription?
{
    let input = mapping.required("input", "a0, a1, a2, a3, or a difference such as a0-a1")?.word([
        ("a0", ADS1115.Input.input0), ("a1", .input1), ("a2", .input2), ("a3", .input3),
        ("a0-a1", .between0and1), ("a0-a3", .between0and3), ("a1-a3", .between1and3),
        ("a2-a3", .between2and3),
    ])
    let range =
        mapping["range"].map {
            $0.word([
                ("6.144V", ADS1115.Range.volts6_144), ("4.096V", .volts4_096),
                ("2.048V", .volts2_048), ("1.024V", .volts1_024), ("0.512V", .volts0_512),
                ("0.256V", .volts0_256),
            ])
        } ?? .volts4_096
    let scale = readScale(mapping)
    guard let input, let range, let scale else { return nil }
    return .ads1115(input: input, range: range, scale: scale, unit: unit)
}

private func readRegister(
    _ mapping: FoundMapping, _ unit: PicketHardware.Unit
) -> DriverDescription? {
    let register = mapping.required("register", "the register's number, such as 0x05")?
        .integer(in: 0...255)
    let width = mapping.required("width", "8, 16, 24 or 32 (bits)")?.word([
        ("8", RegisterDescription.Width.bits8), ("16", .bits16), ("24", .bits24), ("32", .bits32),
    ])
    let order =
        mapping["byte_order"].map {
            $0.word([("big", RegisterDescription.ByteOrder.big), ("little", .little)])
        } ?? .big
    let signed = mapping["signed"].map { $0.bool() } ?? false
    let scale = readScale(mapping)
    let offset = mapping["offset"].map { $0.number() } ?? 0
    let bits = (width ?? .bits32).rawValue
    let widest = Int(UInt32.max >> UInt32(32 - bits))
    let mask = mapping["mask"].map { $0.integer(in: 1...widest) } ?? widest
    let shift = mapping["shift"].map { $0.integer(in: 0...(bits - 1)) } ?? 0
    guard let register, let width, let order, let signed, let scale, let offset, let mask, let shift
    else { return nil }
    if mask >> shift == 0 {
        mapping.fail("shift", "shifts every bit of the mask out")
        return nil
    }
    var description = RegisterDescription(
        register: UInt8(register), width: width, order: order, signed: signed,
        mask: UInt32(mask), shift: shift, scale: scale, offset: offset, unit: unit)
    description.checked = mapping["pec"]?.bool() ?? false
    return .register(description)
}

private func readScale(_ mapping: FoundMapping) -> Double? {
    guard let found = mapping["scale"] else { return 1 }
    guard let scale = found.number() else { return nil }
    if scale == 0 {
        found.expected("a number other than 0")
        return nil
    }
    return scale
}

private func readUnit(
    _ mapping: FoundMapping, otherwise: PicketHardware.Unit
) -> (PicketHardware.Unit, Dimension) {
    guard let found = mapping["unit"] else {
        return (otherwise, otherwise == .raw ? .none : .named(otherwise.symbol))
    }
    guard let text = found.text("a unit such as C, V, A, W, % or rpm") else { return (.raw, .none) }
    let letters = text.utf8.allSatisfy { byte in
        !(0x30...0x39).contains(byte) && byte > 0x20 && byte != 0x7F && byte != UInt8(ascii: ".")
    }
    guard letters, (1...12).contains(text.utf8.count) else {
        found.expected("a unit such as C, V, A, W, % or rpm")
        return (.raw, .none)
    }
    let dimension = Dimension.named(text)
    switch dimension.base {
    case "C": return (.celsius, dimension)
    case "V": return (.volts, dimension)
    case "A": return (.amperes, dimension)
    case "W": return (.watts, dimension)
    default: return (.named(dimension.base), dimension)
    }
}

// MARK: - Judgement

private func readWatch(_ mapping: FoundMapping, _ unit: Dimension) -> SensorWatch? {
    let before = mapping.found.problems.errors.count
    var watch = SensorWatch()
    watch.warn = mapping["warn"]?.thresholds(unit) ?? []
    watch.critical = mapping["critical"]?.thresholds(unit) ?? []
    watch.hysteresis = mapping["hysteresis"]?.quantity(unit, in: 0...1e9) ?? 0
    watch.debounce = mapping["debounce"]?.integer(in: 1...1000) ?? 3
    watch.interval =
        mapping["interval"]?.duration(in: .milliseconds(10) ... .seconds(3600)) ?? .seconds(1)
    watch.staleAfter =
        mapping["stale_after"]?.duration() ?? max(.seconds(5), watch.interval * 5)
    watch.stuckAfter = mapping["stuck_after"]?.duration()
    watch.rateLimit = mapping["rate_limit"]?.rate(unit)
    watch.plausible = mapping["plausible"].flatMap { readPlausible($0, unit) }
    watch.onFail =
        mapping["on_fail"]?.word([
            ("warn", SensorWatch.OnFail.warn), ("critical", .critical), ("ignore", .ignore),
        ]) ?? .warn
    if mapping.found.problems.errors.count != before { return nil }
    checkTimes(watch, mapping)
    checkLevels(watch, mapping, unit)
    return watch
}

private func readPlausible(_ found: Found, _ unit: Dimension) -> ClosedRange<Double>? {
    let what = "the least and the largest plausible value, as [-40\(unit.base), 125\(unit.base)]"
    guard let ends = found.list(what) else { return nil }
    guard ends.count == 2 else {
        found.fail("found \(ends.count) values, expected \(what)")
        return nil
    }
    let values = (ends[0].quantity(unit), ends[1].quantity(unit))
    guard let least = values.0, let most = values.1 else { return nil }
    if least < most { return least...most }
    found.fail("the first value must be the smaller one")
    return nil
}

private func checkTimes(_ watch: SensorWatch, _ mapping: FoundMapping) {
    let interval = watch.interval.asWritten
    if watch.staleAfter < watch.interval * 2 {
        mapping.fail(
            "stale_after",
            "found \(watch.staleAfter.asWritten), expected at least twice the interval of "
                + "\(interval): one late reading makes no stale sensor")
    }
    if let stuck = watch.stuckAfter, stuck < watch.interval * 5 {
        mapping.fail(
            "stuck_after",
            "found \(stuck.asWritten), expected at least five times the interval of \(interval): "
                + "a few equal readings make no stuck sensor")
    }
}

private func checkLevels(_ watch: SensorWatch, _ mapping: FoundMapping, _ unit: Dimension) {
    func shown(_ value: Double) -> String { Text.number(value, places: 3) + unit.base }
    for threshold in watch.critical {
        switch threshold {
        case .above(let limit):
            for case .above(let warn) in watch.warn where warn >= limit {
                mapping.fail(
                    "warn", "\(shown(warn)) comes with or after critical at \(shown(limit))")
            }
        case .below(let limit):
            for case .below(let warn) in watch.warn where warn <= limit {
                mapping.fail(
                    "warn", "\(shown(warn)) comes with or after critical at \(shown(limit))")
            }
        }
    }
    for (key, level) in [("warn", watch.warn), ("critical", watch.critical)] {
        var above: Double?
        var below: Double?
        for threshold in level {
            let limit: Double
            switch threshold {
            case .above(let value): (above, limit) = (value, value)
            case .below(let value): (below, limit) = (value, value)
            }
            if let plausible = watch.plausible,
                limit <= plausible.lowerBound || limit >= plausible.upperBound
            {
                mapping.fail(
                    key,
                    "\(shown(limit)) lies outside the plausible range of "
                        + "\(shown(plausible.lowerBound)) to \(shown(plausible.upperBound)): "
                        + "such a reading counts as failed and never crosses it")
            }
        }
        if let above, let below, above - watch.hysteresis <= below + watch.hysteresis {
            mapping.fail(
                "hysteresis",
                "\(shown(watch.hysteresis)) leaves no way back between \(key) at \(shown(below)) "
                    + "and at \(shown(above))")
        }
    }
}

extension Found {
    /// `5C/s`
    fileprivate func rate(_ unit: Dimension) -> Double? {
        let what = "a change per second such as 5\(unit.base)/s"
        guard let text = text(what) else { return nil }
        guard text.hasSuffix("/s"), let value = unit.value(of: text.dropping(last: 2)), value > 0
        else {
            expected(what)
            return nil
        }
        return value
    }
}
