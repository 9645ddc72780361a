/// The steps that can happen next, and the result of each.

import PicketCore
internal import PicketWire

/// One thing that happens at one instant: kind, node, and which one of several.
struct Step: Equatable {
    enum Kind: UInt8, CaseIterable {
        // Free.
        case advance, boot, start, tick, greet, deliver, lose, deliverCopy
        case written, started, stopped
        case drive, void, fall, spare, reportOff, restore, reportRestored
        // Each costs one fault.
        case duplicate, crash, crashAfterWrite, powerLoss, powerLossAfterWrite
        case pause, resume
        case writeFails, startFails, startFailsDirty, stopFails, monitorFails, relaySticks
        case unfit, fit
        case handover, leave, maintain, unmaintain, agreePause, fence, confirm, clear
        // The index says how many of the turn's effects are done before.
        case haltTick, haltDelivery, haltWritten, haltReceipt
    }
    var kind: Kind
    var node: NodeID
    var index: UInt8 = 0

    var code: UInt16 {
        UInt16(kind.rawValue) << 5 | UInt16(node.rawValue) << 4 | UInt16(index)
    }
    init(_ kind: Kind, _ node: NodeID, _ index: Int = 0) {
        self.kind = kind
        self.node = node
        self.index = UInt8(index)
    }
    init(code: UInt16) {
        kind = Kind.allCases[Int(code >> 5)]
        node = code & 16 == 0 ? .low : .high
        index = UInt8(code & 15)
    }
}

// MARK: - What can happen

extension PairState {
    /// Every step that is possible, into `steps`.
    func collect(into steps: inout [Step]) {
        steps.removeAll(keepingCapacity: true)
        if mayAdvance { steps.append(Step(.advance, .low)) }
        for id in [NodeID.low, .high] {
            collectLife(self[id], into: &steps)
            if self[id].listens { collectLoop(self[id], into: &steps) }
            collectRelay(self[id], into: &steps)
            for index in self[to: id].indices {
                collectFlight(index, to: id, into: &steps)
            }
        }
        guard faults > 0 else { return }
        for id in [NodeID.low, .high] { collectFaults(self[id], into: &steps) }
    }

    /// Every loop that asked to be called by now has been called, and every line that is driven has
    /// cut its supply in time.
    private var mayAdvance: Bool {
        // Nothing changes while nothing runs.
        (low.runs || high.runs) && isDone(low) && isDone(high)
    }

    private func mayStand(_ node: NodeState) -> Bool {
        node.halt.map { now - $0.at < CheckBounds.step * CheckBounds.longestHalt } ?? true
    }

    private func isDone(_ node: NodeState) -> Bool {
        if case .driving(let by) = node.work, by <= now { return false }
        guard node.listens else { return mayStand(node) }
        if node.machine.nextDeadline <= now { return false }
        if bounds.slow { return true }
        return !node.machine.disk.isSaving && node.operation == .none && node.work != .off
            && node.work != .restored
    }

    private func collectLife(_ node: NodeState, into steps: inout [Step]) {
        let id = node.id
        if node.power == .off { steps.append(Step(.boot, id)) }
        if node.power == .on, !node.runs { steps.append(Step(.start, id)) }
        if node.paused { steps.append(Step(.resume, id)) }
    }

    private func collectLoop(_ node: NodeState, into steps: inout [Step]) {
        let id = node.id
        if node.machine.nextDeadline <= now { steps.append(Step(.tick, id)) }
        if self[id.peer].listens, node.known != self[id.peer].session {
            steps.append(Step(.greet, id))
        }
        if node.machine.disk.isSaving { steps.append(Step(.written, id)) }
        switch node.operation {
        case .none: break
        case .starting: steps.append(Step(.started, id))
        case .stopping: steps.append(Step(.stopped, id))
        }
        switch node.work {
        case .off: steps.append(Step(.reportOff, id))
        case .restored: steps.append(Step(.reportRestored, id))
        case .idle, .queued, .driving, .held: break
        }
    }

