/// Datagrams, and what links do to them.
///
/// Sessions are always made by the real channel and its sealed hellos. Once each side has opened a
/// message of the other's, most messages go unsealed, unless the plan is `sealed`. The rules of
/// acceptance are the same, so it is the same story at a fraction of the cost. Most messages for a
/// session that has ended go unsealed too, because nobody can open them.
internal import PicketCore
internal import PicketWire

/// Datagrams that somebody recorded. It has chances of its own, so that the story does not depend
/// on how many of them are sealed.
struct Tape {
    var packets: [Packet] = []
    private var chance = Chance(seed: 1)

    mutating func record(_ packet: Packet) {
        if packets.count < 256 {
            packets.append(packet)
        } else if chance.below(64) == 0 {
            packets[Int(chance.below(256))] = packet
        }
    }
}

extension World {
    static let sealEvery = 256

    func send(_ message: consuming Message, on links: LinkSet, _ node: Node, _ agent: AgentLife) {
        messages += 1
        watch.sent(message, node, agent, at: now, in: self)
        watch.links.speaks(node, agent, in: self)
        guard let theirs = agent.channel.peerSession else { return }
        agent.sealedCount += 1
        let plain =
            !plan.sealed && agent.sealedCount % World.sealEvery != 0
            && (peer(of: node).agent?.session != theirs
                || agent.heardSession == theirs && isMutual(node, agent, theirs))
        let packet: Packet
        if plain {
            // The channel does so too: it reads every sound message as it was written.
            guard Codec.isEncodable(message) else {
                violate("S6", "a message could not be encoded")
                return
            }
            packet = self.packet(
                to: 1 - node.index, from: agent.session, sealedFor: theirs, plain: message)
        } else {
            guard agent.channel.seal(message) == .sealed else {
                violate("S6", "a message could not be sealed")
                return
            }
            packet = Packet(
                to: 1 - node.index, from: agent.session, sealedFor: theirs,
                bytes: agent.channel.datagram)
        }
        for (number, link) in agent.links.enumerated() where links.contains(number) {
            transmit(packet, link, from: node)
        }
    }

    private func isMutual(_ node: Node, _ agent: AgentLife, _ theirs: SessionID) -> Bool {
        guard let other = peer(of: node).agent else { return false }
        return other.session == theirs && other.channel.peerSession == agent.session
            && other.heardSession == agent.session
    }

    func sayHello(_ node: Node, _ agent: AgentLife, _ local: Instant) {
        guard agent.channel.hello(at: local) else { return }
        for link in agent.links { transmitChannel(link, node, agent) }
    }

    private func transmitChannel(_ link: Int, _ node: Node, _ agent: AgentLife) {
        let packet = Packet(
            to: 1 - node.index, from: agent.session, sealedFor: SessionID(0),
            bytes: agent.channel.datagram)
        transmit(packet, link, from: node)
    }

    private func transmit(_ packet: Packet, _ link: Int, from node: Node) {
        let weather = node.weather[link]
        if packet.bytes != nil { tape.record(packet) }
        if weather.cutUntil > now || nodes.contains(where: { $0.parted.contains(.link) }) { return }
        if weather.lossUntil > now, chance.percent(weather.loss) { return }
        if weather.corruptUntil > now, chance.percent(weather.corrupt) {
            // Nobody can make a plain one look genuine: it is as if it were lost.
            if let bytes = packet.bytes { put(spoilt(packet, bytes), link, weather) }
        } else {
            put(packet, link, weather)
        }
    }

    private func spoilt(_ packet: Packet, _ bytes: [UInt8]) -> Packet {
        var bytes = bytes
        spoil(&bytes)
        return Packet(
            to: packet.to, from: packet.from, sealedFor: packet.sealedFor, bytes: bytes)
    }

    /// Once, or twice where the link duplicates.
    private func put(_ packet: Packet, _ link: Int, _ weather: Weather) {
        putOnce(packet, link, weather)
        if weather.duplicateUntil > now, chance.percent(weather.duplicate) {
            putOnce(packet, link, weather)
        }
    }

