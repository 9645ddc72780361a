public import PicketCore

/// The fence by power relay, as a pure state machine: it says what to do next, and is told the
/// result.
///
///     idle ─ order ─▶ looking ─▶ cutting ─▶ clearing ─▶ held ─▶ connecting ─▶ confirming ─▶ idle
///                        │          │           │        └▶ off (policy `off`)     │
///                        ▼          ▼           ▼                                  ▼
///                     nothing    voided or   connecting ─▶ failed             unrestored
///                     driven     connecting                                   (tries again)
///
/// **Looking.** Before anything moves every sense line must read *on*: a line that never said *on*
/// proves nothing when it says *off*. A line that reads *off* already is believed only if a parted
/// wire would not read so (`SupplyDescription.Proof`) and the last self-test in contact passed; the
/// peer has then lost its power by itself. It is cut all the same. The relay is given its whole
/// `offWithin`, because the sense line cannot show it moving. A line whose wire parts together with
/// the link proves nothing at all: such a fence fails before anything is driven.
///
/// **Cutting.** The driver looks at the clock last, before each supply. Past `voidAfter` with
/// nothing driven the order is void; with a part driven the fence has failed (S7).
///
/// **Clearing.** Every sense line must read *off* in two looks in a row. A supply without feedback
/// counts only after the whole `offTime`. Anything that contradicts this puts the supplies back on.
///
/// **Held.** *Off* is reported at once; the supplies stay off until `offTime` has passed, and come
/// back by policy, or because an order says so. A failure at any point returns them to *on*: a peer
/// is never left dark by a fence that does not count. A supply that cannot be switched on is tried
/// again until it can.
/// Orders that come meanwhile and cut nothing do not end that.
///
/// **Found off.** An agent that ended in a hold may have left the lines to the next agent. Supplies
/// found *off* are held for the whole `offTime` and come back by policy, as if this fence had cut
/// them. Supplies found partly off belong to no finished fence and come back at once. The outcome
/// is reported under the id `foundOff`, which no order has.
///
/// A second order merges with the one under way and shares its outcomes, up to the moment at which
/// the supplies are switched on again; from there it waits, and starts a fence of its own. If they
/// did not come back, it waits for no further attempt.
public struct RelayFence: Sendable {
    public let relay: RelayDescription
    private var phase: Phase = .idle
    /// The order under way and those merged with it.
    private var orders: [FenceOrder] = []
    /// How many of them, the oldest first, have been told *off*.
    private var toldOff = 0
    /// Orders that came too late to merge.
    private var waiting: [FenceOrder] = []
    private var reports: [(id: UInt32, outcome: FenceOutcome)] = []
    private var stopping = false
    /// The operator's requests to switch on, made while a fence was under way.
    private var wantedOn: [UInt32] = []
    private var toldUnrestored = false
    /// The supplies could not be switched on again, and an order that cuts nothing leaves them so.
    private var mustRestore = false
    /// The supplies are off by a fence of this worker's, which saw each of them go off.
    private var sawOff = false
    /// Every supply has feedback, and read *on* before the cut.
    private var sawOn = false
    /// What the fence that has just come to its outcome proves of the relay: that it cuts, or that it
    /// does not. `nil`: nothing.
    private var proof: Bool?
    /// When the newest look began. If the process stood still during it, its result is as old as
    /// that.
    private var lookedAt = Instant(nanoseconds: .min / 2)

    /// Between looks at the sense lines while they are to change.
    static let poll = Duration.milliseconds(1)
    static let retryConnect = Duration.milliseconds(10)
    static let retryUnrestored = Duration.seconds(5)
    static let looksForOff = 2
    static let looksBefore = 3

    private enum Phase: Sendable {
        case idle
        case looking(tries: Int, again: Instant, knownOff: Bool)
        case cutting(blindly: Bool, knownOff: Bool)
        case clearing(Clearing)
        case held(cutAt: Instant)
        case connecting(Purpose, by: Instant, again: Instant)
        case confirming(by: Instant, again: Instant)
        /// Policy `off`: verified off, and stays so.
        case off
        /// The supplies ought to be on and are not, as far as can be seen.
        case unrestored(again: Instant)
    }

    private struct Clearing: Sendable {
        var cutAt: Instant
        /// The sense lines must read *off* by then.
        var by: Instant
        /// No outcome before this, whatever they read.
        var notBefore: Instant
        var looks = 0
        var again: Instant
    }

