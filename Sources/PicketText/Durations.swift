public import PicketCore

/// How small things are written and read, once for the daemon and the command line: spans of time,
/// decimal numbers, lists, hexadecimal digits, instants of the wall clock. Embedded Swift has no
/// formatters; these few need none.
public enum Text {
    /// For people: "850 µs", "512 ms", "1.25 s", "3 min 20 s", "2 h 5 min", "4 d 1 h".
    public static func span(_ duration: Duration) -> String {
        let n = duration.nanoseconds
        if n < 0 { return "-\(span(Duration(nanoseconds: n == .min ? .max : -n)))" }
        if n == 0 { return "0 s" }
        if n < 1_000 { return "\(n) ns" }
        if n < 1_000_000 { return "\(n / 1_000) µs" }
        if n < 1_000_000_000 { return "\(n / 1_000_000) ms" }
        if n < 60_000_000_000 { return "\(decimals(n, of: 1_000_000_000, places: 2)) s" }
        let seconds = n / 1_000_000_000
        if seconds < 3_600 { return joined(seconds / 60, "min", seconds % 60, "s") }
        if seconds < 86_400 { return joined(seconds / 3_600, "h", seconds / 60 % 60, "min") }
        return joined(seconds / 86_400, "d", seconds / 3_600 % 24, "h")
    }

    private static func joined(_ a: Int64, _ unitA: String, _ b: Int64, _ unitB: String) -> String {
        b == 0 ? "\(a) \(unitA)" : "\(a) \(unitA) \(b) \(unitB)"
    }

    /// A span as it stands in a request, exact: "30s", "1500ms", "2h". In seconds: "7200s".
    public static func exact(_ duration: Duration, inSeconds: Bool = false) -> String {
        let n = duration.nanoseconds
        if n == 0 { return "0s" }
        for (unit, size) in units where n % size == 0 && !(inSeconds && size > 1_000_000_000) {
            return "\(n / size)\(unit)"
        }
        return "\(n)"
    }

    /// Largest first, each by the word that it is written with.
    private static var units: [(String, Int64)] {
        [
            ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000),
            ("ms", 1_000_000), ("us", 1_000), ("ns", 1),
        ]
    }

    /// Knows the other words for a unit, too.
    fileprivate static func nanoseconds(in unit: String) -> Int64? {
        switch unit {
        case "d": return 86_400_000_000_000
        case "min": return 60_000_000_000
        case "µs", "μs": return 1_000
        default:
            for (word, size) in units where word == unit { return size }
            return nil
        }
    }

    /// The time since something began, in seconds and aligned: "   1.234".
    public static func offset(_ duration: Duration) -> String {
        let milliseconds = max(0, duration.milliseconds)
        let fraction = padded("\(milliseconds % 1_000)", to: 3, with: "0")
        return padded("\(milliseconds / 1_000).\(fraction)", to: 8, with: " ")
    }

    /// A span in a request: what `Duration(written:)` reads, without a blank, not negative and at
    /// most a year.
    public static func duration(_ text: String) -> Duration? {
        guard !text.utf8.contains(UInt8(ascii: " ")), let duration = Duration(written: text),
            duration >= .zero, duration <= .seconds(366 * 86_400)
        else { return nil }
        return duration
    }
}

extension Duration {
    /// Reads `250us`, `500ms`, `1.5s`, `2m` or `2min`, `1h`, `7d`; `nil` for anything else, also if
    /// it is no whole number of nanoseconds.
    public init?(written text: String) {
        guard !Decimal.isAmbiguous(text), let (number, rest) = Decimal.prefix(of: text),
            let unit = Text.nanoseconds(in: Text.trimmed(rest)), number.exponent >= -12
        else { return nil }
        let (product, overflow) = number.digits.multipliedReportingOverflow(by: unit)
        if overflow { return nil }
        var divisor: Int64 = 1
        for _ in 0..<(-number.exponent) { divisor *= 10 }
        if product % divisor != 0 { return nil }
        self.init(nanoseconds: product / divisor)
    }

    /// As one would write it in a file: `250us`, `91.5ms`, `1.5s`, `2m`. Below a microsecond it is
    /// cut off.
    public var asWritten: String {
        if nanoseconds < 0 { return "-" + Duration(nanoseconds: -nanoseconds).asWritten }
        let second: Int64 = 1_000_000_000
        if nanoseconds == 0 { return "0s" }
        if nanoseconds % (3600 * second) == 0 { return "\(nanoseconds / (3600 * second))h" }
        if nanoseconds % (60 * second) == 0 { return "\(nanoseconds / (60 * second))m" }
        if nanoseconds >= second { return Text.decimals(nanoseconds, of: second, places: 3) + "s" }
        if nanoseconds >= 1_000_000 {
            return Text.decimals(nanoseconds, of: 1_000_000, places: 3) + "ms"
        }
        return "\(nanoseconds / 1_000)us"
    }
}
