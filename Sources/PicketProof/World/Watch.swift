/// The watch over safety, S1 to S12, and over L3 to L5 (ARCHITECTURE, "Properties"). It judges by
/// what the world itself knows of power, processes, lines and datagrams, and never asks a machine
/// what it believes.
///
/// The promise has four exceptions, and the watch has the same: the operator's false word; a relay
/// that is stuck *and* whose sense line lies (a double fault); a relay that is slower than the
/// configuration says, which may cut a second node; the terms of a node whose state file was lost.
internal import PicketCore
internal import PicketWire

struct Watch {
    /// Reasons that excuse a violation, from now to the end of the world.
    struct Excuses: OptionSet {
        let rawValue: UInt8
        static let falseWord = Excuses(rawValue: 1)
        static let doubleFault = Excuses(rawValue: 2)
        static let lostState = Excuses(rawValue: 4)
    }

    var excuses: Excuses = []
    var resets: ResetWatch
    var late = LateWatch()
    var status: StatusWatch
    var links: LinkWatch
    /// By node.
    private var sides: [Side]
    /// When an agent took up another file.
    private var changedAt = Int64.min / 2
    /// By group: the highest term that was ever started, and what runs where.
    private var highest: [(term: UInt64, at: Int64)]
    private var started: [Set<UInt64>]
    /// By resource, however it is defined: the highest term that it was ever started at, where, and
    /// in which group.
    private var starts: [Int: (term: UInt64, at: Int64, node: Int, group: Int)] = [:]
    /// By group: the node that started it last, and the nodes whose operator has since ordered a
    /// takeover.
    private var startedLast: [Int?]
    private var takeoversOrdered: [Set<Int>]
    /// By group: the node that wrote last, in which epoch; and the nodes whose operator has since
    /// ordered that it starts there whatever its copy is. `unmet`: it had not met its peer since
    /// its boot.
    private var heads: [(node: Int, epoch: UInt64, unmet: Bool)?]
    private var staleOrdered: [Set<Int>]
    /// By epoch: the one before it, how far the data had come then, whether the two parted there, and
    /// whether an operator named this one.
    private var parents: [UInt64: (epoch: UInt64, began: UInt64, parted: Bool, isNamed: Bool)] = [:]
    /// By group: whether it was taken over last on a copy that was not current. What a current one
    /// lacks was agreed to be lost.
    private var hasParted: [Bool]
    /// By group: the node that took over last, and whose copy was current by its own word.
    private var currentStarts: [Int?]
    /// By group: the nodes that say that the data have diverged.
    private var saidDiverged: [Set<Int>]
    /// By group: the node that took over last, and whose probe had not told for so long how far its copy
    /// had come.
    private var blindStarts: [Int?]
    /// By group, of a strict one: how much of the newest epoch its store has acknowledged, and since
    /// when it waits for a copy that does not follow.
    private var acknowledged: [UInt64]
    private var waitsSince: [Int64?]
    /// By group, and for as long as it has not started anew: when a command found its store down.
    private var missedAt: [Int64?]
    private var epochs: UInt64 = 0
    /// By group and node: the term that was noted to be held since the node has power.
    private var running: [[UInt64]]
    /// By group: the nodes whose start of it has not come to an end.
    private var starting: [Set<Int>]
    /// By group: the nodes on which an agent ended in a start of it, which may be one in a restart.
    private var cutShort: [Set<Int>]
    /// By group: the nodes whose stop of it has not come to an end.
    private var stopping: [Set<Int>]
    /// An operator gave a word, or ordered a fence.
    var operated = false
    /// A sense line broke while a fence was under way. The fence then counts too early, and until
    /// this time the peer may still be up.
    private var senseLiesUntil = Int64.min / 2
    /// By group: the node that it failed on last, and its agent's life, until it starts again …
    private var failedOn: [(node: Int, life: UInt32)?]
    /// … and when any started on the other node after that.
    private var moves: [Int64] = []
    /// By group and node: how often it has failed there in a row, and when it did last.
    private var tries: [[(count: Int64, at: Int64, life: UInt32)]]
    /// By group and node: the term of the data that refused its newest start there, and its agent's
    /// life; until it runs, here or there.
    private var refusals: [[(dataTerm: Term, life: UInt32)?]]
    /// When agents ended.
    private var ends: [Int64] = []
    var fences = 0
    var takeovers = 0

    private struct Cut {
        var at: Int64
        var life: UInt32
        /// The disk took nothing then, or took it late.
        var unkept: Bool
    }

    private struct Side {
        var session = SessionID(0)
        var startedAt = Int64.min / 2
        /// By group: what its disk said when it started.
        var ceilings: [UInt64] = []
        var startedAlone = false
        /// It has fenced a peer that it did not meet in this life, and that no receipt tells of.
        var goesOnUnmet = false
        /// Sessions of this node whose agent has ended, or that are so about to.
        var hasLeft: SessionID?
        /// The newest granted term of this session, by group.
        var granted: [Set<UInt64>]
        /// By group: it would start it, it says.
        var eligible: [Bool]
        /// The groups that the peer held, by the newest message of its present life; and those that
        /// it would have gone on with but for its copy.
        var heldByPeer: SmallSet = []
        /// The groups that a peer which leaves has nothing of, by the same message.
        var givenUp: SmallSet = []
        /// Those that it has something of, by the same message, and since when it has said so. An
        /// agent that follows knows what the one before had on disk.
        var theirs: [Int64?]
        /// When an agent of it left by plan, whether or not something runs on.
        var leftAt = Int64.min / 2
        var copyMissing: SmallSet = []
        /// The strict groups of which this life of its agent has heard, since they started, that the
        /// holder is in step.
        var inStep: SmallSet = []
        /// Those of which the newest message says that it is not; and those of them of which the disk
        /// took nothing when that came. Nothing stateful starts by such a disk, and the next life knows
        /// nothing of its copy.
        var outOfStep: SmallSet = []
        var notedInMemory: SmallSet = []
        /// The operator has ordered this life of its agent to leave.
        var leavesSince: Int64?
        var wordGiven = false
        /// When that was, and when this life of the agent first heard the peer speak after it.
        var wordAt: Int64?
        var contradictedAt: Int64?
        var liveFences = 0
        var fenceMe = false
        /// This session has said that it starts nothing that the files have otherwise.
        var leavesDifferences = false
        /// When the newest of its sendings that it knows to be acknowledged was sent, and when it
        /// learned that.
        var reachedSent = Int64.min / 2
        var reachedStood: Int64 = 0
        /// Fences for lost contact that cut the peer.
        var cuts: [Cut] = []
        /// The newest arrival of an authentic message.
        var heardAt = Int64.min / 2
        /// The newest order on maintenance that was given here or came here; `nil` where that is not
        /// certain.
        var maintenance: (count: UInt64, isOn: Bool, at: Int64)? = (0, false, .min / 2)
        /// The same of each group.
        var maintained: [(count: UInt64, isOn: Bool, at: Int64)?]
        /// By group: in maintenance nothing may be begun on it. False where a start or a stop was
        /// under way already, or was ordered by a person.
        var handsOff: [Bool]
        var reachedAt = Int64.min / 2
        /// The last time that this node was cut by a fence for lost contact.
        var cutAt = Int64.min / 2
        var cutOrderedAt = Int64.min / 2
        var lastDark = Int64.min / 2
        /// The last time that this node was cut by an operator's order.
        var commandedAt = Int64.min / 2
        var orders: [Ordered] = []
        /// When it ordered the fence that is under way; when one last failed by a level.
        var orderedAt = Int64.min / 2
        var failedAt = Int64.min / 2
        /// When a sensor, or a drill of it, was last critical; until when a drill pretends.
        var unfitUntil = Int64.min / 2
        var pretendsUntil = Int64.min / 2
        /// The groups of which it said last that something is missing for them.
        var unready: SmallSet = []
        /// By its status in contact, it would fence its peer in this session.
        var promises: SessionID?
        /// The last real fence by its relay failed; since when its worker hangs.
        var relayFailed: Int64?
        var liedAt: Int64?
        var hangsSince: Int64?
        /// Its disk takes nothing, it said last.
        var saysFull = false
        /// Since when what it says of its disk is not so, and since when the disk is as it is.
        var wrongOfDisk: (since: Int64, stood: Int64, begun: Int64)?
    }

    /// Health is low for at most so long after its cause: ten seconds, a debounce, and a reading.
    static let rises: Int64 = 13_000_000_000

    init(groups: Int, links: Int) {
        self.links = LinkWatch(links: links)
        sides = (0..<2).map { _ in
            Side(
                granted: Array(repeating: [], count: groups),
                eligible: Array(repeating: false, count: groups),
                theirs: Array(repeating: nil, count: groups),
                maintained: Array(repeating: (0, false, .min / 2), count: groups),
                handsOff: Array(repeating: false, count: groups))
        }
        resets = ResetWatch(groups: groups)
        status = StatusWatch(groups: groups)
        highest = Array(repeating: (0, 0), count: groups)
        started = Array(repeating: [], count: groups)
        running = Array(repeating: [0, 0], count: groups)
        tries = Array(
            repeating: Array(repeating: (0, .min / 2, 0), count: 2), count: groups)
        failedOn = Array(repeating: nil, count: groups)
        refusals = Array(repeating: [nil, nil], count: groups)
        starting = Array(repeating: [], count: groups)
        cutShort = starting
        stopping = starting
        startedLast = Array(repeating: nil, count: groups)
        takeoversOrdered = Array(repeating: [], count: groups)
        heads = Array(repeating: nil, count: groups)
        staleOrdered = takeoversOrdered
        hasParted = Array(repeating: false, count: groups)
        blindStarts = startedLast
        currentStarts = startedLast
        saidDiverged = takeoversOrdered
        acknowledged = Array(repeating: 0, count: groups)
        waitsSince = Array(repeating: nil, count: groups)
        missedAt = waitsSince
    }