    private func collectRelay(_ node: NodeState, into steps: inout [Step]) {
        let id = node.id
        switch node.work {
        case .queued(let voidAfter, let cancelled):
            guard node.listens else { return }
            let late = cancelled || now > voidAfter
            steps.append(Step(late ? .void : .drive, id))
        case .driving:
            steps.append(Step(.fall, id))
            // Its process is gone: the line may be back before the supply fell.
            if !node.runs { steps.append(Step(.spare, id)) }
        case .held: steps.append(Step(.restore, id))
        case .idle, .off, .restored: break
        }
    }

    private func collectFlight(_ index: Int, to id: NodeID, into steps: inout [Step]) {
        let flight = self[to: id][index]
        // The oldest is lost by itself when there is no room for another.
        if index > 0, self[to: id].count == bounds.inFlight / 2 {
            steps.append(Step(.lose, id, index))
        }
        guard self[id].listens, flight.from == self[id].known else { return }
        steps.append(Step(flight.delivered ? .deliverCopy : .deliver, id, index))
        if !flight.delivered, faults > 0, bounds.kinds.contains(.duplicate) {
            steps.append(Step(.duplicate, id, index))
        }
    }

    private func collectFaults(_ node: NodeState, into steps: inout [Step]) {
        let id = node.id
        let kinds = bounds.kinds
        if kinds.contains(.power), node.power == .on {
            steps.append(Step(.powerLoss, id))
            if node.runs, node.machine.disk.isSaving {
                steps.append(Step(.powerLossAfterWrite, id))
            }
        }
        guard node.runs else { return }
        if kinds.contains(.crash) {
            steps.append(Step(.crash, id))
            if node.machine.disk.isSaving { steps.append(Step(.crashAfterWrite, id)) }
        }
        guard !node.paused else { return }
        if kinds.contains(.pause) { steps.append(Step(.pause, id)) }
        if kinds.contains(.turn) { collectHalts(node, into: &steps) }
        if kinds.contains(.disk), node.machine.disk.isSaving {
            steps.append(Step(.writeFails, id))
        }
        if kinds.contains(.resource) { collectResourceFaults(node, into: &steps) }
        if kinds.contains(.relay) {
            switch node.work {
            case .queued, .driving: steps.append(Step(.relaySticks, id))
            case .idle, .off, .held, .restored: break
            }
        }
        if kinds.contains(.health) {
            steps.append(Step(node.machine.vitals.health.score == 0 ? .fit : .unfit, id))
        }
        if kinds.contains(.command) { collectCommands(node, into: &steps) }
    }

    private func collectHalts(_ node: NodeState, into steps: inout [Step]) {
        var turns: [(Step.Kind, Step.Kind)] = []
        if node.machine.nextDeadline <= now { turns.append((.haltTick, .tick)) }
        if node.machine.disk.isSaving { turns.append((.haltWritten, .written)) }
        if node.work == .off { turns.append((.haltReceipt, .reportOff)) }
        let flight = self[to: node.id].first
        if let flight, !flight.delivered, flight.from == node.known {
            turns.append((.haltDelivery, .deliver))
        }
        for (kind, turn) in turns {
            var after = self
            after.begin(turn, on: node.id)
            let effects = after.effects(of: node.id)
            // What is sent is the last.
            let most = effects.firstIndex { if case .send = $0 { true } else { false } }
            guard !effects.isEmpty else { continue }
            for done in 0...min(most ?? effects.count - 1, 15) {
                steps.append(Step(kind, node.id, done))
            }
        }
    }

    private func collectResourceFaults(_ node: NodeState, into steps: inout [Step]) {
        switch node.operation {
        case .none: if node.active != .never { steps.append(Step(.monitorFails, node.id)) }
        case .starting:
            steps.append(Step(.startFails, node.id))
            steps.append(Step(.startFailsDirty, node.id))
        case .stopping: if node.active != .never { steps.append(Step(.stopFails, node.id)) }
        }
    }

