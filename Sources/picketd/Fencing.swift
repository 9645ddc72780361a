/// The levels by which this node can fence its peer.
///
/// A relay's level has a worker of its own (PicketHardware's FenceWorker): nothing else waits for
/// its lines. A fence agent is a process, run by the loop (`AgentFence`). Both are given the same
/// requests and answer with the same reports.

import PicketConfig
import PicketCore
import PicketHardware
import PicketLinux
import PicketSimulation

final class Fencing {
    enum Level {
        case relay(BoundedQueue<FenceRequest>)
        case agent(AgentFence)
    }

    struct Report: Sendable {
        var level: Int
        var report: FenceReport
    }

    var levels: [Level] = []
    private let reports: BoundedQueue<Report>

    init(_ settings: [FenceSettings], rack: String?) throws(SystemError) {
        reports = try BoundedQueue<Report>(capacity: 256)
        for (index, one) in settings.enumerated() {
            switch one {
            case .relay(let relay):
                let requests = try BoundedQueue<FenceRequest>(capacity: 64)
                levels.append(.relay(requests))
                try start(index, relay, requests, rack: rack ?? "")
            case .agent(let agent): levels.append(.agent(AgentFence(agent)))
            }
        }
    }

    /// Readable when a relay's worker reports.
    var raw: Int32 { reports.raw }
    func clear() { reports.clear() }
    func next() -> Report? { reports.pop() }

    var hasRelay: Bool {
        levels.contains { if case .relay = $0 { true } else { false } }
    }

    func isTesting(_ level: Int) -> Bool {
        if case .agent(let agent) = levels[level] { agent.phase == .testing } else { false }
    }

    private func start(
        _ level: Int, _ relay: RelayDescription, _ requests: BoundedQueue<FenceRequest>,
        rack: String
    ) throws(SystemError) {
        let reports = self.reports
        try Worker.start("fence-\(level + 1)") {
            _ = RealTime.raisePriority()
            var mailbox = FenceMailbox(level: level, requests: requests, reports: reports)
            let supplies = Fencing.open(relay, rack: rack, mailbox: &mailbox)
            var worker = FenceWorker(relay, supplies: supplies, host: mailbox)
            worker.run()
        }
    }

    /// Opens all lines, however long that takes; until then every order fails.
    private static func open(
        _ relay: RelayDescription, rack: String, mailbox: inout FenceMailbox
    ) -> [FenceWorker<RackLine, RackFeedback, FenceMailbox>.Supply] {
        while true {
            do throws(RackError) {
                var supplies: [FenceWorker<RackLine, RackFeedback, FenceMailbox>.Supply] = []
                for supply in relay.supplies {
                    let line = RackLine(try RackRelay(path: rack, line: supply.line.name))
                    supplies.append(
                        .init(line: line, sense: try feedback(supply.feedback, rack: rack)))
                }
                return supplies
            } catch {
                mailbox.refuse(until: mailbox.now() + .seconds(5))
            }
        }
    }

    private static func feedback(
        _ feedback: SupplyDescription.Feedback, rack: String
    ) throws(RackError) -> RackFeedback? {
        switch feedback {
        case .none: nil
        case .line(let line): RackFeedback(try RackSense(path: rack, line: line.name))
        case .sensor(let name, _, _):
            throw .refused("verification by the sensor \(name) is not built yet")
        }
    }
}

/// The rack's lines, shared by reference: the worker keeps them in arrays.
final class RackLine: RelayLine {
    private var line: RackRelay
    init(_ line: consuming RackRelay) { self.line = line }
    func set(on: Bool) throws(LineError) { try line.set(on: on) }
    func read() throws(LineError) -> Bool { try line.read() }
}

final class RackFeedback: SenseLine {
    private var line: RackSense
    init(_ line: consuming RackSense) { self.line = line }
    func read() throws(LineError) -> Bool { try line.read() }
}

/// The worker's side of the queues.
struct FenceMailbox: FenceHost {
    let level: Int
    let requests: BoundedQueue<FenceRequest>
    let reports: BoundedQueue<Fencing.Report>

    func now() -> Instant {
        var clock = Clock()
        return clock.now()
    }

    mutating func wait(until instant: Instant) -> FenceRequest? {
        if instant == .distantFuture { return requests.wait() }
        return requests.wait(atMost: instant - now())
    }

    /// An outcome is never lost: where the loop does not take it, this thread waits.
    mutating func report(_ report: FenceReport) {
        while !reports.push(Fencing.Report(level: level, report: report)) {
            Worker.sleep(.milliseconds(1))
        }
    }

    /// Without lines there is no fence: says so to whatever is asked.
    mutating func refuse(until instant: Instant) {
        while now() < instant {
            guard let request = wait(until: instant) else { continue }
            switch request {
            case .order(let order):
                report(.outcome(id: order.id, .failed(.unreachable)))
            case .test:
                report(
                    .test(
                        RelayObservation(readAt: now(), linesOn: false, feedback: SupplyScan())))
            case .cancel, .switchOn, .stop: break
            }
        }
    }
}
