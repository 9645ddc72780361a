/// The loop, and all that it holds. See Main.swift for the turn's theory.

import CPicket
import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux
import PicketRackClient
import PicketWire
import PicketText

/// Collects the effects of one event; emptied by doing them. Its storage is kept.
struct Effects: EffectSink {
    var items: [Effect] = []
    @inline(never)
    mutating func emit(_ effect: Effect) { items.append(effect) }
}

final class Agent {
    struct Parts: ~Copyable {
        var options: Options
        var settings: Configuration
        var ground: Startup.Ground
        var names: Names
        var session: SessionID
        var now: Instant
        var noteFile: RunNoteFile
        var note: RunNote
        var links: [Link]
        var storage: Storage
        var children: Children
        var fencing: Fencing
        var sensing: Sensing
        var channel: Channel
        var reader: ConfigurationReader
    }

    let options: Options
    var settings: Configuration
    let ground: Startup.Ground
    let narrator: Narrator
    let session: SessionID
    let startedAt: Instant
    let firstInThisBoot: Bool

    // What decides
    var machine: Machine
    var effects = Effects()
    /// Not yet given to the machine.
    var followUps: [Event] = []
    var handling = false
    var now: Instant
    var exit: Exit?

    // What waits
    var poller: Poller
    var ready: [UInt64] = []
    let signals: Signals
    let serviceManager: ServiceManager?
    var clock: Clock
    var worstDelay = Duration.zero
    /// This turn begins later than something was due.
    var heldUp = false
    var turns: UInt64 = 0
    var messagesSent: UInt64 = 0

    // Links
    var links: [Link]
    var channel: Channel
    var datagram = [UInt8](repeating: 0, count: 1500)
    var oversize: UInt64 = 0

    // Files
    let storage: Storage
    let reader: ConfigurationReader
    let noteFile: RunNoteFile
    /// What runs here, as it was noted last.
    var noted: RunNote
    var wallOffset: Int64
    var stateWritten = true

    // Processes
    let children: Children
    var processes = Processes()
    /// To be started when the effects at hand are done: what runs here is noted before it runs.
    var launches: [(id: UInt32, launch: Launch)] = []
    var groups: Groups

    // Fencing
    let fencing: Fencing
    /// One for each level.
    var relayTests: [RelaySelfTest]
    var relayTestAt: Instant
    var agentTestAt: Instant
    /// Why a level's lines are not open.
    var relayTroubles: [String?]

    // Health
    var contactAt: Instant?
    let sensing: Sensing
    var healthModel = HealthModel()
    /// One for each that the configuration names; `nil` while it is not open.
    var watchdogs: [Watchdog?]
    var watchdogReport = WatchdogReport()
    var watchdogRetryAt: Instant
    /// What ended the life before this boot: `watchdog`, `power`, `fence` (the peer's) or `operator`.
    var lastReset: String?
    /// When a fence last became a receipt.
    var fenceProvedAt = Instant(nanoseconds: 0)
    /// The peer was fenced by this agent; and the session in which it came back.
    var fencedPeer: (lately: Bool, session: SessionID?) = (false, nil)
    var realTimeRefused: String?
    var lockedMemoryRefused: String?

    // People
    var logger: Logger
    let listener: ControlListener
    var callers: [Caller] = []
    var nextCaller: UInt32 = 1
    /// Commands that the machine has not answered yet, and who gave them.
    var commands: [(id: UInt32, caller: UInt32, request: Request)] = []
    var nextCommand: UInt32 = 1
    /// Something that a status shows has changed in this turn.
    var changed = true
    var statusLine = ""
    var nextServiceSign: Instant
    var drills: DrillShell

    /// A planned stop was asked for.
    var leaving = false

    struct Exit { var released: Bool }

