public import PicketCore
public import PicketHardware
import PicketText

/// Scalars, read by the type of their field.
///
/// A number that has a unit is always written with it. A bare `500` where a duration belongs is
/// refused with what it might have meant, because half of the people who write it mean seconds.

/// The dimension of a quantity: the units that may stand behind its number, as powers of ten of the
/// base unit.
public struct Dimension: Equatable, Sendable {
    /// `a temperature`
    public var name: String
    /// The unit in which the value is kept.
    public var base: String
    /// `75C`
    public var example: String
    var accepted: [Suffix]

    struct Suffix: Equatable, Sendable {
        var text: String
        var power: Int
    }

    /// Degrees Celsius.
    public static var temperature: Dimension {
        Dimension("a temperature", "C", "75C", [("C", 0), ("°C", 0), ("mC", -3)])
    }
    public static var voltage: Dimension {
        Dimension("a voltage", "V", "4.65V", [("V", 0), ("mV", -3), ("uV", -6)])
    }
    public static var current: Dimension {
        Dimension("a current", "A", "1.5A", [("A", 0), ("mA", -3), ("uA", -6)])
    }
    public static var power: Dimension { Dimension("a power", "W", "12W", [("W", 0), ("mW", -3)]) }
    public static var resistance: Dimension {
        Dimension(
            "a resistance", "Ohm", "100mOhm",
            [("Ohm", 0), ("mOhm", -3), ("uOhm", -6), ("kOhm", 3), ("Ω", 0), ("mΩ", -3)])
    }
    public static var percentage: Dimension { Dimension("a percentage", "%", "20%", [("%", 0)]) }
    /// A number without a unit.
    public static var none: Dimension { Dimension("a number", "", "1.5", [("", 0)]) }

    /// The dimension of a unit which a file names: one of the above, or its own.
    public static func named(_ name: String) -> Dimension {
        let text = withGreekOmega(name)
        for known in [temperature, voltage, current, power, resistance, percentage] {
            if known.accepted.contains(where: { $0.text == text && $0.power == 0 }) {
                return known
            }
        }
        return text.isEmpty
            ? none : Dimension("a value in \(text)", text, "100\(text)", [(text, 0)])
    }

    @inline(never)
    private init(
        _ name: String, _ base: String, _ example: String, _ accepted: [(String, Int)]
    ) {
        self.name = name
        self.base = base
        self.example = example
        self.accepted = []
        for (text, power) in accepted { self.accepted.append(Suffix(text: text, power: power)) }
    }

    /// - Returns: the value in the base unit; `nil` if the text is no such quantity.
    @inline(never)
    func value(of text: String) -> Double? {
        guard !Decimal.isAmbiguous(text), let (number, rest) = Decimal.prefix(of: text) else {
            return nil
        }
        let suffix = withGreekOmega(Text.trimmed(rest))
        for unit in accepted where unit.text == suffix { return number.double(times: unit.power) }
        return nil
    }

    /// The words for what was expected, in the message about an unfit `text`.
    @inline(never)
    func advice(_ text: String) -> String {
        if Decimal.isAmbiguous(text) { return "\(name), with no zero before it" }
        if let (_, rest) = Decimal.prefix(of: text), rest.isEmpty, !base.isEmpty {
            return "\(name) with its unit: \(text)\(base)"
        }
        var units: [String] = []
        for unit in accepted where !unit.text.isEmpty { units.append(unit.text) }
        return units.count > 1
            ? "\(name) such as \(example) (in \(Text.list(units, "or")))"
            : "\(name) such as \(example)"
    }
}

/// Unicode's ohm sign is another character than the letter, and looks the same.
private func withGreekOmega(_ unit: String) -> String {
    switch unit {
    case "\u{2126}": "\u{3A9}"
    case "m\u{2126}": "m\u{3A9}"
    default: unit
    }
}

// MARK: - Readers

extension Found {
    /// A duration with its unit.
    @inline(never)
    public func duration(
        in range: ClosedRange<Duration> = .zero ... .seconds(7 * 86_400)
    ) -> Duration? {
        guard let text = text("a duration such as 500ms, 10s or 2m") else { return nil }
        guard let value = Duration(written: text) else {
            if Decimal.isAmbiguous(text) {
                expected("a duration, with no zero before it")
            } else if let (_, rest) = Decimal.prefix(of: text), rest.isEmpty {
                expected("a duration with its unit: \(text)ms, \(text)s or \(text)m")
            } else {
                expected("a duration such as 500ms, 10s or 2m (in us, ms, s, m, h or d)")
            }
            return nil
        }
        return inRange(value, range) { $0.asWritten }
    }

    /// A quantity with its unit, in the unit's base.
    @inline(never)
    public func quantity(_ unit: Dimension, in range: ClosedRange<Double>? = nil) -> Double? {
        guard let text = text("\(unit.name) such as \(unit.example)") else { return nil }
        guard let value = unit.value(of: text) else {
            expected(unit.advice(text))
            return nil
        }
        guard let range else { return value }
        return inRange(value, range) { Text.number($0, places: 3) + unit.base }
    }

