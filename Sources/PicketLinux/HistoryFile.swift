/// The history: one line an entry, appended, and turned over at 1 MiB with one old file kept.
/// Not synced: after a power cut the last lines may be missing, never the terms.

import CPicket

public struct HistoryFile: Sendable {
    public let path: String
    public let limit: Int

    public init(path: String, limit: Int = 1 << 20) {
        self.path = path
        self.limit = limit
    }

    /// - Parameter line: with its line feed.
    public func append(_ line: [UInt8]) throws(SystemError) {
        let file = try Descriptor.open(path, picket_append, mode: 0o640)
        var status = stat()
        if unsafe fstat(file.raw, &status) == 0, Int(status.st_size) >= limit {
            _ = try checked(unsafe rename(path, path + ".1"), "rename", path)
            try append(line)
            return
        }
        do throws(SystemError) { try file.writeAll(line, named: path) } catch {
            // A full disk took a piece of the line, to which the next line would be joined.
            _ = ftruncate(file.raw, status.st_size)
            throw error
        }
    }

    /// The newest `count` lines, oldest first, each with its line feed.
    public func tail(_ count: Int) -> [[UInt8]] {
        var lines = HistoryFile.lines(path)
        if lines.count < count { lines = HistoryFile.lines(path + ".1") + lines }
        return Array(lines.suffix(count))
    }

    private static func lines(_ path: String) -> [[UInt8]] {
        let bytes: [UInt8]?
        do throws(SystemError) { bytes = try DurableFile.read(path, limit: 2 << 20) } catch {
            return []
        }
        guard let bytes else { return [] }
        return bytes.split(separator: 10).map { Array($0) + [10] }
    }
}
