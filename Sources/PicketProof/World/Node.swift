/// One node of the world: its supply, its clock, its disk, its processes, the relay that it drives,
/// and the agent, if one runs.
internal import PicketCore
internal import PicketHardware
internal import PicketLinux
internal import PicketWire

final class Node {
    let id: NodeID
    let index: Int
    /// As its file has it, with its levels of fencing.
    var policy: Policy
    /// Of the configuration that the agent has.
    var digest: UInt64 = 42
    /// The groups in its file, which an agent reads when it starts.
    var file: [ListedGroup]

    /// The links in it, by the plan's numbers.
    var links: [Int]

    // Supply: the mains, and the contacts of the peer's relays.
    var mains = true
    /// Which of its two supplies gives no power.
    var deadSupply: Int?
    var powered = false
    /// Counts the times that the power came on.
    var powerLife: UInt32 = 0

    // Clock: reads `base` when the power comes on.
    var poweredAt: Int64 = 0
    var base: Int64 = 0
    var rate = 1.0
    var wallOffset: Int64 = 0

    // Agent
    var key = World.key
    var agent: AgentLife?
    /// Counts starts and deaths of the agent. Anything that was meant for another life is dropped.
    var life: UInt32 = 0
    var standsStillUntil: Int64 = 0
    /// The process as a whole, not only its loop.
    var wholeStands = false
    /// For how long the loop has stood still in all, and since when it stands still now.
    var stood: Int64 = 0
    var stoodSince: Int64 = 0
    /// Happenings that came while the loop stood still.
    var waiting: [Happening] = []
    var livelockedUntil: Int64 = 0
    var lateUntil: Int64 = 0
    var lateBy: Int64 = 0
    /// When the fence worker has taken all that was put into its mailbox.
    var mailAt: Int64 = 0
    /// Effects until the agent dies between two of them.
    var effectsToLive: Int?
    /// Steps of a turn until the process stands still between two of them, and when it goes on.
    var stepsToPause: (left: Int, until: Int64)?
    /// When the agent next looks at its clocks by itself.
    var turnAt: Int64 = .max

    // Disk
    var disk: [UInt8]?
    /// What the bytes on disk say; and whether the agent was told, last, that it took nothing.
    var kept: Memory?
    /// The groups of which they say it.
    var keptList: [ListedGroup] = []
    var ages: [UInt8]?
    /// When that was, as they say it.
    var agesAt = Int64.min / 2
    var wasRefused = false
    var refusedAt: Int64 = 0
    var damaged = false
    var fullUntil: Int64 = 0
    var fullSince: Int64 = 0
    var slowUntil: Int64 = 0
    var hangsUntil: Int64 = 0
    /// When the writing began that is under way, and for how long its loop had stood still by then.
    var writing: (since: Int64, stood: Int64)?
    /// The same of a look; and whether the last one was refused.
    var looking: (since: Int64, stood: Int64)?
    var lookFailed = false
    var slowBy: Int64 = 0
    var note = RunNote.blank
    /// What its agents leave of hellos: under /run, and on disk.
    var hellosNoted = HelloMemory()
    var hellosKept = HelloMemory()
    /// The disk knew less of them than /run, when that was lost, and the peer has said nothing since:
    /// what it said between the two may count a second time.
    var hellosForgotten = false
    /// The groups of which it tells.
    var noted: [ListedGroup] = []
    /// The file that it has left for the next agent: by which all that runs was started.
    var left: [ListedGroup] = []

    // Processes: by resource what may be up, whatever the agent thinks.
    var up: [Bool]
    /// Of those, whose start has succeeded: from then on others can reach it.
    var serves: [Bool]
    var processes: [Process] = []
    /// The notes of the starts of which no agent has heard the end: by the process, the group's name.
    var starts: [UInt64: Int] = [:]
    /// By the group's name: since when it runs by a person's hand; and those of them that were
    /// started outside maintenance.
    var byHand: [Int: Int64] = [:]
    var strays: Set<Int> = []
    /// By the group's name: when a start of it last began.
    var startedAt: [Int64]
    /// The same of a restart, after its monitor had failed.
    var restartedAt: [Int64]
    /// By the group's name: until when each fault lasts.
    var resourceFaults: [[ResourceFault: Int64]]

