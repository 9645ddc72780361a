import PicketProof
import Testing

@testable import PicketCore

struct MaintenanceTests {
    private func paired() -> SmallWorld {
        let world = SmallWorld()
        world.bootBoth()
        return world
    }

    private func order(_ on: Bool, _ world: SmallWorld, on node: TestNode) {
        _ = world.command(.maintenance(on), on: node)
        world.run(for: .seconds(1))
    }

    private func isOn(_ node: TestNode) -> Bool? { node.machine?.disk.memory.maintenance.isOn }

    @Test(arguments: [NodeID.low, .high])
    func `it is one state of the pair`(node: NodeID) {
        let world = paired()
        order(true, world, on: world.nodes[Int(node.rawValue)])
        #expect(world.nodes.allSatisfy { isOn($0) == true })
        order(false, world, on: world.nodes[1 - Int(node.rawValue)])
        #expect(world.nodes.allSatisfy { isOn($0) == false })
    }

    @Test func `the order is answered when both have it on disk`() {
        let world = paired()
        world.high.diskFull = true
        #expect(world.command(.maintenance(true), on: world.low) == nil)
        world.run(for: .seconds(2))
        #expect(world.low.answers.isEmpty)
        world.high.diskFull = false
        world.run(for: .seconds(2))
        #expect(Array(world.low.answers.values) == [.accepted])
    }

    @Test func `a peer that has not heard of it is named`() {
        let world = paired()
        world.cutPower(world.high)
        #expect(world.command(.maintenance(true), on: world.low) == nil)
        world.run(for: .seconds(4))
        #expect(Array(world.low.answers.values) == [.refused(.peerUnaware)])
        #expect(isOn(world.low) == true)
    }

    @Test func `a node that comes back cannot bring it back`() {
        let world = paired()
        order(true, world, on: world.low)
        world.cutPower(world.low)
        world.run(for: .seconds(2))
        _ = world.command(.maintenance(false), on: world.high)
        world.run(for: .seconds(30))
        #expect(world.holder() == .high)
        if !world.low.powered { world.boot(world.low) }
        world.run(for: .seconds(5))
        #expect(world.nodes.allSatisfy { isOn($0) == false })
    }

    @Test func `of two orders out of contact the one that says on stands`() {
        let world = paired()
        order(true, world, on: world.low)
        order(false, world, on: world.low)
        order(true, world, on: world.low)
        world.cutAll()
        world.run(for: .milliseconds(50))
        _ = world.command(.maintenance(false), on: world.low)
        _ = world.command(.maintenance(true), on: world.high)
        world.cutAll(false)
        world.run(for: .seconds(5))
        #expect(world.nodes.allSatisfy { isOn($0) == true })
    }

