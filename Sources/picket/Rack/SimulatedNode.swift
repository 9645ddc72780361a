/// One node: its power, its processes, and the devices behind its socket.
///
/// The processes of a node are one session, whose leader supervises the agent. Losing power is the
/// death of the whole session at once; the rail reads *off* only when the last of its processes
/// is gone, so that a verified fence means what it says.
import CPicket
import Foundation
import PicketConfig
import PicketCore
import PicketHardware
import PicketSimulation

final class SimulatedNode {
    let id: NodeID
    let name: String
    let plan: NodePlan
    let directory: String
    unowned let world: World
    private var loop: EventLoop { world.loop }

    private(set) var state: State = .off
    /// The supply before the relays.
    private(set) var mains = true
    /// Not switched on until somebody says so.
    private(set) var held = true
    private(set) var boots = 0
    private(set) var bootID = ""
    private(set) var agent: pid_t?
    /// When the processes of the last power-on were all gone.
    private(set) var railOffAt: Instant?
    private(set) var agentPaused = false
    var wallClockOffset: Int64 = 0
    var relays: [SimulatedRelay] = []
    private(set) var buses: [Int: SimulatedBus] = [:]
    private(set) var sensors: [SimulatedSensor] = []
    private(set) var watchdog = Watchdog()
    let disk: SimulatedDisk

    private var supervisor: pid_t = 0
    /// Closing it takes the supervisor's standard input away.
    private var leash: Int32 = -1
    private var supervisorOutput: Int32 = -1
    private var supervisorText: [UInt8] = []
    /// Processes of the last power-on may still be there.
    private(set) var draining = false
    private var bootTimer: EventLoop.TimerID?
    private var reset = "power"

    enum State: Equatable {
        case off
        case booting
        case running
        /// Powered, and nothing runs: a kernel that died.
        case crashed
    }
    struct Watchdog {
        var timeout: Duration = .zero
        var timer: EventLoop.TimerID?
        var fedAt: Instant?
        var armed: Bool { timer != nil }
    }

    init(id: NodeID, name: String, plan: NodePlan, directory: String, world: World) {
        self.id = id
        self.name = name
        self.plan = plan
        self.directory = directory
        self.world = world
        disk = SimulatedDisk(path: directory + "/state", small: world.smallDisks)
        for sensor in plan.sensors {
            let simulated = SimulatedSensor(settings: sensor.settings, value: sensor.value)
            sensors.append(simulated)
            let bus = buses[sensor.settings.bus] ?? SimulatedBus()
            buses[sensor.settings.bus] = bus
            bus.device(at: sensor.settings.address).sensors.append(simulated)
        }
    }

    var runDirectory: String { directory + "/run" }
    var stateDirectory: String { directory + "/state" }
    var socketPath: String { directory + "/rack.sock" }
    var controlSocket: String { runDirectory + "/picketd.sock" }
    var logPath: String { directory + "/log" }
    private var stoppedMark: String { directory + "/stopped" }

    // MARK: - Power

    var isFed: Bool { mains && !held && (relays.isEmpty || relays.contains { $0.contact }) }

    /// The rail as a sense line on it reads it: up while anything still runs.
    var rail: Bool { isFed || draining }

    func switchOn() {
        held = false
        mains = true
        feedChanged()
    }

    func cutMains() {
        mains = false
        feedChanged()
    }

    /// A contact moved, or the mains did.
    func feedChanged() {
        if !isFed, state != .off {
            say("power_off", "loses power", .warning)
            reset = "power"
            die(.off)
        } else if isFed, state == .off, !draining {
            boot(because: "power on")
        }
    }

    /// The kernel dies: only the watchdog or the relay brings it back.
    func crash() {
        guard state == .running || state == .booting else { return }
        say("crash", "crashes: the kernel is dead, the power stays on", .alarm)
        die(.crashed)
    }

    private func watchdogBit() {
        watchdog.timer = nil
        say("watchdog_reset", "is reset by its watchdog", .alarm)
        world.watchdogBit()
        reset = "watchdog"
        die(.crashed)
        boot(because: "watchdog")
    }

