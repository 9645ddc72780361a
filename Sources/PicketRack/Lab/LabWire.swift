/// Evidence from machines: the records of the groups' own processes, as datagrams on a network
/// that no scenario disturbs.
///
/// All machines send to one socket, so records arrive in the order in which they were sent: what one
/// process did after another had ended can never look as if both ran at once. Their times are
/// the rack's, for a machine's clock is its own.
import CPicket
import PicketCore

/// One network card: where QEMU's end of the cable is and where the rack's.
struct MachineCard {
    let nearPath: String
    let farPath: String

    init(node: SimulatedNode, link: Int) {
        nearPath = "\(node.directory)/net.\(link)"
        farPath =
            link == LabWire.link
            ? LabWire.path(in: node.world.directory) : "\(node.directory)/switch.\(link)"
    }
}

final class LabWire {
    /// Beyond the links of any pair.
    static let link = 99
    static let host = "239.77.0.1"
    static let port: UInt16 = 7777
    static let address = "udp:\(host):\(port)"
    static func path(in directory: String) -> String { directory + "/evidence" }

    private let socket: Int32
    private let loop: EventLoop
    private var buffer = [UInt8](repeating: 0, count: 2048)
    var arrived: (Record) -> Void = { _ in }
    private(set) var count = 0

    init(directory: String, loop: EventLoop) throws(RackFailure) {
        self.loop = loop
        let path = Self.path(in: directory)
        socket = unsafe picket_unix_datagram(path)
        guard socket >= 0 else {
            throw RackFailure("cannot bind \(path): errno \(picket_errno())")
        }
        loop.watch(socket) { [unowned self] in receive() }
    }

    deinit { close(socket) }

    func receive() {
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe recv(socket, $0.baseAddress, $0.count, picket_msg_dontwait)
            }
            guard count >= 0 else { return }
            guard let payload = Frame.payload(of: buffer[..<count], port: Self.port),
                var record = Record(payload)
            else { continue }
            self.count += 1
            record.at = loop.now
            arrived(record)
        }
    }
}

/// Ethernet frames with IPv4 and UDP in them.
enum Frame {
    /// What a datagram to this port carries; `nil` for all other frames.
    static func payload(of frame: ArraySlice<UInt8>, port: UInt16) -> ArraySlice<UInt8>? {
        let frame = Array(frame)
        guard frame.count >= 42, frame[12] == 0x08, frame[13] == 0x00, frame[14] >> 4 == 4,
            frame[23] == 17
        else { return nil }
        let start = 14 + Int(frame[14] & 15) * 4
        guard frame.count >= start + 8,
            UInt16(frame[start + 2]) << 8 | UInt16(frame[start + 3]) == port
        else { return nil }
        let length = Int(frame[start + 4]) << 8 | Int(frame[start + 5])
        guard length >= 8, start + length <= frame.count else { return nil }
        return frame[(start + 8)..<(start + length)]
    }

    /// The same frame with other content, its lengths and checksums made right.
    static func with(payload: [UInt8], like frame: [UInt8]) -> [UInt8] {
        guard frame.count >= 42, frame[12] == 0x08, frame[13] == 0x00, frame[23] == 17
        else { return payload }
        let start = 14 + Int(frame[14] & 15) * 4
        guard frame.count >= start + 8 else { return payload }
        var new = Array(frame[..<(start + 8)]) + payload
        let datagram = payload.count + 8
        let whole = new.count - 14
        (new[16], new[17]) = (UInt8(whole >> 8), UInt8(whole & 0xFF))
        (new[start + 4], new[start + 5]) = (UInt8(datagram >> 8), UInt8(datagram & 0xFF))
        // UDP over IPv4 may leave its checksum out.
        (new[start + 6], new[start + 7]) = (0, 0)
        (new[24], new[25]) = (0, 0)
        var sum = stride(from: 14, to: start, by: 2).reduce(UInt32(0)) {
            $0 + (UInt32(new[$1]) << 8 | UInt32(new[$1 + 1]))
        }
        while sum > 0xFFFF { sum = (sum & 0xFFFF) + (sum >> 16) }
        (new[24], new[25]) = (UInt8(~sum >> 8 & 0xFF), UInt8(~sum & 0xFF))
        return new
    }
}
