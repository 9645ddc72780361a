import PicketCore
public import PicketHardware
import PicketText

/// `sensors:`, and the rules for them: values that can be reached, a way back from every level, one
/// kind of chip at one address.

private let commonKeys = [
    "driver", "bus", "address", "interval", "warn", "critical", "hysteresis", "debounce",
    "plausible", "stuck_after", "stale_after", "rate_limit", "on_fail",
]

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
                && $0.driver.word != sensor.driver.word
        }) {
            value.fail(
                "bus \(sensor.bus), address \(Text.address(sensor.address)) is a "
                    + "\(other.driver.word) already (sensors.\(other.name))")
        }
        if let other = all.first(where: { $0.reads(what: sensor) }) {
            value.warn("reads what sensors.\(other.name) reads already")
        }
        all.append(sensor)
    }
    return all
}

private func readSensor(_ name: String, _ found: Found, _ board: Board?) -> SensorDescription? {
    guard found.isMapping else {
        found.expected("a mapping that describes the sensor: driver, bus, address, ...")
        return nil
    }
    // The driver says which keys there may be; without it nothing else can be judged.
    let kinds = DriverDescription.kinds
    let words = kinds.map { $0.word }
    guard let word = found.peek("driver") else {
        found.problems.add(
            found.position, path: found.below("driver"),
            "missing; expected \(Text.list(words, "or"))")
        return nil
    }
    guard let index = word.wordIndex(words) else { return nil }
    let mapping = found.mapping(commonKeys + kinds[index].keys)
    let (driver, measured) = DriverDescription.configured(words[index], by: mapping)
    let unit = Dimension.named(measured.symbol)
    if let driver, !driver.isOnBus {
        for key in ["bus", "address"] where mapping[key] != nil {
            mapping.fail(key, "stands beside chip; the device is one or the other")
        }
        guard let watch = readWatch(mapping, unit, driver) else { return nil }
        return SensorDescription(
            name: name, driver: driver, bus: HwmonDescription.noBus, address: 0x08,
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
    let watch = readWatch(mapping, unit, driver)
    guard let bus, let address, let driver, let watch else { return nil }
    return SensorDescription(name: name, driver: driver, bus: bus, address: address, watch: watch)
}

extension SensorDescription {
    fileprivate func reads(what other: SensorDescription) -> Bool {
        driver == other.driver && bus == other.bus
            && (address == other.address || bus == HwmonDescription.noBus)
    }
}

// MARK: - Judgement

private func readWatch(
    _ mapping: FoundMapping, _ unit: Dimension, _ driver: DriverDescription?
) -> SensorWatch? {
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
    if case .ads1115(let chip) = driver { checkRange(of: chip, watch, mapping, unit) }
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

/// Beyond its full scale the chip tells no value, so that no threshold is crossed there.
private func checkRange(
    of chip: ADS1115, _ watch: SensorWatch, _ mapping: FoundMapping, _ unit: Dimension
) {
    let most = (chip.range.fullScale * chip.scale).magnitude
    func shown(_ value: Double) -> String { Text.number(value, places: 3) + unit.base }
    for (key, level) in [("warn", watch.warn), ("critical", watch.critical)] {
        for threshold in level {
            let limit =
                switch threshold {
                case .above(let value), .below(let value): value
                }
            if limit.magnitude >= most {
                mapping.fail(
                    key,
                    "\(shown(limit)) lies beyond what the chip can tell, \(shown(-most)) to"
                        + " \(shown(most)), and is never crossed; choose a wider range")
            }
        }
    }
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

// MARK: - What a driver reads its own keys by

extension FoundMapping: DriverSettings {}

extension Found: DriverSetting {
    public func number() -> Double? { number(in: nil) }

    public func quantity(
        _ unit: PicketHardware.Unit, in range: ClosedRange<Double>
    ) -> Double? {
        quantity(Dimension.named(unit.symbol), in: range)
    }

    public func line(_ what: String) -> String? { line(what, atMost: 1000) }

    public func measuredUnit() -> PicketHardware.Unit? {
        let what = "a unit such as C, V, A, W, % or rpm"
        guard let text = text(what) else { return nil }
        let letters = text.utf8.allSatisfy { byte in
            !(0x30...0x39).contains(byte) && byte > 0x20 && byte != 0x7F
                && byte != UInt8(ascii: ".")
        }
        guard letters, (1...12).contains(text.utf8.count) else {
            expected(what)
            return nil
        }
        return PicketHardware.Unit(symbol: Dimension.named(text).base)
    }
}
