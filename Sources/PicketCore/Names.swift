/// The names that the two nodes of a pair use for each other and for what they share.

/// One of the two nodes of a pair. `low` is the one whose name sorts first: an order that both
/// nodes see alike, which breaks ties.
public enum NodeID: UInt8, Sendable {
    case low = 0
    case high = 1

    public var peer: NodeID { self == .low ? .high : .low }
}

/// Random 64-bit id drawn at each start of the agent; names one life of one agent. Never 0.
public struct SessionID: Equatable, Hashable, Sendable {
    public let value: UInt64
    public init(_ value: UInt64) { self.value = value }
}

/// The fencing token: grows with every change of a group's holder, persisted before it is acted
/// on. 0 means "never held".
public struct Term: Equatable, Comparable, Hashable, Sendable {
    public let value: UInt64
    public init(_ value: UInt64) { self.value = value }

    public static let never = Term(0)
    /// A term beyond 2^63 is taken for damage, so that no peer can exhaust the numbers.
    public static let highest = Term(1 << 63)
    /// A resource may refuse a term for data of a term below this one, so that no such word leaves
    /// the pair without terms.
    public static let highestOfData = Term(1 << 62)
    public var next: Term { Term(value + 1) }
    public static func < (a: Term, b: Term) -> Bool { a.value < b.value }
}

/// A group's place in the configuration: 0 ..< `Limits.groups`, the same on both nodes.
public typealias GroupIndex = Int

/// Bounds that the protocol fixes.
public enum Limits {
    public static let groups = 16
    public static let links = 8
}

/// A set of links, bit n for link n.
public struct LinkSet: Equatable, Sendable {
    public var bits: UInt8
    public init(bits: UInt8) { self.bits = bits }

    public static let none = LinkSet(bits: 0)
    public static func first(_ count: Int) -> LinkSet {
        LinkSet(bits: UInt8((1 << count) - 1))
    }
    public func contains(_ link: Int) -> Bool { bits & (1 << UInt8(link)) != 0 }
    public mutating func insert(_ link: Int) { bits |= 1 << UInt8(link) }
    public mutating func remove(_ link: Int) { bits &= ~(1 << UInt8(link)) }
    public var count: Int { bits.nonzeroBitCount }
    public var isEmpty: Bool { bits == 0 }
}