    private enum Purpose: Sendable {
        case restore
        case undo(FenceFailure)
    }

    /// What to do next. All but `report`, `wait`, `idle` and `ended` are answered by `take`.
    public enum Step: Equatable, Sendable {
        /// Read every sense line; answer `seen`.
        case look
        /// Switch every supply off, in order, looking at the clock last before each; answer `cut`.
        case cut(unlessAfter: Instant)
        /// Switch every supply on, going on past failures; answer `connected`.
        case connect
        case report(id: UInt32, FenceOutcome)
        /// Nothing is due until then, or until a request comes.
        case wait(until: Instant)
        /// Nothing is due until a request comes.
        case idle
        /// After the request to stop: the supplies are as they shall be.
        case ended
    }

    public enum Answer: Equatable, Sendable {
        case seen(SupplyScan)
        case cut(Cut)
        /// Every line was set and reads back *on*.
        case connected(Bool)
    }

    public enum Cut: Equatable, Sendable {
        /// Every line was set and reads back *off*.
        case done
        /// The order's time had passed, and nothing was driven.
        case late
        case halfway(FenceFailure)
    }

    /// How the lines stand when the fence takes them.
    public enum Found: Equatable, Sendable { case on, off, partlyOff }

    /// The id of the reports on supplies that were found off.
    public static let foundOff: UInt32 = 0

    /// - Parameter now: Plays no part where the lines were found on.
    public init(
        _ relay: RelayDescription, found: Found = .on, at now: Instant = Instant(nanoseconds: 0)
    ) {
        precondition(!relay.supplies.isEmpty, "a relay level has at least one supply")
        self.relay = relay
        switch planted(.foundOffForgotten) ? .on : found {
        case .on: return
        case .off where relay.policy == .off:
            phase = .off
            return
        case .off: phase = .held(cutAt: now)
        case .partlyOff: phase = connecting(.restore, at: now)
        }
        orders = [Self.switchingOn(Self.foundOff)]
        toldOff = 1
    }

    /// Nothing is under way and the supplies are on: the self-test may look.
    public var isIdle: Bool {
        if case .idle = phase {
            orders.isEmpty && waiting.isEmpty && reports.isEmpty
        } else {
            false
        }
    }

    /// Nothing is under way but new attempts to switch on what could not be switched on.
    public var isUnrestored: Bool {
        if case .unrestored = phase { waiting.isEmpty && reports.isEmpty } else { false }
    }

    // MARK: Requests

    public mutating func accept(_ request: FenceRequest, at now: Instant) {
        switch request {
        case .order(let order): accept(order, at: now)
        case .cancel(let id): cancel(id, at: now)
        case .switchOn(let id): switchOn(id, at: now)
        case .stop: stop(at: now)
        case .sensed: lookAgain(at: now)
        case .test, .rehearse: break
        }
    }

    /// A phase that waits for a sense line to change looks at it now, and not at the next round.
    private mutating func lookAgain(at now: Instant) {
        switch phase {
        case .clearing(var clearing) where clearing.looks < Self.looksForOff && now < clearing.by:
            // A contact that still bounces has not been seen off twice in a row.
            clearing.looks = 0
            clearing.again = now
            phase = .clearing(clearing)
        case .confirming(let by, _): phase = .confirming(by: by, again: now)
        case .idle, .looking, .cutting, .clearing, .held, .connecting, .off, .unrestored: break
        }
    }

    private mutating func accept(_ order: FenceOrder, at now: Instant) {
        guard !stopping else { return report(order, .voided) }
        switch phase {
        case .idle: begin(order, knownOff: false, at: now)
        case .off: begin(order, knownOff: true, at: now)
        case .unrestored: begin(order, knownOff: false, at: now)
        case .looking, .cutting, .clearing: orders.append(order)
        case .held(let cutAt):
            guard now <= order.voidAfter else { return report(order, .voided) }
            guard sawOff || relay.offProves == .always else {
                return report(order, .failed(.unproven))
            }
            // A proof is as old as its look: this order gets one of its own.
            orders.append(order)
            phase = .clearing(
                Clearing(
                    cutAt: cutAt, by: now + relay.offWithin,
                    notBefore: relay.verified ? now : max(now, cutAt + relay.offTime), again: now))
        case .connecting(.restore, _, _) where goesBefore, .confirming where goesBefore:
            if !toldUnrestored { reportAll(.notRestored) }
            begin(order, knownOff: false, at: now)
        case .connecting, .confirming: waiting.append(order)
        }
    }

