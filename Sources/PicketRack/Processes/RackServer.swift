/// The socket by which a node's agent reaches its devices: see PicketRackClient's RackProtocol.
import CPicket
import PicketCore
import PicketRackClient

final class RackServer {
    let path: String
    /// What came for the node's lines while they hang, and where from.
    private var unanswered: [(RackRequest, Int32)] = []
    private unowned let body: ProcessBody
    private unowned let node: SimulatedNode
    private var loop: EventLoop { node.rack.loop }
    private let listener: Int32
    private var buffer = [UInt8](repeating: 0, count: 4096)

    init(body: ProcessBody, node: SimulatedNode) throws(RackFailure) {
        path = node.directory + "/rack.sock"
        self.body = body
        self.node = node
        listener = unsafe picket_unix_listen(path, picket_kind_seqpacket)
        guard listener >= 0 else {
            throw RackFailure("cannot listen at \(path): errno \(picket_errno())")
        }
        loop.watch(listener) { [unowned self] in accept() }
    }

    deinit { close(listener) }

    private func accept() {
        let connection = picket_accept(listener)
        guard connection >= 0 else { return }
        loop.watch(connection) { [unowned self] in read(connection) }
    }

    private func read(_ connection: Int32) {
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe recv(connection, $0.baseAddress, $0.count, picket_msg_dontwait)
        }
        if count < 0, picket_errno() == EAGAIN { return }
        guard count > 0 else {
            loop.unwatch(connection)
            unanswered.removeAll { $0.1 == connection }
            close(connection)
            return
        }
        let text = String(decoding: buffer[..<count], as: UTF8.self)
        guard let request = RackRequest(text: text) else {
            return reply(connection, .error("not a request of the rack's: \(text)"))
        }
        handle(request, on: connection)
    }

    private func reply(_ connection: Int32, _ answer: RackAnswer) {
        let bytes = Array(answer.text.utf8)
        _ = unsafe bytes.withUnsafeBytes {
            unsafe send(
                connection, $0.baseAddress, $0.count, picket_msg_dontwait | picket_msg_nosignal)
        }
    }

    /// The lines that hung answer.
    func answerLines() {
        let waiting = unanswered
        unanswered = []
        for (request, connection) in waiting { handle(request, on: connection) }
    }

    private func handle(_ request: RackRequest, on connection: Int32) {
        switch request {
        case .setLine where node.linesHang, .getLine where node.linesHang:
            unanswered.append((request, connection))
        case .node: reply(connection, body.identity.answer)
        case .clock: reply(connection, .ok(["\(body.clockAhead.nanoseconds / 1_000_000_000)"]))
        case .formerLinks: reply(connection, .ok(body.links.map(\.former)))
        case .links: reply(connection, .ok(body.links.map(\.text)))
        case .transfer(let bus, let address, let write, let count):
            guard let bus = Int(bus).flatMap({ node.buses[$0] }) else {
                return reply(connection, .error("no bus \(bus)"))
            }
            bus.transfer(address: address, write: write, read: count, at: loop.now) {
                [unowned self] in reply(connection, $0)
            }
        case .setLine(let name, let on):
            reply(connection, node.rack.setLine(name, on: on, by: node))
        case .getLine(let name): reply(connection, node.rack.getLine(name, by: node))
        case .openWatchdog(let milliseconds):
            guard (1...3_600_000).contains(milliseconds) else {
                return reply(connection, .error("a timeout of \(milliseconds) ms"))
            }
            body.openWatchdog(.milliseconds(Int64(milliseconds)))
            reply(connection, .ok(["\(milliseconds)"]))
        case .feedWatchdog: body.feedWatchdog()
        case .disarmWatchdog:
            body.disarm()
            reply(connection, .done)
        }
    }
}
