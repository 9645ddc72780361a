/// A node as processes: one session, whose leader supervises the agent.
import CPicket
import Foundation
import PicketCore

final class ProcessSession: NodeBody {
    private unowned let node: SimulatedNode
    private var world: World { node.world }
    private var loop: EventLoop { world.loop }
    private(set) var agent: pid_t?
    private(set) var agentPaused = false
    private var supervisor: pid_t = 0
    /// Closing it takes the supervisor's standard input away.
    private var leash: Int32 = -1
    private var supervisorOutput: Int32 = -1
    private var supervisorText: [UInt8] = []

    init(node: SimulatedNode) { self.node = node }

    private var stoppedMark: String { node.directory + "/stopped" }

    // MARK: - Life and death

    var exists: Bool { supervisor > 0 }

    func kill() {
        agentPaused = false
        // The agent first: it is the one that could still do something.
        if let agent { CPicket.kill(agent, SIGKILL) }
        CPicket.kill(-supervisor, SIGKILL)
        for process in members() { CPicket.kill(process, SIGKILL) }
    }

    /// Kills what is found, for it may have been born in the meantime.
    var isGone: Bool {
        world.reapChildren()
        let left = members()
        for process in left { CPicket.kill(process, SIGKILL) }
        return left.isEmpty
    }

    func clear() {
        supervisor = 0
        agent = nil
        closePipes()
    }

    private func members() -> [pid_t] {
        var found = [pid_t](repeating: 0, count: 512)
        // Orphans that left the session are the rack's own children; so are the supervisors.
        let count = unsafe picket_session_members(supervisor, getpid(), &found, 512)
        let supervisors = world.nodes.compactMap { ($0.body as? ProcessSession)?.supervisor }
        return found[..<max(0, Int(count))].filter { $0 == supervisor || !supervisors.contains($0) }
    }

    func remove() {
        guard supervisor > 0 else { return }
        kill()
        for _ in 0..<1000 {
            if isGone { break }
            usleep(300)
        }
        var status: Int32 = 0
        _ = unsafe waitpid(supervisor, &status, 0)
        closePipes()
    }

    // MARK: - Processes

    func start() {
        var input: [Int32] = [-1, -1]
        var output: [Int32] = [-1, -1]
        let log = unsafe picket_open(node.logPath, picket_o_append, 0o644)
        guard unsafe picket_pipe(&input) == 0, unsafe picket_pipe(&output) == 0, log >= 0 else {
            return world.fail("cannot start \(node.name): errno \(picket_errno())")
        }
        let arguments = [
            world.programs.workload, "supervise", "--delay",
            "\(node.plan.restartDelay.milliseconds)",
            "--stopped", stoppedMark, "--", world.programs.picketd, "--config",
            world.configurationPath(of: node), "--node", node.name, "--rack", node.socketPath,
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
        guard let child else { return world.fail("cannot start \(world.programs.workload)") }
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
        supervisorText += buffer[..<count]
        while let end = supervisorText.firstIndex(of: UInt8(ascii: "\n")) {
            let words = String(decoding: supervisorText[..<end], as: UTF8.self)
                .split(separator: " ")
            supervisorText.removeFirst(end + 1)
            guard words.count == 2, let number = Int32(words[1]) else { continue }
            if words[0] == "agent" {
                agent = number
                agentPaused = false
                node.say("agent_started", "starts its agent (process \(number))", .quiet)
            } else {
                agent = nil
                agentPaused = false
                node.say("agent_ended", "has lost its agent: \(Self.ending(number))", .warning)
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

    /// A wait status in words.
    static func ending(_ status: Int32) -> String {
        let signal = status & 0x7F
        return signal == 0 ? "exit \(status >> 8)" : "signal \(signal)"
    }

    private func closePipes() {
        if supervisorOutput >= 0 {
            loop.unwatch(supervisorOutput)
            close(supervisorOutput)
            close(leash)
        }
        supervisorOutput = -1
        leash = -1
        supervisorText = []
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
        guard supervisor > 0 else { return }
        for process in members() { CPicket.kill(process, pause ? SIGSTOP : SIGCONT) }
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
}

/// Starts a process as the leader of its own session. `nil` if that fails.
func spawnSession(
    _ arguments: [String], environment: [String], input: Int32, output: Int32, error: Int32
) -> pid_t? {
    var argumentPointers = unsafe arguments.map { unsafe strdup($0) }
    var environmentPointers = unsafe environment.map { unsafe strdup($0) }
    unsafe argumentPointers.append(nil)
    unsafe environmentPointers.append(nil)
    defer {
        unsafe argumentPointers.forEach { unsafe free($0) }
        unsafe environmentPointers.forEach { unsafe free($0) }
    }
    var child: pid_t = 0
    let result = unsafe picket_spawn_session(
        &child, argumentPointers, environmentPointers, input, output, error)
    return result == 0 ? child : nil
}
