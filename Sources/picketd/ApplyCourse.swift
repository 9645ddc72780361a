/// How an applied configuration goes on, on one node: what is next, and nothing of how it is done.
///
///     offered ──the peer's order, or the peer has it──▶ taken ──▶ kept ──▶ over
///        │                                                │         ▲ the peer keeps it
///        └───────── time, a refusal, an operator ─────────┴──▶ back ┴─▶ over
///
/// Offered and taken are told apart by the file in place alone. A decision, *kept* or *back*, is
/// told to nobody before the file is in place that it asks for and the note has it (`isNoted`). What
/// a crash takes away was told to nobody, and is decided again.
///
/// Each node decides for itself: *back* when its time is up, its disk refuses, its operator says
/// so, or the peer has it no more; *kept* by its operator's word alone, with the file in place. *Kept*
/// beats *back*: a node that hears that the peer keeps the file takes it, also again. So the order
/// in which words come does not matter, nor which are lost, and both nodes come to the same file.
///
/// A decision is over when the peer has said that it decided likewise, or has nothing any more: the
/// peer's note goes only after it has heard the same of this one.
///
/// A file that is neither of the two was changed by hand. It stays whatever is decided.

import PicketCore
import PicketLinux
import PicketWire

struct ApplyCourse: Hashable {
    enum Place: Hashable, Sendable { case old, new, other }

    enum Job: Hashable {
        case take, putBack, forget
        case note(OpenApply.Verdict)
    }

    /// What an operator here waits for.
    enum Wish: Hashable { case apply, confirm, revert }

    enum Outcome: Hashable {
        /// Both nodes go by it, and it waits to be confirmed.
        case taken
        case kept
        case back
        /// Decided here, and not heard so of the peer.
        case keptHere, backHere
        /// The peer may have put it in place.
        case unanswered
        /// It is not in place here, and the peer does not say that it has it.
        case nowhere
        /// The disk refuses; it is tried again.
        case failing
    }

    /// As it is noted.
    private(set) var open: OpenApply
    private(set) var verdict: OpenApply.Verdict
    /// `nil` where that cannot be told: whatever comes next is done anew.
    private(set) var place: Place?
    private(set) var job: Job?
    /// Nothing is left of it here.
    private(set) var isOver = false
    private(set) var wish: Wish?
    /// How it stands there, as it said last.
    private(set) var peer: Parcel.Answer?
    /// It leaves the wish without an answer.
    private var isSilent = false
    private var isOrdered = false
    /// Why the disk refused, or why it came to nothing.
    private(set) var failure: String?
    private var retryAt = Instant(nanoseconds: 0)
    private var offerEnds: Instant

    static let offerLasts = Duration.seconds(60)
    /// After a reboot the peer may know more.
    static let meetsWithin = Duration.seconds(30)
    static let again = Duration.seconds(10)

    init(_ open: OpenApply, _ place: Place, boot: String, at now: Instant) {
        self.open = open
        self.place = place
        verdict = open.verdict
        offerEnds = now + ApplyCourse.offerLasts
        if open.boot != boot, open.until != nil {
            self.open.until = now + ApplyCourse.meetsWithin
        }
        // Old and new are the same, so that nothing is to be taken.
        if place == .new, self.open.until == nil { self.open.until = now + span }
        noteHand()
    }

    // MARK: What is next

    private var span: Duration {
        open.within > 0 ? .seconds(Int64(open.within)) : ApplyCourse.offerLasts
    }

    /// What is to be in place.
    private var goal: Place {
        switch verdict {
        case .kept: .new
        case .back: .old
        case .open: place == .old && !mayTake ? .old : .new
        }
    }

    private var mayTake: Bool { isOrdered || (peer == .taken && wish != nil && wish != .revert) }

    private var isThere: Bool { place == goal || place == .other }

    /// The decision is on disk, and the file is in place that it asks for.
    private var isNoted: Bool { verdict != .open && open.verdict == verdict && isThere }

    private var isAgreed: Bool {
        switch peer {
        // A hand has decided otherwise, so that the peer need not do likewise.
        case .confirmed: verdict == .kept || place == .other
        case .reverted: verdict == .back || place == .other
        case .refused, .nothing: true
        default: false
        }
    }