    /// Everything that runs dies now.
    private func die(_ next: State) {
        state = next
        loop.cancel(bootTimer)
        bootTimer = nil
        if next == .off { disarm() }
        agentPaused = false
        world.agents[id].nodeDied()
        for bus in buses.values { bus.forget() }
        if supervisor > 0 {
            draining = true
            killEverything()
            drain()
        } else {
            drained()
        }
        for relay in world.relays where relay.driver == id { relay.driverDied() }
    }

    private func killEverything() {
        // The agent first: it is the one that could still do something.
        if let agent { kill(agent, SIGKILL) }
        kill(-supervisor, SIGKILL)
        for process in members() { kill(process, SIGKILL) }
    }

    private func members() -> [pid_t] {
        var found = [pid_t](repeating: 0, count: 512)
        // Orphans that left the session are the rack's own children; so are the supervisors.
        let count = unsafe picket_session_members(supervisor, getpid(), &found, 512)
        let supervisors = world.nodes.map(\.supervisor)
        return found[..<max(0, Int(count))].filter { $0 == supervisor || !supervisors.contains($0) }
    }

    private func drain() {
        world.reapChildren()
        let left = members()
        guard !left.isEmpty else { return drained() }
        for process in left { kill(process, SIGKILL) }
        loop.after(.microseconds(300)) { [unowned self] in drain() }
    }

    private func drained() {
        draining = false
        supervisor = 0
        agent = nil
        closePipes()
        railOffAt = loop.now
        if state == .off { say("rail_off", "is off: its last process is gone", .normal) }
        world.railFell(self)
        if isFed, state == .off { boot(because: "power on") }
    }

    private func boot(because cause: String) {
        guard bootTimer == nil else { return }
        if state == .off { state = .booting }
        say("boot", "boots (\(cause)), ready in \(plan.bootTime.milliseconds) ms", .normal)
        bootTimer = loop.after(plan.bootTime) { [unowned self] in
            bootTimer = nil
            booted()
        }
    }