    private func collectCommands(_ node: NodeState, into steps: inout [Step]) {
        let id = node.id
        steps.append(Step(.handover, id))
        steps.append(Step(.fence, id))
        if !node.machine.life.isLeaving { steps.append(Step(.leave, id)) }
        steps.append(Step(node.machine.disk.memory.maintenance.isOn ? .unmaintain : .maintain, id))
        steps.append(Step(.agreePause, id))
        steps.append(Step(.clear, id))
        // The operator looks before giving this word.
        if self[id.peer].power != .on, !node.machine.peer.inContact {
            steps.append(Step(.confirm, id))
        }
    }
}

// MARK: - Where it begins

extension PairState {
    static func first(_ bounds: CheckBounds) -> PairState {
        var state = PairState(bounds)
        guard bounds.paired else { return state }
        state.faults = 0
        var steps: [Step] = []
        while !state.isPaired {
            state.collect(into: &steps)
            // All that can be done at this instant is done, in the order of the kinds.
            state.apply(steps.first { $0.kind != .advance } ?? steps[0])
        }
        state.faults = bounds.faults
        return state
    }

    private var isPaired: Bool {
        low.active != .never && low.operation == .none
            && [low, high].allSatisfy { $0.machine.peer.inContact && !$0.machine.disk.isSaving }
    }
}

// MARK: - What comes of it

extension PairState {
    mutating func apply(_ step: Step) {
        let id = step.node
        if step.kind.rawValue >= Step.Kind.duplicate.rawValue, step.kind != .resume {
            faults -= 1
        }
        switch step.kind {
        case .advance: advance()
        case .boot: boot(id)
        case .start: start(id)
        case .tick: give(.tick, to: id)
        case .greet:
            self[id].known = self[id.peer].session
            self[id].knownToCore = false
        case .deliver, .duplicate: deliver(Int(step.index), to: id, keep: step.kind == .duplicate)
        case .lose: self[to: id].remove(at: Int(step.index))
        case .deliverCopy:
            let flight = self[to: id].remove(at: Int(step.index))
            give(.copied(session: SessionID(UInt64(flight.from)), link: 0), to: id)
        case .written:
            self[id].disk = self[id].machine.disk.saving!.memory
            give(.persisted(ticket: self[id].machine.disk.saving!.ticket), to: id)
        case .writeFails:
            give(.persistFailed(ticket: self[id].machine.disk.saving!.ticket), to: id)
        case .started, .stopped, .startFails, .startFailsDirty, .stopFails, .monitorFails:
            applyResource(step)
        case .drive, .void, .fall, .spare, .relaySticks, .reportOff, .restore, .reportRestored:
            applyRelay(step)
        case .crash: die(id)
        case .crashAfterWrite:
            self[id].disk = self[id].machine.disk.saving!.memory
            die(id)
        case .powerLoss: losePower(id)
        case .powerLossAfterWrite:
            self[id].disk = self[id].machine.disk.saving!.memory
            losePower(id)
        case .pause: self[id].paused = true
        case .resume: resume(id)
        case .haltTick: halt(.tick, on: id, after: step.index)
        case .haltDelivery: halt(.deliver, on: id, after: step.index)
        case .haltWritten: halt(.written, on: id, after: step.index)
        case .haltReceipt: halt(.reportOff, on: id, after: step.index)
        case .unfit: give(.health(Health(score: 0)), to: id)
        case .fit: give(.health(Health(score: 100)), to: id)
        case .handover: give(.command(.handover(0), id: 1), to: id)
        case .leave: give(.command(.leave, id: 1), to: id)
        case .maintain: give(.command(.maintenance(true), id: 1), to: id)
        case .unmaintain: give(.command(.maintenance(false), id: 1), to: id)
        case .agreePause: give(.command(.pause(CheckBounds.step * 3), id: 1), to: id)
        case .fence: give(.command(.fence, id: 1), to: id)
        case .confirm: give(.command(.confirmFence, id: 1), to: id)
        case .clear: give(.command(.clear(nil), id: 1), to: id)
        }
        dropDead()
        checkActivity()
    }

    /// A loop that waits wakes when its time comes, before anything else of this instant. A loop
    /// that was paused is late, and its expiry is a step of its own.
    private mutating func advance() {
        now = now + CheckBounds.step
        for id in [NodeID.low, .high]
        where self[id].listens && self[id].machine.nextDeadline <= now {
            give(.tick, to: id)
        }
    }