    // The relay that this node drives, and its sense line
    var line = true
    /// The cause of the last fence order that drove the line off.
    var lineCause = Cause.none
    var contact = true
    /// Of the relay of the peer's second supply, which follows the same line and has no fault.
    var secondContact = true
    var secondRestsAt: Int64 = 0
    var relayFault: RelayFault?
    /// The last real fence by it failed, as the disk has it.
    var disproved = false
    /// What its worker has not taken, because it hangs.
    var unanswered: [Happening] = []
    var relayMoves: UInt32 = 0
    /// When the last of its moves that are under way is done.
    var relayRestsAt: Int64 = 0
    var hasBeenOddAt = Int64.min / 2
    /// The newest self-test in contact passed, as its disk has it; and when.
    var hasPassed = false
    var passedAt = Int64.min / 2
    /// When it last lost its power after it had it for a while.
    var darkSince = Int64.min / 2
    /// Those of the wires of its plug that have parted.
    var parted: Set<Lead> = []

    // Watchdog
    var watchdogArmed = false
    var fedAt: Int64 = 0
    var watchdogDeadUntil: Int64 = 0

    // Data, by the group's name
    var data: [DataCopy]
    /// Replication to this node stands still, or its probe fails, until then.
    var copyStallsUntil: [Int64]
    var probeFailsUntil: [Int64]
    /// The store acknowledges what the peer's copy lacks.
    var goesAlone: [Bool]
    var storeJobs: [StoreJob] = []

    // Sensors
    var chips = Chip.descriptions.map { _ in Chip() }

    // Network, by link: what happens to what this node sends
    var weather: [Weather]

    init(_ id: NodeID, policy: Policy, plan: Plan) {
        self.id = id
        index = Int(id.rawValue)
        self.policy = policy
        file = plan.list
        links = Array(0..<plan.links)
        startedAt = Array(repeating: 0, count: plan.names)
        restartedAt = startedAt
        up = Array(repeating: false, count: plan.resources * 2)
        serves = up
        resourceFaults = Array(repeating: [:], count: plan.names)
        data = Array(repeating: DataCopy(), count: plan.names)
        copyStallsUntil = Array(repeating: 0, count: plan.names)
        probeFailsUntil = copyStallsUntil
        goesAlone = Array(repeating: true, count: plan.names)
        weather = Array(repeating: Weather(), count: plan.links)
    }

    func clock(_ now: Int64) -> Instant {
        Instant(nanoseconds: base + Int64(Double(now - poweredAt) * rate))
    }

    /// When the node's clock will read this, or a little later.
    func world(_ instant: Instant) -> Int64 {
        let left = instant.nanoseconds - base
        guard left < 1 << 60 else { return .max }
        return poweredAt + Int64(Double(left) / rate) + 1
    }

    /// Its disk takes nothing until then, or takes it late.
    var forgetsUntil: Int64 { max(fullUntil, slowUntil, hangsUntil) }

    /// The ceiling on disk; `nil` of a group that was not listed when it was last written.
    func ceiling(of name: Int) -> Term? {
        guard let kept else { return .never }
        return keptList.firstIndex { $0.name == name }.map { kept.groups[$0].term }
    }

    func isUp(_ group: ListedGroup) -> Bool { group.resources.contains { up[$0] } }
    /// One of its resources is, by that definition or by the other one.
    func runs(_ group: ListedGroup, byOtherDefinition other: Bool) -> Bool {
        let half = up.count / 2
        return group.resources.contains {
            up[($0 + half) % up.count] || !other && up[$0]
        }
    }
    /// Nothing of the group runs by a person's hand any more.
    func endWorkByHand(_ name: Int) {
        byHand[name] = nil
        strays.remove(name)
    }
    func isWholeUp(_ group: ListedGroup) -> Bool { group.resources.allSatisfy { up[$0] } }
}

/// What one plug carries.
enum Lead: CaseIterable {
    case link, relay, sense
}

/// The effect of a link on the datagrams of one direction.
struct Weather {
    var cutUntil: Int64 = 0
    var lossUntil: Int64 = 0
    var loss = 0
    var delayUntil: Int64 = 0
    var delay: Int64 = 0
    var duplicateUntil: Int64 = 0
    var duplicate = 0
    var corruptUntil: Int64 = 0
    var corrupt = 0
}

