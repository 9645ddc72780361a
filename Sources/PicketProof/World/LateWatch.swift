/// The watch over loops that come late again and again (L4): it is told, because a dead peer is then
/// found late.
internal import PicketCore

struct LateWatch {
    private struct Side {
        var began: Int64 = 0
        var sum: Int64 = 0
        var turnedAt: Int64 = 0
        /// So many spans in a row were bad.
        var bad = 0
        var isTold = false
    }

    private var sides = [Side(), Side()]
    private static let span: Int64 = 10_000_000_000

    mutating func begins(_ node: Node, at now: Int64) {
        sides[node.index] = Side(began: now, turnedAt: now)
    }

    mutating func told(_ node: Node, _ isLate: Bool) { sides[node.index].isTold = isLate }

    mutating func turns(_ node: Node, since due: Int64, in world: World) {
        let index = node.index
        // The ordinary jitter of a loop is none.
        let late = world.now - max(due, sides[index].turnedAt)
        let slack = max(1_000_000, node.policy.timing.deadAfter.nanoseconds / 16)
        if late > slack { sides[index].sum += late }
        sides[index].turnedAt = world.now
        let passed = world.now - sides[index].began
        guard passed >= LateWatch.span else { return }
        // Spans of the machine's own lie across these.
        sides[index].bad = sides[index].sum * 10 >= passed * 3 ? sides[index].bad + 1 : 0
        sides[index].began = world.now
        sides[index].sum = 0
        if sides[index].bad >= 4, !sides[index].isTold {
            world.violate("L4", "\(node.id) always comes late, and says nothing of it")
        }
    }
}
