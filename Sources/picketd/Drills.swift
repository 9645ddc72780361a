/// Does what PicketControl's `DrillRunner` says: the shell's hands in a rehearsed failure.

import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux

final class Drills: Part {
    private var runner: DrillRunner
    private let directory: String
    private let boot: String
    private var caller: UInt32?
    /// Ids of the commands that the runner gave.
    private var commands: [UInt32] = []
    /// A relay drill waits for the result of the self-test.
    private var isTesting = false
    /// Levels of fencing whose self-test has not come to a result in the drill.
    private var untested: [Int] = []

    init(_ narrator: Narrator, _ ground: Hardware.Ground) {
        runner = DrillRunner(narrator: narrator)
        directory = ground.paths.stateDirectory + "/drills"
        boot = ground.boot
    }

    func rename(_ names: Names) { runner.rename(names) }

    var isUnderWay: Bool { runner.drill != nil }
    /// As its request says it.
    var line: String? { runner.drill?.line }

    /// Why a changed configuration is not taken up before the drill has ended.
    func refusal(of new: Configuration, _ agent: Agent) -> String? {
        if case .link(let number, for: _, live: _)? = runner.drill,
            number < agent.settings.links.count
        {
            let numbers = new.numbersOfLinks(in: agent.settings)
            guard numbers.count <= number || numbers[number] != number else { return nil }
            return "\(new.place(of: Configuration.Section.links.key)): links: a drill of"
                + " \(agent.names.link(number)) is under way, and the file removes that link or gives"
                + " it another number: reload once the drill has ended"
        }
        guard case .sensor(let name, _, for: _)? = runner.drill,
            let drilled = agent.settings.sensors.first(where: { $0.name == name }),
            !new.sensors.contains(where: { $0.isReadAs(drilled) })
        else { return nil }
        return "\(new.place(of: "sensors")): a drill of sensor \(name) is under way, and the file"
            + " removes or changes it: reload once the drill has ended"
    }

    func begin(_ drill: Drill, _ caller: Caller, _ agent: Agent) throws(RequestError) {
        let actions = try runner.begin(
            drill, given: agent.statusReport(), at: agent.now,
            milliseconds: agent.storage.wallMilliseconds)
        agent.log(.notice, "asked by user \(caller.connection.user): drill \(drill.line)")
        caller.drill()
        self.caller = caller.id
        perform(actions, agent)
    }

    override var due: Instant { runner.deadline ?? .distantFuture }

    override func pass(_ agent: Agent) { handle(.tick, agent) }

    override func observe(_ trace: Trace, _ agent: Agent) {
        if isUnderWay { handle(.observed(trace), agent) }
    }

    func observe(sensor: Int, _ state: SensorReport.State, _ agent: Agent) {
        if isUnderWay { handle(.sensor(sensor, state), agent) }
    }

    /// True where the command was a drill's.
    func answered(_ id: UInt32, _ result: CommandResult, _ agent: Agent) -> Bool {
        guard let index = commands.firstIndex(of: id) else { return false }
        commands.remove(at: index)
        handle(.answered(result), agent)
        return true
    }

    func callerGone(_ id: UInt32, _ agent: Agent) {
        guard caller == id else { return }
        caller = nil
        handle(.clientGone, agent)
        agent.drainFollowUps()
    }

    func stop(_ agent: Agent) { handle(.stopping, agent) }

    /// The agent before this one died in a drill: says so, and leaves its report.
    func reportLeftBehind(_ agent: Agent) {
        let found: [UInt8]?
        do throws(SystemError) { found = try DurableFile.read(underWay, limit: 1024) } catch {
            return
        }
        guard let found, let mark = DrillMark.parse(found) else { return }
        store(
            mark.report(
                node: agent.names.node, boot: boot, milliseconds: agent.storage.wallMilliseconds),
            agent)
    }

    private func handle(_ event: DrillRunner.Event, _ agent: Agent) {
        perform(runner.handle(event, at: agent.now), agent)
    }

    private func perform(_ actions: [DrillRunner.Action], _ agent: Agent) {
        for action in actions {
            switch action {
            case .mark(let drill): mark(drill, agent)
            case .inject(let sensor, let fault, let until):
                agent.sensors.inject(fault, into: sensor, until: until, agent)
            case .clearInjection(let sensor): agent.sensors.endInjection(sensor, agent)
            case .block(let link): agent.links.block(link, true)
            case .unblock(let link): agent.links.block(link, false)
            case .testRelay(let live):
                isTesting = true
                let levels = agent.fences.methods.filter { !live || $0.canRehearse }
                untested = levels.map { $0.index }
                if agent.fences.methods.isEmpty {
                    testEnds(.absent, nil, agent)
                } else if levels.isEmpty {
                    testEnds(.unknown, .nothingToSpare, agent)
                }
                for level in levels { live ? level.rehearse(agent) : level.testNow(agent) }
            case .command(let command):
                let id = agent.newCommandID()
                commands.append(id)
                agent.follow(.command(command, id: id))
            case .hang: hang(agent)
            case .say(let bytes): agent.control.caller(caller)?.say(bytes)
            case .finish(let report):
                store(report, agent)
                agent.control.caller(caller)?.finish(report.json)
                caller = nil
                isTesting = false
            }
        }
    }

    private var underWay: String { directory + "/under-way" }

    private func mark(_ drill: Drill, _ agent: Agent) {
        let mark = DrillMark(
            beganMilliseconds: agent.storage.wallMilliseconds, boot: boot, drill: drill)
        agent.storage.write(underWay, mark.line)
    }

    private func store(_ report: DrillReport, _ agent: Agent) {
        let base = "\(directory)/\(report.identifier)"
        _ = agent.storage.ask(.file(path: base + ".json", report.json))
        agent.storage.write(base + ".txt", report.text)
        agent.storage.write(underWay, nil)
        agent.tell(.drill(report))
    }

    // MARK: The relay's drill

    /// What a fence method's self-test saw.
    func observed(_ observation: RelayObservation, _ agent: Agent) {
        guard isTesting else { return }
        if !observation.linesOn {
            testEnds(.failed, .lineNotOn, agent)
        } else if observation.feedback.unreadable > 0 {
            testEnds(.failed, .feedbackUnreadable, agent)
        }
    }

    /// A method's self-test has come to a result, or confirmed the one it had. The drill waits for
    /// all of them, or for the first that failed.
    func tested(_ method: FenceMethod, _ agent: Agent) {
        guard isTesting else { return }
        let result = method.selfTest.result
        untested.removeAll { $0 == method.index }
        guard result != .passed || untested.isEmpty else { return }
        testEnds(result, method.finding(result), agent)
    }

    private func testEnds(
        _ result: Message.RelayTest, _ finding: RelayFinding?, _ agent: Agent
    ) {
        isTesting = false
        handle(.relayTested(result, detail: finding?.sentence ?? ""), agent)
    }

    /// A live hang: the loop stops for good, and feeds nothing.
    private func hang(_ agent: Agent) {
        agent.log(.critical, "a drill hangs this agent now: its watchdog should reset the node")
        agent.storage.finish(within: .seconds(1))
        while true { Worker.sleep(.seconds(3600)) }
    }
}
