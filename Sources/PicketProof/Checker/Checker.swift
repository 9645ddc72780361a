/// The exhaustive checker: every state that two machines, their world and a bounded number of
/// faults can reach, breadth first, so that the first violation met is one of the shortest.
///
/// Of each state the search keeps a hash of 64 bits, the state's parent, and the step that led from
/// there (`bytesPerState`). Whole states exist only as images, and only those of the two levels
/// between which the search stands. If two different images share a hash, a part of the world is
/// not seen. For n states the chance that this happens anywhere is about n² / 2⁶⁵ (10⁷ states: 3 in
/// a million).

import PicketCore

public struct CheckResult: Equatable, Sendable {
    public enum Verdict: Equatable, Sendable {
        /// Every state within the bounds was seen, and all properties hold in each.
        case exhausted
        case violated(BrokenProperty)
        /// The bound of states came first.
        case unfinished
    }
    public var verdict: Verdict
    public var states: Int
    public var transitions: Int
    /// Steps from the first state to the furthest.
    public var depth: Int
    /// States of the widest level.
    public var widest: Int
    public var bytesPerState: Int
    /// The longest image, in bytes.
    public var longestImage: Int
    /// How often each kind of step was taken.
    public var coverage: [(name: String, count: Int)]
    /// The shortest way to a violation, if there is one.
    var path: [Step]

    public static func == (a: CheckResult, b: CheckResult) -> Bool {
        a.verdict == b.verdict && a.states == b.states && a.transitions == b.transitions
    }
}

public struct Checker {
    public let bounds: CheckBounds
    private var seen = SeenStates()
    private var level: [UInt8] = []
    private var next: [UInt8] = []
    private var image: ImageWriter
    private var counts = [Int](repeating: 0, count: Step.Kind.allCases.count)
    private var transitions = 0
    private var longest = 0

    public init(_ bounds: CheckBounds) {
        self.bounds = bounds
        image = ImageWriter(
            now: PairState.origin, step: CheckBounds.step, horizon: bounds.horizon)
    }

    /// Explores. `progress` is called between levels, and every million states.
    public mutating func run(
        progress: (_ states: Int, _ depth: Int, _ waiting: Int) -> Void = { _, _, _ in }
    ) -> CheckResult {
        var state = PairState.first(bounds)
        _ = remember(state, parent: 0, step: 0)
        var first = 0
        var depth = 0
        var widest = 1
        var steps: [Step] = []
        while true {
            swap(&level, &next)
            next.removeAll(keepingCapacity: true)
            let last = seen.count
            widest = max(widest, last - first)
            if first == last { return result(.exhausted, depth, widest) }
            var at = 0
            for index in first..<last {
                at = state.read(level, at: at)
                state.collect(into: &steps)
                for step in steps {
                    var successor = state
                    successor.apply(step)
                    transitions += 1
                    counts[Int(step.kind.rawValue)] += 1
                    if let violation = successor.violation {
                        return result(
                            .violated(violation), depth + 1, widest, path: path(to: index) + [step])
                    }
                    let new = remember(successor, parent: index, step: step.code)
                    if new, seen.count % 1_000_000 == 0 {
                        progress(seen.count, depth, last - index)
                    }
                }
                if seen.count > bounds.mostStates {
                    return result(.unfinished, depth, widest)
                }
            }
            first = last
            depth += 1
        }
    }

    private mutating func remember(_ state: PairState, parent: Int, step: UInt16) -> Bool {
        image.base = state.now
        state.write(to: &image)
        longest = max(longest, image.bytes.count)
        guard seen.insert(hash(image.bytes), parent: UInt32(parent), step: step) else {
            return false
        }
        next.append(contentsOf: image.bytes)
        return true
    }

    private func hash(_ bytes: [UInt8]) -> UInt64 {
        var a: UInt64 = 0x9E37_79B9_7F4A_7C15
        var word: UInt64 = 0
        for index in bytes.indices {
            word = word << 8 | UInt64(bytes[index])
            if index & 7 == 7 {
                a = mix(a ^ word)
                word = 0
            }
        }
        return mix(mix(a ^ word) ^ UInt64(bytes.count))
    }

    private func mix(_ value: UInt64) -> UInt64 {
        let (high, low) = value.multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
        let folded = high ^ low
        return folded ^ (folded >> 29) &* 0x9E6C_63D0_876A_68DF
    }

    private func path(to index: Int) -> [Step] {
        var steps: [Step] = []
        var at = index
        while at != 0 {
            steps.append(Step(code: seen.steps[at]))
            at = Int(seen.parents[at])
        }
        return steps.reversed()
    }

    private func result(
        _ verdict: CheckResult.Verdict, _ depth: Int, _ widest: Int, path: [Step] = []
    ) -> CheckResult {
        CheckResult(
            verdict: verdict, states: seen.count, transitions: transitions, depth: depth,
            widest: widest, bytesPerState: seen.bytes / max(1, seen.count),
            longestImage: longest,
            coverage: Step.Kind.allCases.map { ("\($0)", counts[Int($0.rawValue)]) }, path: path)
    }
}

/// The states seen: an open hash table of places, and one row for each state.
struct SeenStates {
    private(set) var hashes: [UInt64] = []
    private(set) var parents: [UInt32] = []
    private(set) var steps: [UInt16] = []
    private var table = [UInt32](repeating: .max, count: 1 << 16)

    var count: Int { hashes.count }
    var bytes: Int { count * (8 + 4 + 2) + table.count * 4 }

    /// False if it was seen before.
    mutating func insert(_ hash: UInt64, parent: UInt32, step: UInt16) -> Bool {
        let mask = table.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while table[slot] != .max {
            if hashes[Int(table[slot])] == hash { return false }
            slot = (slot + 1) & mask
        }
        table[slot] = UInt32(count)
        hashes.append(hash)
        parents.append(parent)
        steps.append(step)
        if count * 4 > table.count * 3 { grow() }
        return true
    }

    private mutating func grow() {
        let mask = table.count * 2 - 1
        table = [UInt32](repeating: .max, count: table.count * 2)
        for index in hashes.indices {
            var slot = Int(truncatingIfNeeded: hashes[index]) & mask
            while table[slot] != .max { slot = (slot + 1) & mask }
            table[slot] = UInt32(index)
        }
    }
}