    /// One of a node's fences.
    struct Ordered {
        /// What of its age this node's files tell of earlier boots, and since when it ages besides.
        var age: Int64 = 0
        var since: Int64

        /// An agent starts. In another boot it knows the age that was last written.
        mutating func begins(on node: Node, at now: Int64) {
            guard node.agesAt < node.poweredAt else { return }
            age += max(0, node.agesAt - since)
            since = now
        }
    }

    // MARK: Lives

    mutating func begins(
        _ node: Node, session: SessionID, _ memory: Memory, of list: [ListedGroup], at now: Int64
    ) {
        let index = node.index
        sides[index].startedAt = now
        for order in sides[index].orders.indices {
            sides[index].orders[order].begins(on: node, at: now)
        }
        sides[index].session = session
        sides[index].startedAlone = memory.alone
        resets.begins(node)
        late.begins(node, at: now)
        status.begins(node, at: now)
        sides[index].wordAt = nil
        sides[index].contradictedAt = nil
        sides[index].leavesSince = nil
        for group in sides[index].theirs.indices {
            if let since = sides[index].theirs[group],
                !sides[index].heldByPeer.contains(group) || now - since <= 5_000_000_000
                    || node.forgetsUntil > since
            {
                sides[index].theirs[group] = nil
            }
            sides[1 - index].theirs[group] = nil
        }
        for side in sides.indices {
            sides[side].heldByPeer = []
            sides[side].copyMissing = []
        }
        sides[index].inStep = []
        sides[index].outOfStep = []
        sides[index].notedInMemory = []
        sides[index].promises = nil
        sides[index].unready = []
        sides[index].givenUp = []
        // It may have ended before its disk took that its fence lies.
        if let at = sides[index].liedAt, !memory.distrusted,
            now - at < 60_000_000_000 || node.forgetsUntil > at
        {
            sides[index].liedAt = nil
        }
        keepHandsOff(node) { _ in true }
        for group in started.indices {
            sides[index].granted[group] = []
            saidDiverged[group].remove(index)
        }
        sides[index].leavesDifferences = false
        sides[index].ceilings = started.map { _ in 0 }
        for (group, known) in zip(list, memory.groups) {
            sides[index].ceilings[group.name] = known.term.value
        }
        // The agent judges its sensors anew.
        sides[index].pretendsUntil = now
        sides[index].unfitUntil = min(sides[index].unfitUntil, now)
        for chip in node.chips.indices { node.chips[chip].forget() }
    }

    /// A living agent takes up another file. It may list more.
    mutating func lists(
        _ node: Node, _ added: [GroupMemory], _ list: ArraySlice<ListedGroup>, at now: Int64
    ) {
        // Either promised beside the file that was, until it hears of this one.
        for side in sides.indices { sides[side].promises = nil }
        changedAt = now
        for (group, known) in zip(list, added) {
            sides[node.index].ceilings[group.name] = known.term.value
        }
    }

    mutating func agentEnded(_ node: Node, at now: Int64) {
        ends.append(now)
        // Groups that were not even noted to be held.
        if sides[node.index].maintenance?.at == now { sides[node.index].maintenance = nil }
        for group in running.indices where sides[node.index].maintained[group]?.at == now {
            sides[node.index].maintained[group] = nil
        }
        keepHandsOff(node) { _ in false }
    }

    mutating func wentDark(_ node: Node, in world: World) {
        sides[node.index].lastDark = world.now
        resets.wentDark(node)
        sides[node.index].wordGiven = false
        sides[node.index].goesOnUnmet = false
        for group in running.indices {
            running[group][node.index] = 0
            starting[group].remove(node.index)
            cutShort[group].remove(node.index)
            stopping[group].remove(node.index)
        }
        // The agent forgets everything that was not yet on disk.
        if let since = sides[node.index].maintenance?.at,
            world.now - since < 60_000_000_000 || node.forgetsUntil > since
        {
            sides[node.index].maintenance = nil
        }
        for group in running.indices {
            guard let since = sides[node.index].maintained[group]?.at,
                world.now - since < 60_000_000_000 || node.forgetsUntil > since
            else { continue }
            sides[node.index].maintained[group] = nil
        }
    }

    mutating func noted(_ note: RunNote, _ list: [ListedGroup], _ node: Node) {
        for group in running.indices { running[group][node.index] = 0 }
        for holding in note.holdings {
            running[list[holding.group].name][node.index] = holding.term.value
        }
        for group in running.indices where running[group][node.index] > 0 {
            resets.noted(group, node)
        }
    }

    mutating func wordGiven(_ node: Node, at now: Int64) {
        sides[node.index].wordGiven = true
        sides[node.index].wordAt = now
        sides[node.index].contradictedAt = nil
        operated = true
    }
    mutating func liveDrill(_ node: Node) {
        sides[node.index].liveFences += 1
        operated = true
    }

    // MARK: Datagrams

    mutating func sent(
        _ message: Message, _ node: Node, _ agent: AgentLife, at now: Int64, in world: World
    ) {
        let index = node.index
        while agent.sendings.next <= Int(message.sequence) {
            agent.sendings.note(at: now, stood: node.stood)
        }
        judge(health: message.health, node, in: world)
        judge(maintenanceOf: message, node, in: world)
        judge(relayTest: message.relayTest, node, in: world)
        judgeHands(node, in: world)
        judgeDisk(message, node, in: world)
        let partner = agent.partner
        if partner != nil {
            let clock = node.clock(now)
            let isProtected = agent.see { $0.protectionGap(at: clock) == nil }
            let isKnown = sides[index].reachedSent > changedAt
            sides[index].promises = isProtected && isKnown ? partner : nil
        } else if agent.see({ $0.life.receipt != nil }) {
            // It has kept its word.
            sides[index].promises = nil
        }
        var left = SmallSet()
        for group in running.indices where mayBeOrderedOff(group, node) { left.insert(group) }
        resets.judge(
            message, node, left: left, reached: sides[index].reachedSent,
            orders: sides[index].orders.count, in: world)
        judgeReadiness(message, node, inContact: partner != nil, in: world)
        for report in message.groups {
            let group = Int(report.name) - 1
            if report.role == .granting { sides[index].granted[group].insert(report.term.value) }
            judge(report, of: group, node, in: world)
        }
        if message.phase == .left || message.flags.contains(.leavesRunning) {
            sides[index].hasLeft = agent.session
        }
        sides[index].leavesDifferences = message.flags.contains(.leavesDifferences)
        if message.flags.contains(.fenceMe) { sides[index].fenceMe = true }
    }

    /// An authentic message came to a node. The messages that it acknowledges must have come
    /// before.
    mutating func received(
        _ message: Message, _ session: SessionID, _ node: Node, _ agent: AgentLife, in world: World
    ) {
        let index = node.index
        if agent.newestFromPeer.session != session.value {
            agent.newestFromPeer = (session.value, message.sequence)
        } else {
            agent.newestFromPeer.sequence = max(
                agent.newestFromPeer.sequence, message.sequence)
        }
        sides[index].heardAt = world.now
        hearOfLife(message, session, node, in: world)
        hear(message, node, agent, at: world.now)
        // A request stands until the peer hears otherwise.
        if session == sides[1 - index].session {
            sides[1 - index].fenceMe = message.flags.contains(.fenceMe)
            if message.sequence == agent.newestFromPeer.sequence {
                resets.hears(message, node)
                hearOfGroups(message, by: index, at: world.now)
            }
        }
        let acknowledged = Int(message.acknowledged)
        guard acknowledged > 0 else { return }
        guard acknowledged < agent.sendings.next else {
            world.violate("S6", "\(node.id) was acknowledged what it never sent")
            return
        }
        if let sending = agent.sendings.acknowledged(acknowledged),
            sending.at > sides[index].reachedSent
        {
            sides[index].reachedSent = sending.at
            sides[index].reachedStood = sending.stood
            sides[index].reachedAt = world.now
            sides[index].goesOnUnmet = false
        }
    }

    private mutating func hearOfGroups(_ message: Message, by index: Int, at now: Int64) {
        var (held, theirs) = (SmallSet(), SmallSet())
        var (givenUp, copyMissing) = (SmallSet(), SmallSet())
        for report in message.groups {
            let group = Int(report.name) - 1
            switch report.role {
            case .holding:
                held.insert(group)
                theirs.insert(group)
            case .releasing, .resuming: theirs.insert(group)
            case .vacant:
                if message.phase == .leaving { givenUp.insert(group) }
                if report.flags.contains(.eligible), report.sync != .current {
                    copyMissing.insert(group)
                }
            case .claiming, .granting: break
            }
            if report.data != nil { hearOfStep(report, by: index) }
        }
        for group in sides[index].theirs.indices {
            let since = sides[index].theirs[group] ?? now
            sides[index].theirs[group] = theirs.contains(group) ? since : nil
        }
        sides[index].heldByPeer = held
        sides[index].givenUp = givenUp
        sides[index].copyMissing = copyMissing
    }