    init(
        _ parts: consuming Parts, machine: consuming Machine, poller: consuming Poller,
        signals: consuming Signals,
        listener: consuming ControlListener
    ) {
        options = parts.options
        settings = parts.settings
        ground = parts.ground
        narrator = Narrator(names: parts.names)
        session = parts.session
        startedAt = parts.now
        firstInThisBoot = parts.note == .blank
        self.machine = machine
        now = parts.now
        clock = Clock()
        self.poller = poller
        self.signals = signals
        serviceManager = ServiceManager()
        links = parts.links
        channel = parts.channel
        storage = parts.storage
        reader = parts.reader
        noteFile = parts.noteFile
        noted = parts.note
        wallOffset = parts.ground.wallOffset
        children = parts.children
        groups = Groups(parts.settings, held: parts.note.holdings)
        fencing = parts.fencing
        relayTests = parts.fencing.levels.map { _ in RelaySelfTest(configured: true) }
        relayTroubles = parts.fencing.levels.map { _ in nil }
        relayTestAt = parts.now
        agentTestAt = parts.now
        sensing = parts.sensing
        watchdogRetryAt = parts.now
        watchdogs = Array(
            repeating: nil, count: parts.settings.watchdog.map { max($0.devices.count, 1) } ?? 0)
        logger = Logger(threshold: parts.options.debug ? .debug : .info)
        self.listener = listener
        nextServiceSign = parts.now
        drills = DrillShell(narrator: Narrator(names: parts.names))
    }

    /// What the poller's tokens stand for.
    enum Token {
        static let signals: UInt64 = 1
        static let storage: UInt64 = 2
        static let children: UInt64 = 3
        static let fencing: UInt64 = 4
        static let sensing: UInt64 = 5
        static let listener: UInt64 = 6
        /// The output of a process: which one does not matter.
        static let output: UInt64 = 7
        static let reading: UInt64 = 8
        static let link: UInt64 = 0x100
        static let caller: UInt64 = 0x1_0000_0000
    }

    /// Runs until the machine asks for the end. The process's exit code.
    func run() -> Int32 {
        do throws(SystemError) {
            try prepare()
            while exit == nil {
                ready.removeAll(keepingCapacity: true)
                let deadline = nextDeadline
                let slept = now
                try poller.wait(until: deadline, now: now, into: &ready)
                now = clock.now()
                if deadline != .distantFuture, ready.isEmpty {
                    worstDelay = max(worstDelay, now - max(deadline, slept))
                }
                heldUp = deadline != .distantFuture && now - deadline > Agent.punctual
                turn()
            }
        } catch {
            log(.critical, "the agent cannot go on: \(error.description)")
            return ExitCode.failed
        }
        return end()
    }

    private func prepare() throws(SystemError) {
        try poller.add(signals.raw, token: Token.signals)
        try poller.add(storage.raw, token: Token.storage)
        try poller.add(reader.raw, token: Token.reading)
        try poller.add(children.raw, token: Token.children)
        try poller.add(fencing.raw, token: Token.fencing)
        try poller.add(sensing.raw, token: Token.sensing)
        try poller.add(listener.raw, token: Token.listener)
        for (index, link) in links.enumerated() {
            try poller.add(link.socket.raw, token: Token.link + UInt64(index))
        }
        introduce()
        lockedMemoryRefused = RealTime.lockMemory()
        realTimeRefused = RealTime.raisePriority()
        for refused in [lockedMemoryRefused, realTimeRefused] {
            if let refused { log(.warning, refused) }
        }
        now = clock.now()
        openWatchdogs()
        noteReset()
        updateHealth()
        handle(.tick)
        statusLine = statusText
        serviceManager?.ready(status: statusLine)
    }

    private func introduce() {
        let names = narrator.names
        log(
            .notice,
            "picketd \(Options.version): \(names.node) of pair \(names.pair), peer \(names.peer),"
                + " session \(Text.hex(session.value)), control socket \(listener.path)")
        if options.rack != nil {
            log(.warning, "SIMULATED: hardware and links are those of a rack, nothing is real")
        }
        if settings.fence.isEmpty {
            log(
                .warning,
                "no way to fence \(names.peer) is configured: its groups are never taken over"
                    + " without an operator's word")
        }
        reportDrillLeftBehind()
    }

    /// The earliest instant at which something is due.
    private var nextDeadline: Instant {
        var next = min(machine.nextDeadline, channel.nextHello)
        next = min(next, processes.nextDeadline, groups.nextDeadline)
        next = min(next, children.nextDeadline)
        next = min(next, healthModel.nextDeadline, drills.nextDeadline)
        if !sensing.monitors.isEmpty { next = min(next, sensing.passedAt + Agent.pass) }
        if fencing.levels.isEmpty == false { next = min(next, relayTestAt) }
        next = min(next, fencing.agentsDue)
        if lacksWatchdog { next = min(next, watchdogRetryAt) }
        if serviceManager?.watchdog != nil { next = min(next, nextServiceSign) }
        for caller in callers {
            if let at = caller.watchDue { next = min(next, at) }
        }
        return next
    }

