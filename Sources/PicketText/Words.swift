/// Words: how messages show text and lists of it, and what a misspelt word was meant to be.

internal import PicketCore

extension Text {
    /// Text of a file in quotes: cut where it is long, and without characters that could drive a
    /// terminal.
    @inline(never)
    public static func quoted(_ text: String) -> String {
        let limit = 60
        var shown = ""
        var count = 0
        for scalar in text.unicodeScalars {
            if count == limit {
                shown += "…"
                break
            }
            let value = scalar.value
            let control = value < 0x20 || (0x7F...0x9F).contains(value)
            let direction =
                (0x200B...0x200F).contains(value) || (0x2028...0x202E).contains(value)
                || (0x2066...0x2069).contains(value) || value == 0xFEFF
            if value == 0x0A {
                shown += "\\n"
            } else if control || direction {
                shown += "?"
            } else {
                shown.unicodeScalars.append(scalar)
            }
            count += 1
        }
        return "\"" + shown + "\""
    }

    /// "a", "a and b", "a, b and c"; "none" for nothing.
    @inline(never)
    public static func list(_ items: [String], _ conjunction: String = "and") -> String {
        guard let last = items.last else { return "none" }
        if items.count == 1 { return last }
        return "\(joined(Array(items.dropLast()))) \(conjunction) \(last)"
    }

    @inline(never)
    public static func joined(_ items: [String], _ separator: String = ", ") -> String {
        var all = ""
        for (index, item) in items.enumerated() {
            if index > 0 { all += separator }
            all += item
        }
        return all
    }

    /// With the filler before it where it is shorter.
    @inline(never)
    static func padded(_ text: String, to width: Int, with filler: String) -> String {
        var padded = text
        for _ in 0..<max(0, width - text.utf8.count) { padded = filler + padded }
        return padded
    }

    /// Hexadecimal digits, 16 of them or as many as are asked for.
    @inline(never)
    public static func hex(_ value: UInt64, digits: Int = 16, capital: Bool = false) -> String {
        padded(String(value, radix: 16, uppercase: capital), to: digits, with: "0")
    }

    /// An I2C address as every data sheet has it: "0x48".
    public static func address(_ address: UInt8) -> String {
        "0x\(hex(UInt64(address), digits: 2))"
    }

    /// Without the blanks at either end.
    public static func trimmed(_ text: String) -> String {
        var bytes = Array(text.utf8)
        while bytes.last == 0x20 { bytes.removeLast() }
        var start = 0
        while start < bytes.count && bytes[start] == 0x20 { start += 1 }
        return String(decoding: bytes[start...], as: UTF8.self)
    }

    /// "; did you mean sensors?" to end a message with, or nothing.
    public static func suggestion(_ word: String, _ candidates: [String]) -> String {
        nearest(word, candidates).map { "; did you mean \($0)?" } ?? ""
    }

    /// The candidate that `word` was most likely meant to be; `nil` if none is near.
    ///
    /// Near is an edit distance of a third of the word's length or less: one slip in a short word,
    /// two or three in a long one. Case and `-` for `_` count for nothing.
    @inline(never)
    public static func nearest(_ word: String, _ candidates: [String]) -> String? {
        let from = folded(word)
        if from.isEmpty || from.count > 64 { return nil }
        var best: String?
        var least = Int.max
        for candidate in candidates {
            let to = folded(candidate)
            let distance = editDistance(from, to)
            if distance < least && distance <= max(1, max(from.count, to.count) / 3) {
                least = distance
                best = candidate
            }
        }
        return best
    }
}

private func folded(_ word: String) -> [UInt8] {
    var bytes: [UInt8] = []
    for byte in word.utf8 {
        if (0x41...0x5A).contains(byte) {
            bytes.append(byte + 0x20)
        } else {
            bytes.append(byte == UInt8(ascii: "-") ? UInt8(ascii: "_") : byte)
        }
    }
    return bytes
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn one into the other
/// (optimal string alignment).
@inline(never)
private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var before = Array(repeating: 0, count: b.count + 1)
    var above = Array(0...b.count)
    for i in 0..<a.count {
        var row = [i + 1]
        for j in 0..<b.count {
            var cost = min(row[j] + 1, above[j + 1] + 1, above[j] + (a[i] == b[j] ? 0 : 1))
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                cost = min(cost, before[j - 1] + 1)
            }
            row.append(cost)
        }
        before = above
        above = row
    }
    return above[b.count]
}
