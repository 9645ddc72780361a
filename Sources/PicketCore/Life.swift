/// The node's own life. Each case carries the data that goes with it, so that no forbidden
/// combination can be written down: a paired node has no receipt, and only a node that asked for a
/// pause waits for one.
///
///     waiting ──contact──▶ paired ◀──contact── returning ◀──a new session of the peer's── alone
///        │                   │  └──receipt, operator's word──────────────────────────────▶ ▲
///        └─ alone_after, a receipt or the peer's supply off, and a fence; or the operator's word ┘
///     paired ──pause asked for──▶ pausing ──agreed──▶ (exit, groups keep running)
///     any    ──leave──▶ leaving ──all released──▶ left ──acknowledged, or time──▶ (exit)
///
/// A receipt that came before its node could use it is kept along: a waiting node goes on by it,
/// and one that leaves may still take over until it has stopped everything.
package enum Life: Sendable {
    /// No contact yet in this boot.
    case waiting(Receipt?)
    case paired
    /// Goes on without the peer.
    case alone(Receipt)
    /// Was alone; the peer has begun a new session, and contact with it is yet to open.
    case returning
    /// Asks the peer to agree that this agent may be away.
    case pausing(Pausing, Receipt?)
    /// Gives up its groups.
    case leaving(Leaving, Receipt?)
    /// Holds nothing, and has said so.
    case left(Leaving, Receipt?)

    package struct Pausing: Sendable {
        package var length: Duration
        package var until: Instant
        package var command: UInt32

        package init(length: Duration, until: Instant, command: UInt32) {
            self.length = length
            self.until = until
            self.command = command
        }
    }
    package struct Leaving: Sendable {
        package var until: Instant
        /// The first message that said `left`, or that what is in maintenance is left running.
        package var sequence: UInt64?
        /// All but what is in maintenance is given up, and nothing more is taken on.
        fileprivate(set) var leavesRunning = false

        package init(until: Instant, sequence: UInt64? = nil) {
            self.until = until
            self.sequence = sequence
        }
    }

    /// As the peer is told of it.
    package var phase: Message.Phase {
        switch self {
        case .waiting: .waiting
        case .paired: .paired
        case .alone, .returning: .alone
        case .pausing: .pausing
        case .leaving: .leaving
        case .left: .left
        }
    }

    package var receipt: Receipt? {
        switch self {
        case .alone(let receipt): receipt
        case .waiting(let receipt), .pausing(_, let receipt), .leaving(_, let receipt),
            .left(_, let receipt):
            receipt
        case .paired, .returning: nil
        }
    }

    @inline(__always)
    var hasReceipt: Bool {
        switch self {
        case .alone: true
        case .waiting(let receipt), .pausing(_, let receipt), .leaving(_, let receipt),
            .left(_, let receipt):
            receipt != nil
        case .paired, .returning: false
        }
    }

    /// The receipt, where this node may act by it.
    var validReceipt: Receipt? {
        switch self {
        case .alone(let receipt): receipt
        case .leaving(_, let receipt): receipt
        case .waiting, .paired, .returning, .pausing, .left: nil
        }
    }

    var pausing: Pausing? { if case .pausing(let pausing, _) = self { pausing } else { nil } }

    package var leaving: Leaving? {
        switch self {
        case .leaving(let leaving, _), .left(let leaving, _): leaving
        case .waiting, .paired, .alone, .returning, .pausing: nil
        }
    }

    package var isLeaving: Bool {
        switch self {
        case .leaving, .left: true
        case .waiting, .paired, .alone, .returning, .pausing: false
        }
    }
    package var isPaired: Bool { if case .paired = self { true } else { false } }
    package var isWaiting: Bool { if case .waiting = self { true } else { false } }
    /// The node and its peer are not a pair yet, or not again.
    var awaitsContact: Bool {
        switch self {
        case .waiting, .returning: true
        case .paired, .alone, .pausing, .leaving, .left: false
        }
    }
    var hasLeft: Bool { if case .left = self { true } else { false } }
    /// … but for what goes on in maintenance without its agent.
    var leavesRunning: Bool {
        if case .leaving(let leaving, _) = self { leaving.leavesRunning } else { false }
    }
    /// The last word is said.
    var hasSaidAll: Bool { hasLeft || leavesRunning }

    /// A peer that this node went on without, or never met, has answered: the nodes are a pair
    /// again, unless a receipt says that the session that answers is over.
    mutating func pair() {
        switch self {
        case .waiting(nil), .returning: self = .paired
        case .waiting, .paired, .alone, .pausing, .leaving, .left: break
        }
    }

    /// The peer's session has ended for good.
    mutating func take(_ receipt: Receipt) {
        switch self {
        case .waiting: self = .waiting(receipt)
        case .paired, .alone, .returning: self = .alone(receipt)
        case .pausing(let pausing, _): self = .pausing(pausing, receipt)
        case .leaving(let leaving, _): self = .leaving(leaving, receipt)
        case .left(let leaving, _): self = .left(leaving, receipt)
        }
    }

    /// The same, and a node that waits goes on by it at once.
    mutating func goOn(by receipt: Receipt) {
        if isWaiting { self = .alone(receipt) } else { take(receipt) }
    }

    /// A later session of the peer's, or the same one alive: no receipt holds against it.
    mutating func voidReceipt() {
        switch self {
        case .waiting: self = .waiting(nil)
        case .alone: self = .returning
        case .pausing(let pausing, _): self = .pausing(pausing, nil)
        case .leaving(let leaving, _): self = .leaving(leaving, nil)
        case .left(let leaving, _): self = .left(leaving, nil)
        case .paired, .returning: break
        }
    }

    mutating func pause(_ pausing: Pausing) { self = .pausing(pausing, receipt) }

    /// The peer did not agree in time.
    mutating func resume() {
        if case .pausing(_, let receipt) = self { self = receipt.map { .alone($0) } ?? .paired }
    }

    mutating func leave(until: Instant) { self = .leaving(Leaving(until: until), receipt) }

    /// Nothing is held any more.
    mutating func release() {
        if case .leaving(let leaving, let receipt) = self { self = .left(leaving, receipt) }
    }

    /// Nothing is held any more but what goes on in maintenance.
    mutating func leaveRunning() {
        guard case .leaving(var leaving, let receipt) = self else { return }
        leaving.leavesRunning = true
        self = .leaving(leaving, receipt)
    }

    /// The message of this number was the first that said so.
    mutating func noteLastWord(_ sequence: UInt64) {
        switch self {
        case .leaving(var leaving, let receipt):
            leaving.sequence = sequence
            self = .leaving(leaving, receipt)
        case .left(var leaving, let receipt):
            leaving.sequence = sequence
            self = .left(leaving, receipt)
        case .waiting, .paired, .alone, .returning, .pausing: break
        }
    }
}
