/// The processes that the agent has started: what each is for, when it is overdue, and who is told
/// of its end.

import PicketControl
import PicketCore
import PicketLinux
import PicketText

final class Processes: Part {
    private let children: Children
    private var table = ProcessTable()
    /// To be started when the effects at hand are done, because what runs here is noted before it
    /// runs.
    private var launches: [(id: UInt32, launch: Launch)] = []
    /// A child may have ended.
    private var toldOfEnd = false

    init(_ children: Children) { self.children = children }

    /// Keys of what is waited for; which output it is does not matter.
    private enum Key {
        static let started: UInt32 = 0
        static let output: UInt32 = 1
    }

    override func open(_ agent: Agent) throws(SystemError) {
        try agent.wait(on: children.raw, Key.started, of: self)
    }

    /// SIGCHLD came.
    func noteEnd() { toldOfEnd = true }

    /// Starts a process when the effects at hand are done.
    func begin(_ launch: Launch, of run: RunID) {
        // The runner sees to its time.
        launches.append((table.begin(.resource(run), deadline: .distantFuture), launch))
    }

    /// Starts a process of the shell's own.
    func run(_ launch: Launch, as purpose: ProcessTable.Purpose, until deadline: Instant) {
        children.launch(
            table.begin(purpose, deadline: deadline, follows: launch.follows), launch)
    }

    /// The probe has been heard, and may be silent until then.
    func extendProbe(_ group: GroupIndex, until deadline: Instant) {
        table.extend(.sync(group), until: deadline)
    }

    /// At the agent's end, when nothing else is waited for. What hangs is left to the next agent.
    func endFollowers() {
        var clock = Clock()
        let limit = clock.now() + .seconds(1)
        for id in table.followers { kill(id) }
        while !table.followers.isEmpty, clock.now() < limit {
            children.turn(watch: { _ in }) { event in
                if case .ended(let id, _) = event { _ = table.end(id) }
            }
            Worker.sleep(.milliseconds(2))
        }
    }

    func launchAll() {
        for next in launches { children.launch(next.id, next.launch) }
        launches.removeAll(keepingCapacity: true)
    }

    func kill(_ run: RunID) { kill(run.value) }

    func kill(all purpose: ProcessTable.Purpose) {
        for id in table.running(purpose) { kill(id) }
    }

    private func kill(_ id: UInt32) {
        launchAll()
        children.kill(id)
    }

    /// What every process is given.
    var environment: [String] { table.environment }

    override var due: Instant { min(table.nextDeadline, children.nextDeadline) }

    override func pass(_ agent: Agent) {
        for id in table.overdue(at: agent.now) {
            kill(id)
            // It may hang in the kernel, and end late.
            switch table.purpose(of: id) {
            case .sync(let group): agent.groups.failed(group, agent)
            case .replication(let group, let action):
                agent.handle(.replicationOverdue(group, action))
            case nil, .resource, .fenceAgent, .units, .warrant, .stray: break
            }
        }
    }

    override func drain(_ agent: Agent) {
        guard toldOfEnd || !ready.isEmpty || agent.now >= children.nextDeadline else { return }
        toldOfEnd = false
        var events: [Children.Event] = []
        children.turn(
            watch: { fd in
                do throws(SystemError) {
                    try agent.wait(on: fd, Key.output, of: self)
                } catch { agent.log(.warning, error.description) }
            }, forget: { agent.forget($0) }, { events.append($0) })
        for event in events {
            switch event {
            case .began: break
            case .line(let id, let line):
                let purpose = table.spoke(id, line)
                if purpose == .units {
                    agent.units.heard(line)
                    continue
                }
                if case .sync(let group)? = purpose, agent.groups.followed(group, line, agent) {
                    continue
                }
                agent.log(
                    .info,
                    "\(purpose.map { Processes.title($0, agent) } ?? "process"): \(line)")
            case .ended(let id, let end):
                if let ended = table.end(id) { tell(ended, end, agent) }
            }
        }
        agent.drainFollowUps()
    }

    /// The owner of a process is told of its end.
    private func tell(_ ended: ProcessTable.Ended, _ end: ChildEnd, _ agent: Agent) {
        switch ended.purpose {
        case .resource(let run):
            agent.groups.ended(
                run, end, spoke: ended.firstLine != nil, dataTerm: ended.dataTerm, agent)
        case .fenceAgent(let method):
            agent.fences.ended(method, end, timedOut: ended.timedOut, agent)
        case .sync(let group): agent.groups.probed(group, end, ended.firstLine, agent)
        case .replication(let group, let action):
            agent.groups.replicated(group, action, end, agent)
        case .units: agent.units.looked(end, agent)
        case .warrant, .stray: agent.units.lookSoon(agent)
        }
    }

