import PicketCore
import Testing

@testable import PicketProof

/// That the exhaustive checker may take a state's image for the state.
struct CheckerTests {
    private func image(_ state: PairState) -> [UInt8] {
        var image = ImageWriter(
            now: state.now, step: CheckBounds.step, horizon: state.bounds.horizon)
        state.write(to: &image)
        return image.bytes
    }

    private static func image(_ message: Message) -> ImageReader {
        let now = PairState.origin
        var image = ImageWriter(now: now, step: CheckBounds.step, horizon: 8)
        message.write(
            to: &image, sequence: 1, acknowledged: 0, isPresent: false, hasSeen: false)
        return ImageReader(image.bytes, at: 0, now: now, step: CheckBounds.step)
    }

    @Test func `an image has a bit for every flag`() {
        let groups = GroupReport.Role.allCases.map { GroupReport(role: $0, flags: .all) }
        var policy = CheckBounds().policy(of: .low)
        policy.turnsDigest = 0
        policy.groups = groups.map { _ in GroupPolicy(prefer: .low, priority: 0) }
        for phase in Message.Phase.allCases {
            let message = Message(sequence: 1, flags: .all, phase: phase, groups: groups)
            var reader = CheckerTests.image(message)
            #expect(Message(from: &reader, of: policy) == message)
        }
    }

    @Test func `an image refuses a flag that it has no bit for`() async {
        await #expect(processExitsWith: .failure) {
            _ = CheckerTests.image(
                Message(sequence: 1, flags: Message.Flags(rawValue: 1 << 14)))
        }
        await #expect(processExitsWith: .failure) {
            _ = CheckerTests.image(
                Message(
                    sequence: 1,
                    groups: [GroupReport(flags: GroupReport.Flags(rawValue: 1 << 7))]))
        }
    }

    /// Walks at random; a state and the one read from its image must go on alike.
    @Test(arguments: 1...30)
    func `a state and the one of its image have the same future`(seed: UInt64) {
        var bounds = CheckBounds()
        bounds.faults = 4
        bounds.inFlight = 4
        bounds.fences = 2
        bounds.slow = seed % 2 == 0
        bounds.lateTurns = seed % 3 == 0
        bounds.aloneAfter = seed % 5 == 0
        var chance = Chance(seed: seed)
        var state = PairState(bounds)
        var steps: [Step] = []
        for turn in 0..<400 {
            var twin = state
            let bytes = image(state)
            #expect(twin.read(bytes, at: 0) == bytes.count)
            #expect(image(twin) == bytes, "seed \(seed), turn \(turn)")
            // Both go on for a while, one of them with all that its image left out.
            for _ in 0..<6 {
                state.collect(into: &steps)
                guard !steps.isEmpty else { return }
                let step = chance.one(of: steps)
                state.apply(step)
                twin.apply(step)
                #expect(
                    image(state) == image(twin), "seed \(seed), turn \(turn), \(step.kind)")
                if image(state) != image(twin) { return }
            }
            state = twin
            _ = state.read(image(twin), at: 0)
        }
    }

    @Test func `bounds that make no sense are refused`() {
        var bounds = CheckBounds()
        #expect(bounds.objection == nil)
        bounds.inFlight = 3
        #expect(bounds.objection != nil)
        bounds = CheckBounds()
        bounds.headStart = 1
        #expect(bounds.objection != nil)
    }

    @Test func `the search stops at its bound of states`() {
        var bounds = CheckBounds()
        bounds.mostStates = 2_000
        var checker = Checker(bounds)
        #expect(checker.run().verdict == .unfinished)
    }
}
