/// Keeps what an agent says of itself, its statuses and its history, however they come.
import Foundation
import PicketControl
import PicketCore

package final class AgentObserver {
    /// The newest status, while the agent answers.
    private var status: [String: Any]?
    /// Kinds of history entries seen so far, in order, since the rack began.
    private(set) var kinds: [String] = []
    private(set) var sentences: [String] = []
    private unowned let node: SimulatedNode
    private var rack: Rack { node.rack }

    init(of node: SimulatedNode) { self.node = node }

    // MARK: - Status

    var isAnswering: Bool { status != nil }
    var health: Int? { status?["health"] as? Int }
    var phase: String? { status?["phase"] as? String }
    var hasContact: Bool { status?["contact"] as? String == "established" }
    var isPaired: Bool { hasContact && phase == "paired" }
    /// No gap in the protection: if the peer died now, it would be fenced.
    var isArmed: Bool { status?["armed"] as? Bool ?? false }
    var protectionGap: String? { (status?["fence"] as? [String: Any])?["gap"] as? String }

    /// Whether the pair would survive a failure now.
    var verdict: String? {
        (status?["protection"] as? [String: Any])?["verdict"] as? String
    }

    func sensor(_ name: String) -> [String: Any]? {
        (status?["sensors"] as? [[String: Any]])?.first { $0["name"] as? String == name }
    }

    /// The term and role that the agent gives for a group.
    func group(_ name: String) -> [String: Any]? {
        (status?["groups"] as? [[String: Any]])?.first { $0["name"] as? String == name }
    }

    /// It answers no more.
    package func died() { status = nil }

    /// One line of the agent's.
    package func take(status line: [UInt8]) {
        guard let object = Self.object(line), object["type"] as? String == "status"
        else { return }
        status = object
    }

    // MARK: - Commands

    /// Sends one line to the agent. `answer` gets the agent's reply, and whether the agent accepted
    /// the line.
    func command(_ line: String, _ answer: @escaping (String, Bool) -> Void) {
        node.body.ask(line) { [unowned self] line in
            guard let line else {
                return answer("the agent on \(node.name) does not answer", false)
            }
            let reply = Self.object(line)
            answer(
                reply?["text"] as? String ?? "no answer",
                reply?["accepted"] as? Bool ?? (reply?["type"] as? String != "error"))
        }
    }

    // MARK: - History

    package func take(history line: [UInt8]) {
        guard let entry = Self.object(line), let kind = entry["kind"] as? String,
            let text = entry["text"] as? String
        else { return }
        kinds.append(kind)
        sentences.append(text)
        if kind == "fence_timing", let own = entry["own_ms"] as? Double,
            let driver = entry["driver_ms"] as? Double
        {
            rack.proved(ownMilliseconds: own, driverMilliseconds: driver)
        }
        let severity: RackEvent.Severity
        switch entry["severity"] as? String {
        case "alarm": severity = .alarm
        case "warning": severity = .warning
        case "notice": severity = .normal
        default: severity = .quiet
        }
        rack.tell(
            RackEvent(
                at: moment(entry["time"] as? String), source: .agent, node: node.name, kind: kind,
                text: text,
                severity: severity, group: entry["group"] as? String,
                cause: entry["cause"] as? String))
    }

    /// The rack's time of an entry that the agent dates by its own wall clock. It is now, if the two
    /// do not fit.
    private func moment(_ time: String?) -> Instant {
        let now = rack.loop.now
        guard let time, let date = dates.date(from: time) else { return now }
        let offset = Double(node.body.clockAhead.nanoseconds) / 1e9
        let age = Date().timeIntervalSince1970 + offset - date.timeIntervalSince1970
        guard age >= 0, age < 1 else { return now }
        return now - .nanoseconds(Int64(age * 1e9))
    }

    private let dates: ISO8601DateFormatter = {
        let formatter = ISO8601DateFormatter()
        formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
        return formatter
    }()

    private static func object(_ line: [UInt8]) -> [String: Any]? {
        try? JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]
    }
}
