/// Nodes that are virtual machines. Their links are Ethernet cables between network cards. So frames
/// pass over them, and frames are disturbed.
import CPicket
package import PicketConfig
import PicketCore
package import PicketRack

package final class VirtualMachines: NodeMaker {
    package var patience: Int { kit.patience }
    let kit: LabKit
    private(set) var evidence: EvidenceNetwork!

    package init(_ kit: LabKit) { self.kit = kit }

    /// Everything lies where it would lie on a real node, and the records go by the network.
    package func places(of node: String, in directory: String) -> Rehearsal.Places {
        Rehearsal.Places(
            key: "/etc/picket/pair.key", log: EvidenceNetwork.address, run: "/run/picket",
            faults: "/run/picket-faults", workload: "/usr/bin/picket-workload")
    }

    package func begin(_ rack: Rack) throws(RackFailure) {
        evidence = try EvidenceNetwork(rack: rack)
    }

    package func link(_ number: Int, of rack: Rack) throws(RackFailure) -> PerNode<any LinkEnd> {
        let names = rack.plan.names
        func card(_ node: NodeID) -> NetworkCard {
            NetworkCard(in: "\(rack.directory)/\(names[node])", number: number)
        }
        let (toLow, toHigh) = (try card(.high).plug(), try card(.low).plug())
        return PerNode(
            low: CableEnd(entry: toLow, exit: toHigh, card: card(.low)),
            high: CableEnd(entry: toHigh, exit: toLow, card: card(.high)))
    }

    package func body(of node: SimulatedNode) throws(RackFailure) -> any NodeBody {
        try VirtualMachine(node: node, maker: self)
    }
}

/// A network card of a virtual machine: two datagram sockets, QEMU's and the rack's.
struct NetworkCard {
    let machinePath: String
    let rackPath: String

    init(in directory: String, number: Int) {
        machinePath = "\(directory)/net.\(number)"
        rackPath = "\(directory)/switch.\(number)"
    }

    /// The card on the network that carries evidence.
    init(in directory: String, evidence: String) {
        machinePath = "\(directory)/net.evidence"
        rackPath = evidence
    }

    /// Opens the rack's socket.
    func plug() throws(RackFailure) -> Int32 {
        let descriptor = unsafe picket_unix_datagram(rackPath)
        guard descriptor >= 0 else {
            throw RackFailure("cannot bind \(rackPath): errno \(picket_errno())")
        }
        return descriptor
    }
}

/// One direction of a cable between two virtual machines.
final class CableEnd: LinkEnd {
    let entry: Int32
    private let exit: Int32
    private let card: NetworkCard
    /// The newest frame that is long enough to hold a datagram of the peer's.
    private var newest: [UInt8] = []

    /// - Parameters:
    ///   - exit: frames come to the receiver from here; the entry of the other direction.
    ///   - card: the receiver's.
    init(entry: Int32, exit: Int32, card: NetworkCard) {
        self.entry = entry
        self.exit = exit
        self.card = card
    }

    func deliver(_ bytes: ArraySlice<UInt8>) {
        unsafe bytes.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            _ = unsafe picket_unix_send_to(exit, card.machinePath, start, bytes.count)
        }
    }

    func saw(_ bytes: ArraySlice<UInt8>) { if bytes.count > 150 { newest = Array(bytes) } }

    /// The receiver's kernel passes on only what is in a frame of the peer's.
    func sample(of captured: [[UInt8]]) -> [UInt8] { Array(newest.dropFirst(Frame.headers)) }
    func wrapped(_ datagram: [UInt8]) -> [UInt8] { Frame.with(payload: datagram, like: newest) }
}