    private mutating func hearOfStep(_ report: GroupReport, by index: Int) {
        let group = Int(report.name) - 1
        if report.data?.flags.contains(.inStep) == true {
            sides[index].inStep.insert(group)
            sides[index].outOfStep.remove(group)
            sides[index].notedInMemory.remove(group)
        } else if report.role == .holding {
            sides[index].outOfStep.insert(group)
        }
    }

    /// A word that the peer is off is void by what that session sent after it. By a clock that
    /// drifts, and whose difference was measured to half a round trip, that is certain a second
    /// later.
    private mutating func hearOfLife(
        _ message: Message, _ session: SessionID, _ node: Node, in world: World
    ) {
        guard let wordAt = sides[node.index].wordAt,
            let peer = world.peer(of: node).agent, peer.session == session,
            let sentAt = peer.sendings.sent(Int(message.sequence)), sentAt > wordAt + 1_000_000_000
        else { return }
        sides[node.index].contradictedAt = sides[node.index].contradictedAt ?? world.now
    }

    /// Asked after a word was given: none is taken while the peer says hello.
    func judgeAudible(_ node: Node, in world: World) {
        guard let agent = node.agent, let hailed = agent.hailedAt,
            world.now - hailed < 5_000_000_000, world.peer(of: node).agent != nil,
            agent.machine.life.receipt?.proof == .operatorsWord
        else { return }
        world.violate("S2", "\(node.id) takes the word that its peer is off, and hears its hellos")
    }

    /// S6: a word is refused for what the peer says, not for what somebody has recorded. A peer whose
    /// clock was set back, and whose disk lost its life, says less than it has said: what this node
    /// has not heard of the life before counts.
    func judgeRecording(_ node: Node, _ agent: AgentLife, in world: World) {
        let window = max(.seconds(10), node.policy.timing.detectWithin * 3).nanoseconds
        let heardLife = agent.channel.helloMemory.heard >> 32
        guard !node.hellosForgotten, heardLife <= world.peer(of: node).hellosNoted.life,
            world.now - (agent.spokeAt ?? .min / 2) > window + 1_000_000_000
        else { return }
        world.violate(
            "S6", "\(node.id) takes no word that its peer is off, for a recording of it")
    }

    /// Asked after each turn. It changes nothing; as one that does it is not given a copy of the watch.
    mutating func judgeWord(_ node: Node, _ agent: AgentLife, in world: World) {
        guard let at = sides[node.index].contradictedAt, world.now > at,
            let receipt = agent.machine.life.receipt, receipt.proof == .operatorsWord,
            receipt.session == sides[1 - node.index].session, receipt.session != nil
        else { return }
        world.violate(
            "S2", "\(node.id) goes by a word that its peer is off, and has heard it since")
    }

    // MARK: Relays

    /// The node has learned what a real fence says of its relay, or that it was mended.
    mutating func proved(_ node: Node, _ cut: Bool, at now: Int64) {
        sides[node.index].relayFailed = cut ? nil : now
    }

    /// What was known of the levels that it had says nothing of others.
    mutating func fencesAnew(_ node: Node) { sides[node.index].relayFailed = nil }

    /// A verified fence of the node's turned out to be none.
    mutating func lied(_ node: Node, at now: Int64) { sides[node.index].liedAt = now }

    /// The operator says that it is mended, or its disk is another one.
    mutating func isBelieved(_ node: Node) { sides[node.index].liedAt = nil }

    mutating func hangs(_ node: Node, _ hangs: Bool, at now: Int64) {
        sides[node.index].hangsSince = hangs ? now : nil
    }

    /// A node is not protected by a relay that failed when it was needed, nor by a worker that gives
    /// no answer: two periods of ten seconds, one until it is asked first, and one until last.
    private func judge(relayTest: Message.RelayTest, _ node: Node, in world: World) {
        guard relayTest == .passed else { return }
        if let failedAt = sides[node.index].relayFailed, world.now > failedAt {
            world.violate("L4", "\(node.id) says that it could fence, and its last fence failed")
        }
        if let since = sides[node.index].hangsSince,
            world.now - max(since, sides[node.index].startedAt) > 41_000_000_000, node.stood == 0
        {
            world.violate("L4", "\(node.id) says that it could fence, and its worker hangs")
        }
    }

    /// L4: a node that could not start what its peer holds says so, and that the pair has a gap.
    private mutating func judgeReadiness(
        _ message: Message, _ node: Node, inContact: Bool, in world: World
    ) {
        let index = node.index
        var unready = SmallSet()
        for report in message.groups where report.flags.contains(.unready) {
            unready.insert(Int(report.name) - 1)
        }
        sides[index].unready = unready
        guard inContact, sides[index].promises != nil else { return }
        for group in unready
        where sides[index].heldByPeer.contains(group) && !isMaintained(group, node) {
            world.violate(
                "L4",
                "\(node.id) has not what group \(group) needs, and would take it over, it says")
        }
    }

    /// L4: a node that said that it would fence, until it lost its peer, has a turn in which it may.
    func refuses(_ refusal: Refusal?, _ node: Node, _ agent: AgentLife, in world: World) {
        guard let session = sides[node.index].promises, session == agent.machine.peer.session,
            refusal == .timesDiffer || refusal == .notArmed || refusal == .turnUnknown
        else { return }
        world.violate("L4", "\(node.id) said that it would fence, and does not: \(refusal!)")
    }

    /// L4: a disk that does not answer is told of.
    private mutating func judgeDisk(_ message: Message, _ node: Node, in world: World) {
        sides[node.index].saysFull = message.flags.contains(.diskTakesNothing)
        judgeFullDisk(node, in: world)
        guard !sides[node.index].saysFull, let writing = node.writing ?? node.looking
        else { return }
        let waited = world.now - writing.since - (node.stood - writing.stood)
        if waited > 12_000_000_000 {
            world.violate("L4", "\(node.id)'s disk does not answer, and \(node.id) says nothing")
        }
    }

    /// L4: one that takes nothing is told of, though nothing is to be remembered, and so is one that
    /// takes something again.
    private mutating func judgeFullDisk(_ node: Node, in world: World) {
        let isFull = node.fullUntil > world.now
        // One that is late says of neither what it is like.
        let isWell = node.forgetsUntil <= world.now
        let begun = isFull ? node.fullSince : node.forgetsUntil
        let told = sides[node.index].saysFull
        guard told ? isWell : isFull else {
            sides[node.index].wrongOfDisk = nil
            return
        }
        guard let wrong = sides[node.index].wrongOfDisk, wrong.begun == begun,
            wrong.since >= sides[node.index].startedAt
        else {
            sides[node.index].wrongOfDisk = (world.now, node.stood, begun)
            return
        }
        let waited = world.now - wrong.since - (node.stood - wrong.stood)
        if !told, waited > Disk.lookInterval.nanoseconds + 12_000_000_000 {
            world.violate("L4", "\(node.id)'s disk takes nothing, and \(node.id) says nothing")
        }
        // What was asked for before may be refused late, and then it is tried again.
        let asked = (node.writing ?? node.looking).map { world.now - $0.since } ?? 0
        let refused = world.now - node.refusedAt
        if told, min(waited, refused) > 5_000_000_000, asked < 3_000_000_000 {
            world.violate("L4", "\(node.id)'s disk takes all, and \(node.id) says that it does not")
        }
    }

    /// L4: a node whose disk did not take what it had to remember, and which would start nothing of
    /// what the peer holds by it, lets the peer live.
    private func judgeUse(_ node: Node, in world: World) {
        guard sides[node.index].saysFull, isRefused(node, at: world.now), !world.rolls else {
            return
        }
        let missing = world.plan.list.filter {
            world.plan.groups[$0.name].enabled && !isMaintained($0.name, node)
                && !node.isWholeUp($0)
        }
        let held = sides[node.index].heldByPeer
        if missing.contains(where: { held.contains($0.name) }),
            missing.allSatisfy({ world.plan.sync(of: $0.name) != nil })
        {
            world.violate("L4", "\(node.id) fences its peer, and its disk lets it start nothing")
        }
    }

    /// L4: a turn of its loop, which was due at this instant.
    mutating func turns(_ node: Node, since due: Int64, in world: World) {
        late.turns(node, since: due, in: world)
    }

    // MARK: Health

    /// Its sensors were read.
    mutating func sensed(_ node: Node, at now: Int64) {
        if node.chips.contains(where: { $0.mayBeCritical }) {
            sides[node.index].unfitUntil = max(sides[node.index].unfitUntil, now)
        }
    }

    /// An agent that stands still learns nothing better.
    mutating func notSensed(_ node: Node, at now: Int64) {
        let since = now - sides[node.index].unfitUntil
        if since > 0, since < Watch.rises { sides[node.index].unfitUntil = now }
    }

    mutating func pretends(_ node: Node, critical: Bool, until: Int64) {
        sides[node.index].pretendsUntil = until
        if critical { sides[node.index].unfitUntil = until }
    }

