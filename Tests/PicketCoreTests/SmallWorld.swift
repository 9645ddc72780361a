/// Two machines, their clocks, disks, relays, resources and the network between them: enough of a
/// world to tell stories in. Everything is drawn from one seed.

import PicketProof
import PicketWire
import TestSupport

@testable import PicketCore

/// Which agent speaks to the network. All else of a node is today's.
enum Release {
    case of010
    case present

    func encode(_ message: Message) -> [UInt8]? {
        switch self {
        case .of010: return Release010.encode(message)
        case .present:
            var bytes: [UInt8] = []
            return Codec.encode(message, keys: KeyIDs(first: 1), into: &bytes) ? bytes : nil
        }
    }

    func decode(_ bytes: [UInt8], sequence: UInt64) -> Message? {
        switch self {
        case .of010: Release010.decode(bytes, sequence: sequence)
        case .present: try? Codec.decode(bytes, 0..<bytes.count, sequence: sequence).message
        }
    }
}

/// One node: power, agent, disk, resources.
final class TestNode {
    let id: NodeID
    var policy: Policy
    let clockOffset: Duration
    var powered = false
    var machine: Machine?
    var session = SessionID(0)
    /// The peer's session that this agent seals for.
    var knownPeer: SessionID?
    /// What an agent that starts is, and what the one that runs was when it started.
    var installed = Release.present
    var release = Release.present
    var disk: Memory
    var diskFull = false
    var note = RunNote.blank
    var pausedUntil: Instant?
    var inbox: [() -> Void] = []
    /// Term at which each group's resources run on this node, whatever the agent thinks.
    var running: [Term?]
    /// By group: its name, by which the watch knows it on either node.
    var names: [String]
    var failStart = false
    var failStop = false
    /// It could not even be tried.
    var stopIsUnknown = false
    var traces: [(at: Instant, trace: Trace)] = []
    var answers: [UInt32: CommandResult] = [:]
    var cancelled: Set<UInt32> = []
    var watchdogFeeds = 0
    var supervised = false
    var tickAt = Instant.distantFuture

    init(_ id: NodeID, policy: Policy, clockOffset: Duration) {
        self.id = id
        self.policy = policy
        self.clockOffset = clockOffset
        disk = .blank(groups: policy.groups.count)
        running = Array(repeating: nil, count: policy.groups.count)
        names = policy.groups.indices.map { "group \($0)" }
    }

    /// Another file while the agent is stopped and nothing runs here.
    func configure(_ policy: Policy, names: [String]) {
        precondition(machine == nil && policy.groups.count == names.count)
        self.policy = policy
        self.names = names
        disk = .blank(groups: names.count)
        running = Array(repeating: nil, count: names.count)
    }

    /// The same groups in the opposite order, while the agent is stopped: what is known of a group is
    /// known by its name.
    func reorder() {
        precondition(machine == nil)
        let last = names.count - 1
        policy.groups.reverse()
        names.reverse()
        running.reverse()
        disk.groups.reverse()
        note.terms.reverse()
        note.holdings = note.holdings.map { Holding(group: last - $0.group, term: $0.term) }
    }

    func runs(_ name: String) -> Bool {
        names.indices.contains { names[$0] == name && running[$0] != nil }
    }

    func has(_ kind: Trace.Kind) -> Bool { traces.contains { $0.trace.kind == kind } }
    func count(_ kind: Trace.Kind) -> Int { traces.count { $0.trace.kind == kind } }
}

final class SmallWorld {
    enum Relay { case works, stuckOn, lies, unreachable }

    struct Link {
        var lossPercent = 0
        var cut = false
        var duplicatePercent = 0
        var jitter = Duration.microseconds(100)
    }

    var now = Instant(nanoseconds: 1_000_000_000_000)
    var chance: Chance
    let nodes: [TestNode]
    /// By sender and link.
    var links: [[Link]]
    var relays: [Relay] = [.works, .works]
    var offWithin = Duration.milliseconds(20)
    var bootTime = Duration.seconds(3)
    var startTime = Duration.milliseconds(5)
    var persistTime = Duration.milliseconds(3)
    var fences: [NodeID] = []
    /// Cut by a relay and not yet on again.
    private var fencedOff: Set<NodeID> = []
    var violations: [String] = []
    private var queue: [(at: Instant, order: UInt64, run: () -> Void)] = []
    private var order: UInt64 = 0

