/// Decimal numbers.

/// A decimal number as it is written: digits × 10^exponent.
///
/// Its text has no exponent and at most 15 digits. So the number is exactly what its text says
/// before it is rounded once to a Double.
public struct Decimal: Equatable {
    public var digits: Int64
    public var exponent: Int

    /// Splits `text` into a number and what follows it; `nil` if it does not begin with a number.
    @inline(never)
    public static func prefix(of text: String) -> (number: Decimal, rest: String)? {
        let bytes = Array(text.utf8)
        var index = 0
        var negative = false
        if index < bytes.count,
            bytes[index] == UInt8(ascii: "-") || bytes[index] == UInt8(ascii: "+")
        {
            negative = bytes[index] == UInt8(ascii: "-")
            index += 1
        }
        var digits: Int64 = 0
        var count = 0
        var exponent = 0
        var point = false
        while index < bytes.count {
            let byte = bytes[index]
            if (0x30...0x39).contains(byte) {
                digits = digits * 10 + Int64(byte - 0x30)
                count += 1
                if point { exponent -= 1 }
                if count > 15 { return nil }
            } else if byte == UInt8(ascii: "."), !point, index + 1 < bytes.count,
                (0x30...0x39).contains(bytes[index + 1])
            {
                point = true
            } else {
                break
            }
            index += 1
        }
        if count == 0 { return nil }
        return (
            Decimal(digits: negative ? -digits : digits, exponent: exponent),
            String(decoding: bytes[index...], as: UTF8.self)
        )
    }

    /// A number such as 010 is 8 to some readers of YAML, and 10 to others.
    public static func isAmbiguous(_ text: String) -> Bool {
        var bytes = text.utf8[...]
        if bytes.first == UInt8(ascii: "-") || bytes.first == UInt8(ascii: "+") {
            bytes.removeFirst()
        }
        guard bytes.popFirst() == UInt8(ascii: "0"), let next = bytes.first else { return false }
        return (0x30...0x39).contains(next)
    }

    public func double(times power: Int = 0) -> Double {
        var value = Double(digits)
        var left = exponent + power
        var factor = 1.0
        while left > 0 {
            factor *= 10
            left -= 1
        }
        value *= factor
        factor = 1.0
        while left < 0 {
            factor *= 10
            left += 1
        }
        return value / factor
    }
}

extension Text {
    /// A decimal number and the unit that follows it without a space: "95C" is (95, "C"),
    /// "-4.65V" is (-4.65, "V"), "12" is (12, ""). `nil` if no number opens the text.
    public static func quantity(_ text: String) -> (value: Double, unit: String)? {
        guard let (number, unit) = Decimal.prefix(of: text) else { return nil }
        return (number.double(), unit)
    }

    /// At most `places` digits after the point, without needless zeros, and fewer where a Double
    /// does not hold that many; "?" for a value that is no number, and from 1e15 on.
    @inline(never)
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
        let sign = value < 0 && scaled != 0 ? "-" : ""
        let fraction = scaled % Int64(scale)
        if fraction == 0 { return "\(sign)\(whole)" }
        return "\(sign)\(whole).\(withoutZeros(padded("\(fraction)", to: places, with: "0")))"
    }

    /// `n / unit` with at most so many places after the point, cut off, without needless zeros.
    @inline(never)
    static func decimals(_ n: Int64, of unit: Int64, places: Int) -> String {
        var scale: Int64 = 1
        for _ in 0..<places { scale *= 10 }
        let fraction = n % unit / (unit / scale)
        if fraction == 0 { return "\(n / unit)" }
        return "\(n / unit).\(withoutZeros(padded("\(fraction)", to: places, with: "0")))"
    }

    @inline(never)
    private static func withoutZeros(_ fraction: String) -> String {
        var bytes = Array(fraction.utf8)
        while bytes.last == UInt8(ascii: "0") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
