/// The whole world of the exhaustive checker as one value: two nodes and what is between them.
///
/// Time is a grid: the nodes' clocks agree and go in whole steps, and everything else (a delivery,
/// an expiry, a write that lands, a relay that opens) happens at one of its instants, in any order.
/// A loop wakes at the step at which its machine asked to be called, unless it is paused. Hellos
/// are not played: a channel may learn the peer's session whenever both agents run. Machines are
/// told nothing of round trips, and learn the offset of the clocks (zero) in contact, only where
/// the bounds say that late turns are explored.
///
/// The search remembers an image (`ImageWriter`) of the value. Anything that the image leaves out
/// cannot make a difference.

import PicketCore

/// A datagram of one message, sealed by one session for another.
struct Flight {
    var message: Message
    var from: UInt8
    var to: UInt8
    /// It came once; only a copy is still under way.
    var delivered = false
}

/// The worker behind a node's relay.
enum FenceWork: Equatable {
    case idle
    /// The worker has the order and has not moved yet.
    case queued(voidAfter: Instant, cancelled: Bool)
    /// The line is driven; the peer's supply falls no later than this.
    case driving(by: Instant)
    /// The supply is off. The worker has yet to report it.
    case off
    /// Reported; the supply is kept off for its time.
    case held
    /// On again, to be reported.
    case restored
}

/// A turn that stands still: what it has taken in, and when it looked at the clock. It is worked out
/// again when it goes on, because nothing has changed the machine meanwhile.
struct Halt {
    /// `tick`, `deliver`, `written` or `reportOff`.
    var kind: Step.Kind
    var at: Instant
    var isStale = false
    /// So many of its effects were done before.
    var done: UInt8
}

struct NodeState {
    enum Power: UInt8 {
        case on
        /// Lost, or returned by the relay: the node may boot.
        case off
        /// Kept off by the peer's relay.
        case held
    }
    enum Operation: UInt8 {
        case none, starting, stopping
    }

    let id: NodeID
    var power = Power.off
    /// Off by a fence, and not booted since.
    var fenced = false
    var runs = false
    var paused = false
    /// It is paused in the middle of this turn.
    var halt: Halt?
    /// The message that this turn has taken in.
    var taken: [Flight] = []
    var lives: UInt8 = 0
    var machine: Machine
    var disk: Memory
    var note = RunNote.blank
    /// The peer's session that the channel has established; 0 for none.
    var known: UInt8 = 0
    var knownToCore = false
    /// The term at which the group's resources run here, whatever the agent thinks.
    var active = Term.never
    var operation = Operation.none
    var work = FenceWork.idle
    /// The order under way is not the machine's present one.
    var workIsStale = false
    /// The order under way is the operator's, or the peer's own wish.
    var workIsWanted = false
    /// The highest term that this life of the agent granted to the peer.
    var granted = Term.never

    var session: UInt8 { lives * 2 + id.rawValue + 1 }
    /// The agent's loop takes events in.
    var listens: Bool { runs && !paused }
}

/// A property that does not hold.
public struct BrokenProperty: Equatable, Sendable {
    public var property: String
    public var text: String
}

struct PairState {
    let bounds: CheckBounds
    var now: Instant
    var low: NodeState
    var high: NodeState
    var toLow: [Flight] = []
    var toHigh: [Flight] = []
    var faults: Int
    /// The highest term at which the resources were started, in whatever group.
    var highest = Term.never
    /// The node that was cut last, and which nodes have heard a new life of the other since.
    var lastCut: NodeID?
    var heardSinceCut: UInt8 = 0
    var violation: BrokenProperty?
    /// For a chart: the effects of the step's event.
    var keepsEffects = false
    var out: [(node: NodeID, effect: Effect)] = []

    static let origin = Instant(nanoseconds: CheckBounds.step.nanoseconds * 1024)

