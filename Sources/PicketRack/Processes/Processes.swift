/// Nodes that are processes of this computer. Their agents reach the devices by `RackServer`, and
/// their links are UDP sockets.
import CPicket
package import PicketConfig
import PicketCore
import PicketRackClient

package final class Processes: NodeMaker {
    package let patience = 1
    let programs: RackPrograms
    private let smallDisks: Bool
    private var log: WorkloadLog?
    private var bodies: [ProcessBody] = []
    private var ends: [PerNode<DatagramEnd>] = []
    /// The same links, as the configuration has them.
    private var configured: [PerNode<LinkAddress>] = []
    /// The agents' own addresses are drawn from the loopback network, so that racks that run at once
    /// do not meet.
    private let host = 0x7F00_0000 | UInt32.random(in: 0x01_0000...0xFE_FFFF) & ~0xFF

    /// - Parameter smallDisks: give the nodes a disk that can really be full, if that is permitted.
    package init(_ programs: RackPrograms, smallDisks: Bool = false) {
        self.programs = programs
        self.smallDisks = smallDisks
    }

    package func places(of node: String, in directory: String) -> Rehearsal.Places {
        Self.places(of: node, in: directory, workload: programs.workload)
    }

    static func places(of node: String, in directory: String, workload: String) -> Rehearsal.Places
    {
        Rehearsal.Places(
            key: "\(directory)/\(node)/pair.key", log: "\(directory)/workload.log",
            run: "\(directory)/workloads", faults: "\(directory)/faults", workload: workload,
            copiesData: true, rack: directory)
    }

    // MARK: - Evidence

    package func begin(_ rack: Rack) throws(RackFailure) {
        guard let log = WorkloadLog(path: rack.directory + "/workload.log") else {
            throw RackFailure("cannot create the workloads' log in \(rack.directory)")
        }
        self.log = log
        rack.loop.every(.milliseconds(5)) { [unowned rack] in
            for record in log.newRecords() { rack.take(record) }
            if log.damaged > 0, rack.failure == nil {
                rack.fail("the workloads' log holds damaged records")
            }
        }
    }

    // MARK: - Links

    package func link(_ number: Int, of rack: Rack) throws(RackFailure) -> PerNode<any LinkEnd> {
        let (toLow, toHigh) = (try DatagramEnd.open(), try DatagramEnd.open())
        func end(_ index: UInt32, _ own: (Int32, UInt16), _ other: Int32) -> DatagramEnd {
            DatagramEnd(
                entry: own.0, entryPort: own.1, exit: other,
                receiver: host | 10 * (UInt32(number) + 1) + index)
        }
        let both = PerNode(low: end(0, toLow, toHigh.0), high: end(1, toHigh, toLow.0))
        ends.append(both)
        configured.append(rack.plan.configurations.low.links[number])
        return PerNode(low: both.low, high: both.high)
    }

    /// As the node's agent is told of them.
    func links(of node: NodeID) -> [RackLink] {
        zip(ends, configured).map { link, ends in
            RackLink(
                bind: link[node].receiverAddress,
                peer: DatagramEnd.address(DatagramEnd.loopback, link[node.peer].entryPort),
                own: ends[node].text, other: ends[node.peer].text)
        }
    }

    // MARK: - Bodies

    package func body(of node: SimulatedNode) throws(RackFailure) -> any NodeBody {
        let disk = SimulatedDisk(path: node.stateDirectory, small: smallDisks)
        let body = try ProcessBody(node: node, maker: self, disk: disk)
        bodies.append(body)
        return body
    }

    var supervisors: [pid_t] { bodies.map(\.supervisor) }
}

/// Between processes a link is two UDP sockets, one for each node to send to.
private final class DatagramEnd: LinkEnd {
    static let loopback: UInt32 = 0x7F00_0001
    private static let port: UInt16 = 7780

    let entry: Int32
    let entryPort: UInt16
    /// The receiver sees datagrams come from here: the entry of the other direction.
    private let exit: Int32
    /// Where the receiver is bound.
    private let receiver: UInt32

    init(entry: Int32, entryPort: UInt16, exit: Int32, receiver: UInt32) {
        self.entry = entry
        self.entryPort = entryPort
        self.exit = exit
        self.receiver = receiver
    }

    static func open() throws(RackFailure) -> (descriptor: Int32, port: UInt16) {
        var port: UInt16 = 0
        let descriptor = unsafe picket_udp_open(loopback, &port)
        guard descriptor >= 0 else {
            throw RackFailure("cannot open a socket of the switch: errno \(picket_errno())")
        }
        return (descriptor, port)
    }

    var receiverAddress: RackAddress { Self.address(receiver, Self.port) }

    static func address(_ host: UInt32, _ port: UInt16) -> RackAddress {
        let octets = [24, 16, 8, 0].map { String(host >> UInt32($0) & 0xFF) }
        return RackAddress(host: octets.joined(separator: "."), port: port)
    }

    func deliver(_ bytes: ArraySlice<UInt8>) {
        unsafe bytes.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            _ = unsafe picket_udp_send(exit, start, bytes.count, receiver, Self.port)
        }
    }

    func saw(_ bytes: ArraySlice<UInt8>) {}
    func sample(of captured: [[UInt8]]) -> [UInt8] { captured.randomElement() ?? [] }
    func wrapped(_ datagram: [UInt8]) -> [UInt8] { datagram }
}
