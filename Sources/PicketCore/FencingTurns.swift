/// When a node that has lost contact may order the fence, so that in a partition at most one node
/// is cut, however long either agent was paused.
///
/// **What is certain.** Let `reached` be the sending time of a node's newest acknowledged packet:
/// its contact is lost at `reached + deadAfter`. Let `heard` be the time at which a node last took
/// in anything of the peer's. This node has taken in everything that the peer knows to be
/// acknowledged. So the peer's `reached` is never later than this node's `heard`, under any loss
/// and any pause. It stays so while an order is under way, because a packet that comes after the
/// order is not acknowledged before the order's end.
///
/// **First turns.** From its loss on, a node has one turn, whose rank depends on its view:
///
///     rank 0  clear holder       opens at   reached + deadAfter
///     rank 1  clear standby      opens at   heard + deadAfter + opening(1)
///     rank 2  in transfer, low   opens at   heard + deadAfter + opening(2)
///     rank 3  in transfer, high  opens at   heard + deadAfter + opening(3)
///     rank 4  unfit holder       opens at   heard + deadAfter + opening(4)
///     rank 5  unfit standby      opens at   heard + deadAfter + opening(5)
///     each                       closes at  reached + deadAfter + closing(rank)
///
/// with `opening(k + 1) = closing(k) + offWithin`, where `offWithin` is the longest time after which
/// an order can still take effect. So a turn opens only when every turn of a lower rank on the
/// other node has closed, and every order given in it has taken effect. A view is
/// *clear* only when nothing is in transfer and the peer has acknowledged all that this node says
/// of its groups. A peer with an order under way never does so. Two clear views are then the same
/// view, and every pair of views that can meet gives different ranks. With groups on both nodes the
/// larger sum of priorities counts as the holder, then the lower name.
///
/// **Fitness.** A node that is not fit to go on with what the peer holds lets a fit one go first,
/// whatever it holds itself. It goes by its own fitness alone: who looked at the peer's could be
/// wrong about it, and two nodes could meet in one rank. So a node's fitness chooses between two
/// ranks that no other view has, and may change at any time. In transfer an unfit node has late turns
/// only, and so it has beside a node of 0.1.0, whose late turns begin before rank 4 is over.
///
/// **Pauses.** Evidence is counted on the running clock, so a node that stood still opens its turn
/// later; the turn still closes by the real clock. A pause only narrows a turn. The relay's worker
/// looks at the clock last and drives nothing once the turn is over.
///
/// **Late turns.** A node that missed its first turn (paused, budget, failed relay, restarted
/// agent) waits until every first turn of the peer's must be over, counted from `heard`. From then
/// on turns alternate in the pair's common time, the lower node's clock, known from the round trips
/// in contact: even turns belong to the lower node, odd ones to the higher, and only the first half
/// of a turn is used. The other half absorbs the error of the offset, the drift since, and the
/// fence's own time, of whatever level it is.
///
/// **Two configurations.** All of this holds only if times are the same on both nodes: each
/// tells a digest of them. A node takes a first turn only if the peer's newest message is of the
/// same times *and* the peer has acknowledged a message of these. Priorities are told with each
/// group, so both nodes reckon with the holder's. A group that one node works on, and that the
/// other does not list, makes the view of each in transfer. While times differ both have late turns
/// alone, which go by the clock; and they have none where a turn is longer than the shortest, since
/// the peer's may not be. A node that has taken another configuration counts first turns by the
/// former one as well, for as long as the peer may not know of it.
struct FencingTurns {
    var timing: Timing
    /// The times by which the peer may still go.
    var former: Timing?

    /// An order may be given from `opens`, and is void after `closes`.
    struct Turn: Equatable {
        var opens: Instant
        var closes: Instant
    }

    /// What a node believes of who works.
    enum View: Equatable {
        case holder, standby, inTransfer

        init(clear: Bool, mine: UInt64, theirs: UInt64, me: NodeID) {
            if planted(.everybodyHolds) {
                self = .holder
            } else if !clear {
                self = .inTransfer
            } else if mine == theirs {
                self = me == .low || planted(.tieUnbroken) ? .holder : .standby
            } else {
                self = mine > theirs ? .holder : .standby
            }
        }

        /// Of a node that is fit.
        func rank(of me: NodeID) -> Int64 {
            switch self {
            case .holder: 0
            case .standby: 1
            case .inTransfer: me == .low || planted(.oneRankInTransfer) ? 2 : 3
            }
        }

        /// Of one that is not.
        var unfitRank: Int64? {
            switch self {
            case .holder: 4
            case .standby: lastRank
            case .inTransfer: nil
            }
        }
    }

    private static var lastRank: Int64 { 5 }

    /// The holder's turn is short, since the standby's follows; loop and worker must wake in it.
    var holdersTurn: Duration { timing.headStart - timing.offWithin }
    /// Every other turn also spans from `reached` to `heard`.
    var othersTurn: Duration { timing.deadAfter }

    func opening(_ rank: Int64) -> Duration {
        rank == 0 || planted(.noHeadStart)
            ? .zero : timing.headStart + (othersTurn + timing.offWithin) * (rank - 1)
    }

    func closing(_ rank: Int64) -> Duration {
        opening(rank) + (rank == 0 ? holdersTurn : othersTurn)
    }

    /// The first turn. `reached` and `heard` are on the real clock; `lost` is when the evidence is
    /// complete on the running one.
    func first(_ rank: Int64, reached: Instant, heard: Instant, lost: Instant) -> Turn {
        let heard = planted(.turnFromReached) ? reached : heard
        let opens = rank == 0 ? lost : max(lost, heard + timing.deadAfter + opening(rank))
        return Turn(opens: opens, closes: reached + timing.deadAfter + closing(rank))
    }

    static let shortestLateTurn = Duration.seconds(1)
    /// Half of it is usable. Far longer than any offset's error, drift or fence.
    static func lateTurn(_ timing: Timing) -> Duration {
        max(shortestLateTurn, timing.slowestOff * 8)
    }
    private var lateTurn: Duration { Self.lateTurn(timing) }

    /// Of the two, the one by which first turns are over later.
    static func slower(_ timing: Timing, _ other: Timing?) -> Timing {
        guard let other else { return timing }
        let first = FencingTurns(timing: timing).firstTurns
        return first >= FencingTurns(timing: other).firstTurns ? timing : other
    }

    /// From `heard` until every first turn of the peer's is over, and its order has taken effect.
    private var firstTurns: Duration {
        let mine = timing.deadAfter + closing(Self.lastRank) + timing.offWithin
        guard let former else { return mine }
        return max(mine, FencingTurns(timing: former).firstTurns)
    }

    /// The late turn that is open at `now` or opens next. `offset`: the peer's clock less mine.
    func late(me: NodeID, heard: Instant, offset: Duration, at now: Instant) -> Turn {
        let ready = max(now, heard + firstTurns)
        if planted(.lateTurnsOverlap) { return Turn(opens: ready, closes: ready + lateTurn) }
        // Common time is the lower node's clock.
        let common = me == .low ? ready : ready + offset
        let length = lateTurn.nanoseconds
        var index = common.nanoseconds / length
        let mine: Int64 = me == .low ? 0 : 1
        let intoTurn = common.nanoseconds - index * length
        if index % 2 != mine || intoTurn >= length / 2 {
            index += index % 2 == mine ? 2 : 1
        }
        let opens = Instant(nanoseconds: index * length) - (me == .low ? .zero : offset)
        return Turn(opens: max(opens, ready), closes: opens + .nanoseconds(length / 2))
    }
}
