/// What systemd is told and asks for, by its datagram protocol (sd_notify(3)), without its library.

import CPicket
public import PicketCore

public struct ServiceManager: Sendable {
    private let path: String
    /// How long it waits between two signs of life, where it waits at all.
    public let watchdog: Duration?

    /// `nil` where nobody asks to be told.
    public init?() {
        guard let path = Environment["NOTIFY_SOCKET"], path.utf8.first != nil else { return nil }
        self.path = path
        let mine = Environment["WATCHDOG_PID"].map { Int32($0) == getpid() } ?? true
        let given = mine ? Environment["WATCHDOG_USEC"].flatMap { Int64($0) } : nil
        watchdog = given.flatMap { (1...1 << 40).contains($0) ? .microseconds($0) : nil }
    }

    public func ready(status: String) { tell("READY=1\nSTATUS=\(status)") }
    public func alive() { tell("WATCHDOG=1") }
    public func status(_ text: String) { tell("STATUS=\(text)") }
    public func stopping() { tell("STOPPING=1") }
    /// It takes so long at most, though the unit may state less (TimeoutStopSec=).
    public func stopping(within time: Duration) {
        tell("STOPPING=1\nEXTEND_TIMEOUT_USEC=\(time.microseconds)")
    }
    /// Followed by `ready`. systemd wants the monotonic instant at which it began.
    public func reloading() {
        tell("RELOADING=1\nMONOTONIC_USEC=\(picket_monotonic_time() / 1000)")
    }

    /// Keeps a copy of this descriptor over a restart of the agent, under this name.
    public func keep(_ raw: Int32, as name: String) {
        // Without polling: a line's descriptor knows no hang-up.
        let bytes = Array("FDSTORE=1\nFDNAME=\(name)\nFDPOLL=0".utf8)
        _ = unsafe picket_notify_descriptor(path, bytes, bytes.count, raw)
    }
    public func forget(_ name: String) { tell("FDSTOREREMOVE=1\nFDNAME=\(name)") }

    /// A full queue is a lost word, and no reason to wait.
    private func tell(_ text: String) {
        let bytes = Array(text.utf8)
        _ = unsafe picket_notify(path, bytes, bytes.count)
    }
}

/// The process's environment.
public enum Environment {
    public static subscript(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }

    /// `NAME=value`, one string each.
    public static var all: [String] {
        var result: [String] = []
        guard var next = unsafe picket_inherited_environment() else { return result }
        while let entry = unsafe next.pointee {
            result.append(unsafe String(cString: entry))
            unsafe next += 1
        }
        return result
    }

    public static func remove(_ name: String) { _ = unsafe unsetenv(name) }
}
