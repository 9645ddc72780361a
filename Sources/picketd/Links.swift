/// The links of the pair: datagrams in and out, and their seal.

import PicketConfig
import PicketControl
import PicketCore
import PicketLinux
import PicketText
import PicketWire

final class Links: Part {
    private var links: [Link]
    private var channel: Channel
    /// The pair's keys, the newest first, and where each was read.
    private var keys: [(id: UInt32, file: String)]
    private var datagram = [UInt8](repeating: 0, count: 1500)
    private(set) var oversize: UInt64 = 0
    /// Datagrams from another address than the peer's.
    private(set) var foreign: UInt64 = 0
    /// Messages sealed; each goes out on several links.
    private(set) var messagesSent: UInt64 = 0
    /// When the core heard of a hello last: once a second is enough.
    private var hailed: Instant?
    private var hellos: HelloFile

    init(
        _ links: [Link], _ settings: Configuration, _ keys: [Key], session: SessionID,
        in ground: Hardware.Ground, at now: Instant
    ) {
        self.links = links
        hellos = HelloFile(in: ground)
        self.keys = Links.known(keys, settings)
        channel = Channel(
            keys: keys, me: settings.me, session: session, hellos: hellos.memory, at: now)
    }

    private static func known(
        _ keys: [Key], _ settings: Configuration
    ) -> [(id: UInt32, file: String)] {
        var known: [(id: UInt32, file: String)] = []
        for (key, file) in zip(keys, settings.keys) { known.append((key.id, file)) }
        return known
    }

    override func open(_ agent: Agent) throws(SystemError) {
        for link in links { try agent.wait(on: link.socket.raw, of: self) }
        hellos.note(agent)
        hellos.keep(agent)
    }

    override func close(_ agent: Agent) {
        for link in links { agent.forget(link.socket.raw) }
    }

    // MARK: Another file

    /// The links of a changed file, each ready to be heard on. A link that stays is the same one. What
    /// is bound to an end goes on with its socket, because nothing else can be bound there. They come
    /// into use by `takeUp`, or are let go.
    func opened(
        for new: Configuration, _ agent: Agent
    ) throws(StartupError) -> [Link] {
        let numbers = new.numbersOfLinks(in: agent.settings)
        if links.count == numbers.count, numbers.indices.allSatisfy({ numbers[$0] == $0 }) {
            return links
        }
        let ground = try agent.hardware.ground(new)
        var all: [Link] = []
        do throws(StartupError) {
            for (index, number) in numbers.enumerated() {
                guard number == nil else {
                    all.append(links[number!])
                    continue
                }
                let own = new.links[index][new.me].text
                let bound = links.first { $0.local == own }
                all.append(try Startup.link(index, new, ground, on: bound?.socket))
                guard bound == nil else { continue }
                do throws(SystemError) {
                    try agent.wait(on: all[index].socket.raw, of: self)
                } catch { throw .failed(error.description) }
            }
        } catch {
            letGo(all, agent)
            throw error
        }
        return all
    }

    func letGo(_ opened: [Link], _ agent: Agent) { forget(opened, but: links, agent) }

    /// From now on these are the links.
    func takeUp(_ opened: [Link], _ agent: Agent) {
        forget(links, but: opened, agent)
        links = opened
        for link in links { link.socket.redirect(to: link.peer) }
    }

    private func forget(_ gone: [Link], but kept: [Link], _ agent: Agent) {
        for link in gone where !kept.contains(where: { $0.socket === link.socket }) {
            agent.forget(link.socket.raw)
        }
    }

    // MARK: In

    /// A kernel's receive buffer of ordinary size holds less, so everything that was there when the
    /// turn began is read, and no flood holds the loop.
    private static let mostPerTurn = 512

    /// Reads every link empty where one has something to read, because a datagram that came by one
    /// link is about to come by the others. It does so too where the loop was held up, whatever the
    /// poller said before, so that the peer is heard before its silence is held against it.
    override func drain(_ agent: Agent) {
        guard agent.heldUp || !ready.isEmpty else { return }
        for index in links.indices {
            var count = 0
            while count < Links.mostPerTurn, receive(index, agent) { count += 1 }
        }
    }

    /// False where nothing more waits.
    private func receive(_ index: Int, _ agent: Agent) -> Bool {
        let link = links[index]
        switch link.socket.receive(into: &datagram) {
        case .nothing: return false
        case .failed(let errno):
            // An error that the network reported for an earlier sending is taken from the queue.
            note(link.failed(errno), index, agent)
            return false
        case .oversize:
            if !link.blocked { oversize &+= 1 }
        case .foreign:
            if !link.blocked { foreign &+= 1 }
        case .datagram(let count):
            // It may have come after this turn looked at the clock. The clock is read after the
            // receive, so that nothing is heard before it came.
            agent.readClock()
            if !link.blocked { take(count, from: index, agent) }
        }
        return true
    }

