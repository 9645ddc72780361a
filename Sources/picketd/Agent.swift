/// The loop, the machine, and the list of the agent's parts. See Main.swift for the turn's theory.

import CPicket
import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux
import PicketText
import PicketWire

/// Collects the effects of one event; emptied by doing them. Its storage is kept.
private struct Effects: EffectSink {
    var items: [Effect] = []
    @inline(never)
    mutating func emit(_ effect: Effect) { items.append(effect) }
}

final class Agent {
    /// What an agent begins with: read, checked, and opened where it must be the first to have it.
    struct Start: ~Copyable {
        var options: Options
        var settings: Configuration
        /// The file, where something runs that it has otherwise than `settings`.
        var untaken: Configuration?
        var hardware: Hardware
        var ground: Hardware.Ground
        var keys: [Key]
        var signals: SignalDesk
        var control: Control
        var links: [Link]
        var memoryFile: MemoryFile
        var memory: Memory?
        var noteFile: RunNoteFile
        var note: RunNote
        /// Why that tells nothing.
        var noteDamage: String?
        /// Where processes that must not outlive the agent are noted.
        var actions: String
    }

    let options: Options
    let hardware: Hardware
    private(set) var narrator: Narrator
    private(set) var names: Names
    let session: SessionID
    private let startedAt: Instant
    private(set) var settings: Configuration
    /// To be taken up before anything else is done.
    private let untaken: Configuration?

    // What decides
    private var machine: Machine
    private var effects = Effects()
    /// Not yet given to the machine.
    private var followUps: [Event] = []
    private var isHandling = false
    private var lastCommand: UInt32 = 0

    // Time
    private var clock = Clock()
    private(set) var now: Instant
    /// This turn begins later than something was due.
    private(set) var heldUp = false
    private var worstDelay = Duration.zero
    private var turns: UInt64 = 0
    private(set) var realTimeRefused: String?
    private(set) var lockedMemoryRefused: String?
    /// Why its state is forgotten with the power.
    private let volatileState: String?

    // The end
    private var departure: Departure?
    /// A planned stop was asked for.
    private var isLeaving = false

    // Words
    private var logger: Logger
    /// What the peer is told of this node, and when it is looked at next.
    private var gaps: Gaps = []
    private var gapsAt = Instant(nanoseconds: 0)
    /// Something that a status shows has changed in this turn.
    private(set) var changed = true

    // What waits
    private var poller: Poller
    private var woken: [UInt64] = []

    let links: Links
    let storage: Storage
    let fences: FenceDesk
    let sensors: Sensors
    let signals: SignalDesk
    let reader: ConfigurationReader
    let processes: Processes
    let service: Service
    let control: Control
    let groups: Groups
    let health: HealthKeeper
    let watchdogs: Watchdogs
    let resets: Resets
    let drills: Drills
    let units: Units
    let apply: Apply
    /// In the order of a turn, which is contract: links, storage, fences, sensors, signals, what
    /// was read, processes, callers.
    let parts: [Part]