    init(seed: UInt64 = 1, configure: (inout Policy) -> Void = { _ in }) {
        chance = Chance(seed: seed)
        var made: [TestNode] = []
        for id in [NodeID.low, .high] {
            var policy = SmallWorld.policy(me: id)
            configure(&policy)
            for group in policy.groups.indices where policy.groups[group].name == 0 {
                policy.groups[group].name = UInt64(group + 1)
            }
            made.append(
                TestNode(
                    id, policy: policy,
                    clockOffset: id == .low ? .zero : .seconds(777_777)))
        }
        nodes = made
        let count = made[0].policy.linkCount
        links = Array(repeating: Array(repeating: Link(), count: count), count: 2)
    }

    static func policy(me: NodeID) -> Policy {
        let timing = Timing(
            detectWithin: .milliseconds(500), heartbeat: .milliseconds(30),
            deadAfter: .milliseconds(370), probe: .milliseconds(4),
            headStart: .milliseconds(120), offWithin: .milliseconds(50),
            fenceTimeout: .milliseconds(600), fenceRetry: .seconds(5), feed: .seconds(2),
            longestPause: .seconds(60), leaveWithin: .seconds(5))
        return Policy(
            me: me, linkCount: 1, timing: timing, fenceLevels: [.relay(verified: true)],
            groups: [GroupPolicy(prefer: .low)], digest: 42)
    }

    var low: TestNode { nodes[0] }
    var high: TestNode { nodes[1] }
    func other(_ node: TestNode) -> TestNode { nodes[1 - Int(node.id.rawValue)] }

    // MARK: Time

    func after(_ delay: Duration, _ run: @escaping () -> Void) {
        order += 1
        queue.append((now + delay, order, run))
    }

    func run(for length: Duration) {
        let end = now + length
        while true {
            var next = end
            for node in nodes where node.powered && node.machine != nil {
                let tick = max(now, node.tickAt)
                let due = node.pausedUntil.map { max(tick, $0) } ?? tick
                next = min(next, due)
            }
            for entry in queue { next = min(next, entry.at) }
            now = max(now, next)
            if now >= end, !queue.contains(where: { $0.at <= now }) { break }
            runDue()
        }
    }

    /// Runs until `condition`; false if it did not come within `limit`.
    func run(until condition: () -> Bool, within limit: Duration) -> Bool {
        let end = now + limit
        while now < end {
            if condition() { return true }
            run(for: .milliseconds(5))
        }
        return condition()
    }

    private func runDue() {
        if let index = queue.indices.filter({ queue[$0].at <= now }).min(by: {
            (queue[$0].at, queue[$0].order) < (queue[$1].at, queue[$1].order)
        }) {
            let entry = queue.remove(at: index)
            entry.run()
            check()
            return
        }
        for node in nodes where node.powered && node.machine != nil {
            if let until = node.pausedUntil {
                guard now >= until else { continue }
                node.pausedUntil = nil
                let inbox = node.inbox
                node.inbox = []
                for item in inbox { item() }
                handle(.tick, on: node)
                check()
                return
            }
            if node.tickAt <= now {
                // A loop wakes a little late.
                handle(.tick, on: node)
                check()
                return
            }
        }
    }

    func pause(_ node: TestNode, for length: Duration) { node.pausedUntil = now + length }

    /// S1, and that nothing runs on a node without power.
    private func check() {
        for name in low.names where low.runs(name) && high.runs(name) {
            violations.append("S1: \(name) active on both at \(now.nanoseconds)")
        }
    }

    // MARK: Power

    func boot(_ node: TestNode) {
        node.powered = true
        fencedOff.remove(node.id)
        node.note = .blank
        startAgent(node)
    }

    func startAgent(_ node: TestNode) {
        guard node.powered else { return }
        node.session = SessionID(chance.next() | 1)
        node.release = node.installed
        node.knownPeer = nil
        node.pausedUntil = nil
        node.inbox = []
        node.machine = Machine(
            policy: node.policy, memory: node.disk, session: node.session, note: node.note,
            at: clock(node))
        handle(.watchdog(.seconds(10)), on: node)
        handle(.relayTest(.passed), on: node)
    }

