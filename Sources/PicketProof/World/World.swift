/// A deterministic world around two nodes that run the shipping core, codec, runners and fence.
///
/// The world jumps from one happening to the next. Its only clock is `now`, and its only source of
/// randomness is `chance`. The nodes may believe what they like: the watch (Watch.swift) looks only
/// at power, processes, lines and datagrams.
///
///   - `World+Agent`      starts, crashes and turns of the agents; what their machines ask for
///   - `World+Network`    datagrams, sealed and plain, and what links do to them
///   - `World+Power`      mains, relays, contacts, watchdogs
///   - `World+Fence`      the fence worker, on simulated lines
///   - `World+Processes`  the groups' processes, and the disk
///   - `World+Data`       the data of stateful groups, and how copies of it follow
///   - `World+Replication`  what the stores of strict groups acknowledge
///   - `World+Sensors`    chips on their buses, and the health that comes of them
///   - `World+Faults`     the script
public import PicketCore
internal import PicketHardware
internal import PicketLinux
internal import PicketWire

/// An entry of the queue.
enum Happening {
    case arrive(Packet, link: Int)
    case worker(Int, life: UInt32, generation: UInt32)
    indirect case request(Int, life: UInt32, FenceRequest)
    indirect case fenceReport(Int, life: UInt32, id: UInt32, FenceOutcome, cut: Bool?)
    indirect case observed(Int, life: UInt32, RelayObservation)
    case processEnds(Int, powerLife: UInt32, number: UInt64)
    indirect case exited(Int, life: UInt32, RunID, ProcessEnd)
    case written(Int, life: UInt32, Writing)
    indirect case looked(Int, life: UInt32, ticket: UInt32, full: Bool)
    case contactMoves(Int, generation: UInt32, on: Bool)
    case secondContactMoves(Int, generation: UInt32, on: Bool)
    case lead(Int, Lead, parts: Bool)
    case boots(Int, powerLife: UInt32)
    indirect case agentStarts(Int, powerLife: UInt32, life: UInt32)
    case wakes(Int)
    case watchdog(Int, powerLife: UInt32)
    case faultEnds(Int)
    case faultsStop
    case look
    case senses(Int, life: UInt32)
    indirect case unitsSeen(Int, life: UInt32, vacant: [GroupIndex])
    case strayStops(Int, powerLife: UInt32, Int)
    case writes
    /// The probes that a node began have read their copies.
    case probed(Int)
    case storeTold(Int, number: UInt64)
    indirect case storeOverdue(Int, life: UInt32, name: Int, ReplicationAction)
    indirect case replicated(
        Int, life: UInt32, name: Int, ReplicationAction, succeeded: Bool)
}

/// A datagram on its way: one for all links that it is sent over.
final class Packet {
    fileprivate(set) var to: Int
    fileprivate(set) var from: SessionID
    fileprivate(set) var sealedFor: SessionID
    /// The message, if it is not sealed. Nobody has looked into a sealed one yet.
    fileprivate(set) var message: Message
    /// The bytes, if it is sealed.
    let bytes: [UInt8]?
    /// Nobody said it now.
    let isRecording: Bool
    /// How many times it has yet to arrive.
    var underWay = 0

    init(to: Int, from: SessionID, sealedFor: SessionID, bytes: [UInt8], isRecording: Bool = false)
    {
        self.to = to
        self.from = from
        self.sealedFor = sealedFor
        self.bytes = bytes
        self.isRecording = isRecording
        message = Message(sequence: 0)
    }

    init(to: Int, from: SessionID, sealedFor: SessionID, plain message: consuming Message) {
        self.to = to
        self.from = from
        self.sealedFor = sealedFor
        self.message = message
        bytes = nil
        isRecording = false
    }
}

public final class World {
    typealias StateFile = MemoryFile
    static let resources = 2

    public let plan: Plan
    public private(set) var now: Int64 = 0
    public internal(set) var coverage = Coverage()
    /// The violation. The world ends with the first.
    public internal(set) var violation: Violation?
    /// The newest entries of the chronicle, or all of them.
    public internal(set) var chronicle: Chronicle