    static func title(_ purpose: ProcessTable.Purpose, _ agent: Agent) -> String {
        let names = agent.names
        return switch purpose {
        case .resource(let run): names.group(run.group)
        case .fenceAgent(let method): agent.fences.name(of: method, names)
        case .sync(let group): "\(names.group(group)) sync probe"
        case .replication(let group, let action): "\(names.group(group)) \(action.text)"
        case .units: "units"
        case .warrant(let group): "\(names.group(group)) warrant"
        case .stray(let group): "\(names.group(group)) stray unit"
        }
    }

    static func text(_ end: ChildEnd) -> String {
        switch end {
        case .exited(let code): "ended with exit code \(code)"
        case .signalled(let signal): "was killed by signal \(signal)"
        case .notStarted(let error): "could not be started: \(SystemError.text(of: error))"
        case .late: "was not started any more: its time had passed"
        }
    }
}

struct ProcessTable {
    enum Purpose: Equatable {
        /// Of a group runner, which watches its time itself.
        case resource(RunID)
        case fenceAgent(method: Int)
        case sync(GroupIndex)
        /// Tells the database of a strict group.
        case replication(GroupIndex, ReplicationAction)
        /// A look at what the helper knows of the units.
        case units
        /// Gives a unit of a group that runs here the right to be started again.
        case warrant(GroupIndex)
        /// Stops a unit that runs beside its group.
        case stray(GroupIndex)
    }

    private struct Entry {
        var id: UInt32
        var purpose: Purpose
        var deadline: Instant
        let follows: Bool
        var timedOut = false
        var firstLine: String?
        var dataTerm: Term?
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
    mutating func begin(
        _ purpose: Purpose, deadline: Instant, follows: Bool = false
    ) -> UInt32 {
        var id: UInt32
        if case .resource(let run) = purpose {
            id = run.value
        } else {
            // Group runners have the numbers below.
            next = next &+ 1 & 0xFF_FFFF
            id = 0xFF00_0000 | next
        }
        entries.append(
            Entry(id: id, purpose: purpose, deadline: deadline, follows: follows))
        return id
    }

    /// The processes to be killed now, because their time is up.
    mutating func overdue(at now: Instant) -> [UInt32] {
        var overdue: [UInt32] = []
        for index in entries.indices
        where !entries[index].timedOut && now >= entries[index].deadline {
            entries[index].timedOut = true
            overdue.append(entries[index].id)
        }
        return overdue
    }

    var followers: [UInt32] { entries.filter { $0.follows }.map { $0.id } }

    func purpose(of id: UInt32) -> Purpose? { entries.first { $0.id == id }?.purpose }

    mutating func extend(_ purpose: Purpose, until deadline: Instant) {
        for index in entries.indices where entries[index].purpose == purpose {
            entries[index].deadline = deadline
        }
    }

    func running(_ purpose: Purpose) -> [UInt32] {
        entries.filter { $0.purpose == purpose }.map { $0.id }
    }

    mutating func spoke(_ id: UInt32, _ line: String) -> Purpose? {
        guard let index = entries.firstIndex(where: { $0.id == id }) else { return nil }
        if entries[index].firstLine == nil { entries[index].firstLine = line }
        if let term = ProcessTable.dataTerm(line) { entries[index].dataTerm = term }
        return entries[index].purpose
    }

    /// By which a start says why it refuses its own: `term 41`.
    static func dataTerm(_ line: String) -> Term? {
        guard line.hasPrefix("term ") else { return nil }
        return UInt64(Text.trimmed(String(decoding: line.utf8.dropFirst(5), as: UTF8.self)))
            .map { Term($0) }
    }

    struct Ended {
        var purpose: Purpose
        var timedOut: Bool
        var firstLine: String?
        /// In the last of its lines that names one.
        var dataTerm: Term?
    }

    mutating func end(_ id: UInt32) -> Ended? {
        guard let index = entries.firstIndex(where: { $0.id == id }) else { return nil }
        let entry = entries.remove(at: index)
        return Ended(
            purpose: entry.purpose, timedOut: entry.timedOut, firstLine: entry.firstLine,
            dataTerm: entry.dataTerm)
    }
}