    func cutPower(_ node: TestNode) {
        node.powered = false
        killAgent(node)
        for group in node.running.indices { node.running[group] = nil }
        node.note = .blank
    }

    func killAgent(_ node: TestNode) {
        node.machine = nil
        node.inbox = []
        node.pausedUntil = nil
    }

    func clock(_ node: TestNode) -> Instant { now + node.clockOffset }

    // MARK: Events and effects

    func command(_ command: Command, on node: TestNode) -> CommandResult? {
        let id = UInt32(truncatingIfNeeded: chance.next())
        handle(.command(command, id: id), on: node)
        return node.answers[id]
    }

    func handle(_ event: Event, on node: TestNode) {
        guard node.powered, node.machine != nil else { return }
        if node.pausedUntil != nil {
            let session = node.session
            node.inbox.append { [unowned self] in
                if node.session == session { self.handle(event, on: node) }
            }
            return
        }
        var recorder = Recorder()
        node.machine?.handle(event, at: clock(node), into: &recorder)
        node.machine?.completeTurn(at: clock(node), into: &recorder)
        if let deadline = node.machine?.nextDeadline { node.tickAt = deadline - node.clockOffset }
        for effect in recorder.items { perform(effect, of: node) }
    }

    private func later(_ delay: Duration, _ node: TestNode, _ event: Event) {
        let session = node.session
        after(delay) { [unowned self] in
            if node.session == session { self.handle(event, on: node) }
        }
    }

    private func perform(_ effect: Effect, of node: TestNode) {
        switch effect {
        case .send(let message, let on): transmit(message, on: on, from: node)
        case .persist(let memory, let ticket):
            if node.diskFull {
                later(persistTime, node, .persistFailed(ticket: ticket))
                return
            }
            let session = node.session
            after(persistTime) { [unowned self] in
                guard node.powered, node.session == session else { return }
                node.disk = memory
                self.handle(.persisted(ticket: ticket), on: node)
            }
        case .lookAtDisk(let ticket):
            later(
                persistTime, node,
                node.diskFull ? .persistFailed(ticket: ticket) : .persisted(ticket: ticket))
        case .note(let note): node.note = note
        case .fence(let order): fence(order, by: node)
        case .cancelFence(let id): node.cancelled.insert(id)
        case .start(let activation): start(activation, on: node)
        case .adopt(let activation):
            if node.running[activation.group] != activation.term {
                violations.append("adopted what does not run")
            }
        case .stop(let group, _): stop(group, on: node)
        case .feedWatchdog: node.watchdogFeeds += 1
        case .ban: break
        case .answer(let id, let result): node.answers[id] = result
        case .trace(let trace): node.traces.append((now, trace))
        case .leaveAlone(let group, let on):
            guard on else { break }
            later(
                startTime, node, .resources(group, node.running[group] == nil ? .unseen : .seen))
        case .change, .replicate: break
        case .exit(let departure):
            if departure == .released, node.running.contains(where: { $0 != nil }) {
                violations.append("left while something runs")
            }
            killAgent(node)
            if node.supervised {
                after(.milliseconds(100)) { [unowned self] in self.startAgent(node) }
            }
        }
    }

    private func start(_ activation: Activation, on node: TestNode) {
        let session = node.session
        let group = activation.group
        if node.failStart {
            later(startTime, node, .resources(group, .startFailed))
            return
        }
        node.running[group] = activation.term
        check()
        after(startTime) { [unowned self] in
            if node.session == session { self.handle(.resources(group, .started), on: node) }
        }
    }

    private func stop(_ group: GroupIndex, on node: TestNode) {
        let session = node.session
        after(startTime) { [unowned self] in
            guard node.powered, node.session == session else { return }
            if node.failStop {
                let outcome: ResourceOutcome = node.stopIsUnknown ? .stopUnknown : .stopFailed
                self.handle(.resources(group, outcome), on: node)
            } else {
                node.running[group] = nil
                self.handle(.resources(group, .stopped), on: node)
            }
        }
    }