    init(_ start: consuming Start) {
        options = start.options
        settings = start.settings
        untaken = start.untaken
        hardware = start.hardware
        let (settings, ground, hardware) = (start.settings, start.ground, start.hardware)
        let options = start.options
        names = Startup.names(settings)
        narrator = Narrator(names: names)
        session = Channel.randomSession()
        now = clock.now()
        startedAt = now
        logger = Logger(threshold: options.debug ? .debug : .info)
        poller = Startup.system(try Poller())
        let state = ground.paths.stateDirectory
        volatileState = hardware.isSimulated ? nil : StatePlace.whyVolatile(state)
        machine = Machine(
            policy: settings.policy,
            memory: start.memory ?? .blank(groups: settings.groups.count), session: session,
            note: start.note, at: now)
        links = Links(
            start.links, settings, start.keys, session: session, in: ground, at: now)
        storage = Startup.system(
            try Storage(
                start.memoryFile, start.memory, history: state + "/history.jsonl", start.noteFile,
                start.note, damage: start.noteDamage, hardware, wallOffset: ground.wallOffset,
                at: now))
        let lines = KeptLines()
        fences = Startup.system(
            try FenceDesk(
                settings, lines, stateDirectory: state, hardware, at: storage.stamp(at: now)))
        sensors = Startup.system(try Sensors(settings.sensors, hardware, at: now))
        signals = start.signals
        reader = Startup.system(
            try ConfigurationReader { Startup.read(options, hardware, lines, for: $0) })
        processes = Processes(
            Startup.system(try Children(notedIn: start.actions, session: session)))
        service = Service(at: now)
        control = start.control
        groups = Groups(settings.groups, held: start.note.holdings)
        health = HealthKeeper()
        watchdogs = Watchdogs(settings, at: now)
        resets = Resets(ground, isFirst: start.note == .blank && start.noteDamage == nil)
        drills = Drills(narrator, ground)
        units = Units(hardware.isSimulated ? nil : settings, at: now)
        apply = Apply(in: state, boot: ground.boot, settings, at: now)
        parts = [
            links, storage, fences, sensors, signals, reader, processes, service, control, groups,
            health, watchdogs, resets, drills, units, apply,
        ]
    }

    // MARK: The loop

    /// Runs until the machine asks for the end. The process's exit code.
    func run() -> Int32 {
        do throws(SystemError) {
            try open()
            begin()
            while departure == nil {
                try wait()
                turn()
            }
        } catch {
            log(.critical, "the agent cannot go on: \(error.description)")
            return ExitCode.failed
        }
        return end()
    }

    func open() throws(SystemError) {
        for part in parts { try part.open(self) }
    }

    private func begin() {
        introduce()
        lockedMemoryRefused = RealTime.lockMemory()
        realTimeRefused = RealTime.raisePriority()
        for refused in [lockedMemoryRefused, realTimeRefused] {
            if let refused { log(.warning, refused) }
        }
        if let why = volatileState {
            log(.critical, "the state directory lies on \(why): it is forgotten with the power")
        }
        now = clock.now()
        watchdogs.pass(self)
        resets.find(self)
        health.update(self)
        if let untaken {
            untaken.keepPlaces(of: settings)
            if let refusal = ConfigurationReader.maintenance(against: untaken, self)
                ?? ConfigurationReader.data(against: untaken, self)
            {
                log(
                    .critical,
                    refusal + "; until then this agent goes by what the one before it read")
            } else {
                do throws(StartupError) { _ = try takeUp(untaken) } catch {
                    for line in error.lines { log(.critical, line) }
                }
            }
        }
        handle(.tick)
        service.ready(self)
    }

    private func introduce() {
        log(
            .notice,
            "picketd \(Options.version): \(names.node) of pair \(names.pair), peer \(names.peer),"
                + " session \(Text.hex(session.value)), control socket \(control.path)")
        if let warning = hardware.warning { log(.warning, warning) }
        if settings.fence.isEmpty {
            log(
                .warning,
                "no way to fence \(names.peer) is configured: its groups are never taken over"
                    + " without an operator's word")
        }
        drills.reportLeftBehind(self)
    }

    /// Until something comes, or is due. Then the clock is looked at.
    func wait() throws(SystemError) {
        var deadline = look(at: &machine) { $0.nextDeadline }
        for part in parts { deadline = min(deadline, part.due) }
        let slept = now
        try wait(until: deadline)
        if deadline != .distantFuture, woken.isEmpty {
            worstDelay = max(worstDelay, now - max(deadline, slept))
        }
        heldUp = deadline != .distantFuture && now - deadline > Agent.punctual
    }

    /// Later than this, something may have come since the poller looked.
    private static let punctual = Duration.milliseconds(1)

    private func wait(until deadline: Instant) throws(SystemError) {
        for part in parts { part.quiet() }
        woken.removeAll(keepingCapacity: true)
        try poller.wait(until: deadline, now: now, into: &woken)
        for token in woken {
            parts[Int(token >> 32)].wake(UInt32(truncatingIfNeeded: token))
        }
        now = clock.now()
    }