    /// Later than this, something may have come since the poller looked.
    private static let punctual = Duration.milliseconds(1)

    /// How often time alone is looked at: stale sensors.
    static let pass = Duration.milliseconds(250)

    private func turn() {
        turns &+= 1
        drainLinks()
        drainStorage()
        drainFencing()
        drainSensing()
        drainSignals()
        drainReading()
        drainChildren()
        serveCallers()
        passTime()
        if exit == nil {
            handle(.tick)
            completeTurn()
        }
        afterTurn()
    }

    private func passTime() {
        sendHello()
        for id in processes.overdue(at: now) { kill(id) }
        groupsDue()
        if now - sensing.passedAt >= Agent.pass { passSensors() }
        if now >= healthModel.nextDeadline { updateHealth() }
        if now >= relayTestAt { testRelays() }
        settleRelayTests()
        fenceAgentsDue()
        if lacksWatchdog, now >= watchdogRetryAt { openWatchdogs() }
        drillsDue()
    }

    /// Gives the machine an event, and does what it asks for, in order, before the next event.
    func handle(_ event: Event) {
        followUps.append(event)
        drainFollowUps()
    }

    private func completeTurn() {
        handling = true
        machine.completeTurn(at: now, into: &effects)
        perform()
        handling = false
        drainFollowUps()
    }

    /// Events that came of what was done, after the effects before them are done.
    func drainFollowUps() {
        guard !handling else { return }
        handling = true
        while !followUps.isEmpty {
            machine.handle(followUps.removeFirst(), at: now, into: &effects)
            perform()
        }
        handling = false
        launchAll()
    }

    private func afterTurn() {
        if let manager = serviceManager {
            if let interval = manager.watchdog, now >= nextServiceSign {
                nextServiceSign = now + interval / 4
                manager.alive()
            }
            if changed {
                let text = statusText
                if text != statusLine {
                    statusLine = text
                    manager.status(text)
                }
            }
        }
        serveWatchers()
        changed = false
    }

    /// The planned end, or the end before a planned restart.
    private func end() -> Int32 {
        serviceManager?.stopping()
        let released = exit?.released ?? false
        if released { disarmWatchdogs() }
        endDrills()
        for caller in callers { _ = caller.connection.flush() }
        if leaving { endFencing() }
        if released {
            noteEnd()
            log(.notice, "ended: nothing is held here")
        } else if leaving {
            log(.error, "ended in time, and not all groups could be given up: they may still run")
        } else {
            log(.notice, "ended: the groups go on, for the agent that follows")
        }
        storage.settle(within: .seconds(1))
        listener.withdraw()
        if released { return ExitCode.planned }
        return leaving ? ExitCode.failed : ExitCode.restart
    }

    // MARK: Words

    var wallMilliseconds: Int64 { (WallClock.now() + wallOffset) / 1_000_000 }

    @inline(never)
    func log(_ level: Logger.Level, _ text: String) { logger.log(level, text) }

    /// Into the history, and to those who follow it.
    func record(_ entry: HistoryEntry) {
        let line = entry.json
        if !storage.ask(.history(line)) {
            log(.warning, "the disk is too slow: an entry of the history is lost")
        }
        for caller in callers where caller.follows { caller.follow(line) }
    }

    /// What the shell itself has to say, to log and history.
    func tell(
        _ kind: String, _ severity: Trace.Kind.Severity, _ text: String, simulated: Bool,
        figures: [(name: String, value: Double)] = []
    ) {
        log(severity.level, text)
        var entry = HistoryEntry(
            kind, severity, text, node: narrator.names.node, milliseconds: wallMilliseconds,
            simulated: simulated || options.rack != nil)
        entry.figures = figures
        record(entry)
        changed = true
    }
}

extension Trace.Kind.Severity {
    var level: Logger.Level {
        switch self {
        case .debug: .debug
        case .info: .info
        case .notice: .notice
        case .warning: .warning
        case .alarm: .critical
        }
    }
}