    // MARK: Turns that stand still

    /// The world's part of a step, and the turn that is to come of it.
    private mutating func begin(_ kind: Step.Kind, on id: NodeID) {
        self[id].halt = Halt(kind: kind, at: now, isStale: self[id].workIsStale, done: 0)
        switch kind {
        case .deliver: self[id].taken = [take(0, to: id, keep: false)]
        case .written: self[id].disk = self[id].machine.disk.saving!.memory
        case .reportOff: self[id].work = .held
        default: break
        }
    }

    private mutating func halt(_ kind: Step.Kind, on id: NodeID, after done: UInt8) {
        begin(kind, on: id)
        self[id].halt!.done = done
        self[id].paused = true
        for effect in effects(of: id).prefix(Int(done)) { perform(effect, of: id) }
    }

    private mutating func resume(_ id: NodeID) {
        self[id].paused = false
        guard let halt = self[id].halt else { return }
        let event = event(of: halt, on: id)
        self[id].halt = nil
        self[id].taken = []
        give(event, to: id, at: halt.at, without: Int(halt.done))
        if halt.kind == .deliver, bounds.lateTurns, self[id].runs {
            self[id].machine.knowCommonClock()
        }
    }

    private func event(of halt: Halt, on id: NodeID) -> Event {
        let machine = self[id].machine
        switch halt.kind {
        case .deliver: return arrival(self[id].taken[0])
        case .written: return .persisted(ticket: machine.disk.saving!.ticket)
        case .reportOff: return .fence(id: halt.isStale ? 0 : machine.fence.id, .off)
        default: return .tick
        }
    }

    /// What the turn that stands still does to the world.
    private func effects(of id: NodeID) -> [Effect] {
        var effects = Recorder(capacity: 16)
        var machine = self[id].machine
        let halt = self[id].halt!
        machine.take(event(of: halt, on: id), at: halt.at, into: &effects)
        return effects.items.filter(PairState.isOutward)
    }

    private static func isOutward(_ effect: Effect) -> Bool {
        switch effect {
        case .persist, .lookAtDisk, .answer, .trace, .feedWatchdog, .leaveAlone: false
        case .send, .note, .fence, .cancelFence, .start, .adopt, .stop, .change, .replicate, .ban,
            .exit:
            true
        }
    }

    private mutating func applyResource(_ step: Step) {
        let id = step.node
        let outcome: ResourceOutcome
        switch step.kind {
        case .started: outcome = .started
        case .stopped: outcome = .stopped
        case .startFails: outcome = .startFailed
        case .startFailsDirty: outcome = .startFailedDirty
        case .stopFails: outcome = .stopFailed
        default: outcome = .failed
        }
        self[id].operation = .none
        if step.kind == .stopped || step.kind == .startFails { self[id].active = .never }
        give(.resources(0, outcome), to: id)
    }

    private mutating func applyRelay(_ step: Step) {
        let id = step.node
        let order = self[id].workIsStale ? 0 : self[id].machine.fence.id
        switch step.kind {
        case .drive:
            self[id].work = .driving(by: now + CheckBounds.step * bounds.offWithin)
        case .void:
            self[id].work = .idle
            give(.fence(id: order, .voided), to: id)
        case .relaySticks:
            self[id].work = .idle
            give(.fence(id: order, .failed(.stillOn)), to: id)
        case .fall: cut(id.peer)
        case .spare: self[id].work = .idle
        case .reportOff:
            self[id].work = .held
            give(.fence(id: order, .off), to: id)
        case .restore:
            self[id].work = .restored
            self[id.peer].power = .off
        default:
            self[id].work = .idle
            give(.fence(id: order, .restored), to: id)
        }
    }

    // MARK: Life and power

    private mutating func boot(_ id: NodeID) {
        self[id].power = .on
        self[id].fenced = false
        self[id].note = .blank
        start(id)
    }