    /// An order does not wait for one more attempt to switch on what stayed off: the peer may live by
    /// another supply, and the order would be void.
    private var goesBefore: Bool { mustRestore }

    private mutating func begin(_ order: FenceOrder, knownOff: Bool, at now: Instant) {
        orders = [order]
        toldOff = 0
        toldUnrestored = false
        phase = .looking(tries: 0, again: now, knownOff: knownOff)
    }

    /// An order can be cancelled only if it has not moved a relay.
    private mutating func cancel(_ id: UInt32, at now: Instant) {
        if let index = waiting.firstIndex(where: { $0.id == id }) {
            report(waiting.remove(at: index), .voided)
            return
        }
        guard let index = orders.firstIndex(where: { $0.id == id }), !planted(.cancelIgnored)
        else { return }
        switch phase {
        case .looking(_, _, let knownOff), .cutting(_, let knownOff):
            report(orders.remove(at: index), .voided)
            // The order that is left has its own time and its own proof: look anew.
            if orders.isEmpty {
                settle(knownOff: knownOff, at: now)
            } else {
                phase = .looking(tries: 0, again: now, knownOff: knownOff)
            }
        case .idle, .clearing, .held, .connecting, .confirming, .off, .unrestored: break
        }
    }

    private mutating func switchOn(_ id: UInt32, at now: Instant) {
        switch phase {
        case .idle, .off, .unrestored:
            orders = [Self.switchingOn(id)]
            toldUnrestored = false
            phase = connecting(.restore, at: now)
        case .connecting(.restore, _, _), .confirming: orders.append(Self.switchingOn(id))
        case .looking, .cutting, .clearing, .held, .connecting(.undo, _, _):
            wantedOn.append(id)
        }
    }

    /// Stands for the operator's request among the orders that hear of the supplies' return.
    private static func switchingOn(_ id: UInt32) -> FenceOrder {
        FenceOrder(
            id: id, level: 0, voidAfter: .distantFuture, cause: .command, relayTest: .unknown)
    }

    private mutating func stop(at now: Instant) {
        stopping = true
        for order in waiting { report(order, .voided) }
        waiting = []
        switch phase {
        case .looking(_, _, let knownOff), .cutting(_, let knownOff):
            reportAll(.voided)
            settle(knownOff: knownOff, at: now)
        case .clearing: phase = connecting(.undo(.timeout), at: now)
        case .held:
            phase = staysOff ? .off : restoring(at: now)
        case .idle, .connecting, .confirming, .off, .unrestored: break
        }
    }

    // MARK: Steps

    public mutating func step(at now: Instant) -> Step {
        let step = next(at: now)
        if step == .look { lookedAt = now }
        return step
    }

    private mutating func next(at now: Instant) -> Step {
        if !reports.isEmpty {
            let (id, outcome) = reports.removeFirst()
            return .report(id: id, outcome)
        }
        switch phase {
        case .idle, .off:
            if !waiting.isEmpty {
                begin(waiting.removeFirst(), knownOff: false, at: now)
                return .look
            }
            return stopping ? .ended : .idle
        case .looking(_, let again, _): return now < again ? .wait(until: again) : .look
        case .cutting:
            return .cut(
                unlessAfter: planted(.clockNotLookedAt) ? .distantFuture : orders[0].voidAfter)
        case .clearing(let clearing):
            return now < clearing.again ? .wait(until: clearing.again) : .look
        case .held(let cutAt):
            let until = cutAt + relay.offTime
            return now < until ? .wait(until: until) : endHold(at: now)
        case .connecting(_, _, let again): return now < again ? .wait(until: again) : .connect
        case .confirming(_, let again): return now < again ? .wait(until: again) : .look
        case .unrestored(let again):
            if !waiting.isEmpty {
                begin(waiting.removeFirst(), knownOff: false, at: now)
                return .look
            }
            if stopping { return .ended }
            if now < again { return .wait(until: again) }
            phase = connecting(.restore, at: now)
            return .connect
        }
    }

    /// Whether the supplies are left off after the hold.
    private var staysOff: Bool {
        relay.policy == .off && wantedOn.isEmpty && !orders.contains { $0.reboots }
    }

    private mutating func endHold(at now: Instant) -> Step {
        if staysOff {
            orders = []
            phase = .off
            return stopping ? .ended : .idle
        }
        phase = restoring(at: now)
        return .connect
    }