    /// A node is unfit as long as a sensor is past its critical limit and has not come back by the
    /// hysteresis, and for the time in which health rises again. There is no other reason.
    private func judge(health: UInt8, _ node: Node, in world: World) {
        let now = world.now
        let drilled = now < sides[node.index].pretendsUntil
        for index in node.chips.indices where health > 0 {
            // The reading that it is known by may be of this instant.
            guard let since = node.chips[index].criticalSince, since < now - Chip.interval / 2
            else { continue }
            world.violate(
                drilled ? "S9" : "L4", "\(node.id) says health \(health), and is past its limits")
        }
        if health == 0, now - sides[node.index].unfitUntil > Watch.rises {
            world.violate("L3", "\(node.id) is unfit, and no sensor is critical")
        }
    }

    // MARK: Maintenance

    /// The operator's order, where the agent did not refuse it. `group`: `nil` for the whole pair.
    mutating func maintain(_ node: Node, _ on: Bool, _ group: Int?, at now: Int64) {
        guard let known = maintenance(of: group, node) else { return }
        note((known.count + 1, on, now), of: group, node)
        keepHandsOff(node, group) { node.agent?.isAtRest($0) ?? false }
    }

    private func maintenance(
        of group: Int?, _ node: Node
    ) -> (count: UInt64, isOn: Bool, at: Int64)? {
        group.map { sides[node.index].maintained[$0] } ?? sides[node.index].maintenance
    }

    private mutating func note(
        _ known: (count: UInt64, isOn: Bool, at: Int64)?, of group: Int?, _ node: Node
    ) {
        if let group {
            sides[node.index].maintained[group] = known
        } else {
            sides[node.index].maintenance = known
        }
    }

    /// What the peer says of it: the order that follows more orders is the newer one, and of two
    /// that follow as many it is the one that says *on*.
    private mutating func hear(
        _ message: Message, _ node: Node, _ agent: AgentLife, at now: Int64
    ) {
        if message.maintenance > 0 {
            hear(
                (message.maintenance - 1) / 2, message.flags.contains(.maintenance), nil, node,
                agent, at: now)
        }
        guard let told = message.maintained else { return }
        let group = Int(message.groups[told.place].name) - 1
        // Of what its file does not have any more a node takes nothing in.
        guard agent.lists(group) else { return }
        hear(
            UInt64(told.maintenance.count), told.maintenance.isOn, group, node, agent, at: now)
    }

    private mutating func hear(
        _ count: UInt64, _ isOn: Bool, _ group: Int?, _ node: Node, _ agent: AgentLife,
        at now: Int64
    ) {
        guard let known = maintenance(of: group, node) else { return }
        guard count > known.count || (count == known.count && isOn && !known.isOn) else { return }
        note((count, isOn, now), of: group, node)
        if isOn != known.isOn { keepHandsOff(node, group) { agent.isAtRest($0) } }
    }

    private mutating func keepHandsOff(
        _ node: Node, _ one: Int? = nil, where isAtRest: (GroupIndex) -> Bool
    ) {
        for group in running.indices where one ?? group == group {
            sides[node.index].handsOff[group] = isOrderedOff(group, node) && isAtRest(group)
        }
    }

    private func isOrderedOff(_ group: Int, _ node: Node) -> Bool {
        sides[node.index].maintenance?.isOn == true
            || sides[node.index].maintained[group]?.isOn == true
    }

    /// … or it is not certain that it is not.
    private func mayBeOrderedOff(_ group: Int, _ node: Node) -> Bool {
        isOrderedOff(group, node) || sides[node.index].maintenance == nil
            || sides[node.index].maintained[group] == nil
    }

    private func isMaintained(_ node: Node) -> Bool {
        sides[node.index].maintenance?.isOn == true && !excuses.contains(.lostState)
    }

    private func isMaintained(_ group: Int, _ node: Node) -> Bool {
        isOrderedOff(group, node) && !excuses.contains(.lostState)
    }

    /// S11: a node on which a person works on a group is fenced for another group only.
    private func judgeMaintained(_ node: Node, in world: World) {
        guard excuses.isEmpty, !world.rolls else { return }
        let peer = world.peer(of: node)
        var theyAreAtWork = false
        for group in world.plan.list where world.plan.groups[group.name].enabled {
            if isMaintained(group.name, node) {
                theyAreAtWork =
                    theyAreAtWork
                    || sides[node.index].theirs[group.name] != nil && peer.isUp(group)
            } else if !node.isWholeUp(group), !sides[node.index].givenUp.contains(group.name) {
                return
            }
        }
        if theyAreAtWork {
            world.violate(
                "S11",
                "\(node.id) orders a fence of \(peer.id), which has only groups in maintenance")
        }
    }

    /// Its agent ends by plan.
    mutating func left(
        _ node: Node, _ agent: AgentLife, _ departure: Departure, in world: World
    ) {
        guard departure != .running else { return }
        // In maintenance of the pair a node that leaves something running says no last word.
        if departure == .released || sides[node.index].maintenance?.isOn == false {
            sides[node.index].leftAt = world.now
        }
        guard departure == .unattended, let since = sides[node.index].leavesSince,
            world.now - since < node.policy.timing.leaveWithin.nanoseconds / 100 * 97
        else { return }
        for (group, runner) in zip(agent.list, agent.runners)
        where runner.isUnderWay && !resets.isStuck(group.name, node) {
            world.violate(
                "S11", "\(node.id) ends in the middle of a start or a stop of group \(group.name)")
        }
    }

    /// S7: the last word of a node that has left is its peer's receipt, so it has no right to fence
    /// until it has met its peer again.
    private func judgeLeaver(_ node: Node, in world: World) {
        let side = sides[node.index]
        guard side.leftAt >= side.reachedAt, excuses.isEmpty else { return }
        world.violate("S7", "\(node.id) orders a fence, and has not met its peer since it left")
    }

    /// S11: both nodes go by the newest order that they know of.
    private mutating func judge(
        maintenanceOf message: Message, _ node: Node, in world: World
    ) {
        judge(
            (max(1, message.maintenance) - 1) / 2, message.flags.contains(.maintenance), nil, node,
            in: world)
        guard let told = message.maintained else { return }
        judge(
            UInt64(told.maintenance.count), told.maintenance.isOn,
            Int(message.groups[told.place].name) - 1, node, in: world)
    }

    private mutating func judge(
        _ count: UInt64, _ isOn: Bool, _ group: Int?, _ node: Node, in world: World
    ) {
        guard let known = maintenance(of: group, node) else {
            note((count, isOn, world.now), of: group, node)
            return
        }
        // What a session says that a false word has ended counts for nothing until it is disproved.
        guard isOn != known.isOn,
            excuses.isDisjoint(with: [.lostState, .falseWord, .doubleFault])
        else { return }
        world.violate(
            "S11",
            "\(node.id) says that maintenance\(group.map { " of group \($0)" } ?? "") is"
                + " \(isOn ? "on" : "off"), and has heard otherwise")
    }

    /// The machine has a group stopped.
    mutating func stops(_ group: GroupIndex, cause: Cause, _ node: Node, in world: World) {
        let isAtRest =
            !starting[group].contains(node.index) && !stopping[group].contains(node.index)
        stopping[group].insert(node.index)
        switch cause {
        case .agentRestarted, .configurationChanged:
            if sides[node.index].handsOff[group], isMaintained(group, node), isAtRest,
                running[group][node.index] > 0 || node.byHand[group] != nil
            {
                world.violate(
                    "S11", "\(node.id) stops group \(group) in maintenance, as its file has it")
            }
            sides[node.index].handsOff[group] = false
        case .conflict where running[group][node.index] > 0:
            sides[node.index].handsOff[group] = false
            let peer = world.peer(of: node)
            if peer.strays.contains(group) {
                world.violate(
                    "L3",
                    "\(node.id) stops group \(group), because somebody started it on \(peer.id)")
            }
        case .command, .failback, .conflict, .none:
            sides[node.index].handsOff[group] = false
        case .plannedStop: judgeLeaving(group, node, in: world)
        default: break
        }
    }

    mutating func leaves(_ node: Node, at now: Int64) {
        sides[node.index].leavesSince = sides[node.index].leavesSince ?? now
    }

    /// L1: a planned stop gives the peer's copy time to follow, and no more than that.
    private func judgeLeaving(_ group: GroupIndex, _ node: Node, in world: World) {
        let side = sides[node.index]
        guard let sync = world.plan.sync(of: group), let since = side.leavesSince else { return }
        let waited = world.now - since
        if waited - node.stood > (sync.waits + .seconds(2)).nanoseconds {
            world.violate(
                "L1", "\(node.id) leaves, and group \(group) ran on for \(waited / 1_000_000) ms")
        }
        let deadAfter = node.policy.timing.deadAfter.nanoseconds
        let isThere = world.peer(of: node).agent != nil
        let inContact = isThere && world.now - side.reachedSent < deadAfter / 2
        let copy = world.peer(of: node).data[group]
        let newest = node.data[group]
        guard inContact, side.copyMissing.contains(group),
            waited < sync.waits.nanoseconds * 97 / 100,
            node.isUp(world.plan.list[group % world.plan.groups.count]), !world.rolls,
            copy.epoch != newest.epoch || newest.asOf - copy.asOf > sync.maxLag.nanoseconds
        else { return }
        world.violate(
            "L1",
            "\(node.id) leaves, and gives the copy of group \(group) \(waited / 1_000_000) ms"
                + " to follow")
    }