    /// What the disk is to do now. Its end is told by `did`.
    mutating func begin(at now: Instant) -> Job? {
        guard job == nil, !isOver, now >= retryAt else { return nil }
        retryAt = Instant(nanoseconds: 0)
        if !isThere {
            job = goal == .new ? .take : .putBack
        } else if verdict != .open, open.verdict != verdict {
            job = .note(verdict)
        } else if isNoted, isAgreed {
            job = .forget
        }
        if job == .take { open.until = now + span }
        return job
    }

    /// - Parameter place: as the disk says now.
    mutating func did(_ place: Place?, failure: String?, at now: Instant) {
        guard let done = job else { return }
        job = nil
        self.place = place
        retryAt = Instant(nanoseconds: 0)
        if let failure { self.failure = failure }
        switch done {
        case .take where failure != nil && verdict == .open: decide(.back)
        case .take, .putBack:
            let isDone = failure == nil && place == (done == .take ? .new : .old)
            if !isDone, !isThere { retryAt = now + ApplyCourse.again }
        case .note where failure != nil, .forget where failure != nil:
            retryAt = now + ApplyCourse.again
        case .note(let verdict):
            open.verdict = verdict
            isSilent = false
        case .forget: isOver = isThere
        }
        noteHand()
        advance()
    }

    /// There is nothing to be taken or put back any more.
    private mutating func noteHand() {
        if place == .other, verdict == .open { decide(.back) }
    }

    private mutating func decide(_ new: OpenApply.Verdict) {
        guard verdict != new else { return }
        verdict = new
        retryAt = Instant(nanoseconds: 0)
    }

    // MARK: The peer

    /// What the peer is told.
    var standing: Parcel.Answer {
        if job != nil, job != .forget { return .working }
        if isNoted {
            if place == .other { return .refused }
            return verdict == .kept ? .confirmed : .reverted
        }
        switch place {
        case .new: return .taken
        case .old: return .accepted
        case .other, nil: return .working
        }
    }

    /// The order to put the file in place.
    mutating func ordered() { if verdict == .open, place == .old { isOrdered = true } }

    /// How the peer stands.
    mutating func heard(_ standing: Parcel.Answer) {
        switch standing {
        case .working, .more: return
        case .accepted, .taken: break
        case .confirmed: decide(.kept)
        case .nothing, .refused, .reverted: if verdict == .open { decide(.back) }
        }
        peer = standing
        advance()
    }

    /// Nobody knows how it stands.
    mutating func unheard() {
        peer = nil
        isSilent = wish != nil
        advance()
    }

    /// The order, or how this node stands.
    var asks: Parcel.Kind {
        wish == .apply && verdict == .open && peer != .taken ? .commit : .look
    }

    // MARK: The operator here

    mutating func begin(_ wish: Wish) {
        self.wish = wish
        peer = nil
        isSilent = false
    }

    mutating func endWish() { wish = nil }

    private mutating func advance() {
        guard verdict == .open, job == nil else { return }
        switch wish {
        case .apply:
            // The peer had it before it was taken here.
            if place == .new, open.within == 0, open.old != open.new || peer == .taken {
                decide(.kept)
            }
        case .confirm:
            if place == .new, peer != nil || isSilent { decide(.kept) }
        case .revert:
            if peer != nil || isSilent { decide(.back) }
        case nil: break
        }
    }

    /// `nil` while there is more to be done or to be heard.
    var outcome: Outcome? {
        guard let wish, job == nil else { return nil }
        if retryAt.nanoseconds > 0, !isNoted { return .failing }
        switch verdict {
        case .open:
            if wish == .apply {
                if place == .new, peer == .taken { return .taken }
                return isSilent ? .unanswered : nil
            }
            return place == .old && (isSilent || peer == .accepted) ? .nowhere : nil
        case .kept, .back:
            guard isNoted else { return nil }
            let isKept = verdict == .kept
            if place != .other, peer == (isKept ? .confirmed : .reverted) {
                return isKept ? .kept : .back
            }
            return isSilent || isAgreed ? (isKept ? .keptHere : .backHere) : nil
        }
    }

    // MARK: Time

    private var deadline: Instant {
        guard verdict == .open else { return .distantFuture }
        if place == .new, let until = open.until { return until }
        return wish == nil ? offerEnds : .distantFuture
    }

    var due: Instant {
        guard job == nil else { return .distantFuture }
        return retryAt.nanoseconds > 0 ? min(retryAt, deadline) : deadline
    }

    mutating func pass(at now: Instant) {
        guard job == nil, now >= deadline else { return }
        decide(.back)
    }

    /// Until the old one comes back.
    var left: Instant? { verdict == .open && place == .new ? open.until : nil }
}