    private mutating func start(_ id: NodeID) {
        self[id].lives += 1
        self[id].runs = true
        self[id].paused = false
        self[id].known = 0
        self[id].knownToCore = false
        self[id].granted = .never
        self[id].machine = Machine(
            policy: bounds.policy(of: id), memory: self[id].disk,
            session: SessionID(UInt64(self[id].session)), note: self[id].note, at: now)
        give(.tick, to: id)
    }

    /// The agent ends; its groups keep running, its worker does not.
    private mutating func die(_ id: NodeID) {
        self[id].runs = false
        self[id].paused = false
        self[id].halt = nil
        self[id].taken = []
        self[id].known = 0
        self[id].knownToCore = false
        self[id].granted = .never
        self[id].operation = .none
        switch self[id].work {
        case .idle, .queued, .restored: self[id].work = .idle
        case .driving: break
        case .off, .held:
            self[id].work = .idle
            self[id.peer].power = .off
        }
        self[id].workIsStale = false
    }

    private mutating func losePower(_ id: NodeID) {
        self[id].power = .off
        if self[id].runs { die(id) }
        self[id].active = .never
        self[id].note = .blank
    }

    /// The relay of `victim`'s peer opens: S7.
    private mutating func cut(_ victim: NodeID) {
        let by = victim.peer
        if !self[by].workIsWanted {
            if self[by].fenced { report("S7", "both nodes are cut, and neither runs") }
            if lastCut == by {
                report("S7", "each node has cut the other without any contact in between")
            }
        }
        let wasOn = self[victim].power == .on
        losePower(victim)
        self[victim].fenced = true
        if wasOn {
            lastCut = victim
            heardSinceCut = 0
        }
        if self[by].runs {
            self[by].work = .off
            self[victim].power = .held
        } else {
            self[by].work = .idle
        }
    }

    // MARK: The loop

    private mutating func deliver(_ index: Int, to id: NodeID, keep: Bool) {
        let flight = take(index, to: id, keep: keep)
        give(arrival(flight), to: id)
        if bounds.lateTurns, self[id].runs { self[id].machine.knowCommonClock() }
    }

    private func arrival(_ flight: Flight) -> Event {
        .received(flight.message, session: SessionID(UInt64(flight.from)), link: 0)
    }

    private mutating func take(_ index: Int, to id: NodeID, keep: Bool) -> Flight {
        let flight = self[to: id][index]
        if keep {
            self[to: id][index].delivered = true
        } else {
            self[to: id].remove(at: index)
        }
        self[id].knownToCore = true
        if lastCut != nil, flight.from == self[id.peer].session, self[id.peer].runs {
            heardSinceCut |= id == .low ? 1 : 2
            if heardSinceCut == 3 {
                lastCut = nil
                heardSinceCut = 0
            }
        }
        return flight
    }

    private mutating func give(_ event: Event, to id: NodeID) { give(event, to: id, at: now) }

    /// `done`: so many of the effects that the world sees are done already.
    private mutating func give(
        _ event: Event, to id: NodeID, at time: Instant, without done: Int = 0
    ) {
        var effects = Recorder(capacity: 16)
        self[id].machine.take(event, at: time, into: &effects)
        var left = done
        for effect in effects.items {
            if left > 0, PairState.isOutward(effect) {
                left -= 1
            } else {
                perform(effect, of: id)
            }
        }
        if keepsEffects { for effect in effects.items { out.append((id, effect)) } }
    }

    private mutating func perform(_ effect: Effect, of id: NodeID) {
        switch effect {
        case .send(let message, _): transmit(message, from: id)
        case .persist, .lookAtDisk, .answer, .trace, .feedWatchdog: break
        case .note(let note): self[id].note = note
        case .fence(let order): fence(order, by: id)
        case .cancelFence:
            if case .queued(let voidAfter, _) = self[id].work {
                self[id].work = .queued(voidAfter: voidAfter, cancelled: true)
            }
        case .start(let activation): activate(activation, on: id)
        case .adopt(let activation):
            if self[id].active != activation.term {
                report("S2", "\(id) adopts at a term at which nothing runs there")
            }
            checkEvidence(activation, on: id)
        case .stop: self[id].operation = .stopping
        case .ban(let session):
            if UInt64(self[id].known) == session.value {
                self[id].known = 0
                self[id].knownToCore = false
            }
        case .leaveAlone, .change, .replicate: break
        case .exit(let departure):
            if departure == .released, self[id].active != .never {
                report("S1", "\(id) left, and something still runs there")
            }
            die(id)
        }
    }