    init(_ bounds: CheckBounds) {
        self.bounds = bounds
        now = PairState.origin
        faults = bounds.faults
        let blank = Memory.blank(groups: 1)
        func node(_ id: NodeID) -> NodeState {
            NodeState(
                id: id,
                machine: Machine(
                    policy: bounds.policy(of: id), memory: blank, session: SessionID(1),
                    note: .blank, at: PairState.origin),
                disk: blank)
        }
        low = node(.low)
        high = node(.high)
    }

    subscript(id: NodeID) -> NodeState {
        _read {
            if id == .low { yield low } else { yield high }
        }
        _modify {
            if id == .low { yield &low } else { yield &high }
        }
    }

    /// The datagrams under way to the node.
    subscript(to id: NodeID) -> [Flight] {
        _read {
            if id == .low { yield toLow } else { yield toHigh }
        }
        _modify {
            if id == .low { yield &toLow } else { yield &toHigh }
        }
    }

    /// Whether the packet can still be opened at some time.
    private static func isAlive(
        _ flight: Flight, to node: NodeState, from sender: NodeState
    ) -> Bool {
        node.runs && flight.to == node.session
            && (flight.from == node.known || sender.runs && flight.from == sender.session)
    }

    mutating func dropDead() {
        for index in toLow.indices.reversed()
        where !PairState.isAlive(toLow[index], to: low, from: high) {
            toLow.remove(at: index)
        }
        for index in toHigh.indices.reversed()
        where !PairState.isAlive(toHigh[index], to: high, from: low) {
            toHigh.remove(at: index)
        }
    }
}

// MARK: - Image

extension PairState {
    /// Of `id`'s present session: all sequence numbers in use, and those still to be acknowledged.
    private static func ranks(
        _ node: NodeState, _ peer: NodeState, incoming: [Flight], outgoing: [Flight]
    ) -> (all: Ranks, live: Ranks) {
        var live = Ranks()
        for flight in outgoing
        where flight.from == node.session && !flight.delivered {
            live.use(flight.message.sequence)
        }
        for flight in incoming where !flight.delivered {
            live.use(node.machine.worth(flight.message.acknowledged))
        }
        if peer.runs, peer.known == node.session,
            (peer.machine.peer.session?.value ?? 0) == UInt64(node.session),
            let message = peer.machine.peer.message
        {
            live.use(message.sequence)
        }
        var all = live
        node.machine.use(&all)
        return (all, live)
    }

    /// Under way to the node, or taken in by a turn of it that stands still.
    private func flights(to id: NodeID) -> [Flight] { self[to: id] + self[id].taken }

    /// Of a former session of `id`'s, which the peer may still hear from.
    private func formerRanks(_ id: NodeID, session: UInt8) -> Ranks {
        var ranks = Ranks()
        for flight in flights(to: id.peer) where flight.from == session && !flight.delivered {
            ranks.use(flight.message.sequence)
        }
        if let message = self[id.peer].machine.peer.message { ranks.use(message.sequence) }
        return ranks
    }

    func write(to image: inout ImageWriter) {
        image.clear()
        image.put(UInt8(faults))
        image.put(highest)
        image.put((lastCut.map { $0.rawValue + 1 } ?? 0) | heardSinceCut << 2)
        if bounds.lateTurns {
            let steps = now.nanoseconds / CheckBounds.step.nanoseconds
            image.put(UInt8(steps % bounds.period))
        }
        let (toLow, toHigh) = (flights(to: .low), flights(to: .high))
        let lows =
            low.runs
            ? PairState.ranks(low, high, incoming: toLow, outgoing: toHigh) : (Ranks(), Ranks())
        let highs =
            high.runs
            ? PairState.ranks(high, low, incoming: toHigh, outgoing: toLow) : (Ranks(), Ranks())
        write(low, peer: high, mine: lows, theirs: highs.0, to: &image)
        write(high, peer: low, mine: highs, theirs: lows.0, to: &image)
        write(toLow, to: low, from: high, mine: lows.0, theirs: highs.0, image: &image)
        write(toHigh, to: high, from: low, mine: highs.0, theirs: lows.0, image: &image)
    }