    /// A number without a unit.
    public func number(in range: ClosedRange<Double>? = nil) -> Double? {
        quantity(.none, in: range)
    }

    /// `">75C"` or `"<4.65V"`, or a list of one of each.
    @inline(never)
    public func thresholds(_ unit: Dimension) -> [Threshold]? {
        let parts = isSequence ? list(atMost: 2) : [self]
        guard let parts else { return nil }
        var all: [Threshold] = []
        for part in parts {
            if let threshold = part.threshold(unit) { all.append(threshold) }
        }
        if all.count != parts.count { return nil }
        if all.count < 2 { return all }
        switch (all[0], all[1]) {
        case (.above, .above), (.below, .below):
            parts[1].fail("a second threshold of the same direction")
            return nil
        case (.above(let above), .below(let below)), (.below(let below), .above(let above)):
            if below < above { return all }
            fail("every value is over one of these thresholds")
            return nil
        }
    }

    /// `">75C"` or `"<4.65V"`.
    @inline(never)
    public func threshold(_ unit: Dimension) -> Threshold? {
        let example = "a threshold such as \">\(unit.example)\" or \"<\(unit.example)\""
        guard let text = text(example) else { return nil }
        let above = text.utf8.first == UInt8(ascii: ">")
        guard above || text.utf8.first == UInt8(ascii: "<") else {
            let known = unit.value(of: text) != nil
            expected(known ? "a threshold: \">\(text)\" or \"<\(text)\"" : example)
            return nil
        }
        let amount = Text.trimmed(text.dropping(first: 1))
        guard let value = unit.value(of: amount) else {
            fail(
                "found \(description); behind \(above ? ">" : "<") expected \(unit.advice(amount))")
            return nil
        }
        return above ? .above(value) : .below(value)
    }

    /// A whole number, decimal or with 0x.
    @inline(never)
    public func integer(in range: ClosedRange<Int>) -> Int? {
        guard let text = text("a whole number") else { return nil }
        guard let value = wholeNumber(text) else {
            let begins = text.hasPrefix("0") ? ", with no zero before it" : ""
            expected("a whole number" + begins)
            return nil
        }
        return inRange(value, range) { "\($0)" }
    }

    /// A 7-bit I2C address, in hexadecimal as every data sheet has it. 0x00 ... 0x07 and
    /// 0x78 ... 0x7f are reserved (I2C-bus specification UM10204, 3.1.12).
    @inline(never)
    public func i2cAddress() -> UInt8? {
        let what = "an I2C address in hexadecimal, 0x08 to 0x77"
        guard let text = text(what) else { return nil }
        guard text.hasPrefix("0x") || text.hasPrefix("0X"), let value = wholeNumber(text),
            (0x08...0x77).contains(value)
        else {
            let tenBits = text.hasPrefix("0x") && (0x78...0x3FF).contains(wholeNumber(text) ?? 0)
            expected(tenBits ? what + "; addresses of 10 bits are not supported" : what)
            return nil
        }
        return UInt8(value)
    }

    /// One of these words.
    public func word<Value>(_ words: [(String, Value)]) -> Value? {
        wordIndex(words.map { $0.0 }).map { words[$0].1 }
    }

    /// Not generic, so that it is in the program once.
    @inline(never)
    func wordIndex(_ known: [String]) -> Int? {
        guard let text = text(Text.list(known, "or")) else { return nil }
        if let index = known.firstIndex(of: text) { return index }
        fail(
            "found \(description), expected \(Text.list(known, "or"))"
                + Text.suggestion(text, known))
        return nil
    }

    public func bool() -> Bool? { word([("true", true), ("false", false)]) }

    /// Notes a value outside a range.
    @inline(never)
    private func inRange<Value: Comparable>(
        _ value: Value, _ range: ClosedRange<Value>, _ show: (Value) -> String
    ) -> Value? {
        if range.contains(value) { return value }
        let bound =
            value < range.lowerBound
            ? "at least \(show(range.lowerBound))" : "at most \(show(range.upperBound))"
        expected(bound)
        return nil
    }
}

func wholeNumber(_ text: String) -> Int? {
    var digits = Array(text.utf8)
    var radix = 10
    if digits.count > 2, digits[0] == UInt8(ascii: "0"), digits[1] | 0x20 == UInt8(ascii: "x") {
        digits.removeFirst(2)
        radix = 16
    }
    var negative = false
    if radix == 10, digits.first == UInt8(ascii: "-") {
        negative = true
        digits.removeFirst()
    }
    if digits.isEmpty || digits.count > 12 { return nil }
    // 010 is 8 to some readers of YAML, and 10 to others.
    if radix == 10, digits.count > 1, digits[0] == UInt8(ascii: "0") { return nil }
    var value = 0
    for digit in digits {
        let number: Int
        switch digit {
        case 0x30...0x39: number = Int(digit) - 0x30
        case 0x41...0x46: number = Int(digit) - 0x41 + 10
        case 0x61...0x66: number = Int(digit) - 0x61 + 10
        default: return nil
        }
        if number >= radix { return nil }
        value = value * radix + number
    }
    return negative ? -value : value
}