    func turn() {
        turns &+= 1
        for part in parts { part.drain(self) }
        for part in parts where now >= part.due { part.pass(self) }
        if departure == nil {
            handle(.tick)
            completeTurn()
        }
        for part in parts { part.settle(self) }
        changed = false
    }

    private func completeTurn() {
        isHandling = true
        machine.completeTurn(at: now, into: &effects)
        perform()
        isHandling = false
        drainFollowUps()
    }

    /// The planned end, or the end before a planned restart.
    func end() -> Int32 {
        service.stopping()
        let departure = departure ?? .running
        if departure != .running { watchdogs.disarm(self) }
        drills.stop(self)
        followUps = []
        control.flush()
        if isLeaving { endFences() }
        if departure == .unattended {
            log(.warning, "ended: what is in maintenance keeps running, and nobody watches it")
        } else if departure == .released {
            resets.noteEnd(self)
            log(.notice, "ended: nothing is held here")
        } else if isLeaving {
            log(
                .error,
                "ended when its time was up, before all groups were given up: some may still run")
        } else {
            log(.notice, "ended: the groups keep running for the next agent")
        }
        processes.endFollowers()
        storage.dropCopy()
        storage.finish(within: .seconds(1))
        control.withdraw()
        if departure != .running { return ExitCode.planned }
        return isLeaving ? ExitCode.failed : ExitCode.restart
    }

    /// Work that is under way comes to its end first. Nobody takes what comes to other parts, and
    /// it would wake the loop for ever.
    private func endFences() {
        now = clock.now()
        let deadline = now + fences.stop() + .seconds(1)
        let staying = [storage, fences, signals, processes] as [Part]
        for part in parts where !staying.contains(where: { $0 === part }) { part.close(self) }
        while fences.isBusy, now < deadline {
            var next = min(deadline, now + .seconds(1))
            for part in staying { next = min(next, part.due) }
            do throws(SystemError) { try wait(until: next) } catch { return }
            for part in staying { part.drain(self) }
            for part in staying where now >= part.due { part.pass(self) }
            service.alive()
        }
        if fences.isBusy {
            tell(.powerIsLeft)
        }
    }

    // MARK: The machine

    var status: Status { look(at: &machine) { $0.status(at: now) } }

    /// Gives the machine an event, and does what it asks for, in order, before the next event.
    func handle(_ event: Event) {
        followUps.append(event)
        drainFollowUps()
    }

    /// For after the effects that are being done.
    func follow(_ event: Event) { followUps.append(event) }

    /// Handles the events that came of effects, after the effects before them are done.
    func drainFollowUps() {
        guard !isHandling else { return }
        isHandling = true
        while !followUps.isEmpty {
            machine.handle(followUps.removeFirst(), at: now, into: &effects)
            perform()
        }
        isHandling = false
        processes.launchAll()
    }

    func newCommandID() -> UInt32 {
        lastCommand &+= 1
        return lastCommand
    }

    /// The configuration was changed, its groups at their places. Everything that it needs is opened
    /// first. False where it is for another pair.
    func takeUp(_ new: Configuration) throws(StartupError) -> Bool {
        let opened = try links.opened(for: new, self)
        let workers: [SensorBus]
        let methods: [FenceMethod]
        do throws(SystemError) { workers = try sensors.workers(for: new.sensors, hardware) } catch {
            links.letGo(opened, self)
            throw .failed(error.description)
        }
        do throws(SystemError) { methods = try fences.made(for: new, self) } catch {
            links.letGo(opened, self)
            sensors.letGo(workers)
            throw .failed(error.description)
        }
        isHandling = true
        let added = new.groups[settings.groups.count...].map { $0.name }
        let known = storage.memories(of: added)
        let numbers = new.numbersOfLinks(in: settings)
        guard
            machine.reload(
                new.policy, adding: known, links: numbers,
                fencesAnew: !new.fencesAs(settings), at: now, into: &effects)
        else {
            links.letGo(opened, self)
            sensors.letGo(workers)
            fences.letGo(methods)
            isHandling = false
            return false
        }
        links.takeUp(opened, self)
        if numbers.contains(nil) { health.linksAdded(self) }
        settings = new
        names = Startup.names(new)
        narrator = Narrator(names: names)
        drills.rename(names)
        storage.add(added, new.groups.map { $0.name })
        sensors.takeUp(new.sensors, workers, at: now)
        fences.takeUp(methods, self)
        groups.takeUp(new.groups, self)
        if !hardware.isSimulated { units.takeUp(new, self) }
        perform()
        isHandling = false
        handle(.tick)
        health.update(self)
        return true
    }

