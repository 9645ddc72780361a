/// The history: one line an entry, appended, and turned over at 1 MiB with one old file kept.
/// Not synced: after a power cut the last lines may be missing, never the terms.
///
/// What the disk does not take is kept in memory, the newest of it, and written when the disk takes
/// something again. What a power cut left of a line (a torn end, a block of NULs, two lines that
/// became one) is not shown: every line that is shown is a whole entry.

import CPicket

public struct HistoryFile: Sendable {
    public let path: String
    public let limit: Int
    /// What the disk did not take, the oldest first.
    private var kept: [[UInt8]] = []

    /// Some hours of an agent that has much to tell.
    static let mostKept = 500

    public init(path: String, limit: Int = 1 << 20) {
        self.path = path
        self.limit = limit
    }

    /// - Parameter line: with its line feed.
    public mutating func append(_ line: [UInt8]) throws(SystemError) {
        kept.append(line)
        if kept.count > HistoryFile.mostKept { kept.removeFirst() }
        while let first = kept.first {
            try write(first)
            kept.removeFirst()
        }
    }

    private func write(_ line: [UInt8]) throws(SystemError) {
        let file = try Descriptor.open(path, picket_append, mode: 0o640)
        var status = stat()
        if unsafe fstat(file.raw, &status) == 0, Int(status.st_size) >= limit {
            _ = try checked(unsafe rename(path, path + ".1"), "rename", path)
            try write(line)
            return
        }
        do throws(SystemError) {
            // The line feed is written first if a torn line is at the end.
            let isTorn = status.st_size > 0 && lastByte(at: Int64(status.st_size) - 1) != 10
            try file.writeAll(isTorn ? [10] + line : line, named: path)
        } catch {
            // A full disk took a piece of the line, to which the next line would be joined.
            _ = ftruncate(file.raw, status.st_size)
            throw error
        }
    }

    private func lastByte(at offset: Int64) -> UInt8? {
        do throws(SystemError) {
            let file = try Descriptor.openFile(path)
            var byte: UInt8 = 0
            return unsafe pread(file.raw, &byte, 1, off_t(offset)) == 1 ? byte : nil
        } catch { return nil }
    }

    /// The newest `count` lines, oldest first, each with its line feed.
    public func tail(_ count: Int) -> [[UInt8]] {
        var lines = HistoryFile.lines(path) + kept
        if lines.count < count { lines = HistoryFile.lines(path + ".1") + lines }
        return Array(lines.suffix(count))
    }

    private static func lines(_ path: String) -> [[UInt8]] {
        let bytes: [UInt8]?
        do throws(SystemError) { bytes = try DurableFile.read(path, limit: 2 << 20) } catch {
            return []
        }
        guard let bytes else { return [] }
        return entries(in: bytes)
    }

    /// Every whole entry, with its line feed.
    static func entries(in bytes: [UInt8]) -> [[UInt8]] {
        var entries: [[UInt8]] = []
        for line in bytes.split(separator: 10) {
            var start = line.startIndex
            while let begin = beginning(in: line[start...]) {
                let next = beginning(in: line[(begin + 1)...]) ?? line.endIndex
                if isWhole(line[begin..<next]) { entries.append(Array(line[begin..<next]) + [10]) }
                start = next
            }
        }
        return entries
    }

    /// Where an entry begins. These bytes are in no text, because a text's quotes are escaped.
    private static func beginning(in bytes: ArraySlice<UInt8>) -> Int? {
        let mark = Array("{\"type\":".utf8)
        guard bytes.count >= mark.count else { return nil }
        for index in bytes.startIndex...(bytes.endIndex - mark.count)
        where bytes[index] == mark[0] && bytes[index...].starts(with: mark) {
            return index
        }
        return nil
    }

    /// An object that is closed by its last byte, and has no byte that a writer of JSON escapes.
    private static func isWhole(_ bytes: ArraySlice<UInt8>) -> Bool {
        var depth = 0
        var isText = false
        var isEscaped = false
        for (index, byte) in zip(bytes.indices, bytes) {
            if byte < 0x20 { return false }
            if isText {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isText = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isText = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if depth == 0 { return index == bytes.endIndex - 1 }
            default: break
            }
        }
        return false
    }
}
