import PicketProof
import Testing

@testable import PicketCore

/// The pair's protocol, told as stories of two machines in a small world.
struct FailoverTests {
    @Test func `a pair forms and the preferred node holds the group`() {
        let world = SmallWorld()
        world.bootBoth()
        #expect(world.holder() == .low)
        #expect(world.fences.isEmpty)
        #expect(world.low.machine?.life.phase == .paired)
        #expect(world.violations.isEmpty)
    }

    @Test func `what runs already on a node that boots is stopped before the pair forms`() {
        let world = SmallWorld()
        world.startTime = .milliseconds(300)
        // As a unit that the system enabled by itself.
        world.boot(world.high)
        world.high.running[0] = Term(1)
        world.boot(world.low)
        world.run(for: .milliseconds(200))
        #expect(world.low.running[0] == nil)
        world.run(for: .seconds(2))
        #expect(world.holder() == .low)
        #expect(world.violations.isEmpty)
    }

    @Test func `a watchdog is fed by the timeout that its driver has`() {
        let world = SmallWorld()
        world.bootBoth()
        world.handle(.watchdog(.seconds(2)), on: world.low)
        let before = world.low.watchdogFeeds
        world.run(for: .seconds(4))
        #expect(world.low.watchdogFeeds - before >= 6)
        #expect(world.low.watchdogFeeds - before <= 20)
    }