    /// S11: the process is begun for a group.
    mutating func works(
        _ action: ResourceAction, on group: GroupIndex, cause: Cause, _ node: Node, in world: World
    ) {
        guard action != .monitor, sides[node.index].handsOff[group], isMaintained(group, node)
        else { return }
        world.violate(
            "S11", "\(node.id) begins to \(action) group \(group) in maintenance: \(cause)")
    }

    // MARK: Work by hand

    /// Groups that the operator names who ends the maintenance.
    var named = GroupSet.none

    /// Hands are off it for certain, and nothing is under way.
    func isHandsOff(_ group: Int, _ node: Node) -> Bool {
        isMaintained(group, node) && !starting[group].contains(node.index)
            && !stopping[group].contains(node.index)
    }

    mutating func worksByHand(_ group: Int, _ node: Node) {
        sides[node.index].handsOff[group] = true
    }

    /// S11: maintenance does not end while a group runs by hand, whether here or on the peer, unless
    /// the operator names it. Each agent looks every two seconds.
    func judgeEnd(of one: Int?, on node: Node, in world: World) {
        let peer = world.peer(of: node)
        let inContact =
            world.now - sides[node.index].reachedSent < node.policy.timing.deadAfter.nanoseconds / 2
        for (place, group) in world.plan.list.enumerated() where one ?? group.name == group.name {
            for other in [node, peer] where !named.contains(place) {
                guard let since = other.byHand[group.name], other.agent != nil,
                    other === node || inContact,
                    world.now - max(since, sides[other.index].startedAt) > 10_000_000_000
                else { continue }
                world.violate(
                    "S11",
                    "maintenance ends on \(node.id), and group \(group.name) runs on \(other.id) by"
                        + " hand")
            }
        }
    }

    /// S1: what runs by hand is stopped when the maintenance has ended, and where there was none at
    /// the agent's second look at the latest: the first may fall into a move.
    private func judgeHands(_ node: Node, in world: World) {
        for (group, begun) in node.byHand where !mayBeOrderedOff(group, node) {
            var since = max(
                sides[node.index].maintenance?.at ?? .max,
                sides[node.index].maintained[group]?.at ?? .max, sides[node.index].startedAt)
            if node.strays.contains(group) { since = max(since, begun) + 10_000_000_000 }
            // A stop that failed is tried again every 30 s.
            if let failing = node.resourceFaults[group][.stopFails] {
                since = max(since, failing + 30_000_000_000)
            }
            guard since < world.now - 15_000_000_000, excuses.isEmpty else { continue }
            world.violate("S1", "group \(group) runs on \(node.id) by hand, and goes on")
        }
    }

    /// S2: nobody has given the node the right to what a person started on it.
    func warrants(
        _ group: Int, _ role: GroupReport.Role, _ node: Node, in world: World
    ) {
        guard role != .holding else { return }
        world.violate("S2", "\(node.id) takes for its own what somebody started of group \(group)")
    }

    /// It is up by an order of the operator's, and is left alone from now on.
    mutating func isUp(_ group: GroupIndex, _ node: Node) {
        sides[node.index].handsOff[group] = isOrderedOff(group, node)
        missedAt[group] = nil
    }

    // MARK: Groups

    /// A node whose disk took nothing when it was last written to can use no term that is not under
    /// the ceiling there, and starts no group with data: it must not say that it would take it.
    private mutating func judge(
        _ report: GroupReport, of group: Int, _ node: Node, in world: World
    ) {
        let eligible = report.flags.contains(.eligible)
        sides[node.index].eligible[group] = eligible
        guard eligible, report.role == .vacant, node.wasRefused || node.lookFailed,
            let ceiling = node.ceiling(of: group),
            report.term >= ceiling || world.plan.sync(of: group) != nil
        else { return }
        world.violate(
            "L4", "\(node.id) would take group \(group), it says, and its disk has no term left")
    }

    /// As it last said.
    func isEligible(_ node: Node, _ group: GroupIndex) -> Bool {
        sides[node.index].eligible[group]
    }

    /// Nothing is stopped for a move that the peer cannot take, by its own newest word.
    func releases(_ trace: Trace, _ node: Node, _ agent: AgentLife, in world: World) {
        switch trace.cause {
        case .command, .failback, .healthCritical: break
        default: return
        }
        guard let place = agent.list.firstIndex(where: { $0.name == trace.group }),
            let theirs = agent.machine.peer.message?.groups,
            case let told = agent.machine.peer.matches[place].place, told >= 0,
            theirs[told].role != .vacant || theirs[told].flags.contains(.unready)
        else { return }
        guard theirs[told].role != .vacant else {
            return world.violate(
                "L3",
                "\(node.id) stops group \(agent.list[place].name) for a move, and the peer says that"
                    + " it cannot start it")
        }
        world.violate(
            "L3",
            "\(node.id) stops group \(agent.list[place].name) for a move, and the peer is not done"
                + " with stopping it")
    }

    mutating func activates(
        _ activation: Activation, _ agent: AgentLife, adopts: Bool, _ node: Node, in world: World
    ) {
        let group = agent.list[activation.group].name
        let peer = world.peer(of: node)
        let other = sides[peer.index]
        let term = activation.term.value
        if activation.cause == .none { world.violate("L3", "group \(group) without a cause") }
        if !adopts, !agent.lists(group) {
            world.violate("S2", "\(node.id) starts group \(group), which its file does not list")
        }
        switch activation.warrant.evidence {
        case .grant(let session, let granted):
            if session == other.session,
                !other.granted[group].contains(granted.value)
                    || granted != activation.term
            {
                world.violate("S2", "\(node.id) starts group \(group) by a grant never given")
            }
        case .unlisted(let session):
            let lists = peer.agent.map { $0.session == session && $0.lists(group) }
            if !adopts || lists == true {
                world.violate("S2", "\(node.id) starts group \(group) by what its peer lists")
            }
        case .left(let session):
            if session == other.session, !other.leavesDifferences {
                world.violate("S2", "\(node.id) starts group \(group), not left to it")
            }
        case .receipt(let receipt):
            if world.now > senseLiesUntil { judge(receipt, node, peer, other, in: world) }
            if !adopts, receipt.proof != .operatorsWord { wasOrdered(group, node, in: world) }
        }
        if adopts {
            if running[group][node.index] != term, excuses.isEmpty {
                world.violate("S2", "\(node.id) adopts group \(group), which was not noted")
            }
            if starting[group].contains(node.index) {
                world.violate("S2", "\(node.id) adopts group \(group) in the middle of its start")
            }
            if cutShort[group].contains(node.index), !isMaintained(group, node) {
                world.violate("S2", "\(node.id) adopts group \(group), whose start was cut short")
            }
            if stopping[group].contains(node.index) {
                world.violate("S2", "\(node.id) adopts group \(group) in the middle of its stop")
            }
            return
        }
        starting[group].insert(node.index)
        for side in sides.indices { sides[side].inStep.remove(group) }
        judge(term, of: group, node, in: world)
        judgeRefusal(activation.term, of: group, node, in: world)
        judgeData(activation, of: group, node, in: world)
        judgeDivergence(activation, of: group, node, in: world)
        if startedLast[group] != node.index {
            startedLast[group] = node.index
            takeoversOrdered[group] = []
        }
        if isMaintained(group, node), activation.cause != .peerYielded {
            world.violate(
                "S11", "\(node.id) starts group \(group) in maintenance: \(activation.cause)")
        }
        sides[node.index].handsOff[group] = false
        judgeMove(of: group, to: node, in: world)
        judgePause(of: group, on: node, in: world)
        if activation.cause == .fenced { takeovers += 1 }
    }

    /// What the peer ran last, and is to be asked for, is taken over on the operator's order alone.
    private func wasOrdered(_ group: Int, _ node: Node, in world: World) {
        let known = world.plan.groups[group % world.plan.groups.count]
        guard known.takeover == .ask, startedLast[group] == 1 - node.index,
            !takeoversOrdered[group].contains(node.index)
        else { return }
        world.violate("S2", "\(node.id) takes group \(group) over, and nobody was asked")
    }

    mutating func takeover(of group: Int?, orderedOn node: Node) {
        for each in takeoversOrdered.indices where group == nil || group == each {
            takeoversOrdered[each].insert(node.index)
        }
    }

    /// The node starts a group by its operator's order, whatever its copy is.
    mutating func names(_ group: Int?, _ node: Node) {
        if let group { staleOrdered[group].insert(node.index) }
    }

    // MARK: Data

    /// The first write after a start. Returns the epoch that it begins.
    mutating func beginsEpoch(of group: Int, _ node: Node) -> UInt64 {
        epochs += 1
        let former = node.data[group]
        let isNamed = staleOrdered[group].contains(node.index)
        parents[epochs] = (former.epoch, former.number, hasParted[group], isNamed)
        heads[group] = (node.index, epochs, sides[node.index].goesOnUnmet)
        staleOrdered[group] = []
        acknowledged[group] = node.data[group].number
        return epochs
    }

    /// Whether a copy has something of a line that led to this one, from after this one parted, and no
    /// operator has named this one since.
    private func has(_ copy: DataCopy, beyond mine: DataCopy) -> Bool {
        var epoch = mine.epoch
        while let parent = parents[epoch] {
            if parent.epoch == copy.epoch {
                return parent.parted && copy.number > parent.began
            }
            if parent.isNamed { return false }
            epoch = parent.epoch
        }
        return false
    }

