/// How messages show text, and what a misspelt word was meant to be.

import PicketCore

/// Text of the file in quotes: cut where it is long, and without what could drive a terminal.
@inline(never)
func quoted(_ text: String) -> String {
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

/// `a, b and c`
@inline(never)
func joined(_ words: [String], _ conjunction: String) -> String {
    var all = ""
    for (index, word) in words.enumerated() {
        if index > 0 { all += index == words.count - 1 ? " \(conjunction) " : ", " }
        all += word
    }
    return all
}

func hex(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return digits.utf8.count == 1 ? "0" + digits : digits
}

/// The candidate that `word` was most likely meant to be; `nil` if none is near.
///
/// Near is an edit distance of a third of the word's length or less: one slip in a short word, two or
/// three in a long one. Case and `-` for `_` count for nothing.
@inline(never)
public func nearest(_ word: String, _ candidates: [String]) -> String? {
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
func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
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