enum ProcessEnd: Equatable {
    case well, badly, unknown
    /// It runs at no term below that of its data.
    case refused(Term)
}

/// One process of a group, of this agent's or of one that died before.
struct Process {
    var run: RunID
    var life: UInt32
    /// As its agent listed it.
    var group: ListedGroup
    var resource: Int
    var action: ResourceAction
    var fails: Bool
    /// It could not be begun.
    var isUnknown = false
    var refusedBy: Term?
    /// Its group starts, and the store with it; not the store alone, anew.
    var startsStore = false
    var killed = false
    var number: UInt64
}

/// One life of the agent: the shipping machine, channel, runners and fence, and little else.
final class AgentLife {
    let session: SessionID
    let startedAt: Int64
    /// The groups of the file that it has read.
    private(set) var listed: [ListedGroup]
    /// Its links, by the plan's numbers, in the order in which its machine has them.
    var links: [Int]
    /// By the places at which its machine has them: as they are started and stopped. What the file
    /// does not have any more is among them.
    var list: [ListedGroup]
    /// As they are to be.
    private(set) var wanted: [ListedGroup]
    var machine: Machine
    var channel: Channel
    var runners: [GroupRunner]

    /// The group of this name is listed, and nothing is being done to it but monitoring.
    func isAtRest(_ name: Int) -> Bool {
        guard let place = list.firstIndex(where: { $0.name == name }) else { return false }
        return runners[place].isAtRest
    }

    /// The first of their deadlines.
    private(set) var runnersAt = Instant.distantFuture
    /// Somebody works by hand in this world. In others nothing would be seen, and older seeds tell
    /// their stories.
    var looksAgain = false
    /// When it last looked at its units.
    var looksAtUnitsAt = Int64.min / 2
    var effects = Recorder()
    var resourceEffects = ResourceRecorder()
    var followUps: [Event] = []
    /// The next deadline on the node's clock, and on the world's.
    var awaited = (local: Instant.distantFuture, world: Int64.max)
    var handling = false
    var ended = false
    /// What the clock read in the turn that stands still between two of its steps …
    var halfway: Instant?
    /// … or that goes on after it did.
    var turnClock: Instant?
    var memoryFile: World.StateFile

    // Fence worker
    var fence: RelayFence
    /// Since when the levels are those that they are.
    private(set) var fencesSince = Instant(nanoseconds: .min)
    var requests: [FenceRequest] = []
    var pendingAnswer: RelayFence.Answer?
    var workerGeneration: UInt32 = 0
    var orderCauses: [UInt32: Cause] = [:]
    /// Until when the newest order may be carried out.
    var orderVoidAfter = Instant.distantFuture
    /// The newest order whose cancellation the worker took in.
    var cancelled: UInt32?
    var selfTest: RelaySelfTest
    var sensing: Sensing
    var testAt: Instant

    // For the watch: what was sent when, what came, what it acknowledged
    var sendings = Sendings()
    var newestFromPeer: (session: UInt64, sequence: UInt64) = (0, 0)
    var opened = Opened()
    var sealedCount = 0
    /// A message of this session of the peer's came out of the channel.
    var heardSession: SessionID?
    /// A hello of the peer's present agent did.
    var hailedAt: Int64?
    /// The peer last said something that came here, and was no recording.
    var spokeAt: Int64?
    var plain = PlainWindow()

    init(
        machine: Machine, channel: Channel, session: SessionID, runners: [GroupRunner],
        fence: RelayFence, disproved: Bool, memoryFile: World.StateFile, links: [Int],
        listed: [ListedGroup], list: [ListedGroup], startedAt: Int64, local: Instant
    ) {
        self.links = links
        self.listed = listed
        self.list = list
        wanted = list
        self.machine = machine
        self.channel = channel
        self.session = session
        self.runners = runners
        self.fence = fence
        selfTest = RelaySelfTest(configured: true, disproved: disproved)
        self.memoryFile = memoryFile
        self.startedAt = startedAt
        testAt = local
        sensing = Sensing()
    }

    /// Looks at the machine where it is. A function of it that only looks would be given a copy, because
    /// it is part of an object.
    @inline(__always)
    func see<Answer>(_ look: (inout Machine) -> Answer) -> Answer { look(&machine) }