    /// Something that is gone from the file may still run here.
    var isDropping: Bool { look(at: &machine) { $0.isDropping } }
    var isBetweenLists: Bool { look(at: &machine) { $0.isBetweenLists } }
    func isUpAsListed(_ group: GroupIndex) -> Bool {
        look(at: &machine) { $0.isUpAsListed(group) }
    }
    func runs(_ group: GroupIndex) -> Bool { look(at: &machine) { $0.runs(group) } }
    func keepsContact(by links: [Int?]) -> Bool {
        look(at: &machine) { $0.keepsContact(by: links) }
    }
    var mayFenceAnew: Bool { look(at: &machine) { $0.mayFenceAnew } }
    func maintained(changedBy new: Policy) -> GroupIndex? {
        look(at: &machine) { $0.maintained(changedBy: new) }
    }

    /// A planned stop.
    func leave() {
        log(.notice, "asked to stop")
        service.stopping(within: settings.policy.timing.leaveWithin + .seconds(60))
        isLeaving = true
        handle(.command(.leave, id: 0))
    }

    /// Does what the machine asked for, in the order in which it asked.
    private func perform() {
        var index = 0
        while index < effects.items.count {
            perform(effects.items[index])
            index += 1
        }
        effects.items.removeAll(keepingCapacity: true)
    }

    private func perform(_ effect: Effect) {
        switch effect {
        case .send(let message, let set): links.send(completed(message), on: set, self)
        case .persist(let memory, let ticket): storage.persist(memory, ticket: ticket, self)
        case .lookAtDisk(let ticket): storage.lookAtDisk(ticket)
        case .note(let note): storage.note(note, self)
        case .fence(let order):
            fences.order(order, self)
            groups.probeSoon(self)
        case .cancelFence(let id): fences.cancel(id, self)
        case .start(let activation): groups.start(activation, self)
        case .adopt(let activation): groups.adopt(activation, self)
        case .stop(let group, let cause): groups.stop(group, cause: cause, self)
        case .replicate(let group, let action, let term):
            groups.replicate(group, action, term, self)
        case .feedWatchdog: watchdogs.feed(self)
        case .ban(let session): links.ban(session)
        case .answer(let id, let result):
            if !drills.answered(id, result, self) { control.answer(id, result, self) }
        case .trace(let trace): tell(trace)
        case .leaveAlone(let group, let on): groups.leaveAlone(group, on, self)
        case .change(let group, let part): groups.change(group, part, self)
        case .exit(let departure): self.departure = departure
        }
    }

    /// With what the machine does not know. The agent looks at itself once a second.
    private func completed(_ message: Message) -> Message {
        if now >= gapsAt {
            gaps = statusReport().gaps
            gapsAt = now + .seconds(1)
        }
        var message = resets.marked(message)
        message.gaps = gaps
        return message
    }

    // MARK: What parts wait for

    /// Waits for a descriptor of a part's, which is told of it by this key.
    func wait(on raw: Int32, _ key: UInt32 = 0, of part: Part) throws(SystemError) {
        try poller.add(raw, token: token(key, part))
    }

    func wait(
        on raw: Int32, _ key: UInt32, of part: Part, changingTo interest: Poller.Interest
    ) throws(SystemError) {
        try poller.change(raw, token: token(key, part), to: interest)
    }

