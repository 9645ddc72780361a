import CPicket
import Foundation
import PicketConfig
import PicketCore

@testable import PicketRack

/// A pair and its rack, read as their files are.
enum Example {
    static let pair = """
        node: east
        pair:
          name: tested
          key: /etc/picket/tested.key
          detect_within: 500ms
          nodes:
            east: { links: [10.0.0.1:7780, 10.1.0.1:7780] }
            west: { links: [10.0.0.2:7780, 10.1.0.2:7780] }
        watchdog: { timeout: 2s }
        sensors:
          inlet: { bus: 1, driver: tmp102, address: 0x48, critical: ">75C" }
          rail: { bus: 2, driver: ina219, address: 0x40, measure: voltage, critical: "<4.65V" }
        fence:
          east:
            - relay: { line: RELAY_EAST, off_within: 50ms, off_time: 1s, verify: { line: EAST_OK, unplugged: on } }
          west:
            - relay: { line: RELAY_WEST, off_within: 50ms, off_time: 1s, verify: { line: WEST_OK, unplugged: on } }
        groups:
          gateway: { prefer: east, resources: [{ ip: 10.0.0.100/24@eth0 }] }

        """

    static func plan(
        _ rack: String = "", pair: String = pair
    ) throws(ConfigurationErrors) -> RackPlan {
        let text = "configuration: pair.yaml\n" + rack
        return try RackFile.parse(Array(text.utf8), file: "rack.yaml") {
            _, everywhere throws(ConfigurationErrors) in
            let boards = BoardFiles(in: [])
            let configurations = try RackFile.pair(
                Array(pair.utf8), file: "pair.yaml", everywhere, boards: boards)
            return (configurations, boards)
        }
    }

    static func scenario(_ text: String) throws -> Scenario {
        try Scenario.load(
            Array(text.utf8), file: "scenario.yaml", name: "tested", plan: try plan())
    }

    /// A record as a group's process writes it.
    static func record(
        _ at: Instant, _ node: String, _ group: String, _ process: Int, _ kind: String = "a",
        term: Int = 1
    ) -> [UInt8] {
        let fields = [("\(at.nanoseconds)", 20), (node, 32), (group, 32), ("\(term)", 20)]
        let line = fields.reduce("") { $0 + $1.0.padding(to: $1.1) + " " }
        return Array((line + "\(process)".padding(to: 10) + "   \(kind)     \n").utf8)
    }

    /// What is told of the mistakes in a file; empty if there are none.
    static func mistakes(_ body: () throws(ConfigurationErrors) -> Void) -> String {
        do throws(ConfigurationErrors) { try body() } catch { return error.text }
        return ""
    }
}

extension EventLoop {
    func run(for span: Duration) {
        after(span) { [unowned self] in stop() }
        run()
    }
}

/// Nodes that do what the test says.
final class FakeNodes: NodeMaker {
    let patience: Int
    private(set) var bodies: [FakeBody] = []

    init(patience: Int = 1) { self.patience = patience }

    func places(of node: String, in directory: String) -> Rehearsal.Places {
        Rehearsal.Places(
            key: "/the/key", log: "/the/log", run: "/the/run", faults: "/the/faults",
            workload: "/the/workload")
    }
    func begin(_ rack: Rack) {}
    func link(_ number: Int, of rack: Rack) -> PerNode<any LinkEnd> {
        PerNode(low: FakeEnd(), high: FakeEnd())
    }
    func body(of node: SimulatedNode) -> any NodeBody {
        let body = FakeBody(node)
        bodies.append(body)
        return body
    }
}

final class FakeBody: NodeBody {
    unowned let node: SimulatedNode
    var log: [String] = []
    /// A test may let it die slowly.
    var isGone = true
    var boots = true
    var reply: String?
    private(set) var exists = false

    init(_ node: SimulatedNode) { self.node = node }

    func boot(because cause: String) {
        log.append("boot: \(cause)")
        guard boots else { return }
        exists = true
        node.hasBooted()
    }
    func die(poweredOff: Bool) { log.append(poweredOff ? "loses power" : "dies") }
    func clear() { exists = false }
    func crash() {
        log.append("crash")
        node.diedInPlace()
    }
    func pauseAll(_ pause: Bool) { log.append("pause all \(pause)") }
    func remove() {}
    let agentPaused = false
    func killAgent() { log.append("kill") }
    func pauseAgent(_ pause: Bool) { log.append("pause \(pause)") }
    func stopAgent() { log.append("stop") }
    func startAgent() { log.append("start") }
    func reloadAgent() { log.append("reload") }
    func ask(_ request: String, _ done: @escaping ([UInt8]?) -> Void) {
        log.append("ask: \(request)")
        done(reply.map { Array($0.utf8) })
    }
    let clockAhead = Duration.zero
    func stepClock(by seconds: Int64) { log.append("clock \(seconds)") }
    func replaceKey(_ key: [UInt8]) { log.append("key of \(key.count) bytes") }
    func misbehave(group: String, verb: String, behaviour: String) {
        log.append("\(group) \(verb) \(behaviour)")
    }
    func fillDisk() -> String {
        log.append("fill")
        return "is full"
    }
    func freeDisk() { log.append("free") }
    func hangDisk(_ hangs: Bool) { log.append(hangs ? "hangs" : "answers") }
    func run(_ command: String, _ done: @escaping ([String], Int) -> Void) {
        log.append("run: \(command)")
        done([], command == "false" ? 1 : 0)
    }
    func senseMoved() {}
    func stick(_ line: String, _ level: Bool?) {
        log.append("\(line) stuck \(String(describing: level))")
    }
    let watchdog: (timeout: Duration, fedAt: Instant)? = nil
}

/// The end of a link at which the test sends and sees what comes out.
final class FakeEnd: LinkEnd {
    let entry: Int32
    private let sender: Int32
    private(set) var delivered: [[UInt8]] = []
    var newest: [UInt8] = []

    init() {
        var pair: [Int32] = [-1, -1]
        let made = unsafe socketpair(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0, &pair)
        precondition(made == 0)
        (entry, sender) = (pair[0], pair[1])
    }

    deinit {
        close(entry)
        close(sender)
    }

    func send(_ bytes: [UInt8]) {
        let sent = unsafe bytes.withUnsafeBytes { unsafe write(sender, $0.baseAddress, $0.count) }
        precondition(sent == bytes.count)
    }

    func deliver(_ bytes: ArraySlice<UInt8>) { delivered.append(Array(bytes)) }
    func saw(_ bytes: ArraySlice<UInt8>) { newest = Array(bytes) }
    func sample(of captured: [[UInt8]]) -> [UInt8] { newest }
    func wrapped(_ datagram: [UInt8]) -> [UInt8] { [0xEE] + datagram }
}