    private func booted() {
        guard !draining else {
            bootTimer = loop.after(.milliseconds(1)) { [unowned self] in
                bootTimer = nil
                booted()
            }
            return
        }
        state = .running
        boots += 1
        bootID = UUID().uuidString.lowercased()
        disarm()
        try? FileManager.default.removeItem(atPath: runDirectory)
        for path in [runDirectory, stateDirectory] {
            try? FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true)
        }
        startSupervisor()
    }

    // MARK: - Processes

    private func startSupervisor() {
        var input: [Int32] = [-1, -1]
        var output: [Int32] = [-1, -1]
        let log = unsafe picket_open(logPath, picket_o_append, 0o644)
        guard unsafe picket_pipe(&input) == 0, unsafe picket_pipe(&output) == 0, log >= 0 else {
            return world.fail("cannot start \(name): errno \(picket_errno())")
        }
        let arguments = [
            world.programs.workload, "supervise", "--delay", "\(plan.restartDelay.milliseconds)",
            "--stopped", stoppedMark, "--", world.programs.picketd, "--config",
            world.configurationPath(of: self), "--node", name, "--rack", socketPath,
        ]
        var environment = ProcessInfo.processInfo.environment
        environment["PICKET_NODE"] = name
        environment["NOTIFY_SOCKET"] = nil
        let child = spawn(
            arguments, environment: environment.map { "\($0)=\($1)" }, input: input[0],
            output: output[1], error: log)
        for descriptor in [input[0], output[1], log] { close(descriptor) }
        leash = input[1]
        supervisorOutput = output[0]
        guard let child else { return world.fail("cannot start \(world.programs.workload)") }
        supervisor = child
        loop.watch(supervisorOutput) { [unowned self] in readSupervisor() }
        say("booted", "has booted", .normal)
    }

    private func spawn(
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
                say("agent_started", "starts its agent (process \(number))", .quiet)
            } else {
                agent = nil
                agentPaused = false
                say("agent_ended", "has lost its agent: \(Self.ending(number))", .warning)
                if number >> 8 != 0, let words = lastWords {
                    say("agent_said", "heard: \(words)", .warning)
                }
            }
        }
    }

    /// The last line of what the agent wrote to its standard error.
    private var lastWords: String? {
        let text = try? String(contentsOfFile: logPath, encoding: .utf8)
        return text?.split(separator: "\n").last.map(String.init)
    }

    /// A wait status in words.
    private static func ending(_ status: Int32) -> String {
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

    /// For the rack's own end: no process is left behind.
    func remove() {
        defer { disk.remove() }
        guard supervisor > 0 else { return }
        killEverything()
        for _ in 0..<1000 {
            world.reapChildren()
            let left = members()
            if left.isEmpty { break }
            for process in left { kill(process, SIGKILL) }
            usleep(300)
        }
        var status: Int32 = 0
        _ = unsafe waitpid(supervisor, &status, 0)
        closePipes()
    }

    // MARK: - What is done to the agent

    func killAgent() {
        guard let agent else { return }
        kill(agent, SIGKILL)
    }

    func pauseAgent(_ pause: Bool) {
        guard let agent else { return }
        kill(agent, pause ? SIGSTOP : SIGCONT)
        agentPaused = pause
    }

    /// The whole node stands still, as a virtual machine that is not scheduled.
    func pauseAll(_ pause: Bool) {
        guard supervisor > 0 else { return }
        for process in members() { kill(process, pause ? SIGSTOP : SIGCONT) }
        agentPaused = pause
    }

    /// A planned stop, as `systemctl stop`.
    func stopAgent() {
        _ = FileManager.default.createFile(atPath: stoppedMark, contents: nil)
        if let agent { kill(agent, SIGTERM) }
    }

    func startAgent() { try? FileManager.default.removeItem(atPath: stoppedMark) }

    /// SIGHUP: the agent reads its configuration again.
    func reloadAgent() {
        if let agent { kill(agent, SIGHUP) }
    }

    // MARK: - Watchdog

    func openWatchdog(_ timeout: Duration) {
        if !watchdog.armed {
            say("watchdog_armed", "arms its watchdog: \(timeout.milliseconds) ms", .quiet)
        }
        watchdog.timeout = timeout
        feedWatchdog()
    }

    func feedWatchdog() {
        guard watchdog.timeout > .zero else { return }
        watchdog.fedAt = loop.now
        loop.cancel(watchdog.timer)
        watchdog.timer = loop.after(watchdog.timeout) { [unowned self] in watchdogBit() }
    }

    func disarm() {
        loop.cancel(watchdog.timer)
        watchdog = Watchdog()
    }

    // MARK: -

    var answer: RackAnswer {
        var answer = RackNode(
            bootID: bootID, runDirectory: runDirectory, stateDirectory: stateDirectory)
        answer.resetCause = reset
        return answer.answer
    }

    func sensor(_ name: String) -> SimulatedSensor? {
        sensors.first { $0.settings.name == name }
    }

    private func say(_ kind: String, _ text: String, _ severity: RackEvent.Severity) {
        world.tell(.rack, kind, node: name, "\(name) \(text)", severity)
    }
}

/// An I2C bus of a node.
final class SimulatedBus {
    private(set) var devices: [UInt8: SimulatedDevice] = [:]
    private(set) var hung = false
    /// Answers that a hung bus owes.
    private var waiting: [(RackAnswer) -> Void] = []

    func device(at address: UInt8) -> SimulatedDevice {
        if let device = devices[address] { return device }
        let device = SimulatedDevice(address: address)
        devices[address] = device
        return device
    }

    func transfer(
        address: UInt8, write: [UInt8], read: Int, at now: Instant,
        answer: @escaping (RackAnswer) -> Void
    ) {
        guard let device = devices[address] else { return answer(hung ? .timeout : .nak) }
        if hung || device.fault == .hang {
            waiting.append(answer)
            return
        }
        guard let bytes = device.transaction(write: write, read: read, at: now)
        else { return answer(.nak) }
        answer(.ok([Hex.text(bytes)]))
    }

    func hang(_ hang: Bool) {
        hung = hang
        release()
    }

    /// Whoever waits learns that the transfer failed, if the bus moves again.
    func release() {
        guard !hung, !devices.values.contains(where: { $0.fault == .hang }) else { return }
        for answer in waiting { answer(.timeout) }
        waiting = []
    }

    /// The node lost its power: nobody waits any more.
    func forget() { waiting = [] }
}
