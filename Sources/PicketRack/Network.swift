/// The switch between the nodes. Each direction of a link can be disturbed by itself.
import CPicket
import PicketConfig
import PicketCore

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
    private let loop: EventLoop
    private(set) var paths: [Path] = []
    private var buffer = [UInt8](repeating: 0, count: 65_536)
    private var random = SystemRandomNumberGenerator()
    /// While it is not nil, what passes is kept under this name.
    private var capturing: String?
    private var captures: [String: [Captured]] = [:]

    struct Captured {
        var path: Path
        var bytes: [UInt8]
    }

    /// One direction of one link.
    final class Path {
        let link: Int
        let to: NodeID
        fileprivate let end: any LinkEnd
        fileprivate(set) var disturbance = Disturbance.none

        init(link: Int, to: NodeID, end: any LinkEnd) {
            self.link = link
            self.to = to
            self.end = end
        }
    }

    init(
        loop: EventLoop, linkCount: Int,
        link: (Int) throws(RackFailure) -> PerNode<any LinkEnd>
    ) throws(RackFailure) {
        self.loop = loop
        for number in 0..<linkCount {
            let ends = try link(number)
            for to in [NodeID.low, .high] {
                paths.append(Path(link: number, to: to, end: ends[to]))
            }
        }
        for path in paths { loop.watch(path.end.entry) { [unowned self] in receive(path) } }
    }

    /// At least one link is cut in neither direction.
    var carriesBothWays: Bool {
        paths.contains { path in
            !path.disturbance.cut
                && paths.contains {
                    $0.link == path.link && $0.to != path.to && !$0.disturbance.cut
                }
        }
    }

    /// `nil` stands for every link, or for both directions.
    func disturb(link: Int?, to: NodeID?, _ change: (inout Disturbance) -> Void) {
        for path in paths
        where (link == nil || path.link == link) && (to == nil || path.to == to) {
            change(&path.disturbance)
        }
    }

    // MARK: - Forwarding

    private func receive(_ path: Path) {
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe recv(path.end.entry, $0.baseAddress, $0.count, picket_msg_dontwait)
            }
            guard count >= 0 else { return }
            pass(buffer[..<count], on: path)
        }
    }

    private func pass(_ bytes: ArraySlice<UInt8>, on path: Path) {
        path.end.saw(bytes)
        if let capturing {
            captures[capturing, default: []].append(Captured(path: path, bytes: Array(bytes)))
        }
        let disturbance = path.disturbance
        guard disturbance != .none else { return path.end.deliver(bytes) }
        if disturbance.cut || chance(disturbance.loss) { return }
        let bytes = Array(bytes)
        forward(bytes, on: path, disturbance)
        if chance(disturbance.duplication) { forward(bytes, on: path, disturbance) }
    }

    private func forward(_ bytes: [UInt8], on path: Path, _ disturbance: Disturbance) {
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
        guard delay > .zero else { return path.end.deliver(bytes[...]) }
        loop.after(delay) {
            guard !path.disturbance.cut else { return }
            path.end.deliver(bytes[...])
        }
    }

    private func chance(_ probability: Double) -> Bool {
        probability > 0 && Double.random(in: 0..<1, using: &random) < probability
    }

    // MARK: - Attacks

    func capture(_ name: String?) { capturing = name }

    func captured(_ name: String) -> Int { captures[name]?.count ?? 0 }

    /// Sends everything of a capture again to where it went, two datagrams a millisecond, whatever
    /// the links' disturbances: the attacker has a cable of their own.
    func replay(_ name: String) {
        for (index, captured) in (captures[name] ?? []).suffix(2000).enumerated() {
            loop.after(.milliseconds(Int64(index) / 2)) {
                captured.path.end.deliver(captured.bytes[...])
            }
        }
    }

    /// Random, truncated and mutated datagrams to a node, one a millisecond, each made in its turn.
    func junk(to node: NodeID, count: Int) {
        let known = captures.values.flatMap { $0 }.map(\.bytes)
        for index in 0..<count {
            loop.after(.milliseconds(Int64(index))) { [unowned self] in
                let end = paths.filter { $0.to == node }.randomElement()!.end
                end.deliver(end.wrapped(Self.noise(index, like: end.sample(of: known)))[...])
            }
        }
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
