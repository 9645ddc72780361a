/// A node as processes: one session, whose leader supervises the agent, and simulated devices behind
/// a socket.
import CPicket
import Foundation
import PicketCore
import PicketRackClient

final class ProcessBody: NodeBody {
    private unowned let node: SimulatedNode
    private unowned let maker: Processes
    private var rack: Rack { node.rack }
    private var loop: EventLoop { rack.loop }
    private let disk: SimulatedDisk
    private var server: RackServer!
    func answerLines() { server.answerLines() }
    private var tap: AgentTap!
    private var agent: pid_t?
    private(set) var agentPaused = false
    /// The leader of the session; 0 for none.
    private(set) var supervisor: pid_t = 0
    /// The session of the life before: its sockets are free when it is empty.
    private var past: pid_t = 0
    /// Closing it takes the supervisor's standard input away.
    private var leash: Int32 = -1
    private var supervisorOutput: Int32 = -1
    private var supervisorText = Lines()
    private var bootTimer: EventLoop.TimerID?
    private var bootID = ""
    private var clockSteps: Int64 = 0
    private var watchdogTimeout = Duration.zero
    private var watchdogTimer: EventLoop.TimerID?
    private var watchdogFedAt = Instant(nanoseconds: 0)

    init(
        node: SimulatedNode, maker: Processes, disk: SimulatedDisk
    ) throws(RackFailure) {
        self.node = node
        self.maker = maker
        self.disk = disk
        server = try RackServer(body: self, node: node)
        tap = AgentTap(of: node, controlSocket: runDirectory + "/picketd.sock") {
            [unowned self] in node.state == .running && !agentPaused
        }
    }

    private var runDirectory: String { node.directory + "/run" }
    private var stoppedMark: String { node.directory + "/stopped" }

    // MARK: - Booting

    func boot(because cause: String) {
        guard bootTimer == nil else { return }
        let time = node.plan.bootTime
        node.say("boot", "boots (\(cause)), ready in \(time.milliseconds) ms", .normal)
        bootTimer = loop.after(time) { [unowned self] in booted() }
    }

