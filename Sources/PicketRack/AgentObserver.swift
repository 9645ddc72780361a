/// What an agent says of itself: its status by the control socket, its history by the file.
import CPicket
import Foundation
import PicketControl
import PicketCore

final class AgentObserver {
    let name: String
    /// The newest status, while the agent answers.
    private(set) var status: [String: Any]?
    /// Kinds of history entries seen so far, in order, since the rack began.
    private(set) var kinds: [String] = []
    private(set) var sentences: [String] = []
    private weak var node: SimulatedNode?
    private unowned var world: World!
    private var connection: Int32 = -1
    private var text: [UInt8] = []
    private var history: FileHandle?
    private var historyText: [UInt8] = []
    private var historyFile: UInt64 = 0
    private var buffer = [UInt8](repeating: 0, count: 16_384)

    init(name: String) { self.name = name }

    func attach(to node: SimulatedNode, of world: World) {
        self.node = node
        self.world = world
        // A machine's courier brings what its agent says.
        guard node.machine == nil else { return }
        world.loop.every(.milliseconds(25)) { [unowned self] in
            readHistory()
            if connection < 0 { connect() }
        }
    }

    // MARK: - Status

    var isAnswering: Bool { status != nil }
    var health: Int? { status?["health"] as? Int }
    var phase: String? { status?["phase"] as? String }
    var hasContact: Bool { status?["contact"] as? String == "established" }
    var isPaired: Bool { hasContact && phase == "paired" }
    /// No gap in the protection: were the peer to die now, it would be fenced.
    var isArmed: Bool { status?["armed"] as? Bool ?? false }
    var protectionGap: String? { (status?["fence"] as? [String: Any])?["gap"] as? String }

    func sensor(_ name: String) -> [String: Any]? {
        (status?["sensors"] as? [[String: Any]])?.first { $0["name"] as? String == name }
    }

    /// The term and role that the agent gives for a group.
    func group(_ name: String) -> [String: Any]? {
        (status?["groups"] as? [[String: Any]])?.first { $0["name"] as? String == name }
    }

    func nodeDied() { disconnect() }

    private func connect() {
        guard let node, node.state == .running, !node.agentPaused else { return }
        let descriptor = picket_unix_stream()
        guard descriptor >= 0 else { return }
        guard unsafe picket_unix_connect(descriptor, node.controlSocket) == 0,
            Self.write("watch every \(world.statusEvery)ms\n", to: descriptor)
        else {
            close(descriptor)
            return
        }
        connection = descriptor
        world.loop.watch(descriptor) { [unowned self] in readStatus() }
    }

    private func disconnect() {
        status = nil
        guard connection >= 0 else { return }
        world.loop.unwatch(connection)
        close(connection)
        connection = -1
        text = []
    }

    private func readStatus() {
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe recv(connection, $0.baseAddress, $0.count, picket_msg_dontwait)
        }
        if count < 0, picket_errno() == EAGAIN { return }
        guard count > 0 else { return disconnect() }
        text += buffer[..<count]
        for line in Self.lines(of: &text) { take(status: line) }
    }

    /// One line of the agent's.
    func take(status line: [UInt8]) {
        guard let object = Self.object(line), object["type"] as? String == "status"
        else { return }
        status = object
    }

    // MARK: - Commands

    /// Sends one line to the agent; its last reply, as text, goes to `answer`.
    func command(_ line: String, _ answer: @escaping (String, Bool) -> Void) {
        if let machine = node?.machine {
            return machine.ask(line) { lines, _ in
                Self.judge(lines.last.map { Array($0.utf8) }, answer)
            }
        }
        guard let node, case let descriptor = picket_unix_stream(), descriptor >= 0 else { return }
        guard unsafe picket_unix_connect(descriptor, node.controlSocket) == 0,
            Self.write(line + "\n", to: descriptor)
        else {
            close(descriptor)
            return answer("the agent on \(name) does not answer", false)
        }
        var reply: [UInt8] = []
        world.loop.watch(descriptor) { [unowned self] in
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe recv(descriptor, $0.baseAddress, $0.count, picket_msg_dontwait)
            }
            if count < 0, picket_errno() == EAGAIN { return }
            if count > 0 {
                reply += buffer[..<count]
                return
            }
            world.loop.unwatch(descriptor)
            close(descriptor)
            Self.judge(Self.lines(of: &reply).last, answer)
        }
    }

    private static func judge(_ line: [UInt8]?, _ answer: (String, Bool) -> Void) {
        let last = line.flatMap { object($0) }
        answer(
            last?["text"] as? String ?? "no answer",
            last?["accepted"] as? Bool ?? (last?["type"] as? String != "error"))
    }

    // MARK: - History

    private func readHistory() {
        guard let node else { return }
        let path = node.stateDirectory + "/history.jsonl"
        if history == nil {
            guard let file = FileHandle(forReadingAtPath: path) else { return }
            history = file
            historyFile = Self.inode(path)
        }
        if let data = try? history?.readToEnd(), !data.isEmpty {
            historyText += Array(data)
            for line in Self.lines(of: &historyText) { take(history: line) }
        } else if Self.inode(path) != historyFile {
            // It was rotated.
            history = nil
        }
    }

    func take(history line: [UInt8]) {
        guard let entry = Self.object(line), let kind = entry["kind"] as? String,
            let text = entry["text"] as? String
        else { return }
        kinds.append(kind)
        sentences.append(text)
        if kind == "fence_timing", let own = entry["own_ms"] as? Double,
            let driver = entry["driver_ms"] as? Double
        {
            world.proved(ownMilliseconds: own, driverMilliseconds: driver)
        }
        let severity: RackEvent.Severity
        switch entry["severity"] as? String {
        case "alarm": severity = .alarm
        case "warning": severity = .warning
        case "notice": severity = .normal
        default: severity = .quiet
        }
        world.tell(
            RackEvent(
                at: moment(entry["time"] as? String), source: .agent, node: name, kind: kind,
                text: text,
                severity: severity, group: entry["group"] as? String,
                cause: entry["cause"] as? String))
    }

    /// The rack's time of what the agent dates by its own wall clock; now, if the two do not fit.
    private func moment(_ time: String?) -> Instant {
        let now = world.loop.now
        guard let time, let node, let date = dates.date(from: time) else { return now }
        var offset = Double(node.wallClockOffset)
        if let machine = node.machine { offset = -Double(machine.clockOffset ?? 0) / 1e9 }
        let age = Date().timeIntervalSince1970 + offset - date.timeIntervalSince1970
        guard age >= 0, age < 1 else { return now }
        return now - .nanoseconds(Int64(age * 1e9))
    }

    private let dates: ISO8601DateFormatter = {
        let formatter = ISO8601DateFormatter()
        formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
        return formatter
    }()

    // MARK: -

    private static func inode(_ path: String) -> UInt64 {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        return (attributes?[.systemFileNumber] as? NSNumber)?.uint64Value ?? 0
    }

    private static func write(_ text: String, to descriptor: Int32) -> Bool {
        let bytes = Array(text.utf8)
        return unsafe bytes.withUnsafeBytes {
            unsafe send(descriptor, $0.baseAddress, $0.count, picket_msg_nosignal)
        } == bytes.count
    }

    /// Takes the whole lines off the front.
    private static func lines(of text: inout [UInt8]) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        while let end = text.firstIndex(of: UInt8(ascii: "\n")) {
            lines.append(Array(text[..<end]))
            text.removeFirst(end + 1)
        }
        return lines
    }

    private static func object(_ line: [UInt8]) -> [String: Any]? {
        try? JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]
    }
}