    /// S10: while they hear each other, neither node forms a group by itself whose data have diverged:
    /// the other one has something that the newer line of history began without.
    private mutating func judgeDivergence(
        _ activation: Activation, of group: Int, _ node: Node, in world: World
    ) {
        guard let sync = world.plan.sync(of: group) else { return }
        let peer = world.peer(of: node)
        let isNamed = staleOrdered[group].contains(node.index)
        hasParted[group] = false
        switch activation.warrant.evidence {
        case .receipt:
            let knows = isNamed && saidDiverged[group].contains(node.index)
            hasParted[group] =
                !knows && lag(of: group, on: node, in: world) > Watch.most(sync, node)
            if let agent = node.agent, startedLast[group] != node.index {
                let since = max(agent.startedAt, node.probeFailsUntil[group])
                let isBlind = world.now - since < sync.maxLag.nanoseconds
                blindStarts[group] = isBlind ? node.index : nil
                currentStarts[group] = saysCurrent(group, agent) ? node.index : nil
            }
        case .grant:
            guard activation.cause == .formation, excuses.isEmpty,
                !isNamed, blindStarts[group] != node.index,
                !sync.strict, world.now - peer.probeFailsUntil[group] > sync.maxLag.nanoseconds,
                has(peer.data[group], beyond: node.data[group])
            else { return }
            world.violate(
                "S10",
                "\(node.id) forms group \(group), and its data lack what \(peer.id) wrote before")
        case .unlisted, .left: break
        }
    }

    /// Whether a copy has something that another one lacks.
    func has(_ copy: DataCopy, lackedBy mine: DataCopy) -> Bool {
        if copy.epoch == mine.epoch { return copy.number > mine.number }
        var epoch = mine.epoch
        while let parent = parents[epoch] {
            if parent.epoch == copy.epoch { return copy.number > parent.began }
            epoch = parent.epoch
        }
        return copy.epoch != 0
    }

    /// In its messages and its status. What it told of last is older where it has judged nothing since:
    /// a right that it gave away, or a new life of its peer's, ends a judgement and begins none.
    private func saysCurrent(_ group: Int, _ agent: AgentLife) -> Bool {
        guard let place = agent.place(of: group) else { return false }
        return agent.machine.groups[place].copy.state == .current
    }

    mutating func says(diverged: Bool, _ group: Int?, _ node: Node) {
        guard let group else { return }
        saidDiverged[group].remove(node.index)
        if diverged { saidDiverged[group].insert(node.index) }
    }

    /// L1: no operator is asked by the positions which data are to stay, where one copy has all, or
    /// where the other lacks only what was agreed.
    func findsDiverged(_ trace: Trace, _ agent: AgentLife, _ node: Node, in world: World) {
        guard let group = trace.group, trace.number == 1, excuses.isEmpty,
            let place = agent.place(of: group), let theirs = agent.machine.peer.message?.groups,
            case let told = agent.machine.peer.matches[place].place, told >= 0,
            case let branch = agent.machine.disk.memory.groups[place].branch.position,
            branch.epoch != 0, theirs[told].data?.position.epoch == branch.epoch,
            blindStarts[group] != node.index,
            currentStarts[group] == node.index
                || !has(world.peer(of: node).data[group], lackedBy: node.data[group])
        else { return }
        world.violate(
            "L1", "\(node.id) says that the data of group \(group) have diverged, and they have not"
        )
    }

    /// The node on which a group's data were written last; `nil` where they never were.
    func head(of group: Int) -> Int? { heads[group]?.node }

    /// How far a node's copy is behind what was written last; one of another epoch is behind for ever.
    private func lag(of group: Int, on node: Node, in world: World) -> Int64 {
        guard let head = heads[group], head.node != node.index else { return 0 }
        guard node.data[group].epoch == head.epoch else { return .max }
        return world.nodes[head.node].data[group].asOf - node.data[group].asOf
    }

    /// How far behind a copy may be that is current: by what was agreed until the loss of contact, and by
    /// as much until the writer was off.
    private static func most(_ sync: GroupPolicy.Sync, _ node: Node) -> Int64 {
        sync.maxLag.nanoseconds * 2 + node.policy.timing.deadAfter.nanoseconds + 1_000_000_000
    }

    /// S10: who starts a stateful group wrote its data last, or has a copy that was current when
    /// it was last judged, and that the writer could not outrun since by more than was agreed: by
    /// `max_lag` until the loss of contact, and by `max_lag` until it was off.
    private func judgeData(
        _ activation: Activation, of group: Int, _ node: Node, in world: World
    ) {
        guard let sync = world.plan.sync(of: group), let head = heads[group],
            head.node != node.index, excuses.isEmpty, !staleOrdered[group].contains(node.index)
        else { return }
        if case .receipt = activation.warrant.evidence, sync.takesOverStale { return }
        // Either has gone on without having met the other. By every term that it knows, nobody had
        // the group after it.
        if sides[node.index].goesOnUnmet || head.unmet, let agent = node.agent,
            let place = agent.list.firstIndex(where: { $0.name == group }),
            agent.machine.disk.memory.groups[place].data.isLast
        {
            return
        }
        let copy = node.data[group]
        if sync.strict, copy.epoch == head.epoch {
            if copy.number < acknowledged[group] {
                world.violate(
                    "S10",
                    "\(node.id) starts group \(group) because of \(activation.cause), on a copy"
                        + " that lacks what was acknowledged")
            }
            return
        }
        let lag = lag(of: group, on: node, in: world)
        guard lag > Watch.most(sync, node) else { return }
        let what =
            copy.epoch == head.epoch
            ? "\(lag / 1_000_000) ms behind" : copy.epoch == 0 ? "blank" : "of an older epoch"
        world.violate(
            "S10",
            "\(node.id) starts group \(group) because of \(activation.cause), on a copy that is"
                + " \(what)")
    }

    /// S10: the store of a strict group acknowledges, up to this number. What the peer's copy lacks it
    /// acknowledges only if the peer has that on disk, or does not believe otherwise.
    mutating func acknowledges(
        _ number: UInt64, of group: Int, copied: UInt64, _ node: Node, in world: World
    ) {
        guard heads[group]?.node == node.index else { return }
        acknowledged[group] = max(acknowledged[group], number)
        let peer = world.peer(of: node)
        if sides[peer.index].outOfStep.contains(group), isRefused(peer, at: world.now) {
            sides[peer.index].notedInMemory.insert(group)
        }
        let side = sides[peer.index]
        guard number > copied, side.inStep.contains(group), excuses.isEmpty,
            let agent = peer.agent, side.hasLeft != agent.session,
            let place = peer.keptList.firstIndex(where: { $0.name == group }),
            peer.kept?.groups[place].isOutOfStep == false,
            !side.notedInMemory.contains(group)
        else { return }
        world.violate(
            "S10",
            "\(node.id) acknowledges of group \(group) what \(peer.id) lacks, and \(peer.id) takes"
                + " itself for in step")
    }

    /// Its agent knows that its disk takes nothing, by more than a look.
    private func isRefused(_ node: Node, at now: Int64) -> Bool {
        node.wasRefused || node.writing.map { now - $0.since > 9_900_000_000 } == true
    }

    /// S11: in maintenance no store is told to wait.
    func tells(_ action: ReplicationAction, _ group: Int, _ node: Node, in world: World) {
        guard action == .restore, isMaintained(group, node) else { return }
        world.violate("S11", "\(node.id) restores group \(group), and somebody works on it")
    }

    /// A command for the store of a strict group found it down. It is tried again after a while, or
    /// when the group has started.
    mutating func misses(_ group: Int, _ node: Node, at now: Int64) { missedAt[group] = now }

    /// L1: a store does not wait for ever for the copy of a peer that is in contact, or off.
    mutating func waits(_ waits: Bool, on group: Int, _ node: Node, in world: World) {
        guard waits, let sync = world.plan.sync(of: group), mayBeTold(group, node, in: world) else {
            waitsSince[group] = nil
            return
        }
        let since = waitsSince[group] ?? world.now
        waitsSince[group] = since
        let waited = world.now - since
        guard waited > (sync.maxLag * 4 + .seconds(3)).nanoseconds else { return }
        world.violate(
            "L1",
            "\(node.id) is in contact, and the commits of group \(group) have waited for"
                + " \(waited / 1_000_000) ms")
    }

    /// Nothing keeps the holder from telling its store, nor the peer from noting that.
    private func mayBeTold(_ group: Int, _ node: Node, in world: World) -> Bool {
        let (peer, side) = (world.peer(of: node), sides[node.index])
        guard let mine = node.agent,
            world.now - max(mine.startedAt, peer.agent?.startedAt ?? 0) > 5_000_000_000
        else { return false }
        let isOff = peer.agent == nil && mine.machine.life.receipt != nil
        let isHeard =
            peer.agent != nil
            && world.now - side.reachedSent < node.policy.timing.deadAfter.nanoseconds / 2
        let stands = max(node.standsStillUntil, peer.standsStillUntil) > world.now
        // The last failure may have been just before the fault ended, and was the fifth.
        let faults = node.resourceFaults[group]
        let failsUntil = max(
            faults[.commandsFail] ?? 0, faults[.slow] ?? 0, missedAt[group] ?? 0,
            (faults[.commandsHang] ?? 0) + 25_000_000_000)
        let fails = failsUntil > world.now - 20_000_000_000
        let isSlow = max(peer.slowUntil, peer.hangsUntil) > world.now - 5_000_000_000
        return (isHeard && !isSlow || isOff) && !stands && !fails
            && !starting[group].contains(node.index) && !stopping[group].contains(node.index)
            && node.hangsUntil < world.now && excuses.isEmpty && !world.rolls
    }