    @Test func `while the times of turns differ the holder waits for a late turn`() {
        let world = SmallWorld()
        world.bootBoth()
        var other = SmallWorld.policy(me: .low)
        other.digest &+= 1
        other.turnsDigest &+= 1
        var effects = Recorder()
        #expect(
            world.low.machine?.reload(other, at: world.now, into: &effects) == true)
        world.run(for: .seconds(1))
        world.cutPower(world.high)
        let died = world.now
        #expect(world.run(until: { world.fences == [.high] }, within: .seconds(10)))
        #expect(world.now - died > .milliseconds(600))
        #expect(world.violations.isEmpty)
    }

    @Test func `a time without turns is a gap to status, drill and history`() throws {
        let world = SmallWorld {
            $0.timing.slowestOff = .seconds(1)
            $0.fenceLevels.append(.agent)
        }
        world.bootBoth()
        let gap = { world.low.machine?.status(at: world.clock(world.low)).protectionGap }
        #expect(gap() == nil)
        var other = world.low.policy
        other.digest &+= 1
        other.turnsDigest &+= 1
        var effects = Recorder()
        #expect(world.low.machine?.reload(other, at: world.now, into: &effects) == true)
        world.run(for: .seconds(1))
        #expect(gap() == .timesDiffer)
        #expect(
            world.command(.drillFailover(live: false), on: world.low) == .refused(.timesDiffer))
        world.cutPower(world.high)
        world.run(for: .seconds(5))
        #expect(world.fences.isEmpty)
        let told = world.low.traces.first { $0.trace.kind == .fenceRefused }
        #expect(told?.trace.refusal == .timesDiffer)
    }

    @Test func `a request taken back between two levels leaves the next loss to the first`() throws
    {
        let world = SmallWorld { $0.fenceLevels.append(.agent) }
        world.bootBoth()
        let (low, high) = (world.low, world.high)
        world.relays[1] = .stuckOn
        world.offWithin = .milliseconds(300)
        low.failStop = true
        #expect(world.command(.handover(nil), on: low) == .accepted)
        try #require(world.run(until: { high.has(.fenceOrdered) }, within: .seconds(10)))
        // The group is stopped meanwhile.
        low.failStop = false
        #expect(world.command(.clear(nil), on: low) == .accepted)
        try #require(world.run(until: { world.holder() == .high }, within: .seconds(40)))
        world.run(for: .seconds(1))
        #expect(high.count(.fenceFailed) == 1 && high.count(.fenceOrdered) == 1)

        world.relays[1] = .works
        world.offWithin = .milliseconds(20)
        world.cutPower(low)
        let died = world.now
        #expect(world.run(until: { world.fences == [.low] }, within: .seconds(10)))
        #expect(world.now - died < low.policy.timing.detectWithin)
        #expect(high.traces.last { $0.trace.kind == .fenceOrdered }?.trace.number == 0)
        #expect(world.violations.isEmpty)
    }

    @Test func `levels of another file begin with the first, and a former one's word is void`() {
        var (fence, out) = (Fence(), Recorder())
        let now = Instant(nanoseconds: 0)
        func order() {
            fence.order(session: SessionID(1), cause: .contactLost, at: now)
        }
        func take(_ outcome: FenceOutcome) -> Fence.Ordered? {
            fence.take(
                outcome, of: fence.id, onlyIfOff: false, levels: 2, retry: .seconds(5), at: now,
                into: &out)
        }
        fence.plan()
        order()
        #expect(!fence.isAtRest)
        #expect(take(.failed(.unreachable)) == nil)
        // The second level is to be tried: other ones would not know what it is to make good.
        #expect(fence.level == 1 && !fence.isAtRest)
        // The operator's word stands in for that.
        fence.abandon()
        #expect(fence.isAtRest)
        fence.beginAnew()
        #expect(fence.level == 0)

        fence.plan()
        for _ in 0..<2 {
            order()
            #expect(take(.failed(.unreachable)) == nil)
        }
        // All have failed, and others may be tried at once.
        #expect(fence.isAtRest && !fence.isIdle && fence.attempts == 1)
        fence.beginAnew()
        #expect(fence.isIdle && fence.attempts == 0 && fence.level == 0)
        #expect(take(.off) == nil)
        order()
        let former = fence.id - 1
        let late = fence.take(
            .off, of: former, onlyIfOff: false, levels: 2, retry: .seconds(5), at: now, into: &out)
        #expect(late == nil && fence.isOrdered)
        #expect(take(.off)?.session == SessionID(1))
    }

    @Test func `a group goes to no node that is not ready for it`() throws {
        let world = SmallWorld()
        world.bootBoth()
        world.handle(.ready(0, false), on: world.high)
        world.run(for: .seconds(1))
        let (low, high) = (
            try #require(world.low.machine?.status(at: world.clock(world.low))),
            try #require(world.high.machine?.status(at: world.clock(world.high)))
        )
        #expect(high.protectionGap == .notReady && !high.groups[0].ready && !high.fitForTurns)
        #expect(low.groups[0].peerReady == false && low.groups[0].peerEligible == false)
        #expect(low.groups[0].ready && high.groups[0].peerReady == true)
        #expect(high.groups[0].peerEligible == true)
        #expect(world.command(.handover(0), on: world.low) == .refused(.peerNotReady))
        #expect(world.command(.handover(0), on: world.high) == .refused(.notReady))
        #expect(
            world.command(.drillFailover(live: false), on: world.high) == .refused(.notReady))
        world.handle(.health(Health(score: 0)), on: world.low)
        world.run(for: .seconds(2))
        #expect(world.holder() == .low)
        world.handle(.ready(0, true), on: world.high)
        #expect(world.run(until: { world.holder() == .high }, within: .seconds(2)))
        #expect(world.high.count(.unready) == 1 && world.high.count(.readyAgain) == 1)
        #expect(world.violations.isEmpty, "\(world.violations)")
    }

    @Test func `a node that is not ready takes over once it is`() {
        let world = SmallWorld()
        world.bootBoth()
        world.handle(.ready(0, false), on: world.high)
        world.run(for: .seconds(1))
        let starts = world.high.count(.activating)
        world.bootTime = .seconds(60)
        world.cutPower(world.low)
        world.run(for: .seconds(10))
        #expect(world.fences == [.low])
        #expect(world.high.count(.activating) == starts)
        world.handle(.ready(0, true), on: world.high)
        #expect(world.run(until: { world.holder() == .high }, within: .seconds(1)))
        #expect(world.violations.isEmpty, "\(world.violations)")
    }

    @Test func `a failover drill tells what would wait for the operator`() {
        let world = SmallWorld { $0.groups[0].takeover = .ask }
        world.bootBoth()
        #expect(world.command(.drillFailover(live: false), on: world.high) == .accepted)
        let plan = world.high.traces.filter { $0.trace.kind == .drillPlan }
        #expect(plan.map { $0.trace.group } == [nil, 0])
    }

    @Test func `a silent holder is fenced before takeover and returns as a standby`() {
        let world = SmallWorld()
        world.bootBoth()
        world.cutPower(world.low)
        let died = world.now
        #expect(world.run(until: { world.holder() == .high }, within: .seconds(2)))
        #expect(world.now - died < .milliseconds(600))
        #expect(world.fences == [.low])
        world.run(for: .seconds(10))
        #expect(world.holder() == .high)
        #expect(world.low.machine?.life.phase == .paired)
        #expect(world.fences == [.low])
        #expect(world.violations.isEmpty)
    }

    @Test func `a dead standby is fenced and the holder keeps its group`() {
        let world = SmallWorld()
        world.bootBoth()
        let term = world.low.running[0]
        world.cutPower(world.high)
        world.run(for: .seconds(10))
        #expect(world.fences == [.high])
        #expect(world.low.running[0] == term)
        #expect(world.high.machine?.life.phase == .paired)
    }

    @Test(arguments: 1...40)
    func `in a partition the holder survives and the fenced node waits`(seed: Int) {
        let world = SmallWorld(seed: UInt64(seed))
        world.bootBoth()
        world.run(for: .milliseconds(Int64(seed)))
        world.cutAll()
        world.run(for: .seconds(60))
        #expect(world.fences == [.high])
        #expect(world.holder() == .low)
        #expect(world.high.machine?.life.phase == .waiting)
        world.cutAll(false)
        world.run(for: .seconds(5))
        #expect(world.high.machine?.life.phase == .paired)
        #expect(world.low.machine?.life.phase == .paired)
        #expect(world.fences == [.high])
        #expect(world.violations.isEmpty)
    }

    @Test(arguments: 0...1)
    func `loss in one direction cuts one node and leaves one working`(sender: Int) {
        let world = SmallWorld()
        world.bootBoth()
        world.links[sender][0].cut = true
        world.run(for: .seconds(30))
        #expect(world.fences == [.high])
        #expect(world.holder() == .low)
        #expect(world.violations.isEmpty)
    }

    @Test(arguments: [10, 20, 30, 40, 50])
    func `plain loss never looks like death`(percent: Int) {
        let world = SmallWorld(seed: UInt64(percent))
        for node in 0...1 {
            world.links[node][0].lossPercent = percent
            world.links[node][0].duplicatePercent = 10
            world.links[node][0].jitter = .milliseconds(3)
        }
        world.bootBoth()
        world.run(for: .seconds(120))
        #expect(world.fences.isEmpty)
        #expect(world.holder() == .low)
        #expect(!world.low.has(.contactLost) && !world.high.has(.contactLost))
    }

    @Test func `a paused standby fences nobody on waking`() {
        let world = SmallWorld()
        world.bootBoth()
        world.relays[0] = .stuckOn
        world.pause(world.high, for: .milliseconds(1500))
        world.run(for: .seconds(4))
        #expect(!world.high.has(.contactLost))
        #expect(!world.high.has(.fenceOrdered))
        #expect(world.fences.isEmpty)
        #expect(world.holder() == .low)
        #expect(world.high.machine?.inContact == true)
    }

    @Test func `a relay that is stuck on never leads to a takeover`() {
        let world = SmallWorld()
        world.bootBoth()
        world.relays[1] = .stuckOn
        world.cutPower(world.low)
        world.run(for: .seconds(20))
        #expect(world.high.has(.fenceExhausted))
        #expect(world.holder() == nil)
        #expect(world.command(.confirmFence, on: world.high) == .accepted)
        world.run(for: .seconds(1))
        #expect(world.holder() == .high)
        #expect(world.violations.isEmpty)
    }

    /// A group was taken out of one node's file: what is said of the other one is said by its name.
    @Test(arguments: [Command.handover(0), .handover(1), .handover(nil), .leave])
    func `a group that one file does not list stays, and the others move`(_ command: Command) {
        let world = SmallWorld {
            $0.groups = [GroupPolicy(prefer: .low), GroupPolicy(prefer: .low)]
        }
        world.bootBoth()
        _ = world.command(.leave, on: world.high)
        world.run(for: .seconds(1))
        var shorter = world.high.policy
        shorter.groups.removeFirst()
        shorter.digest += 1
        world.high.configure(shorter, names: ["group 1"])
        world.startAgent(world.high)
        world.run(for: .seconds(5))
        #expect(world.low.runs("group 0") && world.low.runs("group 1"))
        let answer = world.command(command, on: world.low)
        world.run(for: .seconds(5))
        #expect(world.violations.isEmpty, "\(world.violations)")
        #expect(world.low.has(.groupDiffers) && world.high.has(.peerListsOthers))
        // Whoever has left holds nothing, whatever its file.
        let moves = command == .leave || command == .handover(1)
        #expect(world.high.runs("group 1") == moves && world.low.runs("group 1") == !moves)
        #expect(world.low.runs("group 0") == (command != .leave))
        if command == .handover(0) || command == .handover(nil) {
            #expect(answer == .refused(.groupsDiffer))
        }
    }

    @Test func `a group whose resources differ does not move, and one whose settings differ does`()
    {
        let world = SmallWorld {
            $0.groups = [GroupPolicy(prefer: .low), GroupPolicy(prefer: .low)]
        }
        world.bootBoth()
        world.killAgent(world.high)
        world.high.policy.groups[0].resources = 5
        world.high.policy.groups[1].settings = 5
        world.high.policy.digest += 1
        world.startAgent(world.high)
        world.run(for: .seconds(2))
        #expect(world.command(.handover(0), on: world.low) == .refused(.groupsDiffer))
        #expect(world.command(.handover(0), on: world.high) == .refused(.groupsDiffer))
        #expect(world.command(.handover(1), on: world.low) == .accepted)
        world.run(for: .seconds(2))
        #expect(world.holder() == .low && world.holder(of: 1) == .high)
        #expect(world.violations.isEmpty, "\(world.violations)")
        // A peer that is verified off runs nothing, whatever its file says.
        world.cutPower(world.low)
        world.run(for: .seconds(2))
        #expect(world.holder() == .high)
    }

    /// Each node works, and one of them lists the groups in another order after an agreed pause.
    @Test func `what runs goes on when one file lists the groups in another order`() {
        let world = SmallWorld {
            $0.groups = [GroupPolicy(prefer: .low), GroupPolicy(prefer: .high)]
        }
        world.bootBoth()
        world.run(for: .seconds(1))
        #expect(world.low.runs("group 0") && world.high.runs("group 1"))
        let term = world.high.running[1]
        world.killAgent(world.high)
        world.high.reorder()
        world.high.policy.digest += 1
        world.startAgent(world.high)
        world.run(for: .seconds(5))
        #expect(world.low.runs("group 0") && world.high.runs("group 1"))
        #expect(world.high.running[0] == term)
        #expect(world.command(.handover(0), on: world.low) == .accepted)
        world.run(for: .seconds(1))
        #expect(world.high.runs("group 0") && world.high.runs("group 1"))
        #expect(world.violations.isEmpty, "\(world.violations)")
    }

    @Test func `a move for a failed start counts on both nodes`() {
        let world = SmallWorld()
        world.bootBoth()
        world.low.failStart = true
        #expect(world.command(.handover(0), on: world.low) == .accepted)
        world.run(for: .seconds(1))
        #expect(world.holder() == .high)
        #expect(world.command(.handover(0), on: world.high) == .accepted)
        world.run(for: .seconds(1))
        #expect(world.holder() == .high)
        for node in world.nodes { #expect(node.machine?.disk.memory.moves.count == 1) }
    }

    @Test func `groups form by their names, and where each file prefers the other, on the lower`() {
        let world = SmallWorld {
            $0.groups = [
                GroupPolicy(prefer: .low, settings: 1), GroupPolicy(prefer: .high, settings: 1),
            ]
        }
        var reversed = world.high.policy
        reversed.groups.reverse()
        reversed.groups[0].prefer = .low
        reversed.groups[0].settings = 2
        reversed.digest += 1
        world.high.configure(reversed, names: ["group 1", "group 0"])
        world.bootBoth()
        world.run(for: .seconds(5))
        #expect(world.violations.isEmpty, "\(world.violations)")
        #expect(world.low.runs("group 0") && world.low.runs("group 1"))
    }

    /// With nobody holding anything, each would form what it calls by that name.
    @Test func `one node forms what differs, and all is shared once the files agree`() {
        let world = SmallWorld {
            $0.groups = [GroupPolicy(prefer: .low), GroupPolicy(prefer: .low)]
        }
        let listed = world.high.policy
        world.high.policy.groups[0].resources = 5
        world.high.policy.digest += 1
        world.bootBoth()
        world.run(for: .seconds(5))
        #expect(world.violations.isEmpty, "\(world.violations)")
        #expect(world.holder() == .low && world.holder(of: 1) == .low)
        #expect(world.high.machine?.peer.isLeftDifferences == true)
        _ = world.command(.leave, on: world.high)
        world.run(for: .seconds(1))
        world.high.configure(listed, names: ["group 0", "group 1"])
        world.startAgent(world.high)
        world.run(for: .seconds(2))
        #expect(world.violations.isEmpty, "\(world.violations)")
        #expect(world.holder() == .low && world.holder(of: 1) == .low)
    }

    /// The other file gives the group other resources, or does not have it.
    @Test(arguments: [true, false])
    func `an agent goes on with what runs whatever the other file lists`(_ lists: Bool) {
        let world = SmallWorld {
            $0.groups = [GroupPolicy(prefer: .low), GroupPolicy(prefer: .low)]
        }
        world.bootBoth()
        let term = world.low.running[0]
        if lists {
            world.low.policy.groups[0].resources = 5
        } else {
            world.low.policy.groups[0].name = 77
        }
        world.low.policy.digest += 1
        world.killAgent(world.low)
        world.startAgent(world.low)
        world.run(for: .seconds(2))
        #expect(world.low.running[0] == term && term != nil)
        #expect(world.low.machine?.groups[0].isHolding == true)
        #expect(world.low.has(.adopted))
        #expect(world.violations.isEmpty)
    }

    /// The peer hears nothing and says so, but it works.
    @Test func `the operator's word is refused while the peer is heard`() {
        let world = SmallWorld()
        world.bootBoth()
        world.relays[1] = .unreachable
        world.relays[0] = .unreachable
        world.links[1][0].cut = true
        world.run(for: .seconds(3))
        #expect(world.high.machine?.inContact == false)
        #expect(world.command(.confirmFence, on: world.high) == .refused(.peerHeard))
        world.run(for: .seconds(1))
        #expect(world.holder() == .low)
        #expect(world.violations.isEmpty, "\(world.violations)")
        world.cutPower(world.low)
        world.run(for: .seconds(9))
        #expect(world.command(.confirmFence, on: world.high) == .refused(.peerHeard))
        world.run(for: .seconds(2))
        #expect(world.command(.confirmFence, on: world.high) == .accepted)
        world.run(for: .seconds(1))
        #expect(world.holder() == .high)
        #expect(world.violations.isEmpty, "\(world.violations)")
    }

    /// After both nodes have lost their power, an operator decides by it which one is to go on.
    @Test func `a node remembers who held a group last`() throws {
        let world = SmallWorld()
        world.bootBoth()
        #expect(world.command(.handover(0), on: world.low) == .accepted)
        world.run(for: .seconds(1))
        #expect(world.holder() == .high)
        for node in world.nodes { world.cutPower(node) }
        for (node, holder) in [(world.low, GroupMemory.LastHolder.peer), (world.high, .me)] {
            world.boot(node)
            let machine = try #require(node.machine)
            #expect(machine.status(at: world.clock(node)).groups[0].lastHolder == holder)
            world.cutPower(node)
        }
    }

    @Test func `a takeover that is to be asked for waits for the operator, and is asked for once`()
        throws
    {
        let world = SmallWorld { $0.groups[0].takeover = .ask }
        world.bootTime = .seconds(60)
        world.bootBoth()
        #expect(world.command(.take(nil, stale: false), on: world.high) == .refused(.inContact))
        world.cutPower(world.low)
        world.run(for: .seconds(5))
        #expect(world.fences.count == 1)
        #expect(world.holder() == nil)
        let machine = try #require(world.high.machine)
        let status = machine.status(at: world.clock(world.high))
        #expect(status.groups[0].asked && status.groups[0].obstacle == .takeoverAsked)
        #expect(status.groups[0].peerRole == nil && !status.groups[0].peerRunning)
        #expect(status.protectionGap == .peerOff && !status.peerSpeaks && !status.peerWasHeard)
        #expect(world.high.count(.takeoverAsked) == 1)
        #expect(world.command(.take(7, stale: false), on: world.high) == .refused(.unknownGroup))
        _ = world.command(.maintenance(true), on: world.high)
        #expect(world.command(.take(0, stale: false), on: world.high) == .refused(.maintenance))
        _ = world.command(.maintenance(false), on: world.high)
        #expect(world.command(.take(0, stale: false), on: world.high) == .accepted)
        world.run(for: .seconds(1))
        #expect(world.holder() == .high)
        #expect(world.command(.take(0, stale: false), on: world.high) == .refused(.notAsked))
        #expect(world.violations.isEmpty)
    }

    @Test func `in an outage status says what keeps a node from going on`() throws {
        let world = SmallWorld { $0.fenceBudget = Budget(count: 0, window: .seconds(3600)) }
        world.bootTime = .seconds(600)
        world.bootBoth()
        world.cutPower(world.low)
        func status() throws -> Status {
            try #require(world.high.machine).status(at: world.clock(world.high))
        }
        world.run(for: .seconds(1))
        // What it said before it died is no sign that it lives.
        #expect(try !status().peerSpeaks && status().peerWasHeard)
        world.run(for: .seconds(4))
        #expect(try !status().peerSpeaks && status().peerWasHeard)
        #expect(try status().protectionGap == .fenceBudgetSpent)
        #expect(try status().groups[0].obstacle == .fenceBudgetSpent)
        _ = world.command(.maintenance(true), on: world.high)
        #expect(try status().protectionGap == .maintenance)
        #expect(try status().groups[0].obstacle == .maintenance)
        #expect(world.command(.handover(0), on: world.high) == .refused(.maintenance))
        #expect(world.command(.maintenance(false, of: 0), on: world.high) == .refused(.maintenance))
    }

    @Test func `a peer that hears nothing is said to speak`() throws {
        let world = SmallWorld { $0.fenceLevels = [] }
        world.bootBoth()
        world.links[0][0].cut = true
        world.run(for: .seconds(4))
        for node in world.nodes {
            let status = try #require(node.machine).status(at: world.clock(node))
            #expect(status.contact == .lost && status.peerSpeaks == (node.id == .low))
        }
    }

    @Test func `orders that need a peer are refused with what became of it`() {
        let world = SmallWorld()
        world.bootTime = .seconds(600)
        world.bootBoth()
        world.cutPower(world.low)
        world.run(for: .seconds(5))
        #expect(world.holder() == .high)
        let orders: [Command] = [
            .handover(0), .failback(0), .fence, .confirmFence, .pause(.seconds(1)),
        ]
        for order in orders {
            #expect(world.command(order, on: world.high) == .refused(.peerOff), "\(order)")
        }
    }

    @Test func `a full disk is no reason not to fence beside a group without data`() throws {
        let world = SmallWorld {
            $0.groups = [
                GroupPolicy(prefer: .low),
                GroupPolicy(prefer: .low, sync: GroupPolicy.Sync(maxLag: .seconds(2))),
            ]
        }
        world.bootTime = .seconds(600)
        world.bootBoth()
        world.high.diskFull = true
        world.run(for: .seconds(32))
        func status() throws -> Status {
            try #require(world.high.machine).status(at: world.clock(world.high))
        }
        #expect(try status().protectionGap == .notPersisted && status().takeoverIsKept)
        world.cutPower(world.low)
        var looks = 0
        while try status().receipt == nil {
            if try status().contact == .lost {
                looks += 1
                #expect(try status().protectionGap == .notInContact)
                #expect(try status().groups.map { $0.obstacle } == [.notInContact, .notPersisted])
            }
            world.run(for: .milliseconds(10))
        }
        #expect(looks > 5)
        #expect(world.holder() == .high && world.holder(of: 1) == nil)
    }

    @Test func `a group that failed says so, and when it is tried again`() throws {
        let world = SmallWorld()
        world.bootBoth()
        for node in world.nodes { node.failStart = true }
        #expect(world.command(.handover(0), on: world.low) == .accepted)
        try #require(
            world.run(
                until: { world.nodes.allSatisfy { $0.has(.startFailed) } }, within: .seconds(30)))
        for node in world.nodes {
            let group = try #require(node.machine).status(at: world.clock(node)).groups[0]
            #expect(group.failures == 1)
            #expect(group.obstacle == .selfIneligible || group.blockedFor == nil)
            let told = node.traces.last { $0.trace.kind == .startFailed }
            #expect(told?.trace.duration == .seconds(10))
        }
        #expect(world.command(.failback(0), on: world.high) != .refused(.alreadyThere))
    }

    @Test func `an operator who says that the peer is off has answered already`() {
        let world = SmallWorld {
            $0.groups[0].takeover = .ask
            $0.fenceLevels = []
        }
        world.bootBoth()
        world.cutPower(world.low)
        world.run(for: .seconds(12))
        #expect(world.command(.confirmFence, on: world.high) == .accepted)
        world.run(for: .seconds(1))
        #expect(world.holder() == .high)
    }

    @Test func `the operator's word is refused in contact`() {
        let world = SmallWorld()
        world.bootBoth()
        #expect(world.command(.confirmFence, on: world.high) == .refused(.inContact))
    }

    @Test func `a fence that the peer survives is disproved and the older holder stops`() {
        let world = SmallWorld()
        world.bootBoth()
        world.relays[1] = .lies
        // The holder hears nothing and is not heard, and its own relay does not move.
        world.relays[0] = .unreachable
        world.cutAll()
        world.run(for: .milliseconds(900))
        world.cutAll(false)
        world.run(for: .seconds(2))
        #expect(world.high.has(.fenceDisproved))
        #expect(world.holder() == .high)
    }

    @Test func `handover and failback by hand move the group without a fence`() {
        let world = SmallWorld()
        world.bootBoth()
        let first = world.low.running[0]!
        #expect(world.command(.handover(nil), on: world.low) == .accepted)
        world.run(for: .seconds(1))
        #expect(world.holder() == .high)
        #expect(world.high.running[0]! > first)
        #expect(world.command(.failback(0), on: world.low) == .accepted)
        world.run(for: .seconds(1))
        #expect(world.holder() == .low)
        #expect(world.fences.isEmpty)
        #expect(world.violations.isEmpty)
    }

    @Test func `a critical node hands over to a fitter one`() {
        let world = SmallWorld()
        world.bootBoth()
        world.handle(.health(Health(score: 0)), on: world.low)
        world.run(for: .seconds(1))
        #expect(world.holder() == .high)
        #expect(world.fences.isEmpty)
    }

    @Test func `when both are unfit the group stays and is alarmed`() {
        let world = SmallWorld()
        world.bootBoth()
        world.handle(.health(Health(score: 0)), on: world.high)
        world.run(for: .milliseconds(100))
        world.handle(.health(Health(score: 0)), on: world.low)
        world.run(for: .seconds(5))
        #expect(world.holder() == .low)
        #expect(world.low.count(.unfitBoth) == 1)
    }

    @Test func `flapping health with automatic failback is stopped by the budget`() {
        let world = SmallWorld { policy in
            policy.groups[0].failback = .auto(stableFor: .seconds(2))
        }
        world.bootBoth()
        for _ in 0..<10 {
            world.handle(.health(Health(score: 0)), on: world.low)
            world.run(for: .seconds(3))
            world.handle(.health(Health(score: 100)), on: world.low)
            world.run(for: .seconds(5))
        }
        let activations = world.low.count(.activating) + world.high.count(.activating)
        #expect(activations == 1 + 3)
        #expect(world.holder() != nil)
        #expect(world.fences.isEmpty)
    }

    @Test func `both nodes count an automatic move`() {
        let world = SmallWorld()
        world.bootBoth()
        for (unfit, fit) in [(world.low, world.high), (world.high, world.low)] {
            world.handle(.health(Health(score: 0)), on: unfit)
            world.run(for: .seconds(1))
            #expect(world.holder() == fit.id)
            world.handle(.health(Health(score: 100)), on: unfit)
            world.run(for: .seconds(1))
        }
        for node in world.nodes { #expect(node.machine?.disk.memory.moves.count == 2) }
        #expect(world.violations.isEmpty)
    }

    @Test func `a restarted agent keeps its group after an agreed pause`() {
        let world = SmallWorld()
        world.low.supervised = true
        world.bootBoth()
        let term = world.low.running[0]
        _ = world.command(.pause(.seconds(10)), on: world.low)
        world.run(for: .seconds(5))
        #expect(world.low.has(.paused))
        #expect(world.low.has(.adopted))
        #expect(world.low.running[0] == term)
        #expect(world.fences.isEmpty)
        #expect(!world.high.has(.contactLost))
    }

    @Test func `a pause is bounded`() {
        let world = SmallWorld()
        world.bootBoth()
        _ = world.command(.pause(.seconds(2)), on: world.low)
        world.run(for: .seconds(1))
        #expect(world.fences.isEmpty)
        world.run(for: .seconds(10))
        #expect(world.fences == [.low])
        #expect(world.holder() == .high)
        #expect(world.violations.isEmpty)
    }

    @Test func `an agent that its supervisor restarts in time adopts its group`() {
        let world = SmallWorld()
        world.bootBoth()
        let term = world.low.running[0]
        world.killAgent(world.low)
        world.after(.milliseconds(150)) { world.startAgent(world.low) }
        world.run(for: .seconds(5))
        #expect(world.fences.isEmpty)
        #expect(world.low.running[0] == term)
        #expect(world.low.has(.adopted))
    }

    @Test func `a start that was under way is not adopted`() {
        let world = SmallWorld()
        world.bootBoth()
        #expect(world.command(.handover(nil), on: world.low) == .accepted)
        let high = world.high
        let partial = { high.running[0] != nil && high.note.holdings.first?.isPartial == true }
        #expect(world.run(until: partial, within: .seconds(5)))
        #expect(world.command(.pause(.seconds(2)), on: high) == .refused(.busy))
        world.killAgent(high)
        world.after(.milliseconds(150)) { world.startAgent(high) }
        world.run(for: .seconds(5))
        #expect(!high.has(.adopted))
        #expect(world.holder() != nil)
        #expect(world.fences.isEmpty)
        #expect(world.violations.isEmpty)
    }

    @Test func `a start that was under way, and cannot be stopped, asks for a fence`() {
        let world = SmallWorld()
        world.bootBoth()
        #expect(world.command(.handover(nil), on: world.low) == .accepted)
        let high = world.high
        let partial = { high.running[0] != nil && high.note.holdings.first?.isPartial == true }
        #expect(world.run(until: partial, within: .seconds(5)))
        world.killAgent(high)
        high.failStop = true
        world.after(.milliseconds(150)) { world.startAgent(high) }
        world.run(for: .seconds(5))
        #expect(world.fences == [.high] && world.holder() == .low)
        #expect(world.violations.isEmpty)
    }

    @Test func `a stop that was under way is not adopted`() {
        let world = SmallWorld()
        world.bootBoth()
        world.startTime = .seconds(1)
        #expect(world.command(.handover(nil), on: world.low) == .accepted)
        world.run(for: .milliseconds(100))
        world.killAgent(world.low)
        world.after(.milliseconds(150)) { world.startAgent(world.low) }
        world.run(for: .seconds(10))
        #expect(!world.low.has(.adopted) && world.holder() != nil)
        #expect(world.fences.isEmpty && world.violations.isEmpty)
    }

    @Test func `what cannot be stopped at the start is noted, and stopped without its file`() {
        let world = SmallWorld()
        world.high.failStop = true
        world.bootBoth()
        world.run(for: .seconds(2))
        #expect(world.high.note.holdings == [Holding(group: 0, term: .never, isPartial: true)])
        // Nobody knows that it runs, and no node loses its power for it.
        #expect(world.fences.isEmpty)
        world.killAgent(world.high)
        world.high.policy.groups[0] = world.high.policy.groups[0].retired()
        world.startAgent(world.high)
        world.run(for: .seconds(2))
        #expect(
            world.high.note.holdings == [Holding(group: 0, term: .never, isPartial: true)]
                && !world.high.has(.retired))
        world.high.failStop = false
        #expect(world.run(until: { world.high.has(.retired) }, within: .seconds(31)))
        #expect(world.fences.isEmpty && world.violations.isEmpty)
    }

    @Test func `stops that cannot be tried ask for a fence after a minute, however often`() {
        let world = SmallWorld()
        world.bootBoth()
        let low = world.low
        low.failStop = true
        low.stopIsUnknown = true
        #expect(world.command(.handover(nil), on: low) == .accepted)
        for _ in 0..<5 {
            world.run(for: .seconds(5))
            _ = world.command(.clear(nil), on: low)
        }
        world.run(for: .seconds(30))
        #expect(world.fences.isEmpty && !low.has(.askedToBeFenced))
        world.run(for: .seconds(40))
        #expect(world.fences == [.low])
    }

    @Test func `what the file no longer has is stopped, and then spoken of no more`() {
        let world = SmallWorld()
        world.bootBoth()
        world.killAgent(world.low)
        world.low.policy.groups[0] = world.low.policy.groups[0].retired()
        world.after(.milliseconds(150)) { world.startAgent(world.low) }
        #expect(world.run(until: { world.low.has(.retired) }, within: .seconds(5)))
        #expect(world.low.running[0] == nil)
        #expect(!world.low.has(.adopted))
        world.run(for: .seconds(1))
        #expect(world.low.note.holdings.isEmpty)
        #expect(world.high.machine?.peer.message?.groups.isEmpty == true)
        #expect(world.fences.isEmpty)
        #expect(world.violations.isEmpty)
    }

    @Test func `a planned stop hands the group over without a fence`() {
        let world = SmallWorld()
        world.bootBoth()
        #expect(world.command(.leave, on: world.low) == .accepted)
        world.run(for: .seconds(20))
        #expect(world.low.machine == nil)
        #expect(world.holder() == .high)
        #expect(world.fences.isEmpty)
        #expect(world.high.has(.peerLeft))
        #expect(world.violations.isEmpty)
    }

    @Test func `a stop that fails in a handover ends in a fence by the peer`() {
        let world = SmallWorld()
        world.bootBoth()
        world.low.failStop = true
        _ = world.command(.handover(0), on: world.low)
        world.run(for: .seconds(2))
        #expect(world.fences == [.low])
        #expect(world.holder() == .high)
        #expect(world.violations.isEmpty)
    }

    @Test func `a group that the peer cannot start comes back`() {
        let world = SmallWorld()
        world.bootBoth()
        world.high.failStart = true
        _ = world.command(.handover(0), on: world.low)
        world.run(for: .seconds(2))
        #expect(world.holder() == .low)
        #expect(world.fences.isEmpty)
        #expect(world.violations.isEmpty)
    }

    @Test func `a monitor that fails for good moves the group`() {
        let world = SmallWorld()
        world.bootBoth()
        world.handle(.resources(0, .failed), on: world.low)
        world.run(for: .seconds(2))
        #expect(world.holder() == .high)
        #expect(world.fences.isEmpty)
    }

    @Test(arguments: [NodeID.low, .high])
    func `maintenance on either node prevents every fence`(node: NodeID) {
        let world = SmallWorld()
        world.bootBoth()
        _ = world.command(.maintenance(true), on: world.nodes[Int(node.rawValue)])
        world.run(for: .seconds(1))
        world.cutAll()
        world.run(for: .seconds(20))
        #expect(world.fences.isEmpty)
        #expect(world.holder() == .low)
    }

    @Test func `the fence budget stops a series of fences`() {
        let world = SmallWorld()
        world.bootBoth()
        for _ in 0..<5 {
            world.cutPower(world.high)
            world.after(.seconds(3)) {
                if !world.high.powered { world.boot(world.high) }
            }
            world.run(for: .seconds(15))
        }
        #expect(world.fences.count == 3)
        #expect(world.low.traces.contains { $0.trace.refusal == .fenceBudgetSpent })
        #expect(world.holder() == .low)
    }

    @Test func `a node booted alone waits`() {
        let world = SmallWorld { $0.startup = .aloneAfter(.seconds(5)) }
        world.boot(world.low)
        world.run(for: .seconds(60))
        #expect(world.holder() == nil)
        #expect(world.fences.isEmpty)
        #expect(world.low.traces.contains { $0.trace.refusal == .peerMayHold })
    }

    @Test func `a node booted alone goes on where it sees its peer off all the time`() {
        let world = SmallWorld { $0.startup = .aloneAfter(.seconds(5)) }
        world.boot(world.low)
        world.handle(.peerSupply(off: true), on: world.low)
        world.run(for: .seconds(3))
        world.handle(.peerSupply(off: false), on: world.low)
        world.handle(.peerSupply(off: true), on: world.low)
        world.run(for: .seconds(4))
        #expect(world.holder() == nil)
        world.run(for: .seconds(3))
        #expect(world.holder() == .low)
        #expect(world.fences.count == 1)
    }

    @Test func `where the file says so, it fences a peer that it cannot see`() {
        let world = SmallWorld { $0.startup = .aloneAfter(.seconds(5), unreachable: true) }
        world.boot(world.low)
        world.run(for: .seconds(4))
        #expect(world.holder() == nil)
        world.run(for: .seconds(4))
        #expect(world.holder() == .low)
    }

    @Test func `a node that was alone by a receipt goes on alone after its own reboot`() {
        let world = SmallWorld { $0.startup = .aloneAfter(.seconds(5)) }
        world.bootBoth()
        world.bootTime = .seconds(100_000)
        world.cutPower(world.high)
        world.run(for: .seconds(5))
        let term = world.low.running[0]!
        world.cutPower(world.low)
        world.boot(world.low)
        world.run(for: .seconds(20))
        #expect(world.low.running[0]! > term)
    }

    @Test func `a full disk is alarmed and stops no takeover`() {
        let world = SmallWorld()
        world.bootBoth()
        world.high.diskFull = true
        world.cutPower(world.low)
        world.run(for: .seconds(2))
        #expect(world.holder() == .high)
        #expect(world.high.has(.persistFailed))
    }

    @Test func `a disk that is full in quiet times is told of by both, until it has room`() throws {
        let world = SmallWorld()
        world.bootBoth()
        world.high.diskFull = true
        let status = { (node: TestNode) throws in
            try #require(node.machine?.status(at: world.clock(node)))
        }
        world.run(for: .seconds(32))
        #expect(try status(world.high).diskTakesNothing)
        #expect(try status(world.low).peerDiskTakesNothing)
        world.high.diskFull = false
        world.run(for: .seconds(2))
        #expect(world.high.has(.persistRecovered))
        #expect(try !status(world.high).diskTakesNothing)
        #expect(try !status(world.low).peerDiskTakesNothing)
    }

    @Test func `terms never repeat across crashes at any time`() {
        let world = SmallWorld(seed: 7)
        var seen: Set<UInt64> = []
        var last: [Term?] = [nil, nil]
        world.bootBoth()
        for _ in 0..<40 {
            let node = world.nodes[Int(world.chance.below(2))]
            world.cutPower(node)
            world.run(for: .milliseconds(world.chance.below(20)))
            world.boot(node)
            world.run(for: .milliseconds(200 + world.chance.below(4000)))
            for node in world.nodes {
                let index = Int(node.id.rawValue)
                if let term = node.running[0], term != last[index] {
                    #expect(seen.insert(term.value).inserted)
                }
                last[index] = node.running[0]
            }
        }
        #expect(world.violations.isEmpty)
    }

    /// Partitions, pauses, kills, losses and commands at random moments.
    @Test(arguments: 0..<40)
    func `no fault in any mixture makes a group active on both`(seed: Int) {
        let world = SmallWorld(seed: UInt64(1000 + seed)) { policy in
            policy.groups.append(
                GroupPolicy(prefer: .high, failback: .auto(stableFor: .seconds(3))))
            policy.fenceBudget = .perHour(1000)
            policy.moveBudget = .perHour(1000)
        }
        for node in world.nodes { node.supervised = true }
        world.bootBoth()
        for _ in 0..<25 {
            disturb(world)
            world.run(for: .milliseconds(world.chance.below(1500)))
        }
        #expect(world.violations.isEmpty, "seed \(seed)\n\(world.timeline())")
        // Faults stop: the pair must come back to work by itself.
        world.cutAll(false)
        world.relays = [.works, .works]
        for node in world.nodes {
            node.failStart = false
            node.failStop = false
            if !node.powered {
                world.boot(node)
            } else if node.machine == nil {
                world.startAgent(node)
            }
            _ = world.command(.maintenance(false), on: node)
        }
        for node in 0...1 { world.links[node][0] = SmallWorld.Link() }
        world.run(for: .seconds(150))
        #expect(world.violations.isEmpty, "seed \(seed)")
        for group in 0...1 {
            #expect(world.holder(of: group) != nil, "seed \(seed) group \(group)")
        }
    }

    private func disturb(_ world: SmallWorld) {
        let node = world.nodes[Int(world.chance.below(2))]
        switch world.chance.below(13) {
        case 0: world.cutAll()
        case 1, 2: world.cutAll(false)
        case 3: world.links[Int(world.chance.below(2))][0].cut = true
        case 4: world.pause(node, for: .milliseconds(world.chance.below(2500)))
        case 5: world.links[Int(world.chance.below(2))][0].lossPercent = Int(world.chance.below(60))
        case 6:
            world.killAgent(node)
            world.after(.milliseconds(world.chance.below(900))) {
                if node.machine == nil { world.startAgent(node) }
            }
        case 7:
            world.cutPower(node)
            world.after(.seconds(3)) { if !node.powered { world.boot(node) } }
        case 8: _ = world.command(.handover(nil), on: node)
        case 9: world.handle(.health(Health(score: world.chance.percent(50) ? 0 : 100)), on: node)
        case 10:
            world.relays[Int(world.chance.below(2))] = world.chance.percent(70) ? .works : .stuckOn
        case 11: _ = world.command(.pause(.seconds(2)), on: node)
        default: _ = world.command(.failback(nil), on: node)
        }
    }
}
