/// Numbers to bytes and back, little endian; a reader never reads past its end.

extension [UInt8] {
    mutating func write<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number) {
        unsafe Swift.withUnsafeBytes(of: number.littleEndian) { unsafe append(contentsOf: $0) }
    }

    /// Overwrites what stands at `offset`.
    mutating func put<Number: FixedWidthInteger & BitwiseCopyable>(
        _ number: Number, at offset: Int
    ) {
        precondition(offset >= 0 && offset + Number.bitWidth / 8 <= count)
        unsafe withUnsafeMutableBytes {
            unsafe $0.storeBytes(of: number.littleEndian, toByteOffset: offset, as: Number.self)
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

    mutating func take<Number: FixedWidthInteger & BitwiseCopyable>(
        _ type: Number.Type = Number.self
    ) throws(Drop) -> Number {
        let size = Number.bitWidth / 8
        guard remaining >= size else { throw .truncated }
        // `remaining` has said that it lies within the bytes.
        let number = unsafe bytes.withUnsafeBytes {
            unsafe $0.loadUnaligned(fromByteOffset: offset, as: Number.self)
        }
        offset += size
        return Number(littleEndian: number)
    }

    /// A reader of the next `count` bytes, which this one then skips.
    mutating func section(_ count: Int) throws(Drop) -> ByteReader {
        guard count >= 0, remaining >= count else { throw .truncated }
        let part = ByteReader(bytes, offset..<(offset + count))
        offset += count
        return part
    }
}
