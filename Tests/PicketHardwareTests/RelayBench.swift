import PicketCore
import PicketHardware

/// One supply of the peer as the physical world has it: a line, a contact that follows it late or
/// never, and feedback that tells the truth or not.
final class BenchSupply {
    enum Fault { case none, stuckOn, stuckOff, deadLine, deafReadBack, readBackLies, chipGone }
    enum Feedback { case honest, alwaysOn, alwaysOff, unreadable, undecided, flickers }

    var fault = Fault.none
    var feedback = Feedback.honest
    /// From the line to the rail.
    var opens = Duration.milliseconds(8)
    var closes = Duration.milliseconds(12)

    private(set) var line = true
    private var from = true
    private var changedAt = Instant(nanoseconds: 0)
    /// Every change that was driven.
    private(set) var driven: [Bool] = []
    private var reads = 0
    /// The peer's rail has power from elsewhere: it is dead by itself.
    var dead = false

    /// As the agent before this one left it.
    func leave(_ on: Bool) {
        line = on
        from = on
    }

    func heal() {
        fault = .none
        feedback = .honest
    }

    func drive(_ on: Bool, at now: Instant) {
        guard on != line else { return }
        from = rail(at: now)
        line = on
        changedAt = now
        driven.append(on)
    }

    func rail(at now: Instant) -> Bool {
        switch fault {
        case .stuckOn: return true
        case .stuckOff: return line && driven.isEmpty
        case .none, .deadLine, .deafReadBack, .readBackLies, .chipGone: break
        }
        return now - changedAt >= (line ? closes : opens) ? line : from
    }

    func sense(at now: Instant) throws(LineError) -> Bool {
        reads += 1
        switch feedback {
        case .honest: return rail(at: now) && !dead
        case .alwaysOn: return true
        case .alwaysOff: return false
        case .unreadable: throw .vanished
        case .undecided: throw .undecided
        case .flickers: return reads % 2 == 1
        }
    }
}

/// The world of a fence worker's test: supplies, a clock that moves only when the worker waits (or
/// a line takes time), and a script.
final class Bench {
    var now = Instant.at(0)
    var supplies: [BenchSupply]
    var script: [(at: Instant, do: (Bench) -> Void)] = []
    var onReport: ((Bench, FenceReport) -> Void)?
    var onCut: ((Bench) -> Void)?
    var mailbox: [FenceRequest] = []
    var reports: [(at: Instant, report: FenceReport)] = []
    /// Time that passes unseen after the request is taken and before anything is driven.
    var pauseBeforeCut: Duration = .zero
    var pauseBetweenCuts: Duration = .zero
    var cuts = 0
    var looks = 0
    /// The test ends then.
    let end: Instant

    init(supplies: Int = 1, end: Double = 60) {
        self.supplies = (0..<supplies).map { _ in BenchSupply() }
        self.end = .at(end)
    }

    func at(_ seconds: Double, _ action: @escaping (Bench) -> Void) {
        script.append((.at(seconds), action))
    }

    func order(
        _ id: UInt32 = 1, at seconds: Double = 0, validFor: Double = 1,
        relayTest: Message.RelayTest = .passed, reboots: Bool = false, onlyIfOff: Bool = false
    ) {
        at(seconds) { bench in
            bench.mailbox.append(
                .order(
                    FenceOrder(
                        id: id, level: 0, voidAfter: .at(seconds + validFor), cause: .contactLost,
                        relayTest: relayTest, reboots: reboots, onlyIfOff: onlyIfOff)))
        }
    }

    @discardableResult
    func run(
        feedback: Bool = true, policy: RelayDescription.AfterFence = .reboot, offTime: Double = 5,
        partedReadsOn: Bool = true, plug: SupplyDescription.Plug = .unstated
    ) -> FenceWorker<BenchLine, BenchSense, BenchHost>.End {
        let description = RelayDescription(
            supplies: supplies.indices.map { index in
                SupplyDescription(
                    line: LineDescription(name: "RELAY_\(index)"),
                    feedback: feedback
                        ? .line(LineDescription(name: "PGOOD_\(index)"))
                        : SupplyDescription.Feedback.none,
                    partedReadsOn: partedReadsOn, plug: plug)
            },
            offWithin: .milliseconds(50), offTime: .milliseconds(Int64(offTime * 1_000)),
            onWithin: .milliseconds(100), policy: policy)
        script.sort { $0.at < $1.at }
        at(end.seconds) { $0.mailbox.append(.stop) }
        var worker = FenceWorker<BenchLine, BenchSense, BenchHost>(
            description,
            supplies: supplies.map { supply in
                .init(
                    line: BenchLine(bench: self, supply: supply),
                    sense: feedback ? BenchSense(bench: self, supply: supply) : nil)
            },
            host: BenchHost(bench: self))
        return worker.run()
    }

    /// What was reported of this order.
    func outcomes(_ id: UInt32 = 1) -> [FenceOutcome] {
        reports.compactMap {
            if case .outcome(let reported, let outcome) = $0.report, reported == id {
                outcome
            } else {
                nil
            }
        }
    }

    func when(_ outcome: FenceOutcome, _ id: UInt32 = 1) -> Instant? {
        reports.first { $0.report == .outcome(id: id, outcome) }?.at
    }

    var observations: [RelayObservation] {
        reports.compactMap {
            if case .test(let observation) = $0.report { observation } else { nil }
        }
    }

    var allOn: Bool { supplies.allSatisfy { $0.line } }
}

extension Instant {
    var seconds: Double { Double(nanoseconds - Instant.at(0).nanoseconds) / 1e9 }
}

struct BenchLine: RelayLine {
    let bench: Bench
    let supply: BenchSupply

    func set(on: Bool, unlessAfter: Instant) throws(LineError) {
        if supply.fault == .deadLine && !on { throw .vanished }
        if supply.fault == .chipGone { throw .gone }
        supply.drive(on, at: bench.now)
        if !on {
            bench.cuts += 1
            bench.onCut?(bench)
            bench.now = bench.now + bench.pauseBetweenCuts
        }
    }

    func read() throws(LineError) -> Bool {
        switch supply.fault {
        case .deafReadBack: throw .other(errno: 5)
        case .readBackLies: true
        case .chipGone: throw .gone
        case .none, .stuckOn, .stuckOff, .deadLine: supply.line
        }
    }
}

struct BenchSense: SenseLine {
    let bench: Bench
    let supply: BenchSupply

    func read() throws(LineError) -> Bool {
        let value = try supply.sense(at: bench.now)
        bench.looks += 1
        if bench.looks == 1 { bench.now = bench.now + bench.pauseBeforeCut }
        return value
    }
}

struct BenchHost: FenceHost {
    let bench: Bench

    func now() -> Instant { bench.now }

    func wait(until instant: Instant) -> FenceRequest? {
        while true {
            while let first = bench.script.first, first.at <= bench.now {
                bench.script.removeFirst()
                first.do(bench)
            }
            if !bench.mailbox.isEmpty { return bench.mailbox.removeFirst() }
            guard bench.now < instant else { return nil }
            bench.now = min(instant, bench.script.first?.at ?? instant)
        }
    }

    func report(_ report: FenceReport) {
        bench.reports.append((bench.now, report))
        bench.onReport?(bench, report)
    }
}
