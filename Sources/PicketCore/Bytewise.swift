/// Small texts and short lists, with little code.
///
/// What Swift offers for them works for all of Unicode and for millions of elements, and brings
/// into the agent what that takes: tables of grapheme clusters, a merge sort of 4 kB for each kind
/// of element. The agent's texts are UTF-8 with structure in ASCII, and its lists fit a screen.

extension String {
    /// The parts between the separators.
    @inline(never)
    public func parts(between separator: Unicode.Scalar, keepingEmpty: Bool = false) -> [String] {
        let bytes = Array(utf8)
        var parts: [String] = []
        var start = 0
        for index in 0...bytes.count {
            guard index == bytes.count || bytes[index] == separator.value else { continue }
            if keepingEmpty || index > start {
                parts.append(String(decoding: bytes[start..<index], as: UTF8.self))
            }
            start = index + 1
        }
        return parts
    }

    /// The bytes that are left when so many are taken off either end.
    @inline(never)
    public func dropping(first: Int = 0, last: Int = 0) -> String {
        let bytes = Array(utf8)
        return String(decoding: bytes[first..<max(first, bytes.count - last)], as: UTF8.self)
    }

    /// Bytewise, in place of the standard library's.
    @inline(never)
    public func hasPrefix(_ prefix: String) -> Bool {
        Array(utf8.prefix(prefix.utf8.count)) == Array(prefix.utf8)
    }

    /// Bytewise, in place of the standard library's.
    @inline(never)
    public func hasSuffix(_ suffix: String) -> Bool {
        Array(utf8.suffix(suffix.utf8.count)) == Array(suffix.utf8)
    }
}

extension Array {
    /// Sorts a short list by insertion: equal elements keep their order.
    @inline(never)
    public mutating func sortShort(by precedes: (Element, Element) -> Bool) {
        for end in indices.dropFirst() {
            var index = end
            while index > 0, precedes(self[index], self[index - 1]) {
                swapAt(index, index - 1)
                index -= 1
            }
        }
    }
}
