import Testing

@testable import PicketCore

/// Moves for a failure: how many there may be, and how long a pause before a group is tried again.
struct MovesTests {
    private func pair(moves: Int) -> SmallWorld {
        let world = SmallWorld { $0.moveBudget = .perHour(moves) }
        world.bootBoth()
        return world
    }

    /// The group fails wherever it is, three seconds after it started.
    private func flap(_ world: SmallWorld, for seconds: Int64) -> Int {
        var starts: [NodeID] = [world.holder()!]
        for _ in 0..<seconds {
            world.run(for: .seconds(1))
            guard let holder = world.holder() else { continue }
            world.run(for: .seconds(3))
            if starts.last != holder { starts.append(holder) }
            world.handle(.resources(0, .failed), on: world.nodes[Int(holder.rawValue)])
        }
        return starts.count - 1
    }

    @Test(arguments: 0...2)
    func `a group that fails everywhere moves no more than it may`(moves: Int) {
        let world = pair(moves: moves)
        #expect(flap(world, for: 200) == moves)
        #expect(
            world.nodes.contains { node in
                node.traces.contains { $0.trace.refusal == .moveBudgetSpent }
            })
        #expect(world.fences.isEmpty && world.violations.isEmpty)
    }

    @Test func `what was spent is given back by the operator`() {
        let world = pair(moves: 1)
        #expect(flap(world, for: 60) == 1)
        for node in world.nodes {
            let status = node.machine!.status(at: world.clock(node))
            #expect(status.movesInWindow == 1 && status.movesRefillIn! > .seconds(3000))
            #expect(world.command(.clearBudgets, on: node) == .accepted)
            #expect(node.machine!.disk.memory.moves.isEmpty)
            #expect(node.machine!.status(at: world.clock(node)).movesRefillIn == nil)
        }
    }

    @Test func `what the operator orders costs nothing`() {
        let world = pair(moves: 1)
        for node in [world.low, world.high, world.low] {
            #expect(world.command(.handover(0), on: node) == .accepted)
            world.run(for: .seconds(1))
        }
        #expect(world.command(.fence, on: world.low) == .accepted)
        world.run(for: .seconds(2))
        #expect(world.fences.count == 1)
        #expect(world.low.machine!.disk.memory.moves.isEmpty)
        #expect(world.low.machine!.disk.memory.fences.isEmpty)
    }

    @Test func `the pause grows with each failure, until it has run well for long enough`() {
        let world = SmallWorld {
            $0.moveBudget = .perHour(0)
            $0.groups[0].forgetsAfter = .seconds(60)
        }
        world.bootBoth()
        var pauses: [Int64] = []
        for well in [1, 1, 1, 61, 1] as [Int64] {
            world.run(for: .seconds(well))
            world.handle(.resources(0, .failed), on: world.low)
            world.run(for: .seconds(1))
            var pause: Int64 = 1
            while world.holder() == nil, pause < 200 {
                world.run(for: .seconds(1))
                pause += 1
            }
            pauses.append(pause)
        }
        #expect(world.holder() == .low)
        #expect(pauses.map { ($0 + 5) / 10 * 10 } == [10, 20, 40, 10, 20])
    }
}