    /// To be asked at each report.
    public mutating func takeProof() -> Bool? {
        defer { proof = nil }
        return proof
    }

    public mutating func take(_ answer: Answer, at now: Instant) {
        switch (phase, answer) {
        case (.looking(let tries, _, let knownOff), .seen(let scan)):
            looked(scan, tries: tries + 1, knownOff: knownOff, at: now)
        case (.cutting(let blindly, _), .cut(.done)):
            mustRestore = false
            phase = .clearing(clearing(blindly: blindly, at: now))
        case (.cutting(_, let knownOff), .cut(.late)): late(knownOff: knownOff, at: now)
        case (.cutting, .cut(.halfway(let failure))): phase = connecting(.undo(failure), at: now)
        case (.clearing(let clearing), .seen(let scan)): cleared(clearing, scan, at: now)
        case (.connecting(let purpose, let by, _), .connected(let done)):
            connected(purpose, done, by: by, at: now)
        case (.confirming(let by, _), .seen(let scan)): confirmed(scan, by: by, at: now)
        case (.idle, _), (.looking, _), (.cutting, _), (.clearing, _), (.held, _),
            (.connecting, _), (.confirming, _), (.off, _), (.unrestored, _):
            preconditionFailure("an answer that was not asked for")
        }
    }

    // MARK: Looking and cutting

    private mutating func looked(
        _ scan: SupplyScan, tries: Int, knownOff: Bool, at now: Instant
    ) {
        if scan.unreadable > 0 {
            guard tries >= Self.looksBefore else {
                phase = .looking(tries: tries, again: now + Self.poll, knownOff: knownOff)
                return
            }
            reportAll(.failed(scan.silence))
            settle(knownOff: knownOff, at: now)
        } else if scan.on > 0, orders.allSatisfy({ $0.onlyIfOff }) {
            reportAll(.voided)
            settle(knownOff: knownOff, at: now)
        } else if scan.off > 0 && !knownOff
            && (orders[0].relayTest != .passed || planted(.deadSupplyIsNotCut) && scan.on > 0)
        {
            reportAll(.failed(.contradictory))
            settle(knownOff: knownOff, at: now)
        } else if relay.offProves == .never || (scan.unproven > 0 && !sawOff) {
            reportAll(.failed(.unproven))
            settle(knownOff: knownOff, at: now)
        } else {
            sawOn = scan.off == 0 && scan.blind == 0
            phase = .cutting(blindly: scan.off > 0 && !knownOff, knownOff: knownOff)
        }
    }

    private mutating func late(knownOff: Bool, at now: Instant) {
        report(orders.removeFirst(), .voided)
        if orders.isEmpty {
            settle(knownOff: knownOff, at: now)
        } else {
            phase = .looking(tries: 0, again: now, knownOff: knownOff)
        }
    }

    private func clearing(blindly: Bool, at now: Instant) -> Clearing {
        let by = now + relay.offWithin
        var notBefore = blindly ? by : now
        if !relay.verified { notBefore = max(notBefore, now + relay.offTime) }
        return Clearing(cutAt: now, by: by, notBefore: notBefore, again: now)
    }

    // MARK: Clearing and holding

    private mutating func cleared(_ clearing: Clearing, _ scan: SupplyScan, at now: Instant) {
        var clearing = clearing
        let wasClear = clearing.looks >= Self.looksForOff
        let scan = planted(.unverifiedFence) ? SupplyScan(off: 1) : scan
        let isOn = scan.on > 0 && !(planted(.oneSupplyIsEnough) && scan.off > 0)
        guard !isOn, scan.unreadable == 0 else {
            if wasClear && scan.on > 0 {
                phase = connecting(.undo(.contradictory), at: now)
            } else if lookedAt >= clearing.by {
                phase = connecting(.undo(scan.on > 0 ? .stillOn : scan.silence), at: now)
            } else {
                clearing.looks = 0
                clearing.again = now + Self.poll
                phase = .clearing(clearing)
            }
            return
        }
        clearing.looks += 1
        if clearing.looks < Self.looksForOff {
            clearing.again = now + Self.poll
            phase = .clearing(clearing)
        } else if now < clearing.notBefore {
            clearing.again = clearing.notBefore
            phase = .clearing(clearing)
        } else {
            for index in toldOff..<orders.count { report(orders[index], .off) }
            toldOff = orders.count
            if sawOn, !sawOff { proof = true }
            sawOff = true
            phase = .held(cutAt: clearing.cutAt)
        }
    }

