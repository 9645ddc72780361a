/// The method that fences by relays. A worker of its own drives their lines (PicketHardware's
/// FenceWorker): nothing else waits for them.

import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux

/// What the worker of a level's relays tells the loop.
struct RelayReport: Sendable {
    /// The method's number.
    var method: Int
    var content: Content

    enum Content: Sendable {
        case report(FenceReport)
        case saw(Seen)
        case rests(Bool)
        /// Why there is no fence by this level for now.
        case closed(String)
        /// Its lines are open; what is to be said of that.
        case open([String])
        /// Asked to stop, it has left the supplies as they shall be.
        case ended
    }
}

final class RelayMethod: FenceMethod {
    private let requests: BoundedQueue<FenceRequest>
    private let longest: Duration
    private let supplies: Int
    /// Why its lines are not open.
    private var trouble: String?
    private var isWorking = true
    /// The supplies are on, and nothing is under way, as its worker says; or it has no lines.
    private var rests = false
    /// The drill at hand has cut its supplies, one after the other.
    private var hasRehearsed = false
    /// What the fence at hand saw of its own.
    private var seen: Seen?

    init(
        _ place: Place, _ relay: RelayDescription, _ opening: RelayOpening,
        _ reports: BoundedQueue<RelayReport>, at now: Stamp
    ) throws(SystemError) {
        let requests = try BoundedQueue<FenceRequest>(capacity: 64)
        self.requests = requests
        supplies = relay.supplies.count
        longest = relay.offWithin + relay.onWithin * 3
        super.init(place, .relay(relay), testEvery: .seconds(10), at: now)
        try Worker.start("fence-\(place.index + 1)") {
            _ = RealTime.raisePriority()
            var mailbox = RelayMailbox(method: place.number, requests: requests, reports: reports)
            while !RelayMethod.serve(opening, &mailbox) {}
            mailbox.tell(.ended)
        }
    }

    override func order(_ order: FenceOrder, _ agent: Agent) {
        if !requests.push(.order(order)) {
            agent.follow(.fence(id: order.id, .failed(.unreachable)))
        }
    }

    override func cancel(_ id: UInt32, _ agent: Agent) { _ = requests.push(.cancel(id: id)) }

    override func switchOn(_ agent: Agent) {
        _ = requests.push(.switchOn(id: RelayFence.foundOff))
    }

    override func test(_ agent: Agent) {
        _ = requests.push(.test)
        asked(agent)
    }

    /// Before the pair has met, whether the peer has power may decide.
    override func pause(_ agent: Agent) -> Duration {
        agent.status.phase == .waiting && agent.settings.policy.startup != .wait
            ? .seconds(1) : testEvery
    }

    override var canRehearse: Bool { supplies > 1 }

    override func rehearse(_ agent: Agent) {
        hasRehearsed = false
        _ = requests.push(.rehearse)
    }

    /// A look at a relay costs nothing.
    override func testSoon(_ agent: Agent) { testNext(at: agent.now) }

    override func stop() -> Duration {
        _ = requests.push(.stop)
        return longest
    }

    override var isBusy: Bool { isWorking }

    override func mayGo(_ agent: Agent) -> Bool { rests }

    /// What waits for its worker, which hangs perhaps, is for nobody any more.
    override func leave() {
        while requests.pop() != nil {}
        _ = requests.push(.stop)
    }

    override func told(_ report: RelayReport.Content, _ agent: Agent) {
        answered()
        switch report {
        case .saw(let what): seen = what
        case .report(.outcome(let id, let outcome)):
            agent.fences.give(outcome, of: id, agent)
            agent.drainFollowUps()
            if outcome == .off, let seen, agent.fences.provedAt > seen.sign {
                tellTiming(seen, agent)
            }
            seen = nil
        case .report(.test(let observation)): saw(observation, agent)
        case .report(.busy): break
        case .report(.proof(let cut)):
            hasRehearsed = cut
            fenced(cut, agent)
        case .rests(let rests): self.rests = rests
        case .closed(let reason):
            rests = true
            note(reason, agent)
        case .open(let notes):
            for note in notes { agent.log(.notice, note) }
            note(nil, agent)
        case .ended: isWorking = false
        }
    }

