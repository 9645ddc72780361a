/// Cuts what a client sends into lines, and gives up on a client that sends none.
///
/// One of these belongs to each connection. It never holds more than one longest line: a client
/// that sends more without a line feed gets `tooLong` once, and the connection is to be closed
/// after the refusal.
public struct LineBuffer: Sendable {
    public enum Next: Equatable, Sendable {
        case line([UInt8])
        /// No whole line yet.
        case more
        case tooLong
    }

    private var bytes: [UInt8] = []
    private let longest: Int
    private var overflowed = false

    public init(longest: Int = Request.longestLine) {
        self.longest = longest
        bytes.reserveCapacity(64)
    }

    /// The client closed or timed out with this still unfinished: `RequestError.incomplete`.
    public var holdsHalfALine: Bool { !bytes.isEmpty }

    public mutating func append(_ received: some Collection<UInt8>) {
        guard !overflowed else { return }
        bytes.append(contentsOf: received)
    }

    /// What came behind the last line.
    public mutating func takeRest() -> [UInt8] {
        let rest = bytes
        bytes = []
        return rest
    }

    public mutating func next() -> Next {
        guard !overflowed else { return .tooLong }
        guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else {
            // One more for the carriage return that may precede the line feed.
            guard bytes.count > longest + 1 else { return .more }
            overflowed = true
            bytes = []
            return .tooLong
        }
        let line = Array(bytes[..<end])
        bytes.removeSubrange(...end)
        return .line(line)
    }
}
