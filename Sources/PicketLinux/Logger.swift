/// Lines on standard error: with the level in front, as journald reads it (`<4>…`), unless a
/// person reads them on a terminal.
///
/// The loop must not wait for their reader. A line that cannot be taken at once is dropped and
/// counted, and the next one that is taken says how many went before it.

import CPicket
import PicketCore

public struct Logger: ~Copyable {
    /// syslog(3)'s levels.
    public enum Level: UInt8, Comparable, Sendable {
        case critical = 2
        case error = 3
        case warning = 4
        case notice = 5
        case info = 6
        case debug = 7

        public static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
    }

    private let output: Int32
    private let terminal: Bool
    private let socket: Bool
    /// A line that is less pressing than this is not logged.
    public var threshold: Level
    public private(set) var dropped: UInt64 = 0

    public init(output: Int32 = 2, threshold: Level = .info) {
        self.output = output
        self.threshold = threshold
        terminal = isatty(output) == 1
        socket = picket_is_socket(output)
    }

    public mutating func log(_ level: Level, _ text: String) {
        guard level <= threshold else { return }
        if dropped > 0, write(.warning, "\(dropped) log lines were dropped: nobody took them") {
            dropped = 0
        }
        if dropped > 0 || !write(level, text) { dropped += 1 }
    }

    /// At most this much of a line: what a pipe takes whole or not at all (PIPE_BUF).
    private static let longest = 4096

    private func write(_ level: Level, _ text: String) -> Bool {
        var bytes = terminal ? [] : Array("<\(level.rawValue)>".utf8)
        for byte in text.utf8 { bytes.append(byte == 10 ? 32 : byte) }
        if bytes.count >= Logger.longest { bytes.removeSubrange((Logger.longest - 1)...) }
        bytes.append(10)
        if socket { return unsafe send(output, bytes, bytes.count, picket_dont_wait) >= 0 }
        guard picket_wait(output, true, 0) == 1 else { return false }
        return unsafe CPicket.write(output, bytes, bytes.count) == bytes.count
    }
}