    @Test func `a group that fails in it stays, and is named before it ends`() {
        let world = paired()
        order(true, world, on: world.low)
        world.handle(.resources(0, .ailing), on: world.low)
        world.run(for: .seconds(5))
        #expect(world.holder() == .low && world.low.has(.ailing))
        for node in world.nodes {
            #expect(
                world.command(.maintenance(false), on: node) == .refusedFor(.groupWrong, 0))
        }
        world.handle(.resources(0, .recovered), on: world.low)
        world.run(for: .seconds(1))
        order(false, world, on: world.high)
        #expect(world.nodes.allSatisfy { isOn($0) == false })
    }

    @Test func `a group that broke in it moves when it ends`() {
        let world = paired()
        order(true, world, on: world.low)
        world.handle(.resources(0, .failed), on: world.low)
        world.run(for: .seconds(5))
        #expect(world.holder() == .low)
        _ = world.command(.maintenance(false, despite: .all), on: world.low)
        world.run(for: .seconds(5))
        #expect(world.holder() == .high)
    }

    @Test func `a node that boots in it starts nothing`() {
        let world = paired()
        order(true, world, on: world.low)
        for node in world.nodes { world.cutPower(node) }
        world.run(for: .seconds(1))
        for node in world.nodes { world.boot(node) }
        world.run(for: .seconds(10))
        #expect(world.holder() == nil)
        order(false, world, on: world.high)
        world.run(for: .seconds(2))
        #expect(world.holder() == .low)
    }

    @Test func `a planned stop in it leaves the groups running`() {
        let world = paired()
        order(true, world, on: world.low)
        world.low.supervised = false
        _ = world.command(.leave, on: world.low)
        world.run(for: .seconds(10))
        #expect(world.low.machine == nil && world.low.running[0] != nil)
        #expect(world.fences.isEmpty && world.high.running[0] == nil)
        world.startAgent(world.low)
        world.run(for: .seconds(2))
        #expect(world.holder() == .low && world.low.has(.adopted))
    }

    @Test func `hands are off one group alone, on both nodes`() {
        let world = SmallWorld {
            $0.groups = [GroupPolicy(prefer: .low), GroupPolicy(prefer: .low)]
        }
        world.bootBoth()
        #expect(world.command(.maintenance(true, of: 1), on: world.high) == nil)
        world.run(for: .seconds(2))
        #expect(Array(world.high.answers.values) == [.accepted])
        for node in world.nodes {
            #expect(node.machine!.isMaintained(1) && !node.machine!.isMaintained(0))
        }
        // Its node is fenced for the other group, and it is not taken over itself.
        world.cutPower(world.low)
        world.run(for: .seconds(5))
        #expect(world.high.runs("group 0") && !world.high.runs("group 1"))
        _ = world.command(.maintenance(false, of: 1, despite: .all), on: world.high)
        world.run(for: .seconds(5))
        #expect(world.nodes.count { $0.runs("group 1") } == 1)
    }

    @Test func `a planned stop leaves it running, and gives the others up`() {
        let world = SmallWorld {
            $0.groups = [GroupPolicy(prefer: .low), GroupPolicy(prefer: .low)]
        }
        world.bootBoth()
        _ = world.command(.maintenance(true, of: 1), on: world.low)
        world.run(for: .seconds(2))
        world.low.supervised = false
        _ = world.command(.leave, on: world.low)
        world.run(for: .seconds(10))
        #expect(world.low.machine == nil && world.low.running[1] != nil)
        #expect(world.high.runs("group 0") && world.fences.isEmpty)
        world.startAgent(world.low)
        world.run(for: .seconds(2))
        #expect(world.low.has(.adopted) && world.low.machine!.isMaintained(1))
    }

    private func two() -> SmallWorld {
        let world = SmallWorld {
            $0.groups = [GroupPolicy(prefer: .low), GroupPolicy(prefer: .low)]
        }
        world.bootBoth()
        return world
    }

    @Test func `what a leaver has given up starts by its last word, and what it left does not`() {
        let world = two()
        _ = world.command(.maintenance(true, of: 1), on: world.low)
        world.run(for: .seconds(2))
        world.low.supervised = false
        // High may not start group 0 when it is offered.
        world.high.failStart = true
        _ = world.command(.handover(0), on: world.low)
        world.run(for: .seconds(1))
        world.high.failStart = false
        _ = world.command(.leave, on: world.low)
        world.run(for: .seconds(1))
        #expect(world.low.machine == nil && !world.low.note.contact)
        world.run(for: .seconds(12))
        #expect(world.high.runs("group 0") && world.low.runs("group 1") && world.fences.isEmpty)
        // An agent that followed would not know what it does not hold for.
        #expect(!world.high.note.contact && !world.high.note.word && !world.high.disk.alone)
        _ = world.command(.maintenance(false, of: 1, despite: .all), on: world.high)
        world.run(for: .seconds(3))
        #expect(world.fences == [.low] && world.high.runs("group 1"))
        #expect(world.violations == [])
    }

    @Test func `the operator's word is taken beside a last word that leaves something out`() {
        let world = two()
        _ = world.command(.maintenance(true, of: 1), on: world.low)
        world.run(for: .seconds(2))
        world.low.supervised = false
        _ = world.command(.leave, on: world.low)
        world.run(for: .seconds(2))
        #expect(world.low.machine == nil && world.high.runs("group 0"))
        world.relays = [.unreachable, .unreachable]
        world.cutPower(world.low)
        _ = world.command(.maintenance(false, of: 1, despite: .all), on: world.high)
        world.run(for: .seconds(15))
        #expect(!world.high.runs("group 1"))
        #expect(world.command(.confirmFence, on: world.high) == .accepted)
        world.run(for: .seconds(2))
        #expect(world.high.runs("group 1"))
    }

    @Test func `a node that left something running does not fence before it has met its peer`() {
        let world = two()
        _ = world.command(.maintenance(true, of: 1), on: world.low)
        world.run(for: .seconds(2))
        for node in world.nodes {
            node.supervised = false
            _ = world.command(.leave, on: node)
            world.run(for: .seconds(2))
        }
        #expect(world.nodes.allSatisfy { $0.machine == nil })
        world.startAgent(world.low)
        world.run(for: .seconds(5))
        #expect(world.fences.isEmpty && world.low.runs("group 1"))
        world.startAgent(world.high)
        world.run(for: .seconds(2))
        #expect(world.low.runs("group 1") && world.nodes.contains { $0.runs("group 0") })
    }

    @Test func `a node works on what its peer does not list`() {
        let world = SmallWorld()
        var policy = world.low.policy
        policy.groups.append(GroupPolicy(prefer: .low, name: 9))
        world.low.configure(policy, names: ["group 0", "other"])
        world.bootBoth()
        world.run(for: .seconds(2))
        #expect(world.low.runs("other"))
        _ = world.command(.maintenance(true, of: 1), on: world.low)
        world.run(for: .seconds(2))
        _ = world.command(.handover(0), on: world.high)
        world.run(for: .seconds(2))
        #expect(world.high.runs("group 0"))
        world.cutAll()
        world.run(for: .seconds(5))
        #expect(!world.fences.contains(.low) && world.low.runs("other"))
    }

    @Test func `what is being stopped there is worked on as well`() {
        let world = two()
        _ = world.command(.maintenance(true, of: 1), on: world.low)
        world.run(for: .seconds(2))
        world.low.failStop = true
        _ = world.command(.handover(1), on: world.low)
        world.run(for: .seconds(1))
        world.low.failStop = false
        _ = world.command(.handover(0), on: world.low)
        world.run(for: .seconds(2))
        #expect(world.high.runs("group 0") && world.low.runs("group 1"))
        world.cutAll()
        world.run(for: .seconds(5))
        #expect(!world.fences.contains(.low))
    }

    @Test func `orders on two groups at two nodes are both answered`() {
        let world = two()
        for (group, node) in world.nodes.enumerated() {
            _ = world.command(.maintenance(true, of: group), on: node)
        }
        world.run(for: .seconds(1))
        for node in world.nodes { #expect(Array(node.answers.values) == [.accepted]) }
    }

    @Test func `an order that a newer one undoes is not answered as held`() {
        let world = two()
        for _ in 0..<2 {
            _ = world.command(.maintenance(true, of: 0), on: world.high)
            world.run(for: .seconds(1))
        }
        _ = world.command(.maintenance(false, of: 0), on: world.low)
        world.run(for: .seconds(1))
        world.cutAll()
        world.run(for: .milliseconds(20))
        // High gives two, of which the last says that it is off.
        _ = world.command(.maintenance(true, of: 0), on: world.high)
        _ = world.command(.maintenance(false, of: 0), on: world.high)
        world.low.answers = [:]
        _ = world.command(.maintenance(true, of: 0), on: world.low)
        world.cutAll(false)
        world.run(for: .seconds(1))
        #expect(Array(world.low.answers.values) == [.refused(.overruled)])
    }

    @Test func `beside a peer that tells no version its flag alone counts`() {
        let world = paired()
        var message = Message(sequence: 1 << 40, flags: .maintenance, phase: .paired)
        message.groups = world.high.machine!.outgoing.reports
        let session = world.high.session
        world.handle(.received(message, session: session, link: 0), on: world.low)
        #expect(world.low.machine!.isMaintained)
        #expect(isOn(world.low) == false)
        message.sequence += 1
        message.flags = []
        world.handle(.received(message, session: session, link: 0), on: world.low)
        #expect(!world.low.machine!.isMaintained)
    }

    // MARK: Work by hand

    /// High stands by; in maintenance somebody starts the group there.
    private func workedOn() -> SmallWorld {
        let world = paired()
        order(true, world, on: world.low)
        world.high.running[0] = Term(99)
        return world
    }

    private func restart(_ node: TestNode, in world: SmallWorld) {
        world.killAgent(node)
        world.startAgent(node)
        world.run(for: .seconds(2))
    }

    @Test func `an agent that is restarted stops nothing that is worked on`() {
        let world = workedOn()
        restart(world.high, in: world)
        #expect(world.high.running[0] == Term(99) && world.high.has(.strayed))
        // The holder's agent goes on with what it finds.
        restart(world.low, in: world)
        #expect(world.holder() == .low && world.high.running[0] == Term(99))
    }

    @Test func `nor does one that knows of it by its disk alone`() {
        let world = workedOn()
        world.killAgent(world.high)
        world.high.note = .blank
        world.startAgent(world.high)
        world.run(for: .seconds(2))
        #expect(world.high.running[0] == Term(99))
    }

    @Test func `where nothing is seen, the group is stopped at once, and can be handed over`() {
        let world = paired()
        order(true, world, on: world.low)
        world.cutPower(world.high)
        world.run(for: .seconds(2))
        world.boot(world.high)
        world.run(for: .seconds(2))
        #expect(world.command(.handover(0), on: world.low) == .accepted)
        world.run(for: .seconds(2))
        #expect(world.holder() == .high)
    }

    @Test(arguments: [NodeID.low, .high], [true, false])
    func `its end names what runs by hand, and stops it once it is named`(
        by node: NodeID, afterRestart: Bool
    ) {
        let world = workedOn()
        if afterRestart { restart(world.high, in: world) }
        world.handle(.resources(0, .seen), on: world.high)
        world.run(for: .seconds(1))
        let at = world.nodes[Int(node.rawValue)]
        #expect(world.command(.maintenance(false), on: at) == .refusedFor(.groupWrong, 0))
        #expect(world.high.running[0] == Term(99))
        _ = world.command(.maintenance(false, despite: .all), on: at)
        world.run(for: .seconds(2))
        #expect(world.high.running[0] == nil && world.holder() == .low)
        #expect(world.fences.isEmpty)
    }

    @Test func `a planned stop leaves what is worked on, and waits for nothing`() {
        let world = workedOn()
        world.killAgent(world.high)
        world.high.note = .blank
        world.startAgent(world.high)
        world.run(for: .seconds(1))
        _ = world.command(.leave, on: world.high)
        world.run(for: .seconds(1))
        #expect(world.high.machine == nil && world.high.running[0] == Term(99))
        // Its next agent does not take it for stopped.
        world.startAgent(world.high)
        world.run(for: .seconds(1))
        #expect(world.high.running[0] == Term(99) && world.high.has(.strayed))
    }

    // MARK: The runner

    @Test func `a runner that is left alone looks for what it has not started`() {
        var stage = Stage(.simple(2))
        stage.stop()
        stage.pass(1_000)
        var isUp = false
        stage.script = { resource, _ in
            isUp && resource == 1 ? .succeeds(after: 1) : .fails(after: 1)
        }
        stage.leaveAlone(true)
        stage.pass(30_000)
        #expect(stage.outcomes == [.stopped, .unseen])
        isUp = true
        stage.pass(30_000)
        #expect(stage.outcomes == [.stopped, .unseen, .seen])
        stage.script = { _, _ in .hangs }
        stage.pass(30_000)
        stage.script = { _, _ in .fails(after: 1) }
        stage.pass(60_000)
        #expect(stage.outcomes == [.stopped, .unseen, .seen, .unseen])
        stage.leaveAlone(false)
        let count = stage.log.count
        stage.pass(60_000)
        #expect(stage.log.count == count && stage.violations == [])
        stage.script = { _, _ in .succeeds(after: 1) }
        stage.leaveAlone(true)
        stage.start()
        stage.pass(1_000)
        #expect(stage.outcomes.last == .started && stage.violations == [])
    }

    @Test func `a runner that is left alone tells, and restarts nothing`() {
        var stage = Stage(.simple(2, restarts: 2))
        stage.start()
        stage.leaveAlone(true)
        stage.script = { _, action in action == .monitor ? .fails(after: 1) : .succeeds(after: 1) }
        stage.pass(60_000)
        #expect(stage.outcomes == [.started, .ailing])
        stage.script = { _, _ in .succeeds(after: 1) }
        stage.pass(60_000)
        #expect(stage.outcomes == [.started, .ailing, .recovered])
        stage.script = { _, action in action == .monitor ? .hangs : .succeeds(after: 1) }
        stage.pass(60_000)
        #expect(stage.outcomes == [.started, .ailing, .recovered, .ailing])
        stage.leaveAlone(false)
        stage.pass(60_000)
        #expect(stage.outcomes.suffix(3) == [.restarted, .restarted, .failed])
        #expect(stage.violations == [])
    }
}
