/// The switch between the nodes: every link is two UDP sockets, one for each node to send to, and
/// each direction of it can be disturbed by itself.
///
/// Between machines a link is an Ethernet cable: what passes, and is disturbed, are its frames.
import CPicket
import PicketConfig
import PicketCore
import PicketRackClient

/// What happens to datagrams in one direction of one link.
struct Disturbance: Equatable {
    var cut = false
    /// Probabilities, 0 … 1.
    var loss = 0.0
    var duplication = 0.0
    var reordering = 0.0
    var delay = Duration.zero
    /// Up to so much is added to `delay`, evenly distributed.
    var jitter = Duration.zero

    static let none = Disturbance()
}

final class Network {
    private unowned let world: World
    private(set) var paths: [Path] = []
    private var buffer = [UInt8](repeating: 0, count: 65_536)
    private var random = SystemRandomNumberGenerator()
    /// While it is not nil, what passes is kept under this name.
    private var capturing: String?
    private var captures: [String: [Captured]] = [:]

    struct Captured {
        var path: Int
        var bytes: [UInt8]
    }

    /// One direction of one link.
    final class Path {
        let link: Int
        let to: NodeID
        /// The sender sends to this socket …
        let entry: Int32
        let entryPort: UInt16
        /// … and the receiver sees datagrams come from that one, which is the other direction's
        /// entry.
        fileprivate(set) var exit: Int32 = -1
        /// Where the receiver is bound.
        let receiver: Endpoint
        /// In its place, the socket of a machine's network card.
        let card: String?
        /// Between machines: the newest datagram that passed, in its frame.
        fileprivate var newest: [UInt8] = []
        var disturbance = Disturbance.none
        var forwarded = 0
        var dropped = 0

        init(
            link: Int, to: NodeID, entry: Int32, entryPort: UInt16, receiver: Endpoint,
            card: String? = nil
        ) {
            self.card = card
            self.link = link
            self.to = to
            self.entry = entry
            self.entryPort = entryPort
            self.receiver = receiver
        }
    }
    struct Endpoint {
        var host: UInt32
        var port: UInt16
        var address: RackAddress {
            let octets = [24, 16, 8, 0].map { String(host >> UInt32($0) & 0xFF) }
            return RackAddress(host: octets.joined(separator: "."), port: port)
        }
    }
    private static let loopback: UInt32 = 0x7F00_0001

    init(world: World, linkCount: Int) throws(RackFailure) {
        self.world = world
        // The agents' own addresses are drawn from the loopback network, so that racks that run at
        // once do not meet.
        let host = 0x7F00_0000 | UInt32.random(in: 0x01_0000...0xFE_FFFF) & ~0xFF
        for link in 0..<linkCount {
            if world.lab != nil {
                for to in [NodeID.low, .high] { paths.append(try Self.cable(link, to, world)) }
                continue
            }
            let entries = [try Self.open(), try Self.open()]
            for (index, to) in [NodeID.low, .high].enumerated() {
                let receiver = Endpoint(
                    host: host | UInt32(10 * (link + 1) + index), port: 7780)
                paths.append(
                    Path(
                        link: link, to: to, entry: entries[index].0, entryPort: entries[index].1,
                        receiver: receiver))
            }
        }
        for (index, path) in paths.enumerated() {
            path.exit = paths[index ^ 1].entry
            world.loop.watch(path.entry) { [unowned self] in receive(index) }
        }
    }

    private static func cable(
        _ link: Int, _ to: NodeID, _ world: World
    ) throws(RackFailure) -> Path {
        let names = world.plan.names
        let entry = "\(world.directory)/\(names[to.peer])/switch.\(link)"
        let descriptor = unsafe picket_unix_datagram(entry)
        guard descriptor >= 0 else {
            throw RackFailure("cannot bind \(entry): errno \(picket_errno())")
        }
        return Path(
            link: link, to: to, entry: descriptor, entryPort: 0,
            receiver: Endpoint(host: 0, port: 0),
            card: "\(world.directory)/\(names[to])/net.\(link)")
    }

    private static func open() throws(RackFailure) -> (Int32, UInt16) {
        var port: UInt16 = 0
        let descriptor = unsafe picket_udp_open(loopback, &port)
        guard descriptor >= 0 else {
            throw RackFailure("cannot open a socket of the switch: errno \(picket_errno())")
        }
        return (descriptor, port)
    }

    func links(of node: NodeID) -> [RackLink] {
        var links: [RackLink] = []
        for link in 0..<(paths.count / 2) {
            let mine = paths.first { $0.link == link && $0.to == node }!
            let peers = paths.first { $0.link == link && $0.to == node.peer }!
            links.append(
                RackLink(
                    bind: mine.receiver.address,
                    peer: Endpoint(host: Self.loopback, port: peers.entryPort).address))
        }
        return links
    }