    /// The session of the peer with which it is in contact.
    var partner: SessionID? { see { $0.peer.inContact ? $0.peer.session : nil } }

    /// Other levels begin untested, and by a worker of their own.
    func fenceAnew(_ fence: RelayFence, _ local: Instant) {
        self.fence = fence
        fencesSince = local
        requests = []
        pendingAnswer = nil
        workerGeneration += 1
        selfTest = RelaySelfTest(configured: true)
        testAt = local
    }

    /// The place of a group in its list, by the group's name; `nil` if it does not have it.
    func place(of name: Int) -> GroupIndex? { list.firstIndex { $0.name == name } }

    /// Its file has the group.
    func lists(_ name: Int) -> Bool { listed.contains { $0.name == name } }

    /// Another file. Returns what the disk says of the groups that come last.
    func list(
        _ file: [ListedGroup], at places: [Int?], plan: (ListedGroup) -> GroupPlan
    ) -> [GroupMemory] {
        listed = file
        wanted = places.enumerated().map { place, number in
            number.map { file[$0] } ?? wanted[place]
        }
        let added = Array(wanted[list.count...])
        for group in added {
            runners.append(GroupRunner(group: list.count, plan: plan(group)))
            list.append(group)
        }
        return memoryFile.add(added.map { "g\($0.name)" })
    }

    /// To be called after anything that may have moved a deadline of theirs.
    func noteRunners() {
        runnersAt = .distantFuture
        for runner in runners where looksAgain || !runner.isLooking {
            runnersAt = min(runnersAt, runner.nextDeadline)
        }
    }
}

extension Recorder {
    /// There is seldom more than one: it is moved, not copied.
    mutating func takeFirst() -> Effect? {
        items.count > 1 ? items.removeFirst() : items.popLast()
    }
}

/// When each message was sent, and for how long the node had stood still by then. Messages older
/// than the newest that the peer has acknowledged are forgotten by and by, because they say nothing
/// new.
struct Sendings {
    private var kept: [(at: Int64, stood: Int64)] = [(0, 0)]
    /// The sequence number of the first that is kept.
    private var first = 0

    /// The sequence number that has yet to be sent.
    var next: Int { first + kept.count }

    mutating func note(at now: Int64, stood: Int64) { kept.append((now, stood)) }

    /// When; `nil` if it is forgotten.
    func sent(_ sequence: Int) -> Int64? {
        sequence >= first && sequence < next ? kept[sequence - first].at : nil
    }

    /// `nil` if it is forgotten. It must have been sent.
    mutating func acknowledged(_ sequence: Int) -> (at: Int64, stood: Int64)? {
        guard sequence >= first else { return nil }
        if sequence - first >= 1024 {
            kept.removeFirst(sequence - first)
            first = sequence
        }
        return kept[sequence - first]
    }
}

/// Which sequence numbers came out of the channel, of each session: the watch's own count.
struct Opened {
    private var session: UInt64 = 0
    private var seen: [Bool] = []
    /// Of sessions before it.
    private var former: [UInt64: [Bool]] = [:]

    /// False if it came before.
    mutating func note(_ session: UInt64, _ sequence: UInt64) -> Bool {
        if session != self.session {
            former[self.session] = seen
            self.session = session
            seen = former[session] ?? []
        }
        let index = Int(sequence)
        guard index < 10_000_000 else { return true }
        while seen.count <= index { seen.append(false) }
        if seen[index] { return false }
        seen[index] = true
        return true
    }
}

/// For datagrams that are not really sealed: first copy, later copy, or too old.
struct PlainWindow {
    private var session: UInt64 = 0
    private var newest: UInt64 = 0
    private var mask: UInt64 = 0

    /// True for the first copy, false for a later one, nil if the datagram is too old to tell.
    mutating func take(_ sequence: UInt64, of session: UInt64) -> Bool? {
        if session != self.session {
            self.session = session
            newest = 0
            mask = 0
        }
        if sequence > newest {
            let by = sequence - newest
            mask = by < 64 ? mask << by : 0
            mask |= 1
            newest = sequence
            return true
        }
        let behind = newest - sequence
        guard behind < 64 else { return nil }
        let bit: UInt64 = 1 << behind
        if mask & bit != 0 { return false }
        mask |= bit
        return true
    }
}
