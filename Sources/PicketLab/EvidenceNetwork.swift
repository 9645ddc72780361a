/// Evidence from virtual machines: the records of the groups' own processes. They come as datagrams on
/// a network that no scenario disturbs.
///
/// All virtual machines send to one socket, so records arrive in the order in which they were sent.
/// If one process begins after another has ended, it can never look as if both ran at once. The rack
/// dates the records, because a virtual machine's clock is its own.
import CPicket
import PicketCore
import PicketRack

final class EvidenceNetwork {
    static let host = "239.77.0.1"
    private static let port: UInt16 = 7777
    /// Where picket-workload sends its records.
    static let address = "udp:\(host):\(port)"

    let path: String
    private let socket: Int32
    private unowned let rack: Rack
    private var buffer = [UInt8](repeating: 0, count: 2048)

    init(rack: Rack) throws(RackFailure) {
        self.rack = rack
        path = rack.directory + "/evidence"
        socket = unsafe picket_unix_datagram(path)
        guard socket >= 0 else {
            throw RackFailure("cannot bind \(path): errno \(picket_errno())")
        }
        rack.loop.watch(socket) { [unowned self] in receive() }
    }

    deinit { close(socket) }

    /// Takes all that has come.
    func receive() {
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe recv(socket, $0.baseAddress, $0.count, picket_msg_dontwait)
            }
            guard count >= 0 else { return }
            guard let payload = Frame.payload(of: buffer[..<count], port: Self.port),
                var record = Record(payload)
            else { continue }
            record.at = rack.loop.now
            rack.take(record)
        }
    }
}