    private func booted() {
        guard !node.draining, past == 0 || members(of: past).isEmpty else {
            bootTimer = loop.after(.milliseconds(1)) { [unowned self] in booted() }
            return
        }
        bootTimer = nil
        past = 0
        disarm()
        try? FileManager.default.removeItem(atPath: runDirectory)
        for path in [runDirectory, node.stateDirectory] {
            try? FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true)
        }
        bootID = UUID().uuidString.lowercased()
        start()
    }

    private func start() {
        var input: [Int32] = [-1, -1]
        var output: [Int32] = [-1, -1]
        let log = unsafe picket_open(node.logPath, picket_o_append, 0o644)
        guard unsafe picket_pipe(&input) == 0, unsafe picket_pipe(&output) == 0, log >= 0 else {
            return rack.fail("cannot start \(node.name): errno \(picket_errno())")
        }
        let programs = maker.programs
        let arguments = [
            programs.workload, "supervise", "--delay", "\(node.plan.restartDelay.milliseconds)",
            "--stopped", stoppedMark, "--", programs.picketd, "--config", node.configurationPath,
            "--node", node.name, "--rack", server.path,
        ]
        var environment = ProcessInfo.processInfo.environment
        environment["PICKET_NODE"] = node.name
        environment["NOTIFY_SOCKET"] = nil
        let child = spawnSession(
            arguments, environment: environment.map { "\($0)=\($1)" }, input: input[0],
            output: output[1], error: log)
        for descriptor in [input[0], output[1], log] { close(descriptor) }
        leash = input[1]
        supervisorOutput = output[0]
        guard let child else { return rack.fail("cannot start \(programs.workload)") }
        supervisor = child
        loop.watch(supervisorOutput) { [unowned self] in readSupervisor() }
        node.hasBooted()
    }

    private func readSupervisor() {
        var buffer = [UInt8](repeating: 0, count: 1024)
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe read(supervisorOutput, $0.baseAddress, $0.count)
        }
        guard count > 0 else {
            loop.unwatch(supervisorOutput)
            return
        }
        for line in supervisorText.add(buffer[..<count]) {
            let words = String(decoding: line, as: UTF8.self).split(separator: " ")
            guard words.count == 2, let number = Int32(words[1]) else { continue }
            if words[0] == "agent" {
                agent = number
                agentPaused = false
                node.say("agent_started", "starts its agent (process \(number))", .quiet)
            } else {
                agent = nil
                agentPaused = false
                node.say("agent_ended", "has lost its agent: \(ending(number))", .warning)
                if number >> 8 != 0, let words = lastWords {
                    node.say("agent_said", "heard: \(words)", .warning)
                }
            }
        }
    }

    /// The last line of what the agent wrote to its standard error.
    private var lastWords: String? {
        let text = try? String(contentsOfFile: node.logPath, encoding: .utf8)
        return text?.split(separator: "\n").last.map(String.init)
    }

    // MARK: - Death

    var exists: Bool { supervisor > 0 }

    func die(poweredOff: Bool) {
        loop.cancel(bootTimer)
        bootTimer = nil
        if poweredOff { disarm() }
        if exists { kill() }
        tap.disconnect()
    }

    func crash() {
        node.say("crash", "crashes: the kernel is dead, the power stays on", .alarm)
        node.diedInPlace()
    }

    private func kill() {
        agentPaused = false
        // The agent first: it is the one that could still do something.
        if let agent { CPicket.kill(agent, SIGKILL) }
        CPicket.kill(-supervisor, SIGKILL)
        for process in members(of: supervisor) { CPicket.kill(process, SIGKILL) }
    }

    /// Kills what is found, because it may have been started in the meantime. Where one has ended
    /// since, its orphans may have escaped the look.
    var isGone: Bool {
        reapChildren()
        let left = members(of: supervisor)
        for process in left { CPicket.kill(process, SIGKILL) }
        return left.allSatisfy(picket_process_ended) && members(of: supervisor) == left
    }

    func clear() {
        if exists { past = supervisor }
        supervisor = 0
        agent = nil
        closePipes()
    }

    private func members(of session: pid_t) -> [pid_t] {
        processes(of: session, other: maker.supervisors)
    }

    func remove() {
        if exists {
            kill()
            for _ in 0..<1000 {
                if isGone, members(of: supervisor).isEmpty { break }
                usleep(300)
            }
            var status: Int32 = 0
            _ = unsafe waitpid(supervisor, &status, 0)
            closePipes()
        }
        disk.remove()
    }

    private func closePipes() {
        if supervisorOutput >= 0 {
            loop.unwatch(supervisorOutput)
            close(supervisorOutput)
            close(leash)
        }
        supervisorOutput = -1
        leash = -1
        supervisorText = Lines()
    }

    // MARK: - What is done to the agent

    func killAgent() {
        guard let agent else { return }
        CPicket.kill(agent, SIGKILL)
    }

    func pauseAgent(_ pause: Bool) {
        guard let agent else { return }
        CPicket.kill(agent, pause ? SIGSTOP : SIGCONT)
        agentPaused = pause
    }

    func pauseAll(_ pause: Bool) {
        guard exists else { return }
        for process in members(of: supervisor) { CPicket.kill(process, pause ? SIGSTOP : SIGCONT) }
        agentPaused = pause
    }

    func stopAgent() {
        _ = FileManager.default.createFile(atPath: stoppedMark, contents: nil)
        if let agent { CPicket.kill(agent, SIGTERM) }
    }

    func startAgent() { try? FileManager.default.removeItem(atPath: stoppedMark) }

    func reloadAgent() {
        if let agent { CPicket.kill(agent, SIGHUP) }
    }

    func ask(_ request: String, _ done: @escaping ([UInt8]?) -> Void) { tap.ask(request, done) }

    // MARK: - What is around the agent

    var clockAhead: Duration { .seconds(clockSteps) }
    func stepClock(by seconds: Int64) { clockSteps += seconds }

    /// The agent reads the very file that the rack has written.
    func replaceKey(_ key: [UInt8]) {}

    func misbehave(group: String, verb: String, behaviour: String) {
        let places = maker.places(of: node.name, in: rack.directory)
        let path = "\(places.faults)/\(node.name).\(group).\(verb)"
        if behaviour.isEmpty {
            try? FileManager.default.removeItem(atPath: path)
        } else {
            try? behaviour.write(toFile: path, atomically: true, encoding: .utf8)
        }
    }

    func fillDisk() -> String {
        keepFull()
        return "is full: \(disk.means)"
    }

    /// A file that was being replaced gives back the room of the one before it, and would so leave
    /// room for one more after another: what becomes free is taken again.
    private func keepFull() {
        disk.fill()
        _ = node.rack.loop.after(.milliseconds(50)) { [weak self] in
            guard let self, disk.isFull else { return }
            keepFull()
        }
    }

    func freeDisk() { disk.free() }

    /// Where the state file is written stands a pipe that nobody reads, until somebody does.
    func hangDisk(_ hangs: Bool) {
        let path = node.stateDirectory + "/memory.new"
        if hangs {
            _ = unsafe unlink(path)
            _ = unsafe mkfifo(path, 0o600)
            return
        }
        let reader = unsafe open(path, O_RDONLY | O_NONBLOCK)
        _ = node.rack.loop.after(.milliseconds(100)) {
            if reader >= 0 { close(reader) }
            _ = unsafe unlink(path)
        }
    }

    func run(_ command: String, _ done: @escaping ([String], Int) -> Void) {
        node.say("no_machine", "is no virtual machine, and runs no command", .alarm)
        done([], -1)
    }

    // MARK: - Wires

    /// The agent asks, when it wants to know.
    func senseMoved() {}
    /// There is no electrical level between the agent and the relay.
    func stick(_ line: String, _ level: Bool?) {}

    // MARK: - What the agent asks of the rack

    var links: [RackLink] { maker.links(of: node.id) }

    var identity: RackNode {
        var answer = RackNode(
            bootID: bootID, runDirectory: runDirectory, stateDirectory: node.stateDirectory)
        answer.resetCause = node.lastReset
        return answer
    }

    var watchdog: (timeout: Duration, fedAt: Instant)? {
        watchdogTimer == nil ? nil : (watchdogTimeout, watchdogFedAt)
    }

    func openWatchdog(_ timeout: Duration) {
        if watchdogTimer == nil {
            node.say("watchdog_armed", "arms its watchdog: \(timeout.milliseconds) ms", .quiet)
        }
        watchdogTimeout = timeout
        feedWatchdog()
    }

    func feedWatchdog() {
        guard watchdogTimeout > .zero else { return }
        watchdogFedAt = loop.now
        loop.cancel(watchdogTimer)
        watchdogTimer = loop.after(watchdogTimeout) { [unowned self] in
            watchdogTimer = nil
            node.watchdogBit()
            node.diedInPlace()
            boot(because: "watchdog")
        }
    }

    func disarm() {
        loop.cancel(watchdogTimer)
        watchdogTimer = nil
        watchdogTimeout = .zero
    }
}
