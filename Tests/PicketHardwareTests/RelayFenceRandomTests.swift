import PicketCore
import PicketHardware
import PicketProof
import Testing

/// Random stories: faults that come and go, orders, cancellations and requests at any moment.
struct RelayFenceRandomTests {
    /// With feedback that is honest whenever it answers, whatever the relay does:
    /// *off* is only ever said of a peer without power; every order has an outcome; and in the end
    /// every line is on, unless policy `off` holds it off.
    @Test(arguments: [RelayDescription.AfterFence.reboot, .off])
    func `no story makes a false receipt or leaves the peer dark`(
        policy: RelayDescription.AfterFence
    ) {
        for seed in 0..<3_000 as Range<UInt64> {
            var random = Chance(seed: seed)
            let bench = Bench(supplies: Int.random(in: 1...3, using: &random), end: 40)
            var falseReceipt = false
            bench.onReport = { bench, report in
                if case .outcome(_, .off) = report,
                    bench.supplies.contains(where: { $0.rail(at: bench.now) })
                {
                    falseReceipt = true
                }
            }
            let orders = UInt32.random(in: 1...4, using: &random)
            for id in 1...orders {
                bench.order(
                    id, at: Double.random(in: 0...15, using: &random),
                    validFor: Double.random(in: -0.01...0.2, using: &random),
                    relayTest: Message.RelayTest.allCases.randomElement(using: &random)!)
            }
            for _ in 0..<Int.random(in: 0...6, using: &random) { addEvent(bench, &random) }
            bench.at(25) { bench in bench.supplies.forEach { $0.heal() } }
            bench.run(policy: policy, offTime: 2)
            #expect(!falseReceipt, "seed \(seed)")
            for id in 1...orders { #expect(!bench.outcomes(id).isEmpty, "seed \(seed)") }
            if policy == .reboot { #expect(bench.allOn, "seed \(seed)") }
        }
    }

    private func addEvent(_ bench: Bench, _ random: inout Chance) {
        let supply = bench.supplies.randomElement(using: &random)!
        let when = Double.random(in: 0...20, using: &random)
        let id = UInt32.random(in: 1...4, using: &random)
        switch Int.random(in: 0..<10, using: &random) {
        case 0: bench.at(when) { _ in supply.fault = .stuckOn }
        case 1: bench.at(when) { _ in supply.fault = .deadLine }
        case 2: bench.at(when) { _ in supply.fault = .deafReadBack }
        case 3: bench.at(when) { _ in supply.feedback = .unreadable }
        case 4: bench.at(when) { _ in supply.heal() }
        case 5: supply.opens = .milliseconds(Int64.random(in: 0...80, using: &random))
        case 6: bench.at(when) { $0.mailbox.append(.cancel(id: id)) }
        case 7: bench.at(when) { $0.mailbox.append(.switchOn(id: 100)) }
        case 8: bench.at(when) { $0.mailbox.append(.test) }
        default:
            bench.pauseBetweenCuts = .milliseconds(Int64.random(in: 0...300, using: &random))
        }
    }
}
