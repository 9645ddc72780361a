public import PicketCore

/// Runs a `RelayFence` against real or simulated lines, in a thread of its own.
///
/// A line may block; nothing but this thread waits for it. The `FenceHost` stands for its process,
/// which gives it a clock, a mailbox and a way to report.
public struct FenceWorker<Line: RelayLine, Sense: SenseLine, Host: FenceHost> {
    public struct Supply {
        public var line: Line
        /// `nil`: no feedback.
        public var sense: Sense?

        public init(line: Line, sense: Sense?) {
            self.line = line
            self.sense = sense
        }
    }

    private var fence: RelayFence
    private var supplies: [Supply]
    private var host: Host
    /// When the supplies were first seen to go off, and for how long the lines' driver was asked
    /// since then.
    private var sign: Instant?
    private var inDriver = Duration.zero

    /// How the lines stood at the start.
    public let found: RelayFence.Found
    /// What came during a rehearsal.
    private var held: [FenceRequest] = []
    /// A line's chip was taken away.
    private var gone = false
    /// As the host was told.
    private var rests = false

    /// Reads the lines, and drives none.
    ///
    /// - Parameter supplies: In the order of the description; with a sense line exactly where it
    ///   says that there is feedback.
    public init(_ relay: RelayDescription, supplies: [Supply], host: Host) {
        precondition(
            supplies.count == relay.supplies.count, "each supply has a line, and no other has")
        for index in 0..<supplies.count {
            precondition(
                (supplies[index].sense != nil) == (relay.supplies[index].feedback != .none),
                "feedback is what the configuration says it is")
        }
        var supplies = supplies
        var off = 0
        for index in 0..<supplies.count {
            do throws(LineError) {
                if try !supplies[index].line.read() { off += 1 }
            } catch {}
        }
        found = off == 0 ? .on : off == supplies.count ? .off : .partlyOff
        self.fence = RelayFence(relay, found: found, at: host.now())
        self.supplies = supplies
        self.host = host
    }

    public enum End: Equatable, Sendable {
        case stopped
        /// A line's chip is gone: the lines are to be opened anew, which puts them *on*. It is said
        /// neither in a fence nor while policy `off` keeps the peer off.
        case linesGone
    }

    /// Returns after the request to stop, or when it has nothing to work with any more.
    @discardableResult
    public mutating func run() -> End {
        while true {
            if gone, mayLook { return .linesGone }
            while let request = host.wait(until: Instant(nanoseconds: 0)) { accept(request) }
            if rests != fence.isIdle {
                rests = fence.isIdle
                host.rests(rests)
            }
            switch fence.step(at: host.now()) {
            case .look: answer(.seen(look()))
            case .cut(let unlessAfter): answer(.cut(cut(unlessAfter: unlessAfter)))
            case .connect: answer(.connected(connect()))
            case .report(let id, let outcome):
                if outcome == .off, let sign { host.saw(Seen(sign: sign, inDriver: inDriver)) }
                host.report(.outcome(id: id, outcome))
                if let cut = fence.takeProof() { host.report(.proof(cut: cut)) }
            case .wait(let until): wait(until: until)
            case .idle: wait(until: .distantFuture)
            case .ended: return .stopped
            }
        }
    }

    private mutating func answer(_ answer: RelayFence.Answer) {
        fence.take(answer, at: host.now())
    }

    private mutating func wait(until instant: Instant) {
        if let request = host.wait(until: instant) { accept(request) }
    }

    private mutating func accept(_ request: FenceRequest) {
        if request == .test || request == .rehearse {
            if mayLook, request == .rehearse, let cut = rehearse() {
                host.report(.proof(cut: cut))
            }
            host.report(mayLook ? .test(observe()) : .busy)
            while !held.isEmpty { accept(held.removeFirst()) }
        } else {
            if request == .sensed { (sign, inDriver) = (host.now(), .zero) }
            fence.accept(request, at: host.now())
        }
    }

    // MARK: Rehearsal

    /// Cuts one supply after the other while all others read *on*: a true test that interrupts
    /// nothing. `nil` where it cannot be made, or something else has to be done.
    private mutating func rehearse() -> Bool? {
        guard supplies.count > 1 else { return nil }
        for index in 0..<supplies.count {
            guard scan().on == supplies.count else { return nil }
            let cut = turn(index, on: false, within: fence.relay.offWithin)
            let back = turn(index, on: true, within: fence.relay.onWithin)
            guard cut == true else { return cut }
            guard back == true else { return false }
        }
        return true
    }

