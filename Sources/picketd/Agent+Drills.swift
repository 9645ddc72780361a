/// Does what PicketControl's `DrillRunner` says: the shell's hands in a rehearsed failure.

import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux

struct DrillShell {
    var runner: DrillRunner
    var caller: UInt32?
    /// Ids of the commands that the runner gave.
    var commands: [UInt32] = []
    /// A relay drill waits for the result of the self-test.
    var testing: Instant?
    /// Levels of fencing whose self-test has not come to a result in it.
    var untested: [Int] = []

    init(narrator: Narrator) { runner = DrillRunner(narrator: narrator) }

    var nextDeadline: Instant { runner.deadline ?? .distantFuture }
}

extension Agent {
    private var drillDirectory: String { ground.paths.stateDirectory + "/drills" }

    func begin(_ drill: Drill, _ caller: Caller) throws(RequestError) {
        let actions = try drills.runner.begin(
            drill, given: statusReport(), at: now, milliseconds: wallMilliseconds)
        log(.notice, "asked by user \(caller.connection.user): drill \(drill.line)")
        caller.interest = .drilling
        drills.caller = caller.id
        perform(actions)
    }

    func drillsDue() {
        guard let deadline = drills.runner.deadline, now >= deadline else { return }
        perform(drills.runner.handle(.tick, at: now))
    }

    func drillsObserve(_ trace: Trace) {
        guard drills.runner.drill != nil else { return }
        perform(drills.runner.handle(.observed(trace), at: now))
    }

    func drillsObserve(sensor: Int, _ state: SensorReport.State) {
        guard drills.runner.drill != nil else { return }
        perform(drills.runner.handle(.sensor(sensor, state), at: now))
    }

    /// True where the command was a drill's.
    func drillsAnswered(_ id: UInt32, _ result: CommandResult) -> Bool {
        guard let index = drills.commands.firstIndex(of: id) else { return false }
        drills.commands.remove(at: index)
        perform(drills.runner.handle(.answered(result), at: now))
        return true
    }

    func drillCallerGone(_ id: UInt32) {
        guard drills.caller == id else { return }
        drills.caller = nil
        perform(drills.runner.handle(.clientGone, at: now))
        drainFollowUps()
    }

    func endDrills() {
        perform(drills.runner.handle(.stopping, at: now))
        followUps = []
    }

    /// The agent before this one died in a drill: says so, and leaves its report.
    func reportDrillLeftBehind() {
        let path = drillDirectory + "/under-way"
        let found: [UInt8]?
        do throws(SystemError) { found = try DurableFile.read(path, limit: 1024) } catch { return }
        guard let found, let mark = DrillMark.parse(found) else { return }
        let report = mark.report(
            node: narrator.names.node, boot: ground.boot, milliseconds: wallMilliseconds)
        store(report)
    }

    private func perform(_ actions: [DrillRunner.Action]) {
        for action in actions {
            switch action {
            case .mark(let drill): mark(drill)
            case .inject(let sensor, let fault, let until):
                inject(fault, into: sensor, until: until)
            case .clearInjection(let sensor):
                noticed(sensing.monitors[sensor].endDrill(at: now), sensor)
                updateHealth()
            case .block(let link): links[link].blocked = true
            case .unblock(let link): links[link].blocked = false
            case .testRelay:
                drills.testing = now
                drills.untested = Array(fencing.levels.indices)
                if fencing.levels.isEmpty { relayDrillEnds(.absent, "") }
                testRelays()
            case .command(let command):
                let id = nextCommand
                nextCommand &+= 1
                drills.commands.append(id)
                followUps.append(.command(command, id: id))
            case .hang: hang()
            case .say(let bytes): drillCaller?.say(bytes)
            case .finish(let report):
                store(report)
                drillCaller?.finish(report.json)
                drills.caller = nil
                drills.testing = nil
            }
        }
    }

    private var drillCaller: Caller? {
        drills.caller.flatMap { id in callers.first { $0.id == id } }
    }

    private func mark(_ drill: Drill) {
        let mark = DrillMark(
            beganMilliseconds: wallMilliseconds, boot: ground.boot, drill: drill)
        _ = storage.ask(
            .file(path: drillDirectory + "/under-way", Array(mark.line.utf8)))
    }

    private func store(_ report: DrillReport) {
        let base = "\(drillDirectory)/\(report.identifier)"
        _ = storage.ask(.file(path: base + ".json", report.json))
        _ = storage.ask(.file(path: base + ".txt", Array(report.text.utf8)))
        _ = storage.ask(.file(path: drillDirectory + "/under-way", nil))
        tell(
            "drill", report.verdict == .failed ? .warning : .notice,
            "Drill \(report.drill): \(report.verdict.label). \(report.conclusion)",
            simulated: true)
    }

    private func inject(_ fault: Drill.SensorFault, into sensor: Int, until: Instant) {
        let injection: SensorMonitor.Injection =
            switch fault {
            case .value(let value, _): .value(value)
            case .fail: .failure
            case .stuck: .stuck
            }
        noticed(sensing.monitors[sensor].inject(injection, until: until, at: now), sensor)
        updateHealth()
    }

    // MARK: The relay's drill

    /// What the fence worker's self-test saw.
    func observed(_ observation: RelayObservation) {
        guard drills.testing != nil else { return }
        if !observation.linesOn {
            relayDrillEnds(.failed, "The relay's line could not be set or does not read back on.")
        } else if observation.feedback.unreadable > 0 {
            relayDrillEnds(.failed, "The feedback cannot be read.")
        }
    }

    /// A level's self-test has come to a result, or confirmed the one it had. The drill waits for all
    /// of them, or the first that failed.
    func relayTestSettled(_ level: Int) {
        guard drills.testing != nil else { return }
        let result = relayTests[level].result
        drills.untested.removeAll { $0 == level }
        guard result != .passed || drills.untested.isEmpty else { return }
        let relay = if case .relay = fencing.levels[level] { true } else { false }
        let detail =
            switch (relay, result == .passed) {
            case (true, true):
                "The relay's line reads back on, and the feedback says on while the peer lives."
            case (true, false):
                "The feedback says off while the peer answers: it cannot be believed."
            case (false, true): "The fence agent answers, and says that the power is on."
            case (false, false): "The fence agent does not say that the power is on."
            }
        relayDrillEnds(result, detail)
    }

    private func relayDrillEnds(_ result: Message.RelayTest, _ detail: String) {
        drills.testing = nil
        perform(drills.runner.handle(.relayTested(result, detail: detail), at: now))
    }

    /// A live hang: the loop stops for good, and feeds nothing.
    private func hang() {
        log(.critical, "a drill hangs this agent now: its watchdog should reset the node")
        storage.settle(within: .seconds(1))
        while true { Worker.sleep(.seconds(3600)) }
    }
}