    private func write(
        _ node: NodeState, peer: NodeState, mine: (Ranks, Ranks), theirs: Ranks,
        to image: inout ImageWriter
    ) {
        image.put(
            node.power.rawValue | (node.fenced ? 4 : 0) | (node.runs ? 8 : 0)
                | (node.paused ? 16 : 0) | (node.knownToCore ? 32 : 0)
                | (node.workIsStale ? 64 : 0) | (node.workIsWanted ? 128 : 0))
        if bounds.kinds.contains(.turn) {
            image.put(node.halt.map { $0.kind.rawValue } ?? .max)
            if let halt = node.halt {
                image.put(past: halt.at)
                image.put(halt.done << 1 | (halt.isStale ? 1 : 0))
            }
        }
        image.put(node.lives)
        image.put(node.known)
        image.put(node.active)
        image.put(node.granted)
        image.put(node.operation.rawValue)
        switch node.work {
        case .idle: image.put(0)
        case .queued(let voidAfter, let cancelled):
            image.put(cancelled ? 2 : 1)
            image.put(exact: max(voidAfter, now - CheckBounds.step))
        case .driving(let by):
            image.put(3)
            image.put(exact: by)
        case .off: image.put(4)
        case .held: image.put(5)
        case .restored: image.put(6)
        }
        var note = UInt8(node.note.holdings.count)
        if node.note.holdings.first?.isPartial == true { note |= 2 }
        if node.note.contact { note |= 128 }
        if node.note.word { note |= 64 }
        if node.note.clockOffset != nil { note |= 32 }
        if !node.note.terms.isEmpty { note |= 16 }
        if let maintenance = node.note.maintenance { note |= maintenance.isOn ? 12 : 8 }
        image.put(note)
        if let maintenance = node.note.maintenance { image.put(UInt8(maintenance.version)) }
        for holding in node.note.holdings { image.put(holding.term) }
        for term in node.note.terms { image.put(term) }
        if !node.note.terms.isEmpty { image.put(node.note.goneTerm) }
        guard node.runs else {
            node.disk.write(to: &image)
            return
        }
        let durable = node.machine.disk.durable
        image.put(node.disk == durable)
        if node.disk != durable { node.disk.write(to: &image) }
        let session = (node.machine.peer.session?.value ?? 0)
        let isPresent =
            peer.runs && session == UInt64(peer.session)
            && node.machine.peer.message?.generation == peer.machine.outgoing.generation
        let ofPresent = peer.runs && session == UInt64(peer.session)
        // Its machine lives in the time of the turn.
        let present = image.base
        if let halt = node.halt { image.base = halt.at }
        node.machine.write(
            to: &image, mine: mine.0, live: mine.1,
            peers: ofPresent
                ? theirs : formerRanks(node.id.peer, session: UInt8(session)),
            isPresent: isPresent)
        image.base = present
    }

    private func write(
        _ flights: [Flight], to node: NodeState, from peer: NodeState, mine: Ranks,
        theirs: Ranks, image: inout ImageWriter
    ) {
        image.put(UInt8(flights.count))
        for flight in flights {
            image.put(flight.from << 1 | (flight.delivered ? 1 : 0))
            if flight.delivered { continue }
            let ofPresent = peer.runs && flight.from == peer.session
            let ranks = ofPresent ? theirs : formerRanks(peer.id, session: flight.from)
            let message = flight.message
            message.write(
                to: &image, sequence: ranks.rank(message.sequence),
                acknowledged: mine.rank(node.machine.worth(message.acknowledged)),
                isPresent: ofPresent
                    && message.generation == peer.machine.outgoing.generation,
                hasSeen: message.seenGeneration == node.machine.outgoing.generation)
        }
    }

