/// What is read in clear.
///
///     offset  bytes
///          0      2  "PK"
///          2      1  version: 1
///          3      1  type: 1 hello, 2 message, 3 parcel
///          4      4  id of the pair's key that the sealing key is derived from
///          8      1  sender: 0 the node with the lower name, 1 the other
///          9      8  the sender's session, never 0
///         17      8  sequence, from 1; 0 in a hello
///         25         message, parcel: the sealed body
///                    hello: a nonce of 24 bytes (Hello.swift), then the sealed body
///
/// All numbers are little endian. The part in clear is bound to the sealed body as associated data.
/// A message's nonce is its sequence number: each pair of sessions and each direction has a key of
/// its own, and a session never uses a number twice. A parcel's nonce is its sequence number and its
/// type, because parcels are counted by themselves.
internal import PicketCore

public enum Wire {
    /// No datagram is longer, so that none is ever fragmented.
    public static let longest = 1200
    public static let version: UInt8 = 1

    static let headerLength = 25
    static let nonceLength = 24
    static let tagLength = 16
}

struct Header: Equatable {
    enum Kind: UInt8 {
        case hello = 1
        case message = 2
        case parcel = 3
    }

    var kind: Kind
    var keyID: UInt32
    var sender: NodeID
    var session: UInt64
    var sequence: UInt64

    func write(to datagram: inout [UInt8]) {
        datagram.append(UInt8(ascii: "P"))
        datagram.append(UInt8(ascii: "K"))
        datagram.append(Wire.version)
        datagram.append(kind.rawValue)
        datagram.write(keyID)
        datagram.append(sender.rawValue)
        datagram.write(session)
        datagram.write(sequence)
    }

    /// Reads the first bytes of a datagram of `count` bytes.
    static func read(_ datagram: [UInt8], count: Int) throws(Drop) -> Header {
        guard count <= Wire.longest else { throw .tooLong }
        guard count >= 2 else { throw .tooShort }
        guard datagram[0] == UInt8(ascii: "P"), datagram[1] == UInt8(ascii: "K") else {
            throw .notOurs
        }
        guard count >= 3 else { throw .tooShort }
        // Another version defines what follows.
        guard datagram[2] == Wire.version else { throw .unknownVersion }
        guard count >= Wire.headerLength + Wire.tagLength else { throw .tooShort }
        guard let kind = Kind(rawValue: datagram[3]) else { throw .unknownType }
        var reader = ByteReader(datagram, 4..<Wire.headerLength)
        let keyID: UInt32 = try reader.take()
        guard let sender = NodeID(rawValue: try reader.take()) else { throw .badHeader }
        let session: UInt64 = try reader.take()
        let sequence: UInt64 = try reader.take()
        guard session != 0, (sequence == 0) == (kind == .hello), sequence <= Codec.greatest else {
            throw .badHeader
        }
        return Header(
            kind: kind, keyID: keyID, sender: sender, session: session, sequence: sequence)
    }
}