    private func spoil(_ bytes: inout [UInt8]) {
        switch chance.below(8) {
        case 0: bytes.removeLast(Int(1 + chance.below(Int64(bytes.count))))
        case 1: bytes.append(contentsOf: [UInt8](repeating: 0, count: 1 + Wire.longest))
        default:
            let index = Int(chance.below(Int64(bytes.count)))
            bytes[index] ^= UInt8(1 + chance.below(255))
        }
    }

    private func putOnce(_ packet: Packet, _ link: Int, _ weather: Weather) {
        var delay = 80_000 + chance.below(150_000)
        if weather.delayUntil > now { delay += chance.below(weather.delay + 1) }
        send(packet, link, after: delay)
    }

    private func send(_ packet: Packet, _ link: Int, after delay: Int64) {
        packet.underWay += 1
        after(delay, .arrive(packet, link: link))
    }

    func replay(to node: Node, count: Int) {
        guard !tape.packets.isEmpty else { return }
        for _ in 0..<count {
            let recorded = chance.one(of: tape.packets)
            guard let bytes = recorded.bytes else { continue }
            let link = Int(chance.below(Int64(plan.links)))
            let packet = Packet(
                to: node.index, from: recorded.from, sealedFor: recorded.sealedFor,
                bytes: bytes, isRecording: true)
            send(packet, link, after: chance.below(50_000_000))
        }
    }

    // MARK: Arrival

    func arrive(_ packet: Packet, _ link: Int) {
        let node = nodes[packet.to]
        guard let agent = node.agent else { return }
        if node.standsStillUntil > now {
            // As much as a socket's buffer holds.
            if node.waiting.count < 512 {
                packet.underWay += 1
                node.waiting.append(.arrive(packet, link: link))
            }
            return
        }
        guard agent.links.contains(link) else { return }
        if let bytes = packet.bytes {
            open(bytes, packet, link, node, agent)
            return
        }
        guard agent.session == packet.sealedFor, agent.channel.peerSession == packet.from
        else { return }
        agent.channel.noteHeard(at: reading(node))
        switch agent.plain.take(packet.message.sequence, of: packet.from.value) {
        case true?: received(packet.message, packet.from, link, node, agent)
        case false?: copied(packet.from, link, node, agent)
        case nil: break
        }
    }

    private func open(
        _ bytes: [UInt8], _ packet: Packet, _ link: Int, _ node: Node, _ agent: AgentLife
    ) {
        let local = reading(node)
        let number = agent.links.firstIndex(of: link)!
        switch agent.channel.open(bytes, count: bytes.count, link: number, at: local) {
        case .message(let message, let session):
            _ = agent.plain.take(message.sequence, of: session.value)
            if !agent.opened.note(session.value, message.sequence) {
                violate("S6", "\(node.id) took message \(message.sequence) twice")
            }
            if packet.sealedFor != agent.session || packet.from != session {
                violate("S6", "\(node.id) took a message of other sessions")
            }
            agent.heardSession = session
            received(message, session, link, node, agent)
        case .copy(let session): copied(session, link, node, agent)
        case .hello(let answer, let established, let isNew):
            if answer { transmitChannel(link, node, agent) }
            if packet.from == peer(of: node).agent?.session { agent.hailedAt = now }
            if !packet.isRecording {
                agent.spokeAt = now
                node.hellosForgotten = false
            }
            node.hellosNoted = agent.channel.helloMemory
            if established != nil, node.forgetsUntil <= now { node.hellosKept = node.hellosNoted }
            turn(node, isNew ? .hailed : .tick)
        case .parcel: break
        case .dropped(let reason): coverage.drops[Int(reason.rawValue)] += 1
        }
    }

    private func copied(_ session: SessionID, _ link: Int, _ node: Node, _ agent: AgentLife) {
        agent.spokeAt = now
        if session == peer(of: node).agent?.session {
            watch.links.came(link, node, agent, at: now)
        }
        turn(node, .copied(session: session, link: agent.links.firstIndex(of: link)!))
    }

    private func received(
        _ message: Message, _ session: SessionID, _ link: Int, _ node: Node, _ agent: AgentLife
    ) {
        watch.received(message, session, node, agent, in: self)
        agent.spokeAt = now
        if session == peer(of: node).agent?.session {
            watch.links.came(link, node, agent, at: now)
        }
        turn(
            node,
            .received(message, session: session, link: agent.links.firstIndex(of: link)!))
    }
}