    // MARK: Coming back

    private mutating func restoring(at now: Instant) -> Phase {
        for id in wantedOn { orders.append(Self.switchingOn(id)) }
        wantedOn = []
        return connecting(.restore, at: now)
    }

    private func connecting(_ purpose: Purpose, at now: Instant) -> Phase {
        .connecting(purpose, by: now + relay.onWithin, again: now)
    }

    private mutating func connected(
        _ purpose: Purpose, _ done: Bool, by: Instant, at now: Instant
    ) {
        sawOff = false
        if !done && now < by {
            phase = .connecting(purpose, by: by, again: now + Self.retryConnect)
            return
        }
        switch purpose {
        case .restore:
            if done {
                phase = .confirming(by: now + relay.onWithin, again: now)
            } else {
                unrestored(at: now)
            }
        case .undo(let failure):
            // Lateness says nothing of the relay.
            if failure != .timeout { proof = false }
            reportAll(.failed(failure))
            if done {
                mustRestore = false
                settle(knownOff: false, at: now)
            } else {
                tryAgain(at: now)
            }
        }
    }

    private mutating func confirmed(_ scan: SupplyScan, by: Instant, at now: Instant) {
        if scan.off == 0 && scan.unreadable == 0 {
            mustRestore = false
            reportAll(.restored)
            settle(knownOff: false, at: now)
        } else if lookedAt < by {
            phase = .confirming(by: by, again: now + Self.poll)
        } else {
            unrestored(at: now)
        }
    }

    /// Said once; `restored` follows if a later attempt brings the supplies back.
    private mutating func unrestored(at now: Instant) {
        for index in 0..<orders.count where !toldUnrestored {
            report(orders[index], .notRestored)
        }
        toldUnrestored = true
        tryAgain(at: now)
    }

    private mutating func tryAgain(at now: Instant) {
        mustRestore = true
        phase = .unrestored(again: now + Self.retryUnrestored)
    }

    /// The run is over: on, or off where it was off by policy and nobody wants it on.
    private mutating func settle(knownOff: Bool, at now: Instant) {
        orders = []
        toldOff = 0
        toldUnrestored = false
        if knownOff || mustRestore {
            if !wantedOn.isEmpty {
                phase = restoring(at: now)
            } else if knownOff {
                phase = .off
            } else {
                tryAgain(at: now)
            }
        } else {
            for id in wantedOn { report(Self.switchingOn(id), .restored) }
            wantedOn = []
            phase = .idle
        }
    }

    // MARK: Reports

    private mutating func report(_ order: FenceOrder, _ outcome: FenceOutcome) {
        reports.append((id: order.id, outcome: outcome))
    }

    private mutating func reportAll(_ outcome: FenceOutcome) {
        for order in orders { report(order, outcome) }
        orders = []
    }
}

/// A request to the fence worker.
public enum FenceRequest: Equatable, Sendable {
    case order(FenceOrder)
    /// Answered by `voided`, or by the outcome of the fence.
    case cancel(id: UInt32)
    /// The operator's order after a fence with policy `off`; answered like the end of a fence.
    case switchOn(id: UInt32)
    /// A sense line has changed: an edge came.
    case sensed
    /// Look at lines and feedback, without cutting. Not done while a fence is under way.
    case test
    /// Where there are several supplies: cut each alone, and look whether it cuts. Then as `test`.
    case rehearse
    /// End, with the supplies on unless policy `off` keeps them off.
    case stop
}

/// One look at the feedback of every supply.
public struct SupplyScan: Equatable, Sendable {
    public var on = 0
    public var off = 0
    /// Those of them whose feedback might read so because its wire has parted.
    public var unproven = 0
    public var unreadable = 0
    /// Those of them that were read, and say neither *on* nor *off*.
    public var undecided = 0
    /// Without feedback.
    public var blind = 0

    /// Of feedback that says nothing: what was seen of it.
    var silence: FenceFailure { undecided > 0 ? .undecided : .unreadable }

    public init(
        on: Int = 0, off: Int = 0, unproven: Int = 0, unreadable: Int = 0, undecided: Int = 0,
        blind: Int = 0
    ) {
        self.undecided = undecided
        self.on = on
        self.off = off
        self.unproven = unproven
        self.unreadable = unreadable
        self.blind = blind
    }
}
