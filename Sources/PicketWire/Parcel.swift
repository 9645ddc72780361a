/// What the two agents tell each other besides the machine's messages: a configuration file on its
/// way to the peer, and what is to become of it (`picket apply`).
///
/// A parcel is sealed as a message is, with numbers and nonces of its own, and opened only if the
/// peer's present session sealed it for this one, and only once. It says nothing of the peer's life:
/// only messages do. An agent that does not know the kind of datagram drops it.
///
///     bytes
///        1  kind
///        8  the apply's id
///        4  the question's number; an answer has its question's
///        4  where the piece begins in the file; in an answer: up to where the file is there
///        4  the file's size
///        8  the file's digest
///        4  to be confirmed within so many seconds; 0: at once
///        1  answer; in a question: how its sender stands
///        2  size of the rest
///           a piece of the file, or an answer's words; what follows is skipped
internal import PicketCore

public struct Parcel: Equatable, Sendable {
    public enum Kind: UInt8, CaseIterable, Sendable {
        /// A piece of the file. The last one asks whether the peer would take it.
        case piece = 1
        /// How the sender stands with this apply, by `answer`. How does the other one?
        case look = 2
        /// As `look`; and: put the file in place.
        case commit = 3
        case answer = 16
    }

    public enum Answer: UInt8, CaseIterable, Sendable {
        /// There is nothing of it here, or nothing any more.
        case nothing = 0
        /// Ask again.
        case working = 1
        /// The next piece.
        case more = 2
        /// Checked, and kept beside the one in place.
        case accepted = 3
        /// The file will not be taken; or the one in place was changed by hand, and stays.
        case refused = 4
        /// It is in place, and may be taken back.
        case taken = 5
        /// It stays, which is on disk.
        case confirmed = 6
        /// The old one is in place, and stays, which is on disk.
        case reverted = 7
    }

    public var kind: Kind
    public var apply: UInt64
    public var number: UInt32
    public var offset: UInt32 = 0
    public var size: UInt32 = 0
    public var digest: UInt64 = 0
    public var within: UInt32 = 0
    public var answer = Answer.nothing
    public var bytes: [UInt8] = []

    /// So much fits into a datagram.
    public static let mostBytes = 1024

    public init(_ kind: Kind, of apply: UInt64, number: UInt32 = 0) {
        self.kind = kind
        self.apply = apply
        self.number = number
    }
}

extension Parcel {
    /// False where it is too long to be sent.
    func encode(into body: inout [UInt8]) -> Bool {
        guard bytes.count <= Parcel.mostBytes else { return false }
        body.removeAll(keepingCapacity: true)
        body.write(kind.rawValue)
        body.write(apply)
        body.write(number)
        body.write(offset)
        body.write(size)
        body.write(digest)
        body.write(within)
        body.write(answer.rawValue)
        body.write(UInt16(bytes.count))
        body.append(contentsOf: bytes)
        return true
    }

    static func decode(_ body: [UInt8], _ range: Range<Int>) throws(Drop) -> Parcel {
        var reader = ByteReader(body, range)
        guard let kind = Kind(rawValue: try reader.take()) else { throw .unknownParcel }
        var parcel = Parcel(kind, of: try reader.take(), number: try reader.take())
        parcel.offset = try reader.take()
        parcel.size = try reader.take()
        parcel.digest = try reader.take()
        parcel.within = try reader.take()
        guard let answer = Answer(rawValue: try reader.take()) else { throw .unknownParcel }
        parcel.answer = answer
        let count = Int(try reader.take(UInt16.self))
        guard count <= Parcel.mostBytes else { throw .unknownParcel }
        parcel.bytes = try reader.bytes(count)
        return parcel
    }
}