    func forget(_ raw: Int32) { poller.remove(raw) }

    private func token(_ key: UInt32, _ part: Part) -> UInt64 {
        guard let index = parts.firstIndex(where: { $0 === part }) else {
            preconditionFailure("a part that is not in the list")
        }
        return UInt64(index) << 32 | UInt64(key)
    }

    /// Time goes on within a turn.
    func readClock() { now = clock.now() }

    // MARK: Words

    @inline(never)
    func log(_ level: Logger.Level, _ text: String) { logger.log(level, text) }

    func noteChange() { changed = true }

    private func tell(_ trace: Trace) {
        changed = true
        log(trace.kind.severity.level, narrator.sentence(trace))
        if trace.kind.severity != .debug {
            record(
                HistoryEntry(
                    trace, narrator: narrator, milliseconds: storage.wallMilliseconds,
                    simulated: hardware.isSimulated || status.drill))
        }
        for part in parts { part.observe(trace, self) }
    }

    /// What the shell itself has to say, to log and history.
    func tell(_ notice: Notice) {
        let entry = HistoryEntry(
            notice, narrator: narrator, milliseconds: storage.wallMilliseconds,
            simulated: hardware.isSimulated)
        log(entry.severity.level, entry.text)
        record(entry)
        changed = true
    }

    /// Into the history, and to those who follow it.
    private func record(_ entry: HistoryEntry) {
        let line = entry.json
        if !storage.ask(.history(line)) {
            log(.warning, "the disk is too slow: an entry of the history is lost")
        }
        control.follow(line)
    }

    // MARK: The status

    func statusReport() -> StatusReport {
        let status = status
        let report = StatusReport(
            version: Options.version, names: names, policy: machine.policy, status: status,
            session: session, uptime: now - startedAt)
        report.sensors = sensors.reports(simulated: hardware.isSimulated, at: now)
        report.links = links.reports(status.linksUp, at: now)
        report.healthReasons = health.reasons
        report.key = links.keyReport
        report.watchdog = watchdogs.report
        report.watchdog.lastReset = resets.lastReset
        report.process = ProcessReport(
            identifier: getpid(), realTimeRefused: realTimeRefused,
            lockedMemoryRefused: lockedMemoryRefused, worstDelay: worstDelay,
            volatileState: volatileState)
        report.counters = counters()
        if let name = hardware.simulatedAs { report.simulated.append(name) }
        for name in sensors.simulated { report.simulated.append("sensor \(name)") }
        report.drill = drills.line
        report.apply = apply.report(self)
        report.unitsFault = units.fault
        report.strayUnits = units.strays.map { $0.unit }
        report.unitStarters = units.starters
        report.peerSuppliesOff = fences.suppliesOff
        report.cuts = fences.cuts(at: now)
        report.rehearseEvery = settings.rehearseEvery
        report.unproven = (
            peer: settings.fence.unproven, me: settings.cuts[settings.me].unproven
        )
        return report
    }

    private func counters() -> [Counter] {
        var counters = [
            Counter("turns", turns), Counter("messages_sent", links.messagesSent),
            Counter("heap_bytes", picket_heap_bytes()),
            Counter("log_lines_dropped", logger.dropped),
            Counter("dropped_oversize", links.oversize),
            Counter("dropped_foreign_source", links.foreign),
        ]
        for reason in Drop.allCases {
            counters.append(Counter("dropped_" + Agent.snake(reason.text), links.drops[reason]))
        }
        return counters
    }

    /// `not picket's` → `not_pickets`
    private static func snake(_ text: String) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8 where byte != UInt8(ascii: "'") {
            bytes.append(byte == UInt8(ascii: " ") ? UInt8(ascii: "_") : byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension Trace.Kind.Severity {
    fileprivate var level: Logger.Level {
        switch self {
        case .debug: .debug
        case .info: .info
        case .notice: .notice
        case .warning: .warning
        case .alarm: .critical
        }
    }
}
