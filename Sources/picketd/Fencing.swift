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
            /// Asked to stop, it has left the supplies as they shall be.
            case ended
        }
    }

    var levels: [Level] = []
    /// So many relay levels are at work.
    var working = 0
    private let reports: BoundedQueue<Report>

    private let stateDirectory: String

    init(
        _ settings: [FenceSettings], sensors: [SensorDescription], stateDirectory: String,
        rack: String?
    ) throws(SystemError) {
        self.stateDirectory = stateDirectory
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
                working += 1
            case .agent(let agent):
                let owes = FenceMark.isThere(FenceMark.path(stateDirectory, level: index))
                levels.append(.agent(AgentFence(agent, owes: owes)))
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

    func markPath(_ level: Int) -> String { FenceMark.path(stateDirectory, level: level) }

    /// When a fence agent's level has something to do.
    var agentsDue: Instant {
        var next = Instant.distantFuture
        for case .agent(let agent) in levels { next = min(next, agent.due) }
        return next
    }

    /// Something is under way that would not be ended by the agent after this one.
    var isBusy: Bool {
        working > 0
            || levels.contains { if case .agent(let agent) = $0 { agent.isBusy } else { false } }
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
            var opening = opening
            while !Fencing.serve(&opening, &mailbox) {}
            mailbox.tell(.ended)
        }
    }

    /// Opens the lines and works with them; where they cannot be had, every order fails for 5 s.
    /// True after the request to stop.
    private static func serve(_ opening: inout FenceOpening, _ mailbox: inout FenceMailbox) -> Bool
    {
        let trouble: String
        do throws(DeviceError) {
            var notes: [String] = []
            let supplies = try opening.open(&notes)
            mailbox.edges = supplies.compactMap { $0.sense?.edges }.filter { $0 >= 0 }
            var worker = FenceWorker(opening.relay, supplies: supplies, host: mailbox)
            mailbox.edges = []
            if let found = note(worker.found, opening.relay) { notes.append(found) }
            mailbox.tell(.open(notes))
            switch worker.run() {
            case .stopped: return true
            case .linesGone: trouble = "a line's GPIO chip is gone"
            }
        } catch { trouble = error.description }
        mailbox.tell(.closed(trouble))
        return mailbox.refuse(until: mailbox.now() + .seconds(5))
    }

    private static func note(_ found: RelayFence.Found, _ relay: RelayDescription) -> String? {
        switch (found, relay.policy) {
        case (.on, _): nil
        case (.partlyOff, _): "one of the peer's supplies was found off, and is switched on"
        case (.off, .off): "the peer was found switched off, and stays so by policy"
        case (.off, .reboot): "the peer was found switched off, and is on again after off_time"
        }
    }
}

/// The file that says, for as long as it is there, that this node has switched its peer off by a
/// fence agent's level and has yet to switch it on.
enum FenceMark {
    static let text = "The peer was switched off by this level and is to be switched on again.\n"

    static func path(_ stateDirectory: String, level: Int) -> String {
        "\(stateDirectory)/fence-\(level + 1)-off"
    }

    /// A file that cannot be read is there as well.
    static func isThere(_ path: String) -> Bool {
        do throws(SystemError) { return try DurableFile.read(path) != nil } catch { return true }
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
        if GPIOLine.waitForEdge(&edges, or: requests.raw, atMost: left) { return .sensed }
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

    /// Without lines there is no fence: says so to whatever is asked. True if asked to stop.
    mutating func refuse(until instant: Instant) -> Bool {
        while now() < instant {
            guard let request = wait(until: instant) else { continue }
            switch request {
            case .order(let order):
                report(.outcome(id: order.id, .failed(.unreachable)))
            case .test:
                report(
                    .test(
                        RelayObservation(readAt: now(), linesOn: false, feedback: SupplyScan())))
            case .stop: return true
            case .cancel, .switchOn, .sensed: break
            }
        }
        return false
    }
}