    /// The agent's own share of a fence: from the sense line's edge to the proof.
    private func tellTiming(_ seen: Seen, _ agent: Agent) {
        let whole = agent.fences.provedAt - seen.sign
        agent.tell(.fenceTimed(own: whole - seen.inDriver, inDriver: seen.inDriver))
    }

    /// Said once, until something else is the matter.
    private func note(_ trouble: String?, _ agent: Agent) {
        guard trouble != self.trouble else { return }
        self.trouble = trouble
        agent.tell(trouble.map { .relayTrouble($0) } ?? .relayReady)
    }

    override func finding(_ result: Message.RelayTest) -> RelayFinding {
        if selfTest.isDisproved { return .lastFenceFailed }
        if hasRehearsed, result == .passed { return .cutOneByOne }
        return selfTest.isSilent ? .noAnswer : .feedback(saysOn: result == .passed)
    }

    // MARK: The worker

    /// Opens the lines and works with them; where they cannot be had, every order fails for 5 s.
    /// True after the request to stop.
    private static func serve(_ opening: RelayOpening, _ mailbox: inout RelayMailbox) -> Bool {
        let trouble: String
        do throws(DeviceError) {
            var notes: [String] = []
            let supplies = try opening.open(&notes)
            mailbox.edges = supplies.compactMap { $0.sense?.edges }.filter { $0 >= 0 }
            var worker = FenceWorker(opening.relay, supplies: supplies, host: mailbox)
            mailbox.edges = []
            if let found = note(worker.found, opening.relay) { notes.append(found) }
            mailbox.tell(.rests(false))
            mailbox.tell(.open(notes))
            switch worker.run() {
            case .stopped: return true
            case .linesGone: trouble = "a line's GPIO chip is gone"
            }
        } catch { trouble = error.description }
        mailbox.tell(.closed(trouble))
        return mailbox.refuse(until: mailbox.now() + .seconds(5))
    }

    private static func note(_ found: RelayFence.Found, _ relay: RelayDescription) -> String? {
        switch (found, relay.policy) {
        case (.on, _): nil
        case (.partlyOff, _): "one of the peer's supplies was found off, and is switched on"
        case (.off, .off): "the peer was found switched off, and stays so by policy"
        case (.off, .reboot): "the peer was found switched off, and is on again after off_time"
        }
    }
}

/// The worker's side of the queues.
struct RelayMailbox: FenceHost {
    let method: Int
    let requests: BoundedQueue<FenceRequest>
    let reports: BoundedQueue<RelayReport>
    /// Descriptors of sense lines that tell of edges.
    var edges: [Int32] = []

    func now() -> Instant {
        var clock = Clock()
        return clock.now()
    }

    mutating func wait(until instant: Instant) -> FenceRequest? {
        if let request = requests.pop() { return request }
        let left = instant == .distantFuture ? nil : instant - now()
        if let left, left <= .zero { return nil }
        if edges.isEmpty {
            guard let left else { return requests.wait() }
            return requests.wait(atMost: left)
        }
        if GPIOLine.waitForEdge(&edges, or: requests.raw, atMost: left) { return .sensed }
        requests.clear()
        return requests.pop()
    }

    /// An outcome is never lost: where the loop does not take it, this thread waits.
    mutating func report(_ report: FenceReport) { tell(.report(report)) }
    mutating func saw(_ seen: Seen) { tell(.saw(seen)) }
    mutating func rests(_ rests: Bool) { tell(.rests(rests)) }

    func tell(_ content: RelayReport.Content) {
        while !reports.push(RelayReport(method: method, content: content)) {
            Worker.sleep(.milliseconds(1))
        }
    }

    /// Without lines there is no fence: says so to every request. True if asked to stop.
    mutating func refuse(until instant: Instant) -> Bool {
        while now() < instant {
            guard let request = wait(until: instant) else { continue }
            switch request {
            case .order(let order):
                report(.outcome(id: order.id, .failed(.unreachable)))
            case .test, .rehearse:
                report(
                    .test(
                        RelayObservation(readAt: now(), linesOn: false, feedback: SupplyScan())))
            case .stop: return true
            case .cancel, .switchOn, .sensed: break
            }
        }
        return false
    }
}