    /// S4. A node that went on by an operator's word, without having heard of what its peer has
    /// done since, cannot know how far the terms have come: there they may fall, but never repeat.
    private mutating func judge(
        _ term: UInt64, of group: GroupIndex, _ node: Node, in world: World
    ) {
        let blind = isBlind(node, to: highest[group].term, of: highest[group].at)
        if excuses.isEmpty,
            started[group].contains(term) || (term < highest[group].term && !blind)
        {
            world.violate(
                "S4",
                "\(node.id) starts group \(group) at term \(term) after \(highest[group].term)")
        }
        started[group].insert(term)
        if term > highest[group].term { highest[group] = (term, world.now) }
    }

    /// It cannot know of a term that was first started then.
    private func isBlind(_ node: Node, to term: UInt64, of at: Int64) -> Bool {
        let side = sides[node.index]
        // A node that had heard of it cannot know either, if its disk took nothing since, its note
        // is gone with its power, and it has missed another such leap, not just a change or a few.
        let forgot =
            side.reachedSent < side.startedAt && side.reachedAt <= side.lastDark
            && side.ceilings.max()! + (1 << 20) <= term
        return operated && (side.reachedSent < at || forgot)
    }

    /// S4, of a resource that is started: it may stand in another group than before, or be defined
    /// otherwise.
    mutating func starts(
        _ resource: Int, of group: Int, at term: Term, _ node: Node, in world: World
    ) {
        let resource = resource % world.plan.resources
        let start = (term.value, world.now, node.index, group)
        guard let last = starts[resource] else { return starts[resource] = start }
        let repeats =
            term.value == last.term && (last.node, last.group) != (node.index, group)
        if excuses.isEmpty,
            repeats || term.value < last.term && !isBlind(node, to: last.term, of: last.at)
        {
            world.violate(
                "S4",
                "\(node.id) starts resource \(resource), in group \(group), at term \(term.value)"
                    + " after \(last.term), in group \(last.group)")
        }
        if term.value > last.term { starts[resource] = start }
    }

    private func judge(
        _ receipt: Receipt, _ node: Node, _ peer: Node, _ other: Side, in world: World
    ) {
        let mine = sides[node.index]
        let lives = peer.agent?.session == receipt.session && receipt.session != nil
        switch receipt.proof {
        case .verifiedOff:
            if lives, !excuses.contains(.doubleFault) {
                world.violate("S2", "\(node.id) acts on a receipt for a session that lives")
            }
        case .left:
            if lives, other.hasLeft != receipt.session {
                world.violate("S2", "\(node.id) takes for left a peer that never said so")
            }
        case .operatorsWord:
            if !mine.wordGiven { world.violate("S2", "\(node.id) acts on a word never given") }
        case .remembered:
            if !mine.startedAlone {
                world.violate("S2", "\(node.id) remembers a receipt that is not on its disk")
            }
        }
    }

    /// S1, at each resource that comes up. It may stand in another group on the other node, and be
    /// defined otherwise; here, too, what it was before is stopped first.
    mutating func comesUp(_ group: ListedGroup, term: Term, _ node: Node, in world: World) {
        let peer = world.peer(of: node)
        if !node.powered { world.violate("S1", "something runs on a node without power") }
        if node.runs(group, byOtherDefinition: true) {
            world.violate(
                "S2", "group \(group.name) comes up on \(node.id), where it is up as it was before")
        }
        if peer.runs(group, byOtherDefinition: false), peer.byHand[group.name] == nil,
            !excuses.contains(.falseWord),
            !excuses.contains(.doubleFault), world.now > senseLiesUntil
        {
            world.violate(
                "S1", "group \(group.name) comes up on \(node.id), and is up on \(peer.id)")
        }
    }

    /// The starts of these groups were under way when the node's last agent ended.
    mutating func cutShort(_ groups: Set<Int>, _ node: Node) {
        for group in groups { cutShort[group].insert(node.index) }
    }

    // MARK: Moves

    /// What became of the resources.
    mutating func came(
        _ outcome: ResourceOutcome, of group: GroupIndex, _ node: Node, at now: Int64
    ) {
        resets.came(outcome, of: group, node, at: now)
        starting[group].remove(node.index)
        cutShort[group].remove(node.index)
        switch outcome {
        case .failed, .startFailedDirty, .startFailedUnknown: fails(group, node, at: now)
        case .startFailed:
            stopping[group].remove(node.index)
            fails(group, node, at: now)
        case .startRefused(let dataTerm):
            stopping[group].remove(node.index)
            // The first refusal is no failure.
            if refusals[group][node.index]?.life == node.life { fails(group, node, at: now) }
            refusals[group][node.index] = (dataTerm, node.life)
        case .started: refusals[group] = [nil, nil]
        case .stopped: stopping[group].remove(node.index)
        case .stopFailed, .stopUnknown, .restarted, .ailing, .recovered, .seen, .unseen, .dropped,
            .outgrown:
            break
        }
    }

    private mutating func fails(_ group: GroupIndex, _ node: Node, at now: Int64) {
        failedOn[group] = (node.index, node.life)
        let last = tries[group][node.index]
        let isSeries = last.life == node.life && now - last.at < Watch.series
        tries[group][node.index] = (isSeries ? last.count + 1 : 1, now, node.life)
    }

    /// A person moves groups, or has them tried anew.
    mutating func orders() {
        for group in failedOn.indices {
            failedOn[group] = nil
            refusals[group] = [nil, nil]
            for node in tries[group].indices { tries[group][node].count = 0 }
        }
    }

    /// L1: data that refuse a start are started above their term.
    private func judgeRefusal(
        _ term: Term, of group: GroupIndex, _ node: Node, in world: World
    ) {
        guard let refusal = refusals[group][node.index], refusal.life == node.life,
            term <= refusal.dataTerm
        else { return }
        world.violate(
            "L1",
            "\(node.id) starts group \(group) at term \(term.value), and was told that its data are"
                + " of term \(refusal.dataTerm.value)")
    }

    /// Failures are not forgotten before the group has run well for ten minutes.
    private static let series: Int64 = 500_000_000_000
    /// Before a group is tried again after its first failure.
    private static let pause: Int64 = 9_900_000_000

    /// S12: the pause before a group is tried again on a node grows with each failure there.
    private mutating func judgePause(of group: GroupIndex, on node: Node, in world: World) {
        let last = tries[group][node.index]
        guard last.count > 0, last.life == node.life else { return }
        if world.now - last.at < Watch.pause << min(last.count - 1, 6) {
            world.violate(
                "S12", "\(node.id) tries group \(group) again soon after failure \(last.count)")
        }
    }

    /// S12: a group that fails on one node and starts on the other one has moved, whatever the
    /// nodes call it. An agent that ended meanwhile may have forgotten a move, and groups that fail
    /// on both nodes at once may each spend the last one.
    private mutating func judgeMove(of group: GroupIndex, to node: Node, in world: World) {
        defer { failedOn[group] = nil }
        let peer = world.peer(of: node)
        guard let failed = failedOn[group], failed.node == peer.index, failed.life == peer.life,
            peer.agent != nil
        else { return }
        let window: Int64 = 3_600_000_000_000
        moves.append(world.now)
        moves.removeAll { world.now - $0 >= window }
        guard !excuses.contains(.lostState) else { return }
        let forgotten = ends.count { $0 >= moves[0] }
        let crossed = failedOn.count > 1 ? 1 : 0
        if moves.count > node.policy.moveBudget.count + forgotten + crossed {
            world.violate("S12", "group \(group) has moved for a failure \(moves.count) times")
        }
    }

    // MARK: Fences

    /// L5: an unfit node fences no peer before a fit one could have fenced it, and leaves none off.
    private func judgeFitness(_ order: FenceOrder, of node: Node, in world: World) {
        guard isUnfit(node, at: world.now), let policy = node.agent?.machine.policy else { return }
        if !order.reboots {
            world.violate("L5", "\(node.id) is unfit, and may leave off whom it fences")
        }
        let timing = policy.timing
        let firstTurns =
            timing.deadAfter + timing.headStart + (timing.deadAfter + timing.offWithin) * 3
        let since = world.now - sides[node.index].heardAt
        guard since < firstTurns.nanoseconds / 100 * 99 else { return }
        world.violate(
            "L5",
            "\(node.id) is unfit, and fences its peer \(since / 1_000_000) ms after it heard it")
    }

    /// A sensor is past its limit, and no drill is at work; or what the peer holds has failed here
    /// just now, or cannot start here, as the node has said.
    private func isUnfit(_ node: Node, at now: Int64) -> Bool {
        guard now >= sides[node.index].pretendsUntil else { return false }
        let isCritical = node.chips.contains { chip in
            chip.criticalSince.map { $0 < now - Chip.interval / 2 } ?? false
        }
        let hasFailed = sides[node.index].heldByPeer.contains { group in
            let last = tries[group][node.index]
            return last.count > 0 && last.life == node.life && now - last.at < Watch.pause
        }
        let isUnready = sides[node.index].heldByPeer.contains { group in
            sides[node.index].unready.contains(group)
                && (node.resourceFaults[group][.unitMissing] ?? 0) > now
        }
        return isCritical || hasFailed || isUnready
    }

