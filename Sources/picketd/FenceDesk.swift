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
    private let lines: KeptLines
    private let stateDirectory: String
    private var lastNumber = 0
    /// When a fence last became a receipt.
    private(set) var provedAt = Instant(nanoseconds: 0)
    private var provedBy: FenceMethod?
    private var renewAt: Instant
    private var clock = Clock()
    /// Nothing begins any more.
    private var isStopping = false
    /// The machine knows what an agent before this one has noted of its fences.
    private var hasTold = false

    init(
        _ settings: Configuration, _ lines: KeptLines, stateDirectory: String,
        _ hardware: Hardware, at now: Stamp
    ) throws(SystemError) {
        renewAt = now.at + FenceRecord.renewEvery
        reports = try BoundedQueue<RelayReport>(capacity: 256)
        self.lines = lines
        self.stateDirectory = stateDirectory
        super.init()
        // Those that an agent before this one left, and nobody wants any more.
        lines.letGo(but: FenceDesk.lines(of: settings))
        for index in settings.fence.indices {
            methods.append(try method(index, of: settings, isFirst: true, hardware, at: now))
        }
    }

    private func method(
        _ index: Int, of settings: Configuration, isFirst: Bool, _ hardware: Hardware, at now: Stamp
    ) throws(SystemError) -> FenceMethod {
        lastNumber += 1
        let place = FenceMethod.Place(
            index: index, number: lastNumber, stateDirectory: stateDirectory, isFirst: isFirst)
        switch settings.fence[index] {
        case .relay(let relay):
            let opening = RelayOpening(relay, sensors: settings.sensors, hardware, lines)
            return try RelayMethod(place, relay, opening, reports, at: now)
        case .agent(let agent): return FenceAgentMethod(place, agent, at: now)
        }
    }

    private static func lines(of settings: Configuration) -> [String] {
        var names: [String] = []
        for case .relay(let relay) in settings.fence { names += RelayOpening.names(relay) }
        return names
    }

    // MARK: Another file

    /// What keeps the levels of a file from being worked with, by level; `nil` where nothing does.
    /// For a thread that may wait. What it finds is kept until `keepLines`.
    static func tryOut(
        _ settings: Configuration, _ hardware: Hardware, _ lines: KeptLines
    ) -> [String?] {
        settings.fence.map { level in
            guard case .relay(let relay) = level else { return nil }
            return RelayOpening(relay, sensors: settings.sensors, hardware, lines).tryOut()
        }
    }

    /// Why a changed file is not taken up now.
    ///
    /// - Parameter troubles: what `tryOut` found.
    func refusal(of new: Configuration, _ troubles: [String?], _ agent: Agent) -> String? {
        guard !new.fencesAs(agent.settings) else { return nil }
        let numbers = new.numbersOfLevels(in: agent.settings)
        let place = new.place(of: Configuration.Section.fence.key)
        let peer = agent.names.peer
        for (number, trouble) in zip(numbers, troubles) where number == nil {
            if let trouble { return "\(place): \(trouble)" }
        }
        if agent.drills.isUnderWay {
            return "\(place): a drill is under way, and the file changes the fence levels: reload"
                + " once the drill has ended"
        }
        if !agent.mayFenceAnew {
            return "\(place): a fence of \(peer) is under way, and the file changes the fence"
                + " levels: reload once it is over"
        }
        if let method = methods.indices.first(where: {
            !numbers.contains($0) && !methods[$0].mayGo(agent)
        }) {
            return "\(place): \(agent.names.fenceLevel(method)) has still to give \(peer) its power"
                + " back, and the file removes or changes it: reload once it has; \"picket restore"
                + " \(peer)\" switches on what stays off by policy"
        }
        return nil
    }

    /// The methods for a changed file, which are tested before they count: `takeUp` or `letGo` is
    /// next. That of a level that stays is the same one.
    func made(for new: Configuration, _ agent: Agent) throws(SystemError) -> [FenceMethod] {
        var made: [FenceMethod] = []
        do throws(SystemError) {
            for (index, number) in new.numbersOfLevels(in: agent.settings).enumerated() {
                if let number {
                    made.append(methods[number])
                } else {
                    made.append(
                        try method(
                            index, of: new, isFirst: false, agent.hardware,
                            at: agent.storage.stamp(at: agent.now)))
                }
            }
        } catch {
            letGo(made)
            throw error
        }
        return made
    }

    func letGo(_ made: [FenceMethod]) {
        for method in made where !FenceDesk.has(methods, method) { method.leave() }
    }

    private static func has(_ methods: [FenceMethod], _ method: FenceMethod) -> Bool {
        methods.contains { $0 === method }
    }

    /// From now on these are the methods. The machine knows of the levels already.
    func takeUp(_ made: [FenceMethod], _ agent: Agent) {
        let former = methods
        func moves(_ method: FenceMethod) -> Bool {
            !made.indices.contains(method.index) || made[method.index] !== method
        }
        let isSame = former.count == made.count && !former.contains(where: moves)
        guard !isSame else { return }
        let placed = made.indices.filter { !former.indices.contains($0) || former[$0] !== made[$0] }
        // One may get the index of another one: first all files go.
        for method in former where moves(method) { method.withdrawFiles(agent) }
        methods = made
        for index in placed { made[index].place(at: index, agent) }
        for method in former where !FenceDesk.has(made, method) { method.leave() }
        if let proved = provedBy, !FenceDesk.has(made, proved) { provedBy = nil }
        markAhead(agent)
        testSoon(agent)
        tellSupply(agent)
        tellTests(agent)
    }

    /// What was opened for a file stays only as far as the agent goes by it.
    func keepLines(_ agent: Agent) { lines.letGo(but: FenceDesk.lines(of: agent.settings)) }

    func name(of number: Int, _ names: Names) -> String {
        methods.first { $0.number == number }.map { names.fenceLevel($0.index) } ?? "fence"
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
            while let report = reports.pop() {
                if let method = methods.first(where: { $0.number == report.method }) {
                    method.told(report.content, agent)
                } else if case .ended = report.content {
                    // What it may have opened after it had to go.
                    keepLines(agent)
                }
            }
        }
        if !isStopping, methods.contains(where: { $0.selfTest.isPending }),
            let age = agent.status.age
        {
            for method in methods { method.acknowledged(sentAt: agent.now - age, agent) }
        }
    }

    func ended(_ number: Int, _ end: ChildEnd, timedOut: Bool, _ agent: Agent) {
        // The file may have its level no more.
        guard let method = methods.first(where: { $0.number == number }) else { return }
        method.ended(end, timedOut: timedOut, agent)
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
            let level = Int(trace.number ?? 0)
            provedBy = methods.indices.contains(level) ? methods[level] : nil
        case .fenceDisproved where trace.cause == .fenceDisproved:
            provedBy?.fenced(false, agent)
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
        if !hasTold {
            hasTold = true
            // A fence that failed is told at once: no self-test comes to a new result by it.
            if methods.contains(where: { $0.selfTest.result == .failed }) { tellTests(agent) }
        }
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
        let first = methods.first
        agent.handle(
            .peerSupply(off: first.map { $0.selfTest.seesOff && $0.record.passed } ?? false))
    }

    /// How long ago each level last cut for real.
    func cuts(at now: Instant) -> [RealCut] {
        methods.map { method in
            RealCut(age: method.record.cutAt.map { now - $0 }, failed: method.record.failed)
        }
    }

    func looked(_ program: String, _ number: Int, _ agent: Agent) {
        methods.first { $0.number == number }?.looked(program, agent)
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
