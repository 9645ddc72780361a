/// A set of numbers below 64, such as the names of groups, which takes no memory of its own: the watch
/// makes some anew for each datagram.
struct SmallSet: Equatable, Sequence, ExpressibleByArrayLiteral {
    private var bits: UInt64 = 0

    init() {}
    init(arrayLiteral elements: Int...) { for element in elements { insert(element) } }

    func contains(_ number: Int) -> Bool { bits >> UInt64(number) & 1 == 1 }
    mutating func insert(_ number: Int) { bits |= 1 << UInt64(number) }
    mutating func remove(_ number: Int) { bits &= ~(1 << UInt64(number)) }

    func makeIterator() -> Iterator { Iterator(bits: bits) }

    struct Iterator: IteratorProtocol {
        fileprivate var bits: UInt64

        mutating func next() -> Int? {
            guard bits != 0 else { return nil }
            defer { bits &= bits - 1 }
            return bits.trailingZeroBitCount
        }
    }
}