    let nodes: [Node]
    /// Plain datagrams that have arrived. They are used again for those that are sent next.
    private var arrived: [Packet] = []
    private let low: Node
    private let high: Node
    /// The faults in the order of their times, the first that is yet to come, and its time.
    private let order: [Int]
    private var nextFault = 0
    private var faultAt = Int64.max
    var chance: Chance
    var queue = Queue<Happening>()
    var watch: Watch
    var tape = Tape()
    /// Faults are over, and the pair must recover.
    var recovering = false
    var recovery = Recovery()
    /// A file lists other groups at times.
    let rolls: Bool
    var messages: UInt64 = 0
    var numbers: UInt64 = 0
    /// How often data were written, and looked at.
    var writes: UInt64 = 0
    static let key = Key((0..<Key.size).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) })!
    static let otherKey = Key([UInt8](repeating: 3, count: Key.size))!

    /// - Parameter remembering: how many entries of the chronicle are kept; nil: all.
    public init(_ plan: Plan, remembering: Int? = 400) {
        precondition(Sodium.initialise(), "libsodium has no randomness")
        self.plan = plan
        rolls = plan.rolls
        chance = Chance(seed: plan.seed ^ 0x5157_0bad_cafe_f00d)
        chronicle = Chronicle(limit: remembering)
        nodes = [NodeID.low, .high].map {
            Node($0, policy: plan.policy(of: $0)!, plan: plan)
        }
        (low, high) = (nodes[0], nodes[1])
        order = plan.faults.indices.sorted {
            (plan.faults[$0].at, $0) < (plan.faults[$1].at, $1)
        }
        watch = Watch(groups: plan.names, links: plan.links)
        for node in nodes { node.rate = 1 + Double(plan.drift[node.index]) / 1e6 }
        awaitFault()
        queue.put(.faultsStop, at: plan.safety.nanoseconds)
        if plan.leastLag != nil { queue.put(.writes, at: 1_000_000_000) }
        for node in nodes { supply(node, after: chance.below(100_000_000)) }
    }

    /// Plays the whole story. True if nothing was violated.
    public func run() -> Bool {
        while violation == nil, !recovery.done { step() }
        return violation == nil
    }

    /// Seconds of simulated time.
    public var seconds: Double { Double(now) / 1e9 }

    func step() {
        let (lowAt, highAt) = (low.turnAt, high.turnAt)
        let turns = min(lowAt, highAt)
        let happens = queue.nextAt
        if turns < min(happens, faultAt) {
            now = max(now, turns)
            takeTurn(lowAt <= highAt ? low : high)
        } else if happens < faultAt {
            now = max(now, happens)
            happen(queue.take())
        } else {
            now = max(now, faultAt)
            let index = order[nextFault]
            nextFault += 1
            awaitFault()
            begin(index)
        }
    }

    private func deliver(_ packet: Packet, _ link: Int) {
        packet.underWay -= 1
        arrive(packet, link)
        if packet.underWay == 0, packet.bytes == nil { arrived.append(packet) }
    }

    private func awaitFault() {
        faultAt = nextFault < order.count ? plan.faults[order[nextFault]].at.nanoseconds : .max
    }

    /// Most happenings are arrivals.
    func happen(_ happening: consuming Happening) {
        switch consume happening {
        case .arrive(let packet, let link): deliver(packet, link)
        case let rare: happenRarely(rare)
        }
    }

    private func happenRarely(_ happening: Happening) {
        switch happening {
        case .arrive: preconditionFailure("an arrival is delivered before this")
        case .worker(let node, let life, let generation):
            runWorker(nodes[node], life, generation)
        case .request(let node, let life, let request):
            take(request, nodes[node], life)
        case .fenceReport(let node, let life, let id, let outcome, let cut):
            hand(happening, nodes[node], life) {
                $0.followUps.append(.fence(id: id, outcome))
                if let cut { self.prove(cut, self.nodes[node], $0) }
            }
        case .observed(let node, let life, let observation):
            hand(happening, nodes[node], life) { self.observe(observation, self.nodes[node], $0) }
        case .processEnds(let node, let powerLife, let number):
            processEnds(nodes[node], powerLife, number)
        case .exited(let node, let life, let run, let end):
            hand(happening, nodes[node], life) { _ in
                self.exited(run, end, self.nodes[node])
            }
        case .written(let node, let life, let writing):
            written(happening, nodes[node], life, writing)
        case .looked(let node, let life, let ticket, let full):
            looked(happening, nodes[node], life, ticket, full: full)
        case .lead(let node, let lead, let parts): move(lead, of: nodes[node], parts: parts)
        case .contactMoves(let node, let generation, let on):
            contactMoves(nodes[node], generation, on: on)
        case .secondContactMoves(let node, let generation, let on):
            secondContactMoves(nodes[node], generation, on: on)
        case .boots(let node, let powerLife): boot(nodes[node], powerLife)
        case .agentStarts(let node, let powerLife, let life):
            if nodes[node].powerLife == powerLife, nodes[node].life == life {
                startAgent(nodes[node])
            }
        case .wakes(let node): wake(nodes[node])
        case .watchdog(let node, let powerLife): watchdogDue(nodes[node], powerLife)
        case .faultEnds(let index): end(index)
        case .faultsStop: stopFaults()
        case .look: lookForRecovery()
        case .senses(let node, let life): sense(nodes[node], life)
        case .unitsSeen(let node, let life, let vacant):
            hand(happening, nodes[node], life) { self.judgeUnits(vacant, self.nodes[node], $0) }
        case .strayStops(let node, let powerLife, let name):
            strayStops(name, nodes[node], powerLife)
        case .writes: moveData()
        case .probed(let node): probe(nodes[node])
        case .storeTold(let node, let number): storeTold(nodes[node], number)
        case .storeOverdue(let node, let life, let name, let action):
            hand(happening, nodes[node], life) {
                guard let place = $0.place(of: name) else { return }
                $0.followUps.append(.replicationOverdue(place, action))
            }
        case .replicated(let node, let life, let name, let action, let succeeded):
            replicated(happening, nodes[node], life, name, action, succeeded)
        }
    }

    func packet(
        to: Int, from: SessionID, sealedFor: SessionID, plain message: consuming Message
    ) -> Packet {
        guard let packet = arrived.popLast() else {
            return Packet(to: to, from: from, sealedFor: sealedFor, plain: message)
        }
        packet.to = to
        packet.from = from
        packet.sealedFor = sealedFor
        packet.message = message
        return packet
    }

    func after(_ delay: Int64, _ happening: Happening) {
        queue.put(happening, at: now + delay)
    }

    func peer(of node: Node) -> Node { nodes[1 - node.index] }

    func violate(_ property: String, _ text: String) {
        guard violation == nil else { return }
        violation = Violation(property: property, text: text, at: now)
        tell(nil, .world("VIOLATION of \(property): \(text)"))
    }

    func tell(_ node: Node?, _ what: Chronicle.What) {
        chronicle.note(Chronicle.Entry(at: now, node: node?.id, what: what))
    }
}

public struct Violation: Equatable, Sendable {
    /// S1 … S12, L1 … L4.
    public var property: String
    public var text: String
    /// Nanoseconds since the beginning.
    public var at: Int64
}

/// One entry of the chronicle, for a person who looks for the cause of a violation.
public struct Chronicle: Sendable {
    public struct Entry: Sendable {
        public var at: Int64
        public var node: NodeID?
        public var what: What
    }
    public enum What: Sendable {
        case world(String)
        case fault(FaultEntry)
        case trace(Trace)
    }

    private var ring: [Entry] = []
    private var first = 0
    private let limit: Int?

    init(limit: Int?) { self.limit = limit }

    mutating func note(_ entry: Entry) {
        guard let limit, ring.count >= limit else {
            ring.append(entry)
            return
        }
        ring[first] = entry
        first = (first + 1) % limit
    }

    public var entries: [Entry] { Array(ring[first...] + ring[..<first]) }
}