    /// L1: a loss of contact begins with the first level, in the first turn. Only a level that has
    /// failed since, or just before, makes another one the next.
    private func judgeLevel(_ order: FenceOrder, of node: Node, in world: World) {
        let side = sides[node.index]
        guard order.level > 0, side.reachedAt - side.failedAt > 1_000_000_000 else { return }
        world.violate("L1", "\(node.id) begins a fence with level \(order.level + 1)")
    }

    mutating func failsToFence(_ node: Node, at now: Int64) { sides[node.index].failedAt = now }

    mutating func ordered(_ order: FenceOrder, by node: Node, in world: World) {
        let index = node.index
        if order.cause == .contactLost { judgeLevel(order, of: node, in: world) }
        sides[index].orderedAt = world.now
        sides[index].orders.append(Ordered(since: world.now))
        fences += 1
        if sides[index].liedAt != nil {
            world.violate("S3", "\(node.id) orders a fence, and its last one that counted was none")
        }
        switch order.cause {
        case .contactLost:
            // Time for which this node stood still is no evidence against its peer. The clocks
            // drift by far less than a hundredth; a loop that stood still before its deadline
            // cannot tell the first heartbeat of it from waiting.
            let still = node.stood - sides[index].reachedStood
            let age = world.now - sides[index].reachedSent - still
            let slack = still > 0 ? node.policy.timing.heartbeat.nanoseconds * 2 : 0
            judgeMaintenance(node, in: world)
            judgeMaintained(node, in: world)
            judgeLeaver(node, in: world)
            judgeUse(node, in: world)
            judgeFitness(order, of: node, in: world)
            if age < node.policy.timing.deadAfter.nanoseconds * 99 / 100 - slack {
                world.violate("S5", "\(node.id) orders a fence, in contact \(age / 1000) us ago")
            }
        case .peerAskedForIt:
            if !sides[1 - index].fenceMe {
                world.violate("S5", "\(node.id) fences a peer that did not ask for it")
            }
            judgeMaintenance(node, in: world)
        case .drill:
            if sides[index].liveFences == 0 {
                world.violate("S9", "a drill that is not live orders a fence")
            }
        case .aloneAfter:
            if !sides[index].startedAlone { judgeUnmet(node, in: world) }
            judgeMaintenance(node, in: world)
            if world.now - sides[index].reachedSent < node.policy.timing.deadAfter.nanoseconds {
                world.violate("S5", "\(node.id) orders a fence on booting, and is in contact")
            }
        case .command: operated = true
        default: world.violate("S5", "\(node.id) orders a fence because of \(order.cause)")
        }
    }

    /// A node that boots alone without a receipt fences a peer that has had no power all the time,
    /// or one that it need not have seen so.
    private mutating func judgeUnmet(_ node: Node, in world: World) {
        sides[node.index].goesOnUnmet = true
        operated = true
        guard case .aloneAfter(let patience, _) = node.policy.startup else {
            return world.violate("S5", "\(node.id) fences by a receipt that is not on its disk")
        }
        let peer = world.peer(of: node)
        // A line that broke since the last self-test in contact lies unseen.
        let isOdd = node.hasBeenOddAt >= node.passedAt
        guard !node.policy.startup.fencesUnreachable, !isOdd else { return }
        // Looks come every second, and clocks drift. One that boots just then holds nothing.
        let isBack = peer.powered && world.now - peer.poweredAt > 1_500_000_000
        let dark = isBack ? 0 : world.now - peer.darkSince
        if dark < patience.nanoseconds / 100 * 97 {
            world.violate(
                "S5",
                "\(node.id) never met its peer, and fences it after \(dark / 1_000_000) ms off")
        }
    }

    /// The relay's line is driven off.
    mutating func drivesOff(_ node: Node, cause: Cause, in world: World) {
        let side = sides[node.index]
        guard cause == .contactLost || cause == .aloneAfter else { return }
        let age = world.now - side.reachedSent
        if age < node.policy.timing.deadAfter.nanoseconds * 99 / 100,
            world.now - side.reachedAt > 3_000_000 + node.lateBy, node.standsStillUntil <= world.now
        {
            world.violate("S5", "\(node.id)'s relay moves though contact was regained")
        }
    }

    /// The relay that `node` drives has taken the peer's supply away.
    mutating func cuts(_ victim: Node, by node: Node, in world: World) {
        if node.lineCause == .command || node.lineCause == .drill {
            sides[victim.index].commandedAt = world.now
        }
        let odd =
            node.relayFault != nil || victim.relayFault != nil || !node.parted.isEmpty
            || !victim.parted.isEmpty
            || world.now - max(node.hasBeenOddAt, victim.hasBeenOddAt) < 60_000_000_000
        // One that was off all the time, and has its power back since the last look, which an outlet
        // follows late.
        let isBack =
            node.lineCause == .aloneAfter && sides[node.index].goesOnUnmet
            && world.now - victim.poweredAt < 100_000_000 + (world.plan.outlet?.nanoseconds ?? 0)
        guard node.lineCause == .contactLost || node.lineCause == .aloneAfter, !odd,
            !node.policy.startup.fencesUnreachable, !isBack,
            !excuses.contains(.falseWord), !excuses.contains(.doubleFault)
        else { return }
        let mine = sides[node.index]
        if mine.cutAt > mine.reachedSent {
            world.violate("S7", "\(node.id) cuts \(victim.id) after it was cut itself")
        }
        // Two cases are excused: an agent that died before its receipt was on disk, and a cut that
        // the peer's answer came too late to stop.
        let knew = mine.startedAt < sides[victim.index].cutAt
        if sides[victim.index].cutOrderedAt > mine.reachedSent, knew,
            mine.heardAt < sides[victim.index].cutOrderedAt, !excuses.contains(.lostState)
        {
            world.violate("S7", "\(node.id) cuts \(victim.id) again, without contact between")
        }
        countCut(by: node, in: world)
        // An operator's order crossed the node's own. The cut that the node began goes on without
        // that order, and decides nothing.
        guard mine.commandedAt < mine.orderedAt else { return }
        sides[victim.index].cutAt = world.now
        sides[victim.index].cutOrderedAt = mine.orderedAt
    }

    /// The budget; one more may be forgotten by an agent that crashed, and one by each life of an
    /// agent whose disk was full.
    private mutating func countCut(by node: Node, in world: World) {
        let window = node.policy.fenceBudget.window.nanoseconds
        sides[node.index].cuts.removeAll { world.now - $0.at > window / 100 * 97 }
        sides[node.index].cuts.append(
            Cut(
                at: world.now, life: node.life,
                unkept: node.forgetsUntil > world.now))
        guard !excuses.contains(.lostState) else { return }
        let cuts = sides[node.index].cuts
        let forgotten = Set(cuts.filter(\.unkept).map(\.life)).count
        if cuts.count > node.policy.fenceBudget.count + 1 + forgotten {
            world.violate("S7", "\(node.id) has spent more than its budget of fences")
        }
    }

    /// It does not fence, because its budget is spent: no step of a wall clock, nor one that begins
    /// in 1970 at each boot, may make it believe so. What it has ordered in earlier boots is younger
    /// to it by the time for which it was off, and by what it had not written of the last boot.
    func refused(_ node: Node, in world: World) {
        let window = node.policy.fenceBudget.window.nanoseconds
        let young = sides[node.index].orders.count {
            $0.age + world.now - $0.since < window / 100 * 103 + 1_000_000_000
        }
        if young < node.policy.fenceBudget.count {
            world.violate(
                "L1", "\(node.id) has spent no budget of fences, and says that it has")
        }
    }

    /// Its watchdog is to end it, which counts as a fence.
    mutating func letsReset(_ node: Node, in world: World) {
        resets.letsReset(
            node, isMaintained: isMaintained(node), remembers: !excuses.contains(.lostState),
            in: world)
        sides[node.index].orders.append(Ordered(since: world.now))
    }

    private func judgeMaintenance(_ node: Node, in world: World) {
        guard isMaintained(node) else { return }
        world.violate("S11", "\(node.id) orders a fence while in maintenance")
    }

    /// S3: *off* is said only of a peer whose agent is dead. A contact that bounces may have made
    /// it lose its power, and give it back for a moment.
    mutating func reports(
        _ outcome: FenceOutcome, of node: Node, ordered cause: Cause?, in world: World
    ) {
        guard outcome == .off else { return }
        // An operator ordered this fence, and it was verified: it is the operator's word as well.
        let isUnmet = cause == .aloneAfter && sides[node.index].goesOnUnmet
        if node.lineCause == .command || cause == .command || isUnmet {
            sides[node.index].wordGiven = true
        }
        if excuses.contains(.doubleFault) { return }
        // The line read *on* when the fence began, and broke before the relay moved. The cause of
        // the fence and a lying sense line are two faults within milliseconds. The relay follows.
        if node.relayFault == .senseOff, node.hasBeenOddAt >= sides[node.index].orderedAt {
            senseLiesUntil = world.now + node.policy.timing.offWithin.nanoseconds
            return
        }
        if world.peer(of: node).agent != nil {
            world.violate("S3", "\(node.id)'s fence counts, and its peer lives")
        }
    }
}
