import PicketCore
import Testing

/// A pair whose nodes run different versions: what they say passes through the codec of each.
struct VersionTests {
    private func upgrade(_ node: TestNode, to release: Release, in world: SmallWorld) {
        node.installed = release
        _ = world.command(.pause(.seconds(10)), on: node)
        world.run(for: .seconds(3))
        #expect(node.has(.paused))
        #expect(node.release == release)
        #expect(node.machine?.life.phase == .paired)
    }

    private func pair(_ low: Release, _ high: Release, groups: Int = 1) -> SmallWorld {
        let world = SmallWorld {
            $0.groups = (0..<groups).map { _ in GroupPolicy(prefer: .low) }
        }
        for (node, release) in [(world.low, low), (world.high, high)] {
            node.supervised = true
            node.installed = release
        }
        world.bootBoth()
        #expect(world.holder() == .low)
        return world
    }

    /// Either node first; and back again, for a version that does not please.
    @Test(arguments: [true, false], [Release.of010, .present])
    func `a pair changes its version one node at a time`(holderFirst: Bool, from: Release) {
        let to: Release = from == .present ? .of010 : .present
        let world = pair(from, from)
        let term = world.low.running[0]
        for node in holderFirst ? [world.low, world.high] : [world.high, world.low] {
            upgrade(node, to: to, in: world)
            #expect(world.low.running[0] == term)
        }
        #expect(world.fences.isEmpty)
        #expect(world.violations.isEmpty, "\(world.violations)")
    }

    /// 0.1.0 knows maintenance of the whole pair alone. The operator is told that it has not heard,
    /// and it does what it would do of the group; what it has is left alone by the other node.
    @Test func `of one group's maintenance a node of 0.1.0 hears nothing, and that is said`() {
        let world = pair(.present, .of010, groups: 2)
        #expect(world.command(.maintenance(true, of: 1), on: world.low) == nil)
        world.run(for: .seconds(4))
        #expect(Array(world.low.answers.values) == [.refused(.peerUnaware)])
        #expect(world.low.machine!.isMaintained(1) && !world.high.machine!.isMaintained(1))
        // A node that somebody works on holds it, whatever the peer knows.
        world.handle(.resources(1, .ailing), on: world.low)
        world.run(for: .seconds(5))
        #expect(world.low.runs("group 1") && world.low.has(.ailing) && world.fences.isEmpty)
        // It does not count a last word that leaves something running as a departure.
        world.low.supervised = false
        _ = world.command(.leave, on: world.low)
        #expect(world.run(until: { world.high.runs("group 1") }, within: .seconds(30)))
        #expect(world.fences == [.low] && world.high.runs("group 0"))
        // The node comes back, remembers, and leaves the group to the peer.
        if !world.low.powered { world.boot(world.low) }
        world.run(for: .seconds(10))
        #expect(world.low.machine!.isMaintained(1) && world.low.machine?.life.phase == .paired)
        #expect(world.high.runs("group 1") && world.fences == [.low])
        #expect(world.violations.isEmpty, "\(world.violations)")
    }

    @Test(arguments: [(Release.of010, .present), (.present, .of010)] as [(Release, Release)])
    func `a mixed pair moves its group and fails over`(low: Release, high: Release) {
        let world = pair(low, high)
        #expect(world.command(.handover(0), on: world.low) == .accepted)
        world.run(for: .seconds(1))
        #expect(world.holder() == .high)
        #expect(world.command(.failback(0), on: world.low) == .accepted)
        world.run(for: .seconds(1))
        #expect(world.holder() == .low)
        #expect(world.fences.isEmpty)
        world.cutPower(world.low)
        #expect(world.run(until: { world.holder() == .high }, within: .seconds(2)))
        world.run(for: .seconds(10))
        #expect(world.fences == [.low])
        #expect(world.low.machine?.life.phase == .paired)
        #expect(world.violations.isEmpty, "\(world.violations)")
    }
}