    /// `nil` stands for every link, or for both directions.
    func disturb(link: Int?, to: NodeID?, _ change: (inout Disturbance) -> Void) {
        for path in paths
        where (link == nil || path.link == link) && (to == nil || path.to == to) {
            change(&path.disturbance)
        }
    }

    // MARK: - Forwarding

    private func receive(_ index: Int) {
        let path = paths[index]
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe recv(path.entry, $0.baseAddress, $0.count, picket_msg_dontwait)
            }
            guard count >= 0 else { return }
            pass(index, count)
        }
    }

    private func pass(_ index: Int, _ count: Int) {
        let path = paths[index]
        if path.card != nil, count > 150 { path.newest = Array(buffer[..<count]) }
        if let capturing {
            captures[capturing, default: []].append(
                Captured(path: index, bytes: Array(buffer[..<count])))
        }
        let disturbance = path.disturbance
        guard disturbance != .none else {
            path.forwarded += 1
            unsafe buffer.withUnsafeBytes { unsafe send(path, $0.baseAddress!, count) }
            return
        }
        if disturbance.cut || chance(disturbance.loss) {
            path.dropped += 1
            return
        }
        let bytes = Array(buffer[..<count])
        forward(bytes, on: path, disturbance)
        if chance(disturbance.duplication) { forward(bytes, on: path, disturbance) }
    }

    private func forward(_ bytes: [UInt8], on path: Path, _ disturbance: Disturbance) {
        path.forwarded += 1
        var delay = disturbance.delay
        if disturbance.jitter > .zero {
            delay =
                delay
                + .nanoseconds(Int64.random(in: 0...disturbance.jitter.nanoseconds, using: &random))
        }
        // Late enough to let a few later ones pass.
        if chance(disturbance.reordering) {
            delay = delay + .milliseconds(Int64.random(in: 5...120))
        }
        guard delay > .zero else { return inject(bytes, on: path) }
        world.loop.after(delay) { [unowned self] in
            guard !path.disturbance.cut else { return }
            inject(bytes, on: path)
        }
    }

    private func inject(_ bytes: [UInt8], on path: Path) {
        unsafe bytes.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            unsafe send(path, start, bytes.count)
        }
    }

    @unsafe
    private func send(_ path: Path, _ bytes: UnsafeRawPointer, _ count: Int) {
        if let card = path.card {
            _ = unsafe picket_unix_send_to(path.exit, card, bytes, count)
            return
        }
        _ = unsafe picket_udp_send(
            path.exit, bytes, count, path.receiver.host, path.receiver.port)
    }

    private func chance(_ probability: Double) -> Bool {
        probability > 0 && Double.random(in: 0..<1, using: &random) < probability
    }

    // MARK: - Attacks

    func capture(_ name: String?) { capturing = name }

    func captured(_ name: String) -> Int { captures[name]?.count ?? 0 }

    /// Sends everything of a capture again to where it went, one datagram a millisecond, whatever
    /// the links' disturbances: the attacker has a cable of their own.
    func replay(_ name: String) {
        for (index, captured) in (captures[name] ?? []).suffix(2000).enumerated() {
            world.loop.after(.milliseconds(Int64(index) / 2)) { [unowned self] in
                inject(captured.bytes, on: paths[captured.path])
            }
        }
    }

    /// Random, truncated and mutated datagrams to a node, one a millisecond, each made in its turn.
    func junk(to node: NodeID, count: Int) {
        let known = captures.values.flatMap { $0 }
        for index in 0..<count {
            world.loop.after(.milliseconds(Int64(index))) { [unowned self] in
                let path = paths.filter { $0.to == node }.randomElement()!
                guard path.card == nil else { return junkFrame(index, on: path) }
                inject(Self.noise(index, like: known.randomElement()?.bytes ?? []), on: path)
            }
        }
    }

    /// Noise that a machine's kernel passes on to its agent.
    private func junkFrame(_ index: Int, on path: Path) {
        let end = min(42, path.newest.count)
        let noise = Self.noise(index, like: Array(path.newest[end...]))
        inject(Frame.with(payload: noise, like: path.newest), on: path)
    }

    private static func noise(_ index: Int, like real: [UInt8]) -> [UInt8] {
        guard index % 2 == 1, !real.isEmpty else {
            return (0..<Int.random(in: 0...1400)).map { _ in UInt8.random(in: 0...255) }
        }
        var bytes = index % 4 == 1 ? Array(real.prefix(Int.random(in: 0...real.count))) : real
        if index % 4 == 3 {
            bytes[Int.random(in: 0..<bytes.count)] ^= 1 << UInt8.random(in: 0...7)
        }
        return bytes
    }
}
