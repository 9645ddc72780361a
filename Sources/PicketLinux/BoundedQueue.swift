/// What the loop and its workers hand each other: a queue of fixed size, with a descriptor that
/// can be waited on. Nobody waits to push: a full queue refuses, and the sender says so.
///
/// The descriptor is written once when there is something to take. The thread that empties the
/// queue clears it first, then takes until nothing is left, so that nothing that is pushed in
/// between is lost.

import CPicket
public import PicketCore

@safe public final class BoundedQueue<Element: Sendable>: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let event: Descriptor
    private var ring: [Element?]
    private var first = 0
    private var count = 0
    /// The descriptor was written, and has not been cleared since.
    private var woken = false

    public init(capacity: Int) throws(SystemError) {
        event = Descriptor(owning: try checked(picket_eventfd(), "eventfd", ""))
        ring = Array(repeating: nil, count: capacity)
        unsafe mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe pthread_mutex_init(mutex, nil)
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    /// Readable while there is something to take.
    public var raw: Int32 { event.raw }

    /// False where it is full. Without `waking`, the taker does not hear of it before `wake`.
    public func push(_ element: Element, waking: Bool = true) -> Bool {
        unsafe pthread_mutex_lock(mutex)
        guard count < ring.count else {
            unsafe pthread_mutex_unlock(mutex)
            return false
        }
        ring[(first + count) % ring.count] = element
        count += 1
        unsafe pthread_mutex_unlock(mutex)
        if waking { wake() }
        return true
    }

    /// Makes the descriptor readable, if there is something to take.
    public func wake() {
        unsafe pthread_mutex_lock(mutex)
        let telling = count > 0 && !woken
        if telling { woken = true }
        unsafe pthread_mutex_unlock(mutex)
        if telling {
            var one: UInt64 = 1
            _ = unsafe write(event.raw, &one, 8)
        }
    }

    public func pop() -> Element? {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        guard count > 0 else { return nil }
        let element = ring[first]
        ring[first] = nil
        first = (first + 1) % ring.count
        count -= 1
        return element
    }

    /// Quiets the descriptor; then `pop` until nothing comes.
    public func clear() {
        var value: UInt64 = 0
        _ = unsafe read(event.raw, &value, 8)
        unsafe pthread_mutex_lock(mutex)
        woken = false
        unsafe pthread_mutex_unlock(mutex)
    }

    /// The next element, for a worker that has nothing else to do; `nil` after `atMost`.
    public func wait(atMost limit: Duration? = nil) -> Element? {
        var clock = Clock()
        let deadline = limit.map { clock.now() + $0 }
        while true {
            if let element = pop() { return element }
            var left: Int64 = -1
            if let deadline {
                left = (deadline - clock.now()).nanoseconds
                if left <= 0 { return nil }
            }
            // The descriptor may still tell of an element that was taken: look again.
            _ = picket_wait(event.raw, false, left)
            clear()
        }
    }
}
