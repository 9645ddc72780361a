/// Signals as something to read: they are blocked in every thread and come in by a descriptor.
/// SIGPIPE is ignored: a reader that went away is an error of the write.

import CPicket

public enum Signal: Int32, CaseIterable, Sendable {
    case hangUp = 1
    case interrupt = 2
    case terminate = 15
    case child = 17
}

public struct Signals: ~Copyable {
    private let descriptor: Descriptor
    public var raw: Int32 { descriptor.raw }

    /// Call it before any thread is started: they inherit the mask.
    public init() throws(SystemError) {
        let all = Signal.allCases.map { $0.rawValue }
        _ = unsafe picket_signals_block(all, Int32(all.count))
        descriptor = Descriptor(
            owning: try checked(unsafe picket_signalfd(all, Int32(all.count)), "signalfd", ""))
    }

    /// The next one that waits.
    public func next() -> Signal? { Signal(rawValue: picket_signal_next(descriptor.raw)) }
}
