/// The methods by which this node can fence its peer, one for each level: gives each its orders, and
/// the machine their outcomes.

import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux

final class FenceDesk: Part {
    private(set) var methods: [FenceMethod] = []
    private let reports: BoundedQueue<RelayReport>
    /// When a fence last became a receipt.
    private(set) var provedAt = Instant(nanoseconds: 0)
    private var provedBy = 0
    private var renewAt: Instant
    private var clock = Clock()
    /// Nothing begins any more.
    private var isStopping = false

    init(
        _ settings: [FenceSettings], sensors: [SensorDescription], stateDirectory: String,
        _ hardware: Hardware, at now: Stamp
    ) throws(SystemError) {
        renewAt = now.at + FenceRecord.renewEvery
        reports = try BoundedQueue<RelayReport>(capacity: 256)
        super.init()
        var kept = KeptLines()
        for (index, one) in settings.enumerated() {
            switch one {
            case .relay(let relay):
                let opening = RelayOpening(relay, sensors: sensors, hardware, kept: &kept)
                methods.append(
                    try RelayMethod(
                        index, relay, stateDirectory: stateDirectory, opening, reports, at: now))
            case .agent(let agent):
                methods.append(
                    FenceAgentMethod(index, agent, stateDirectory: stateDirectory, at: now))
            }
        }
        kept.release()
    }

    override func open(_ agent: Agent) throws(SystemError) {
        try agent.wait(on: reports.raw, of: self)
    }

    // MARK: Orders

    func order(_ order: FenceOrder, _ agent: Agent) {
        let method = methods[order.level]
        var order = order
        // A method is believed by its own test; a receipt vouches for any.
        if order.cause != .aloneAfter { order.relayTest = method.selfTest.result }
        method.order(order, agent)
    }

    func cancel(_ id: UInt32, _ agent: Agent) {
        for method in methods { method.cancel(id, agent) }
    }

    /// The operator's order after a fence with policy `off`.
    func switchOn(_ agent: Agent) {
        for method in methods { method.switchOn(agent) }
    }

    /// What an order came to. Power that was found off at the start, or is given back by itself,
    /// belongs to no order of the machine's.
    func give(_ outcome: FenceOutcome, of id: UInt32, _ agent: Agent) {
        guard id == RelayFence.foundOff else {
            agent.follow(.fence(id: id, outcome))
            return
        }
        switch outcome {
        case .restored:
            agent.tell(.powerIsBack)
            testSoon(agent)
        case .notRestored: agent.tell(.powerIsNotBack)
        case .off, .voided, .failed: break
        }
    }

    // MARK: What comes

    override func drain(_ agent: Agent) {
        if !ready.isEmpty {
            reports.clear()
            while let report = reports.pop() { methods[report.level].told(report.content, agent) }
        }
        if !isStopping, methods.contains(where: { $0.selfTest.isPending }),
            let age = agent.status.age
        {
            for method in methods { method.acknowledged(sentAt: agent.now - age, agent) }
        }
    }

    func ended(_ level: Int, _ end: ChildEnd, timedOut: Bool, _ agent: Agent) {
        methods[level].ended(end, timedOut: timedOut, agent)
        agent.drainFollowUps()
    }

    override func observe(_ trace: Trace, _ agent: Agent) {
        switch trace.kind {
        case .contactLost: for method in methods { method.forgetLooks() }
        case .contact:
            // A look before contact may have been at a peer without power.
            for method in methods { method.forgetLooks() }
            markAhead(agent)
            testSoon(agent)
        case .peerLeft, .left, .maintenance, .peerMaintenance: markAhead(agent)
        // Somebody has switched it off by hand.
        case .fenceConfirmed: for method in methods { method.parted(agent) }
        case .fenceVerified:
            provedAt = clock.now()
            provedBy = Int(trace.number ?? 0)
        case .fenceDisproved where trace.cause == .fenceDisproved:
            if provedBy < methods.count { methods[provedBy].fenced(false, agent) }
        case .fenceRestored: testSoon(agent)
        default: break
        }
    }

    /// In contact a fence may come at any time, but after a planned stop, and in maintenance, an
    /// operator may switch off by hand what no agent is to switch on.
    private func markAhead(_ agent: Agent) {
        let status = agent.status
        let may =
            status.contact == .established && status.peerPhase != .left
            && status.phase != .leaving && status.phase != .left && !status.maintenance
            && !status.peerMaintenance
        for method in methods { may ? method.met(agent) : method.parted(agent) }
    }

    // MARK: What is due

    override var due: Instant {
        var next = renewAt
        for method in methods { next = min(next, method.due) }
        return next
    }

    override func pass(_ agent: Agent) {
        for method in methods where agent.now >= method.due { method.pass(agent) }
        if agent.now >= renewAt {
            renewAt = agent.now + FenceRecord.renewEvery
            for method in methods { method.renewRecord(agent) }
        }
        agent.drainFollowUps()
    }

    // MARK: Self-test

    /// Often enough that a lost relay is known long before the day it is needed.
    private func testSoon(_ agent: Agent) {
        guard !isStopping else { return }
        for method in methods { method.testSoon(agent) }
    }

    /// So many supplies of the peer are off though it lives.
    var suppliesOff: Int { methods.map { $0.selfTest.suppliesOff }.max() ?? 0 }

    /// By the first level, which is tried first, and whose feedback told the truth when the peer
    /// could last be asked.
    func tellSupply(_ agent: Agent) {
        guard let first = methods.first else { return }
        agent.handle(.peerSupply(off: first.selfTest.seesOff && first.record.passed))
    }

    /// How long ago each level last cut for real.
    func cuts(at now: Instant) -> [RealCut] {
        methods.map { method in
            RealCut(age: method.record.cutAt.map { now - $0 }, failed: method.record.failed)
        }
    }

    /// The operator has mended what failed.
    func clear(_ agent: Agent) {
        for method in methods { method.clear(agent) }
        agent.drainFollowUps()
    }

    /// The node is as well protected as by the worst of its methods.
    func tellTests(_ agent: Agent) {
        agent.handle(.relayTest(RelaySelfTest.worst(of: methods.map { $0.selfTest })))
        agent.health.update(agent)
    }

    // MARK: The end

    var isBusy: Bool { methods.contains { $0.isBusy } }

    /// A planned stop leaves no peer dark: work that is under way comes to its end first. Lines
    /// that are closed, and outlets, stay as they are. Returns how long that may take.
    func stop() -> Duration {
        isStopping = true
        var longest = Duration.zero
        for method in methods {
            method.testNext(at: .distantFuture)
            longest = max(longest, method.stop())
        }
        return longest
    }
}