    private func fence(_ order: FenceOrder, by node: TestNode) {
        let victim = other(node)
        let session = node.session
        let relay = relays[Int(node.id.rawValue)]
        let wake = Duration.microseconds(50 + chance.below(500))
        after(wake) { [unowned self] in
            guard node.powered, node.session == session else { return }
            if node.pausedUntil != nil {
                // The worker thread stands still with its process and looks at the clock on waking.
                self.after(.milliseconds(1)) { [unowned self] in
                    self.fence(order, by: node)
                }
                return
            }
            if self.clock(node) > order.voidAfter || node.cancelled.contains(order.id) {
                self.handle(.fence(id: order.id, .voided), on: node)
                return
            }
            switch relay {
            case .works: self.cut(victim, for: order, by: node)
            case .stuckOn:
                self.later(
                    self.offWithin, node, .fence(id: order.id, .failed(.stillOn)))
            case .unreachable:
                self.later(
                    .milliseconds(1), node, .fence(id: order.id, .failed(.unreachable)))
            case .lies:
                self.later(self.offWithin, node, .fence(id: order.id, .off))
            }
        }
    }

    private func cut(_ victim: TestNode, for order: FenceOrder, by node: TestNode) {
        after(offWithin / 2) { [unowned self] in
            self.fences.append(victim.id)
            if self.fencedOff.contains(node.id) {
                self.violations.append("S7: both are cut at \(now.nanoseconds)")
            }
            self.fencedOff.insert(victim.id)
            self.cutPower(victim)
            self.later(self.offWithin / 2, node, .fence(id: order.id, .off))
            self.after(self.bootTime) { [unowned self] in
                if !victim.powered { self.boot(victim) }
                self.later(.zero, node, .fence(id: order.id, .restored))
            }
        }
    }

    // MARK: Network

    private func transmit(_ message: Message, on set: LinkSet, from node: TestNode) {
        let target = other(node)
        let from = node.session
        let seal = node.knownPeer
        // What the codecs lose, every story loses.
        guard let bytes = node.release.encode(message),
            let message = target.release.decode(bytes, sequence: message.sequence)
        else {
            violations.append("\(node.id) sends what its peer does not read")
            return
        }
        for index in links[0].indices where set.contains(index) {
            let link = links[Int(node.id.rawValue)][index]
            if link.cut || chance.percent(link.lossPercent) { continue }
            let copies = chance.percent(link.duplicatePercent) ? 2 : 1
            for _ in 0..<copies {
                let delay =
                    Duration.microseconds(100)
                    + .nanoseconds(chance.below(max(1, link.jitter.nanoseconds)))
                after(delay) { [unowned self] in
                    self.deliver(message, from: from, sealedFor: seal, to: target, on: index)
                }
            }
        }
    }

    private func deliver(
        _ message: Message, from: SessionID, sealedFor: SessionID?, to node: TestNode, on link: Int
    ) {
        guard node.powered, node.machine != nil else { return }
        guard sealedFor == node.session else {
            greet(node, link: link)
            return
        }
        node.knownPeer = from
        handle(.received(message, session: from, link: link), on: node)
    }

    /// What hellos come to: the sender learns the session of whom it talks to.
    private func greet(_ node: TestNode, link: Int) {
        let back = links[Int(node.id.rawValue)][link]
        guard !back.cut, !chance.percent(back.lossPercent) else { return }
        let session = node.session
        let target = other(node)
        after(.microseconds(200)) { target.knownPeer = session }
    }

    // MARK: Stories

    /// What both nodes did last, for a person who looks for the cause.
    func timeline(last count: Int = 60) -> String {
        let all = nodes.flatMap { node in
            node.traces.map { ($0.at, node.id, $0.trace) }
        }.sorted { $0.0 < $1.0 }
        return all.suffix(count).map { at, node, trace in
            let time = (at - Instant(nanoseconds: 1_000_000_000_000)).microseconds
            return "\(time) \(node) \(trace.kind) group=\(trace.group ?? -1)"
                + " term=\(trace.term?.value ?? 0) \(trace.cause)"
                + " \(trace.refusal.map { "\($0)" } ?? "") \(trace.duration?.milliseconds ?? 0)ms"
        }.joined(separator: "\n")
    }

    func bootBoth() {
        boot(low)
        boot(high)
        run(for: .seconds(1))
    }

    func cutAll(_ cut: Bool = true) {
        for node in 0...1 { for link in links[node].indices { links[node][link].cut = cut } }
    }

    func holder(of group: GroupIndex = 0) -> NodeID? {
        if low.running[group] != nil { return .low }
        return high.running[group] != nil ? .high : nil
    }
}
