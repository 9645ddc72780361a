/// The rack's one loop: descriptors and timers, in one thread, with no runtime beneath it.
///
/// The rack stands in for hardware, so the agents measure the time between a request and its answer.
/// Therefore a turn allocates little, and forwards a datagram within a fraction of a millisecond.
import CPicket
package import PicketCore

package final class EventLoop {
    package typealias TimerID = UInt64

    package init() {}

    private struct Timer {
        var at: Instant
        var id: TimerID
        var body: () -> Void
    }
    private var descriptors: [pollfd] = []
    private var handlers: [Int32: () -> Void] = [:]
    private var timers: [Timer] = []
    private var lastTimer: TimerID = 0
    private var stopped = false
    /// Between a timer's instant and its turn.
    private(set) var worstLateness = Duration.zero

    /// CLOCK_MONOTONIC: the clock of the workloads' records.
    package var now: Instant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    package func watch(_ descriptor: Int32, _ handler: @escaping () -> Void) {
        handlers[descriptor] = handler
        descriptors.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
    }

    package func unwatch(_ descriptor: Int32) {
        handlers[descriptor] = nil
        descriptors.removeAll { $0.fd == descriptor }
    }

    @discardableResult
    package func after(_ delay: Duration, _ body: @escaping () -> Void) -> TimerID {
        at(now + delay, body)
    }

    @discardableResult
    package func at(_ instant: Instant, _ body: @escaping () -> Void) -> TimerID {
        lastTimer += 1
        let timer = Timer(at: instant, id: lastTimer, body: body)
        // The list is sorted, the soonest last. Of equals, the one that was asked for first goes first.
        let place = timers.firstIndex { $0.at <= instant } ?? timers.count
        timers.insert(timer, at: place)
        return lastTimer
    }

    package func cancel(_ id: TimerID?) {
        guard let id else { return }
        timers.removeAll { $0.id == id }
    }

    /// Every `interval` until the loop ends.
    package func every(_ interval: Duration, _ body: @escaping () -> Void) {
        body()
        after(interval) { self.every(interval, body) }
    }

    package func stop() { stopped = true }

    func run() {
        stopped = false
        while !stopped { turn() }
    }

    private func turn() {
        // Whatever came before a late timer is taken first: otherwise a rack that stood still would
        // find that its nodes did.
        if let timer = timers.last, now - timer.at > .milliseconds(5) { serve(within: 0) }
        while let timer = timers.last, timer.at <= now, !stopped {
            timers.removeLast()
            worstLateness = max(worstLateness, now - timer.at)
            timer.body()
        }
        guard !stopped else { return }
        serve(within: timers.last.map { max(0, ($0.at - now).nanoseconds) } ?? -1)
    }

    /// - Parameter wait: nanoseconds; below 0 for ever.
    private func serve(within wait: Int64) {
        let ready = unsafe descriptors.withUnsafeMutableBufferPointer {
            unsafe picket_ppoll($0.baseAddress, Int32($0.count), wait)
        }
        guard ready > 0 else { return }
        // A handler may add and remove descriptors.
        for descriptor in descriptors.filter({ $0.revents != 0 }).map(\.fd) {
            handlers[descriptor]?()
        }
    }
}
