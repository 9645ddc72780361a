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

extension [UInt8] {
    /// Writes a section's tag and leaves room for its length. The content follows, then
    /// `endSection` with what this returned.
    mutating func beginSection(_ tag: UInt8) -> Int {
        write(tag)
        write(UInt16(0))
        return count
    }

    mutating func endSection(_ start: Int) { put(UInt16(count - start), at: start - 2) }
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

    /// The next number, or `absent` where the part has ended: an older agent does not write it.
    mutating func take<Number: FixedWidthInteger & BitwiseCopyable>(
        absent: Number
    ) throws(Drop) -> Number {
        remaining == 0 ? absent : try take()
    }

    mutating func bytes(_ count: Int) throws(Drop) -> [UInt8] {
        guard count >= 0, remaining >= count else { throw .truncated }
        offset += count
        return Array(bytes[(offset - count)..<offset])
    }

    /// A reader of the next `count` bytes, which this one then skips.
    mutating func section(_ count: Int) throws(Drop) -> ByteReader {
        guard count >= 0, remaining >= count else { throw .truncated }
        let part = ByteReader(bytes, offset..<(offset + count))
        offset += count
        return part
    }
}