    private mutating func transmit(_ message: Message, from id: NodeID) {
        let known = self[id].known
        guard known != 0 else { return }
        var message = message
        message.sentAt = Instant(nanoseconds: 0)
        message.echo = Instant(nanoseconds: 0)
        message.heardOn = .none
        if !Codec.isEncodable(message) { self.report("S6", "\(id) sends what no peer reads") }
        if !self[id].knownToCore {
            message.acknowledged = 0
            message.seenGeneration = 0
        }
        if let report = message.groups.first, report.role == .granting {
            // The node that uses it has it on disk. A disk that takes nothing keeps nobody waiting.
            let full = self[id].machine.disk.takesNothing
            if report.term > self[id].disk.groups[0].term, !full {
                self.report("S4", "\(id) grants a term that is not under its ceiling on disk")
            }
            self[id].granted = max(self[id].granted, report.term)
        }
        let peer = id.peer
        if self[to: peer].count >= bounds.inFlight / 2 { self[to: peer].removeFirst() }
        self[to: peer].append(Flight(message: message, from: self[id].session, to: known))
    }

    private mutating func fence(_ order: FenceOrder, by id: NodeID) {
        self[id].workIsWanted = order.cause != .contactLost && order.cause != .aloneAfter
        switch self[id].work {
        case .idle, .restored, .queued:
            self[id].work = .queued(voidAfter: order.voidAfter, cancelled: false)
            self[id].workIsStale = false
        case .driving: self[id].workIsStale = false
        case .off: self[id].workIsStale = false
        case .held:
            // Merges with the one under way, and shares its outcome.
            self[id].work = .off
            self[id].workIsStale = false
        }
    }

    // MARK: Properties

    mutating func report(_ property: String, _ text: String) {
        if violation == nil { violation = BrokenProperty(property: property, text: text) }
    }

    private mutating func checkActivity() {
        if low.active != .never, high.active != .never {
            report("S1", "the group is active on both nodes")
        }
        if low.power == .held, high.power == .held { report("S7", "both nodes are kept off") }
    }

    private mutating func activate(_ activation: Activation, on id: NodeID) {
        checkEvidence(activation, on: id)
        if activation.term <= highest {
            report(
                "S4",
                "\(id) activates at term \(activation.term.value), and"
                    + " \(highest.value) was used")
        }
        if activation.term > self[id].disk.groups[0].term {
            report("S4", "\(id) activates a term that is not under its ceiling on disk")
        }
        highest = max(highest, activation.term)
        self[id].active = activation.term
        self[id].operation = .starting
    }

    /// S2 and S3, from what happened in the world.
    private mutating func checkEvidence(_ activation: Activation, on id: NodeID) {
        let peer = id.peer
        switch activation.warrant.evidence {
        case .grant(let session, let term):
            if session.value != UInt64(self[id].known) {
                report("S2", "\(id) acts on a grant of a session that is not the peer's present")
            } else if self[peer].runs, session.value == UInt64(self[peer].session),
                self[peer].granted < term
            {
                report("S2", "\(id) acts on a grant that its peer never gave")
            }
        case .unlisted(let session), .left(let session):
            if session.value != UInt64(self[id].known) {
                report("S2", "\(id) acts on the list of a session that is not the peer's present")
            }
        case .receipt(let receipt):
            // A node that has left may still be telling so.
            if let session = receipt.session, receipt.proof != .left, self[peer].runs,
                session.value == UInt64(self[peer].session)
            {
                let property = receipt.proof == .verifiedOff ? "S3" : "S2"
                report(property, "\(id) acts on a receipt of a session that is still alive")
            }
            if self[peer].active != .never {
                report("S2", "\(id) acts on a receipt while the group runs on its peer")
            }
        }
    }
}
