/// A client that is connected to the control socket.

import PicketControl
import PicketCore
import PicketLinux

final class Caller {
    private enum Interest {
        /// Has not asked yet.
        case asking
        /// Sends the file that its request is about.
        case sending(Request, size: Int, [UInt8])
        /// Waits for the answer to a command.
        case waiting
        case watching(every: Duration, next: Instant)
        /// Waits for lines of the history; what comes meanwhile is kept, if it wants to follow.
        case reading(follow: Bool, kept: [[UInt8]])
        case following
        case drilling
        /// Everything is said; the caller is closed once it has taken it all.
        case done
    }

    let id: UInt32
    let connection: ControlConnection
    private let since: Instant
    private var lines = LineBuffer()
    private var interest = Interest.asking
    private(set) var isGone = false
    /// The poller waits until the caller takes more.
    private var isPolledForWriting = false

    init(id: UInt32, connection: ControlConnection, since: Instant) {
        self.id = id
        self.connection = connection
        self.since = since
    }

    // MARK: What it says

    enum Heard {
        /// Nothing more waits.
        case nothing
        case more
        case line([UInt8])
        case file([UInt8], Request)
    }

    func hear(_ buffer: inout [UInt8]) -> Heard {
        if case .sending = interest, lines.holdsHalfALine { return take([]) }
        switch connection.receive(into: &buffer) {
        case .nothing: return .nothing
        case .ended:
            if lines.holdsHalfALine { say(Reply.error(.incomplete)) }
            isGone = true
        case .bytes(let count):
            // After its request a caller has nothing to say.
            guard case .asking = interest else { return take(buffer[..<count]) }
            lines.append(buffer[..<count])
            switch lines.next() {
            case .more: break
            case .tooLong: finish(Reply.error(.tooLong))
            case .line(let line): return .line(line)
            }
        }
        return .more
    }

    /// The file follows the line; some of it may have come with it.
    func read(file size: Int, for request: Request) {
        interest = .sending(request, size: size, [])
    }

    private func take(_ bytes: ArraySlice<UInt8>) -> Heard {
        guard case .sending(let request, let size, var file) = interest else { return .more }
        interest = .waiting
        file += lines.takeRest()
        file += bytes
        interest = .sending(request, size: size, file)
        return file.count < size ? .more : .file(Array(file[..<size]), request)
    }

    // MARK: What it is told

    func say(_ bytes: [UInt8]) {
        if !connection.send(bytes) { isGone = true }
    }

    /// The last word.
    func finish(_ bytes: [UInt8]) {
        say(bytes)
        interest = .done
    }

    func flush() {
        if connection.hasOutput, !connection.flush() { isGone = true }
    }

    // MARK: What it waits for

    func wait() { interest = .waiting }
    func drill() { interest = .drilling }
    func watch(every: Duration, from now: Instant) { interest = .watching(every: every, next: now) }
    func read(follow: Bool) { interest = .reading(follow: follow, kept: []) }

    var isDrilling: Bool { if case .drilling = interest { true } else { false } }

    var watchDue: Instant {
        if case .watching(_, let next) = interest { next } else { .distantFuture }
    }

    func wantsStatus(changed: Bool, at now: Instant) -> Bool {
        guard case .watching(_, let next) = interest else { return false }
        return changed || now >= next
    }

    /// A status, to a caller that watches. One that has not taken the last one gets no other.
    func show(_ status: [UInt8], at now: Instant) {
        guard case .watching(let every, _) = interest else { return }
        if !connection.hasOutput { say(status) }
        interest = .watching(every: every, next: now + every)
    }

    /// The history that it asked for.
    func deliver(_ lines: [[UInt8]]) {
        guard case .reading(let follow, let kept) = interest else { return }
        for line in lines { say(line) }
        for line in kept { say(line) }
        if follow { interest = .following } else { finish(Reply.end()) }
    }

    /// A new entry of the history.
    func follow(_ line: [UInt8]) {
        switch interest {
        case .following: say(line)
        case .reading(true, var kept):
            kept.append(line)
            interest = .reading(follow: true, kept: kept)
        case .asking, .sending, .waiting, .watching, .reading, .drilling, .done: break
        }
    }

    // MARK: Its end

    func end() { isGone = true }

    /// Closes a caller that has been told everything. A caller that asks nothing, or does not take
    /// its answer, is closed as well after a while, because it takes the place of another.
    func endIfIdle(at now: Instant) {
        switch interest {
        case .asking, .sending: if now - since > .seconds(10) { isGone = true }
        case .done: if !connection.hasOutput || now - since > .seconds(10) { isGone = true }
        case .waiting, .watching, .reading, .following, .drilling: break
        }
    }

    /// Whether to wait until it takes more, where that has changed.
    func takePollChange() -> Bool? {
        guard connection.hasOutput != isPolledForWriting else { return nil }
        isPolledForWriting.toggle()
        return isPolledForWriting
    }
}
