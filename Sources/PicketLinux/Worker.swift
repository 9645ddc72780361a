/// A thread that may wait where the loop must not: on a disk, a bus, a relay.

import CPicket
public import PicketCore

private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

public enum Worker {
    /// Starts a thread that ends when `body` returns. Its name shows in `ps -L` (at most 15 bytes);
    /// its stack is small, because all memory is locked.
    public static func start(
        _ name: String, stackBytes: Int = 64 * 1024, _ body: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        let box = unsafe Unmanaged.passRetained(Body(body))
        let error = unsafe picket_thread(
            name, stackBytes,
            { argument in
                let body = unsafe Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue()
                body.run()
                return nil
            }, box.toOpaque())
        if error != 0 {
            unsafe box.release()
            throw SystemError("start thread", name, errno: error)
        }
    }

    /// The calling thread sleeps for at least this long.
    public static func sleep(_ duration: Duration) {
        let nanoseconds = max(0, duration.nanoseconds)
        var time = timespec()
        time.tv_sec = time_t(nanoseconds / 1_000_000_000)
        time.tv_nsec = Int(nanoseconds % 1_000_000_000)
        // Every signal is blocked in a worker: it sleeps through.
        _ = unsafe nanosleep(&time, nil)
    }
}
