/// What each process that runs is for, and when it is overdue.

import PicketCore
import PicketLinux

struct Processes {
    enum Purpose: Equatable {
        /// Of a group runner, which watches its time itself.
        case resource(RunID)
        case fenceAgent(level: Int)
        case sync(GroupIndex)
    }

    private struct Entry {
        var id: UInt32
        var purpose: Purpose
        var deadline: Instant
        var timedOut = false
        var firstLine: String?
    }

    private var entries: [Entry] = []
    private var next: UInt32 = 0
    /// What every process is given: the agent's own environment less what is meant for the agent.
    let environment: [String]

    init() {
        let own = [
            "NOTIFY_SOCKET=", "WATCHDOG_USEC=", "WATCHDOG_PID=", "LISTEN_", "INVOCATION_ID=",
        ]
        environment = Environment.all.filter { entry in
            !own.contains { entry.hasPrefix($0) }
        }
    }

    var nextDeadline: Instant {
        var next = Instant.distantFuture
        for entry in entries where !entry.timedOut { next = min(next, entry.deadline) }
        return next
    }

    /// An id for it, until its end.
    mutating func begin(_ purpose: Purpose, deadline: Instant) -> UInt32 {
        var id: UInt32
        if case .resource(let run) = purpose {
            id = run.value
        } else {
            // Group runners have the numbers below.
            next = next &+ 1 & 0xFF_FFFF
            id = 0xFF00_0000 | next
        }
        entries.append(Entry(id: id, purpose: purpose, deadline: deadline))
        return id
    }

    /// What is to be killed now, for its time is up.
    mutating func overdue(at now: Instant) -> [UInt32] {
        var overdue: [UInt32] = []
        for index in entries.indices
        where !entries[index].timedOut && now >= entries[index].deadline {
            entries[index].timedOut = true
            overdue.append(entries[index].id)
        }
        return overdue
    }

    func running(_ purpose: Purpose) -> [UInt32] {
        entries.filter { $0.purpose == purpose }.map { $0.id }
    }

    mutating func spoke(_ id: UInt32, _ line: String) -> Purpose? {
        guard let index = entries.firstIndex(where: { $0.id == id }) else { return nil }
        if entries[index].firstLine == nil { entries[index].firstLine = line }
        return entries[index].purpose
    }

    struct Ended {
        var purpose: Purpose
        var timedOut: Bool
        var firstLine: String?
    }

    mutating func end(_ id: UInt32) -> Ended? {
        guard let index = entries.firstIndex(where: { $0.id == id }) else { return nil }
        let entry = entries.remove(at: index)
        return Ended(
            purpose: entry.purpose, timedOut: entry.timedOut, firstLine: entry.firstLine)
    }
}