    private func take(_ count: Int, from index: Int, _ agent: Agent) {
        let now = agent.now
        switch channel.open(datagram, count: count, link: index, at: now) {
        case .message(let message, let session):
            links[index].heard(at: now)
            agent.resets.heard(message, session, agent)
            agent.handle(.received(message, session: session, link: index))
        case .copy(let session):
            links[index].heard(at: now)
            agent.handle(.copied(session: session, link: index))
        case .hello(let answer, let established, let isNew):
            if answer { transmit(on: index, agent) }
            hellos.note(channel.helloMemory, agent)
            if isNew, hailed.map({ now - $0 >= .seconds(1) }) ?? true {
                hailed = now
                agent.handle(.hailed)
            }
            if let established {
                hellos.keep(agent)
                agent.log(
                    .debug, "session \(Text.hex(established.value)) of the peer is established")
            }
        case .parcel(let parcel): agent.apply.received(parcel, agent)
        case .dropped(let reason):
            agent.log(.debug, "dropped a datagram from link \(index + 1): \(reason.text)")
        }
    }

    // MARK: Out

    func send(_ message: Message, on set: LinkSet, _ agent: Agent) {
        switch channel.seal(message) {
        case .sealed:
            messagesSent &+= 1
            for index in links.indices where set.contains(index) { transmit(on: index, agent) }
        case .noSession: break
        case .sequenceReused, .notEncodable:
            agent.log(.critical, "a message could not be sealed: this is an error in picketd")
        }
    }

    /// Over one link: what is lost is asked for again.
    func send(_ parcel: Parcel, on index: Int, _ agent: Agent) {
        if channel.seal(parcel) { transmit(on: index, agent) }
    }

    override var due: Instant { look(at: &channel) { $0.nextHello } }

    override func pass(_ agent: Agent) {
        guard channel.hello(at: agent.now) else { return }
        for index in links.indices { transmit(on: index, agent) }
    }

    /// Sends the datagram that the channel has sealed last.
    private func transmit(on index: Int, _ agent: Agent) {
        note(links[index].send(channel.datagram), index, agent)
    }

    private func note(_ errno: Int32?, _ index: Int, _ agent: Agent) {
        guard let errno else { return }
        agent.log(.warning, "\(agent.names.link(index)): \(SystemError.text(of: errno))")
    }

    // MARK: For others

    func ban(_ session: SessionID) { channel.ban(session) }

    /// Why the pair cannot go on with these keys: the peer has none of them, and would fence a node
    /// that it cannot hear. Where there is no contact there is none to lose.
    func refusal(of new: [Key], _ settings: Configuration, _ agent: Agent) -> String? {
        guard agent.status.isPeerHeard, !look(at: &channel, { $0.peerHas(oneOf: new) })
        else { return nil }
        let (peer, inUse) = (agent.names.peer, keyReport.inUse ?? "the one in use")
        return "\(agent.options.configuration): key: found \(Text.list(settings.keys)), expected a"
            + " key that \(peer) has too, or it would fence \(agent.names.node): list the new key"
            + " and then \(inUse), as it was, on both nodes, and drop the old one when \"picket"
            + " status\" shows that the new one is in use"
    }

    func replace(_ keys: [Key], _ settings: Configuration) {
        channel.replace(keys: keys)
        self.keys = Links.known(keys, settings)
    }

    /// While the pair's key is changed, its operator must know which one is in use.
    var keyReport: KeyReport {
        var report = KeyReport(configured: keys.count)
        let inUse = look(at: &channel) { $0.keyInUse }
        for key in keys where key.id == inUse { report.inUse = key.file }
        return report
    }

    /// A drill drops everything on a link.
    func block(_ index: Int, _ blocked: Bool) { links[index].block(blocked) }

    func reports(_ up: LinkSet, at now: Instant) -> [LinkReport] {
        var reports: [LinkReport] = []
        for (index, link) in links.enumerated() {
            reports.append(
                LinkReport(
                    local: link.local, remote: link.remote, up: up.contains(index),
                    blocked: link.blocked, sent: link.sent, received: link.received,
                    silence: link.lastHeard.map { now - $0 }))
        }
        return reports
    }

    var count: Int { links.count }
    var drops: DropCounters { channel.drops }
}

/// One link of the pair.
final class Link {
    let socket: LinkSocket
    let peer: SocketAddress
    /// As the configuration has them.
    let local: String
    let remote: String
    private(set) var blocked = false
    private(set) var sent: UInt64 = 0
    private(set) var received: UInt64 = 0
    private(set) var lastHeard: Instant?
    /// The errno of the last sending, to be said once.
    private var fault: Int32 = 0

    init(socket: LinkSocket, to peer: SocketAddress, local: String, remote: String) {
        self.socket = socket
        self.peer = peer
        self.local = local
        self.remote = remote
    }

    func heard(at now: Instant) {
        received &+= 1
        lastHeard = now
    }

    func block(_ blocked: Bool) { self.blocked = blocked }

    /// The errno where it was not sent, and was not the last time.
    func send(_ datagram: [UInt8]) -> Int32? {
        guard !blocked else { return nil }
        if let errno = socket.send(datagram, count: datagram.count) { return failed(errno) }
        sent &+= 1
        fault = 0
        return nil
    }

    /// The errno, where it is another one than before.
    func failed(_ errno: Int32) -> Int32? {
        guard fault != errno else { return nil }
        fault = errno
        return errno
    }
}
