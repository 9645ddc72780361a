import PicketControl
import PicketCore
import PicketLinux
import PicketWire
import PicketText

/// One link of the pair.
final class Link {
    let socket: LinkSocket
    /// As the configuration has them.
    let local: String
    let remote: String
    /// A drill drops everything on it.
    var blocked = false
    var sent: UInt64 = 0
    var received: UInt64 = 0
    var lastHeard: Instant?
    /// The errno of the last sending, to be said once.
    var fault: Int32 = 0

    init(socket: LinkSocket, local: String, remote: String) {
        self.socket = socket
        self.local = local
        self.remote = remote
    }
}

extension Agent {
    /// A kernel's receive buffer of ordinary size holds less: what was there when the turn began
    /// is read whole, and no flood holds the loop.
    private static let mostPerTurn = 512

    /// Reads every link empty: where one has something to read, for what came by one link is about
    /// to come by the others; and where the loop was held up, whatever the poller said before, so
    /// that the peer is heard before its silence is held against it.
    func drainLinks() {
        guard heldUp || ready.contains(where: { $0 >= Token.link && $0 < Token.caller }) else {
            return
        }
        for index in links.indices {
            var count = 0
            while count < Agent.mostPerTurn, receive(index) { count += 1 }
        }
    }

    /// False where nothing more waits.
    private func receive(_ index: Int) -> Bool {
        let link = links[index]
        switch link.socket.receive(into: &datagram) {
        case .nothing: return false
        case .failed(let errno):
            // An error that the network reported for an earlier sending is taken from the queue.
            note(errno, on: index)
            return false
        case .oversize:
            if !link.blocked { oversize &+= 1 }
        case .datagram(let count):
            // It may have come after this turn looked at the clock. Nothing is heard before it came:
            // so the clock is read after the receive. The last look at a socket found it empty, and
            // is later than any of these: no silence is counted that a datagram has ended.
            now = clock.now()
            if !link.blocked { take(count, from: index) }
        }
        return true
    }

    private func take(_ count: Int, from index: Int) {
        switch channel.open(datagram, count: count, link: index, at: now) {
        case .message(let message, let session):
            heard(index)
            noteWhoFenced(message, session)
            handle(.received(message, session: session, link: index))
        case .copy(let session):
            heard(index)
            handle(.copied(session: session, link: index))
        case .hello(let answer, let established):
            if answer { transmit(on: index) }
            if let established {
                log(.debug, "session \(Text.hex(established.value)) of the peer is established")
            }
        case .dropped(let reason):
            log(.debug, "dropped a datagram from link \(index + 1): \(reason.text)")
        }
    }

    private func heard(_ index: Int) {
        links[index].received &+= 1
        links[index].lastHeard = now
    }

    func send(_ message: Message, on set: LinkSet) {
        var message = message
        if fencedPeer.session != nil { message.flags.insert(.fencedYou) }
        switch channel.seal(message) {
        case .sealed:
            messagesSent &+= 1
            for index in links.indices where set.contains(index) { transmit(on: index) }
        case .noSession: break
        case .sequenceReused, .notEncodable:
            log(.critical, "a message could not be sealed: this is an error in picketd")
        }
    }

    func sendHello() {
        guard channel.hello(at: now) else { return }
        for index in links.indices { transmit(on: index) }
    }

    /// Sends what the channel has sealed last.
    private func transmit(on index: Int) {
        let link = links[index]
        guard !link.blocked else { return }
        if let errno = link.socket.send(channel.datagram, count: channel.datagram.count) {
            note(errno, on: index)
        } else {
            link.sent &+= 1
            link.fault = 0
        }
    }

    private func note(_ errno: Int32, on index: Int) {
        guard links[index].fault != errno else { return }
        links[index].fault = errno
        log(.warning, "\(narrator.names.link(index)): \(SystemError.text(of: errno))")
    }
}