    /// Drives one supply until its feedback follows, and no other's with it. False if that is not so
    /// in time; `nil` if something else has to be done first.
    private mutating func turn(_ index: Int, on: Bool, within: Duration) -> Bool? {
        let by = host.now() + within
        do throws(LineError) {
            try supplies[index].line.set(on: on)
            while true {
                let follows = try supplies[index].sense!.read() == on
                if follows { return scan().on == supplies.count - (on ? 0 : 1) }
                guard host.now() < by else { return false }
                guard let request = host.wait(until: host.now() + RelayFence.poll),
                    request != .sensed
                else { continue }
                held.append(request)
                if !on { return nil }
            }
        } catch {
            if error == .gone { gone = true }
            return false
        }
    }

    /// The self-test is to find supplies that cannot be switched on.
    private var mayLook: Bool { fence.isIdle || fence.isUnrestored }

    private mutating func look() -> SupplyScan {
        let began = host.now()
        let scan = scan()
        let ended = host.now()
        if scan.on > 0 || scan.off == 0 {
            sign = nil
        } else if sign == nil {
            (sign, inDriver) = (ended, .zero)
        } else {
            inDriver = inDriver + (ended - began)
        }
        return scan
    }

    private mutating func scan() -> SupplyScan {
        var scan = SupplyScan()
        for index in 0..<supplies.count {
            guard supplies[index].sense != nil else {
                scan.blind += 1
                continue
            }
            do throws(LineError) {
                if try supplies[index].sense!.read() {
                    scan.on += 1
                } else {
                    scan.off += 1
                    if fence.relay.supplies[index].offProves != .always { scan.unproven += 1 }
                }
            } catch {
                scan.unreadable += 1
                if error == .undecided { scan.undecided += 1 }
                if error == .gone { gone = true }
            }
        }
        return scan
    }

    /// The clock is looked at last (S7): here, and once more by a line that has a bus between it
    /// and its pin. A bus may still hold up a write that was on its way. A line that was driven so
    /// late that it moves in the peer's turn is taken back.
    private mutating func cut(unlessAfter: Instant) -> RelayFence.Cut {
        for index in 0..<supplies.count {
            do throws(LineError) {
                guard host.now() <= unlessAfter else {
                    return index == 0 ? .late : .halfway(.timeout)
                }
                try supplies[index].line.set(on: false, unlessAfter: unlessAfter)
                if try supplies[index].line.read() { return .halfway(.contradictory) }
            } catch {
                if error == .gone { gone = true }
                if error == .late { return index == 0 ? .late : .halfway(.timeout) }
                return .halfway(.unreachable)
            }
        }
        let driven = host.now()
        return driven > unlessAfter && driven - unlessAfter > fence.relay.offWithin
            ? .halfway(.timeout) : .done
    }

    private mutating func connect() -> Bool {
        var every = true
        for index in 0..<supplies.count {
            do throws(LineError) {
                try supplies[index].line.set(on: true)
                if try !supplies[index].line.read() { every = false }
            } catch {
                every = false
                if error == .gone { gone = true }
            }
        }
        return every
    }

    private mutating func observe() -> RelayObservation {
        var driven = true
        for index in 0..<supplies.count {
            do throws(LineError) {
                if try !supplies[index].line.read() { driven = false }
            } catch {
                driven = false
                if error == .gone { gone = true }
            }
        }
        let feedback = look()
        return RelayObservation(readAt: host.now(), linesOn: driven, feedback: feedback)
    }
}

/// The process that the fence worker runs in, as far as the worker needs it.
public protocol FenceHost {
    /// The clock of `FenceOrder.voidAfter`.
    func now() -> Instant
    /// The oldest request not yet taken; waits for one until the instant. With an instant that has
    /// passed it only looks.
    mutating func wait(until instant: Instant) -> FenceRequest?
    mutating func report(_ report: FenceReport)
    /// Said before the report of *off* where feedback shows it.
    mutating func saw(_ seen: Seen)
    /// Whether nothing is under way and the supplies are on. Said where it changes; at first it is
    /// not so.
    mutating func rests(_ rests: Bool)
}

extension FenceHost {
    public mutating func saw(_ seen: Seen) {}
    public mutating func rests(_ rests: Bool) {}
}

/// How the feedback came to be believed.
public struct Seen: Equatable, Sendable {
    /// The last edge of a sense line, or the end of the first look that read *off*.
    public var sign: Instant
    /// How long since then was spent waiting for the lines' driver, or for hardware behind it.
    public var inDriver: Duration
}

public enum FenceReport: Equatable, Sendable {
    case outcome(id: UInt32, FenceOutcome)
    case test(RelayObservation)
    /// Asked to look, while a fence is under way or keeps the peer off.
    case busy
    /// The relay was seen to cut, or did not.
    case proof(cut: Bool)
}
