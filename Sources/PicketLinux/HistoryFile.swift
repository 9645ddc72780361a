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

    public func append(_ line: String) throws(SystemError) {
        let file = try Descriptor.open(path, picket_append, mode: 0o640)
        var status = stat()
        if unsafe fstat(file.raw, &status) == 0, Int(status.st_size) >= limit {
            _ = try checked(unsafe rename(path, path + ".1"), "rename", path)
            try append(line)
            return
        }
        // A line that a power cut or a full disk left half-written is not to spoil this one.
        try file.writeAll(Array((line + "\n").utf8), named: path)
    }

    /// The newest `count` whole lines, oldest first.
    public func tail(_ count: Int) -> [String] {
        var lines = HistoryFile.lines(path)
        if lines.count < count { lines = HistoryFile.lines(path + ".1") + lines }
        return Array(lines.suffix(count))
    }

    private static func lines(_ path: String) -> [String] {
        let bytes: [UInt8]?
        do throws(SystemError) { bytes = try DurableFile.read(path, limit: 2 << 20) } catch {
            return []
        }
        guard let bytes else { return [] }
        return bytes.split(separator: 10).map { String(decoding: $0, as: UTF8.self) }
    }
}
