/// Waits for whichever comes first: something to read, or the next deadline.
///
/// The deadline goes into the wait itself (epoll_pwait2, in nanoseconds), so that a quiet turn
/// costs one system call and no timer descriptor has to be set and drained.

import CPicket
public import PicketCore

public struct Poller: ~Copyable {
    private let epoll: Descriptor
    private var tokens = [UInt64](repeating: 0, count: 32)
    private var events = [UInt32](repeating: 0, count: 32)

    public enum Interest: Sendable {
        case reading
        case writing
        case both
    }

    public init() throws(SystemError) {
        epoll = Descriptor(owning: try checked(picket_epoll_create(), "epoll_create", ""))
    }

    /// `token` comes back from `wait` when there is something to do. Level-triggered.
    public func add(_ fd: Int32, token: UInt64, for interest: Interest = .reading)
        throws(SystemError)
    {
        try control(picket_epoll_add, fd, token, interest)
    }

    public func change(_ fd: Int32, token: UInt64, to interest: Interest) throws(SystemError) {
        try control(picket_epoll_change, fd, token, interest)
    }

    public func remove(_ fd: Int32) {
        _ = picket_epoll_control(epoll.raw, picket_epoll_remove, fd, 0, 0)
    }

    /// Appends the tokens of all that is ready; none where the deadline came first, or a signal.
    public mutating func wait(
        until deadline: Instant, now: Instant, into ready: inout [UInt64]
    ) throws(SystemError) {
        let timeout: Int64 =
            deadline == .distantFuture ? -1 : max(0, deadline.nanoseconds - now.nanoseconds)
        let count = unsafe picket_epoll_wait(
            epoll.raw, &tokens, &events, Int32(tokens.count), timeout)
        if count < 0 {
            if picket_errno() == EINTR { return }
            throw SystemError("epoll_wait", "", errno: picket_errno())
        }
        for index in 0..<Int(count) { ready.append(tokens[index]) }
    }

    private func control(
        _ operation: Int32, _ fd: Int32, _ token: UInt64, _ interest: Interest
    ) throws(SystemError) {
        let wanted =
            switch interest {
            case .reading: picket_readable
            case .writing: picket_writable
            case .both: picket_readable | picket_writable
            }
        _ = try checked(
            picket_epoll_control(epoll.raw, operation, fd, wanted, token), "epoll_ctl",
            "descriptor \(fd)")
    }
}
