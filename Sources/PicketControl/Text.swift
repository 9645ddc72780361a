public import PicketCore

/// Small texts that daemon and command line write and read alike: spans of time, decimal numbers,
/// instants of the wall clock. Embedded Swift has no formatters; these few need none.
public enum Text {
    /// "850 µs", "512 ms", "1.25 s", "3 min 20 s", "2 h 5 min", "4 d 1 h".
    public static func span(_ duration: Duration) -> String {
        let n = duration.nanoseconds
        if n < 0 { return "-\(span(Duration(nanoseconds: n == .min ? .max : -n)))" }
        if n == 0 { return "0 s" }
        if n < 1_000 { return "\(n) ns" }
        if n < 1_000_000 { return "\(n / 1_000) µs" }
        if n < 1_000_000_000 { return "\(n / 1_000_000) ms" }
        if n < 60_000_000_000 {
            let seconds = n / 1_000_000_000
            let hundredths = n / 10_000_000 % 100
            if hundredths == 0 { return "\(seconds) s" }
            if hundredths % 10 == 0 { return "\(seconds).\(hundredths / 10) s" }
            return "\(seconds).\(twoDigits(hundredths)) s"
        }
        let seconds = n / 1_000_000_000
        if seconds < 3_600 { return joined(seconds / 60, "min", seconds % 60, "s") }
        if seconds < 86_400 { return joined(seconds / 3_600, "h", seconds / 60 % 60, "min") }
        return joined(seconds / 86_400, "d", seconds / 3_600 % 24, "h")
    }

    /// A span as it stands in a request, exact: "30s", "1500ms", "2h".
    public static func exact(_ duration: Duration) -> String {
        let n = duration.nanoseconds
        for (unit, size) in [
            ("h", 3_600_000_000_000 as Int64), ("m", 60_000_000_000), ("s", 1_000_000_000),
            ("ms", 1_000_000), ("us", 1_000),
        ]
        where n % size == 0 && n != 0 {
            return "\(n / size)\(unit)"
        }
        return n == 0 ? "0s" : "\(n)ns"
    }

    /// "30s", "1.5s", "500ms", "2m" or "2min", "1h", "1d"; a number needs its unit. `nil` for
    /// anything else, and for more than a year.
    public static func duration(_ text: String) -> Duration? {
        guard let (value, unit) = quantity(text), value >= 0 else { return nil }
        let size: Double
        switch unit {
        case "ns": size = 1
        case "us", "µs": size = 1e3
        case "ms": size = 1e6
        case "s": size = 1e9
        case "m", "min": size = 60e9
        case "h": size = 3_600e9
        case "d": size = 86_400e9
        default: return nil
        }
        let nanoseconds = value * size
        guard nanoseconds <= 366 * 86_400e9 else { return nil }
        return Duration(nanoseconds: Int64(nanoseconds + 0.5))
    }

    /// A decimal number and the unit that follows it without a space: "95C" is (95, "C"),
    /// "-4.65V" is (-4.65, "V"), "12" is (12, ""). `nil` if no number opens the text.
    public static func quantity(_ text: String) -> (value: Double, unit: String)? {
        var digits = 0
        var mantissa = 0.0
        var scale = 1.0
        var pointSeen = false
        var negative = false
        var rest = text.utf8[...]
        if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") {
            negative = rest.removeFirst() == UInt8(ascii: "-")
        }
        while let byte = rest.first {
            if byte == UInt8(ascii: "."), !pointSeen {
                pointSeen = true
            } else if byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
                digits += 1
                guard digits <= 15 else { return nil }
                mantissa = mantissa * 10 + Double(byte - UInt8(ascii: "0"))
                if pointSeen { scale *= 10 }
            } else {
                break
            }
            rest.removeFirst()
        }
        guard digits > 0 else { return nil }
        return ((negative ? -mantissa : mantissa) / scale, String(decoding: rest, as: UTF8.self))
    }

    /// At most `places` digits after the point, without needless zeros, and fewer where that many
    /// are beyond what a Double holds; "?" for what is no number, and from 1e15 on.
    public static func number(_ value: Double, places wanted: Int = 2) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "?" }
        var scale = 1.0
        var places = 0
        while places < wanted, abs(value) * scale < 1e17 {
            scale *= 10
            places += 1
        }
        let scaled = Int64(abs(value) * scale + 0.5)
        let whole = scaled / Int64(scale)
        var fraction = String(scaled % Int64(scale))
        while fraction.utf8.count < places { fraction = "0" + fraction }
        while fraction.utf8.last == UInt8(ascii: "0") { fraction.removeLast() }
        let sign = value < 0 && scaled != 0 ? "-" : ""
        return fraction.isEmpty || places == 0 ? "\(sign)\(whole)" : "\(sign)\(whole).\(fraction)"
    }

    /// RFC 3339 in UTC with milliseconds: "2026-11-23T07:49:19.123Z".
    ///
    /// - Parameter milliseconds: since 1970-01-01T00:00:00Z.
    public static func timestamp(_ milliseconds: Int64) -> String {
        let days = floorDivide(milliseconds, 86_400_000)
        let inDay = milliseconds - days * 86_400_000
        let (year, month, day) = civil(days)
        let seconds = inDay / 1_000
        let date = "\(year)-\(twoDigits(month))-\(twoDigits(day))"
        let time =
            "\(twoDigits(seconds / 3_600)):\(twoDigits(seconds / 60 % 60)):\(twoDigits(seconds % 60))"
        let fraction = inDay % 1_000
        return "\(date)T\(time).\(fraction < 100 ? "0" : "")\(twoDigits(fraction))Z"
    }

    /// 16 hexadecimal digits.
    public static func hex(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        var zeros = ""
        for _ in digits.utf8.count..<16 { zeros += "0" }
        return zeros + digits
    }

    private static func twoDigits(_ n: Int64) -> String { n < 10 ? "0\(n)" : "\(n)" }

    private static func joined(_ a: Int64, _ unitA: String, _ b: Int64, _ unitB: String) -> String {
        b == 0 ? "\(a) \(unitA)" : "\(a) \(unitA) \(b) \(unitB)"
    }

    private static func floorDivide(_ a: Int64, _ b: Int64) -> Int64 {
        a >= 0 ? a / b : -((-a + b - 1) / b)
    }

    /// Days since 1970-01-01 to a date of the Gregorian calendar (Howard Hinnant,
    /// "chrono-Compatible Low-Level Date Algorithms", civil_from_days).
    private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let z = days + 719_468
        let era = floorDivide(z, 146_097)
        let dayOfEra = z - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (
            yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month,
            dayOfYear - (153 * shifted + 2) / 5 + 1
        )
    }
}

extension Text {
    /// "a", "a and b", "a, b and c"; "none" for nothing.
    public static func list(_ items: [String]) -> String {
        guard let last = items.last else { return "none" }
        guard items.count > 1 else { return last }
        var text = items[0]
        for item in items[1..<(items.count - 1)] { text += ", " + item }
        return text + " and " + last
    }
}
