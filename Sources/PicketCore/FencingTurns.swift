/// When a node that has lost contact may order the fence, so that in a partition at most one node
/// is cut, whatever either agent was paused for.
///
/// **First turns.** Both nodes date the loss by their own newest acknowledged sending. In steady
/// exchange the two dates differ by at most two heartbeats. From that date plus `deadAfter` each
/// node has one turn, whose place depends on its view of the pair:
///
///     slot 0  clear holder      opens at 0
///     slot 1  clear standby     opens at 1 head start
///     slot 2  in transfer, low  opens at 4 head starts
///     slot 3  in transfer, high opens at 6 head starts, closes before 8
///
/// A view is *clear* only when nothing is in transfer and the peer has acknowledged all that this
/// node says of its groups; two clear views are then the same view, and every pair of views that
/// can meet gives different slots. A turn closes early enough that an order given at its end takes
/// effect (`offWithin`) before the next one opens on the other node: a head start is two
/// heartbeats, `offWithin`, and a margin, so slot 0 stays open for the margin only. With groups on
/// both nodes the larger sum of priorities counts as the holder, then the lower name.
///
/// **Pauses.** A node that stood still has an old date, so its turn *opens* later by the time for
/// which it stood still, and still *closes* by the old date: a pause only ever narrows the turn.
/// The relay's worker looks at the clock last and drives nothing once the turn is over.
///
/// **Late turns.** Who missed its first turn (paused, budget, failed relay, restarted agent) waits
/// until the peer's first turn must be over: eight head starts and `deadAfter` after anything was
/// last heard, which is no earlier than the peer's own date. From then on turns alternate in the
/// pair's common time, the lower node's clock, known from the round trips in contact: even turns
/// belong to the lower node, odd ones to the higher, and only the first half of a turn is used.
/// The other half absorbs the error of the offset, the drift since, and the fence's own time.
struct FencingTurns {
    var timing: Timing

    /// An order may be given from `opens`, and is void after `closes`.
    struct Turn: Equatable {
        var opens: Instant
        var closes: Instant
    }

    /// What a node believes of who works.
    enum View: Equatable {
        case holder, standby, inTransfer

        init(clear: Bool, mine: UInt64, theirs: UInt64, me: NodeID) {
            guard clear else {
                self = .inTransfer
                return
            }
            if mine == theirs {
                self = me == .low ? .holder : .standby
            } else {
                self = mine > theirs ? .holder : .standby
            }
        }
    }

    /// What a head start holds beyond two heartbeats and `offWithin`.
    var margin: Duration { timing.headStart - timing.heartbeat * 2 - timing.offWithin }

    /// The first turn. `reached` is the newest acknowledged sending on the real clock, `stalled`
    /// the time for which the agent stood still since.
    func first(_ view: View, me: NodeID, reached: Instant, stalled: Duration) -> Turn {
        let (opening, next): (Int64, Int64) =
            switch view {
            case .holder: (0, 1)
            case .standby: (1, 4)
            case .inTransfer: me == .low ? (4, 6) : (6, 8)
            }
        let lost = reached + timing.deadAfter
        return Turn(
            opens: lost + stalled + timing.headStart * opening,
            closes: lost + timing.headStart * (next - 1) + margin)
    }

    /// Half of it is usable. Far longer than any offset's error, drift or fence.
    var lateTurn: Duration { max(.seconds(1), timing.headStart * 8) }

    /// The late turn that is open at `now` or opens next. `offset`: the peer's clock less mine.
    func late(me: NodeID, heard: Instant, offset: Duration, at now: Instant) -> Turn {
        let ready = max(now, heard + timing.deadAfter + timing.headStart * 8)
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