    /// The state of an image; `self` gives the parts that an image does not hold.
    mutating func read(_ bytes: [UInt8], at start: Int) -> Int {
        now = PairState.origin
        var image = ImageReader(bytes, at: start, now: now, step: CheckBounds.step)
        faults = Int(image.byte())
        highest = image.term()
        let cut = image.byte()
        lastCut = cut & 3 == 0 ? nil : NodeID(rawValue: cut & 3 - 1)
        heardSinceCut = cut >> 2
        if bounds.lateTurns {
            now = PairState.origin + CheckBounds.step * Int64(image.byte())
            image.move(to: now)
        }
        let halts = bounds.kinds.contains(.turn)
        PairState.read(&low, theirs: high.machine.policy, halts: halts, at: now, from: &image)
        PairState.read(&high, theirs: low.machine.policy, halts: halts, at: now, from: &image)
        toLow = PairState.readFlights(to: low.session, of: high, from: &image)
        toHigh = PairState.readFlights(to: high.session, of: low, from: &image)
        for id in [NodeID.low, .high] {
            self[id].taken = self[id].halt?.kind == .deliver ? [self[to: id].removeLast()] : []
        }
        violation = nil
        return image.at
    }

    private static func read(
        _ node: inout NodeState, theirs: Policy, halts: Bool, at now: Instant,
        from image: inout ImageReader
    ) {
        let flags = image.byte()
        node.power = NodeState.Power(rawValue: flags & 3)!
        node.fenced = flags & 4 != 0
        node.runs = flags & 8 != 0
        node.paused = flags & 16 != 0
        node.knownToCore = flags & 32 != 0
        node.workIsStale = flags & 64 != 0
        node.workIsWanted = flags & 128 != 0
        node.halt = nil
        if halts, let kind = Step.Kind(rawValue: image.byte()) {
            let at = image.past()
            let done = image.byte()
            node.halt = Halt(kind: kind, at: at, isStale: done & 1 != 0, done: done >> 1)
        }
        node.lives = image.byte()
        node.known = image.byte()
        node.active = image.term()
        node.granted = image.term()
        node.operation = NodeState.Operation(rawValue: image.byte())!
        switch image.byte() {
        case 0: node.work = .idle
        case 1: node.work = .queued(voidAfter: image.exact(), cancelled: false)
        case 2: node.work = .queued(voidAfter: image.exact(), cancelled: true)
        case 3: node.work = .driving(by: image.exact())
        case 4: node.work = .off
        case 5: node.work = .held
        default: node.work = .restored
        }
        let note = image.byte()
        node.note.contact = note & 128 != 0
        node.note.word = note & 64 != 0
        node.note.clockOffset = note & 32 != 0 ? .zero : nil
        node.note.holdings.removeAll()
        node.note.maintenance =
            note & 8 != 0
            ? Maintenance(isOn: note & 4 != 0, version: UInt64(image.byte())) : nil
        for _ in 0..<(note & 1) {
            node.note.holdings.append(
                Holding(group: 0, term: image.term(), isPartial: note & 2 != 0))
        }
        node.note.terms = note & 16 != 0 ? [image.term()] : []
        node.note.goneTerm = note & 16 != 0 ? image.term() : .never
        guard node.runs else {
            node.disk = Memory(from: &image, groups: 1)
            return
        }
        let isDurable = image.flag()
        if !isDurable { node.disk = Memory(from: &image, groups: 1) }
        if let halt = node.halt { image.move(to: halt.at) }
        node.machine.read(
            from: &image, session: UInt64(node.session), note: node.note, theirs: theirs)
        image.move(to: now)
        if isDurable { node.disk = node.machine.disk.durable }
    }

    private static func readFlights(
        to session: UInt8, of sender: NodeState, from image: inout ImageReader
    ) -> [Flight] {
        let count = image.byte()
        var flights: [Flight] = []
        for _ in 0..<count {
            let head = image.byte()
            let delivered = head & 1 != 0
            flights.append(
                Flight(
                    message: delivered
                        ? Message(sequence: 1)
                        : Message(from: &image, of: sender.machine.policy),
                    from: head >> 1, to: session, delivered: delivered))
        }
        return flights
    }
}
