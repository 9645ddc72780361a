/// The levels by which this node can fence its peer.
///
/// A relay's level has a worker of its own (PicketHardware's FenceWorker): nothing else waits for
/// its lines. A fence agent is a process, run by the loop (`AgentFence`). Both are given the same
/// requests and answer with the same reports.

import PicketConfig
import PicketCore
import PicketHardware
import PicketLinux

final class Fencing {
    enum Level {
        case relay(BoundedQueue<FenceRequest>)
        case agent(AgentFence)
    }

    struct Report: Sendable {
        var level: Int
        var content: Content

        enum Content: Sendable {
            case report(FenceReport)
            case saw(Seen)
            /// Why there is no fence by this level for now.
            case closed(String)
            /// Its lines are open; what is to be said of that.
            case open([String])
        }
    }

    var levels: [Level] = []
    private let reports: BoundedQueue<Report>

    init(_ settings: [FenceSettings], sensors: [SensorDescription], rack: String?)
        throws(SystemError)
    {
        reports = try BoundedQueue<Report>(capacity: 256)
        var kept = KeptLines()
        for (index, one) in settings.enumerated() {
            switch one {
            case .relay(let relay):
                let requests = try BoundedQueue<FenceRequest>(capacity: 64)
                levels.append(.relay(requests))
                let opening = FenceOpening(
                    relay: relay, sensors: sensors, rack: rack, kept: &kept)
                try start(index, opening, requests)
            case .agent(let agent): levels.append(.agent(AgentFence(agent)))
            }
        }
        kept.release()
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
        _ level: Int, _ opening: FenceOpening, _ requests: BoundedQueue<FenceRequest>
    ) throws(SystemError) {
        let reports = self.reports
        try Worker.start("fence-\(level + 1)") {
            _ = RealTime.raisePriority()
            var mailbox = FenceMailbox(level: level, requests: requests, reports: reports)
            let supplies = Fencing.open(opening, &mailbox)
            var worker = FenceWorker(opening.relay, supplies: supplies, host: mailbox)
            worker.run()
        }
    }

    /// Opens all lines, however long that takes; until then every order fails.
    private static func open(
        _ opening: FenceOpening, _ mailbox: inout FenceMailbox
    ) -> [FenceOpening.Supply] {
        while true {
            do throws(DeviceError) {
                var notes: [String] = []
                let supplies = try opening.open(&notes)
                for supply in supplies {
                    if let edges = supply.sense?.edges, edges >= 0 { mailbox.edges.append(edges) }
                }
                mailbox.tell(.open(notes))
                return supplies
            } catch {
                mailbox.tell(.closed(error.description))
                mailbox.refuse(until: mailbox.now() + .seconds(5))
            }
        }
    }
}

/// The worker's side of the queues.
struct FenceMailbox: FenceHost {
    let level: Int
    let requests: BoundedQueue<FenceRequest>
    let reports: BoundedQueue<Fencing.Report>
    /// Descriptors of sense lines that tell of edges.
    var edges: [Int32] = []

    func now() -> Instant {
        var clock = Clock()
        return clock.now()
    }

    mutating func wait(until instant: Instant) -> FenceRequest? {
        if let request = requests.pop() { return request }
        let left = instant == .distantFuture ? nil : instant - now()
        if let left, left <= .zero { return nil }
        if edges.isEmpty {
            guard let left else { return requests.wait() }
            return requests.wait(atMost: left)
        }
        if GPIOLine.waitForEdge(edges, or: requests.raw, atMost: left) { return .sensed }
        requests.clear()
        return requests.pop()
    }

    /// An outcome is never lost: where the loop does not take it, this thread waits.
    mutating func report(_ report: FenceReport) { tell(.report(report)) }
    mutating func saw(_ seen: Seen) { tell(.saw(seen)) }

    func tell(_ content: Fencing.Report.Content) {
        while !reports.push(Fencing.Report(level: level, content: content)) {
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
            case .cancel, .switchOn, .sensed, .stop: break
            }
        }
    }
}
