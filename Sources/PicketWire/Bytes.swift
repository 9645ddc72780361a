/// Numbers to bytes and back, little endian; a reader never reads past its end.

extension [UInt8] {
    mutating func write<Number: FixedWidthInteger>(_ number: Number) {
        for index in 0..<(Number.bitWidth / 8) {
            append(UInt8(truncatingIfNeeded: number >> Number(8 * index)))
        }
    }

    /// Overwrites what stands at `offset`.
    mutating func put<Number: FixedWidthInteger>(_ number: Number, at offset: Int) {
        for index in 0..<(Number.bitWidth / 8) {
            self[offset + index] = UInt8(truncatingIfNeeded: number >> Number(8 * index))
        }
    }
}

/// Takes numbers off the front of a part of a buffer.
struct ByteReader {
    private let bytes: [UInt8]
    private var offset: Int
    private let end: Int

    init(_ bytes: [UInt8], _ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count)
        self.bytes = bytes
        offset = range.lowerBound
        end = range.upperBound
    }

    var remaining: Int { end - offset }

    mutating func take<Number: FixedWidthInteger>(
        _ type: Number.Type = Number.self
    ) throws(Drop) -> Number {
        let size = Number.bitWidth / 8
        guard remaining >= size else { throw .truncated }
        var number: Number = 0
        for index in 0..<size {
            number |= Number(truncatingIfNeeded: bytes[offset + index]) << Number(8 * index)
        }
        offset += size
        return number
    }

    /// A reader of the next `count` bytes, which this one then skips.
    mutating func section(_ count: Int) throws(Drop) -> ByteReader {
        guard count >= 0, remaining >= count else { throw .truncated }
        let part = ByteReader(bytes, offset..<(offset + count))
        offset += count
        return part
    }
}
