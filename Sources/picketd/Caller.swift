/// One who is connected to the control socket.

import PicketControl
import PicketCore
import PicketLinux

final class Caller {
    enum Interest {
        /// Has not asked yet.
        case asking
        /// Waits for the answer to a command.
        case waiting
        case watching(every: Duration, next: Instant)
        /// Waits for lines of the history; what comes meanwhile is kept, if it wants to follow.
        case reading(follow: Bool, kept: [[UInt8]])
        case following
        case drilling
        /// Everything is said: to be closed when it has taken it.
        case done
    }

    let id: UInt32
    let connection: ControlConnection
    let since: Instant
    var lines = LineBuffer()
    var interest = Interest.asking
    var gone = false
    /// The poller waits until the caller takes more.
    var polledForWriting = false

    init(id: UInt32, connection: ControlConnection, since: Instant) {
        self.id = id
        self.connection = connection
        self.since = since
    }

    func say(_ bytes: [UInt8]) {
        if !connection.send(bytes) { gone = true }
    }

    /// The last word.
    func finish(_ bytes: [UInt8]) {
        say(bytes)
        interest = .done
    }

    var watchDue: Instant? {
        if case .watching(_, let next) = interest { next } else { nil }
    }

    var follows: Bool {
        switch interest {
        case .following, .reading(follow: true, _): true
        case .asking, .waiting, .watching, .reading, .drilling, .done: false
        }
    }

    /// Has not asked, or not taken its answer, and takes the place of another.
    func idles(at now: Instant) -> Bool {
        switch interest {
        case .asking, .done: now - since > .seconds(10)
        case .waiting, .watching, .reading, .following, .drilling: false
        }
    }

    /// A new entry of the history.
    func follow(_ line: [UInt8]) {
        switch interest {
        case .following: say(line)
        case .reading(true, var kept):
            kept.append(line)
            interest = .reading(follow: true, kept: kept)
        case .asking, .waiting, .watching, .reading, .drilling, .done: break
        }
    }
}
