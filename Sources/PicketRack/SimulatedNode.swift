/// One node: its power, what runs on it, and the devices behind its socket.
///
/// Losing power is the death of all that runs at once; the rail reads *off* only when nothing of it
/// can act any more, so that a verified fence means what it says.
import CPicket
import Foundation
import PicketConfig
import PicketCore
import PicketHardware
import PicketRackClient

/// What runs on a node while it has power: a session of processes, or a virtual machine.
protocol NodeBody: AnyObject {
    /// The agent's process, by the number that it has on its node.
    var agent: pid_t? { get }
    var agentPaused: Bool { get }
    /// It has been started and not been cleared away.
    var exists: Bool { get }
    /// Nothing of it can do anything any more.
    var isGone: Bool { get }
    /// Power on, or a reset's end. Calls `hasBooted` of its node.
    func start()
    /// Everything dies, now.
    func kill()
    /// It is gone: gives back what it held.
    func clear()
    func killAgent()
    func pauseAgent(_ pause: Bool)
    /// The whole node stands still, as a virtual machine that is not scheduled.
    func pauseAll(_ pause: Bool)
    /// A planned stop, as `systemctl stop`.
    func stopAgent()
    func startAgent()
    /// SIGHUP: the agent reads its configuration again.
    func reloadAgent()
    /// For the rack's own end: nothing is left behind.
    func remove()
}

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
    /// When what ran since the last power-on was gone.
    private(set) var railOffAt: Instant?
    var wallClockOffset: Int64 = 0
    var relays: [SimulatedRelay] = []
    private(set) var buses: [Int: SimulatedBus] = [:]
    private(set) var sensors: [SimulatedSensor] = []
    private(set) var watchdog = Watchdog()
    let disk: SimulatedDisk
    private(set) var body: (any NodeBody)!
    /// `nil`: the node is processes.
    private(set) var machine: VirtualMachine?

    /// What ran at the last power-on may still be there.
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
        let small = world.smallDisks && world.lab == nil
        disk = SimulatedDisk(path: directory + "/state", small: small)
        for sensor in plan.sensors {
            let simulated = SimulatedSensor(settings: sensor.settings, value: sensor.value)
            sensors.append(simulated)
            let bus = buses[sensor.settings.bus] ?? SimulatedBus()
            buses[sensor.settings.bus] = bus
            bus.device(at: sensor.settings.address).sensors.append(simulated)
        }
    }

    /// Once the wires are there.
    func fit() throws(RackFailure) {
        if let lab = world.lab {
            let machine = try VirtualMachine(node: self, kit: lab)
            self.machine = machine
            body = machine
        } else {
            body = ProcessSession(node: self)
        }
    }

    var runDirectory: String { directory + "/run" }
    var stateDirectory: String { directory + "/state" }
    var socketPath: String { directory + "/rack.sock" }
    var controlSocket: String { runDirectory + "/picketd.sock" }
    var logPath: String { directory + "/log" }
    var agentPaused: Bool { body.agentPaused }

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
        world.railMoved()
    }

    /// The kernel dies: only the watchdog or the relay brings it back.
    func crash() {
        guard state == .running || state == .booting else { return }
        guard let machine else {
            say("crash", "crashes: the kernel is dead, the power stays on", .alarm)
            return die(.crashed)
        }
        say("crash", "is told to panic: the kernel dies, the power stays on", .alarm)
        machine.panic()
        state = .crashed
        world.agents[id].nodeDied()
    }

    private func watchdogBit() {
        watchdog.timer = nil
        tellOfReset()
        die(.crashed)
        boot(because: "watchdog")
    }

    private func tellOfReset() {
        say("watchdog_reset", "is reset by its watchdog", .alarm)
        world.watchdogBit()
        reset = "watchdog"
    }

    /// Everything that runs dies now.
    private func die(_ next: State) {
        state = next
        loop.cancel(bootTimer)
        bootTimer = nil
        if next == .off { disarm() }
        if body.exists {
            draining = true
            body.kill()
        }
        world.agents[id].nodeDied()
        for bus in buses.values { bus.forget() }
        if draining { drain() } else { drained() }
        for relay in world.relays where relay.driver == id { relay.driverDied() }
    }

    private func drain() {
        guard body.isGone else {
            loop.after(.microseconds(300)) { [unowned self] in drain() }
            return
        }
        drained()
    }

    private func drained() {
        draining = false
        if body.exists { body.clear() }
        railOffAt = loop.now
        if state == .off { say("rail_off", "is off: its last process is gone", .normal) }
        world.railFell(self)
        if isFed, state == .off { boot(because: "power on") }
    }

    // MARK: - Booting

    private func boot(because cause: String) {
        if machine != nil {
            state = .booting
            say("boot", "boots (\(cause))", .normal)
            return body.start()
        }
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
        disarm()
        try? FileManager.default.removeItem(atPath: runDirectory)
        for path in [runDirectory, stateDirectory] {
            try? FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true)
        }
        bootID = UUID().uuidString.lowercased()
        body.start()
    }

    /// The agent is about to be started.
    func hasBooted() {
        state = .running
        boots += 1
        say("booted", "has booted", .normal)
    }

    /// The machine's own watchdog ended its kernel's life.
    func machineWatchdogBit() {
        tellOfReset()
        state = .crashed
        world.agents[id].nodeDied()
    }

    /// The machine was reset and boots again, its power on all the while.
    func machineWasReset() {
        guard state != .off else { return }
        if state == .running { say("reset", "resets itself", .warning) }
        state = .booting
        world.agents[id].nodeDied()
    }

    func remove() {
        body.remove()
        disk.remove()
    }

    // MARK: - Watchdog of a node that is processes

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

    func say(_ kind: String, _ text: String, _ severity: RackEvent.Severity) {
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
        if device.fault == .timeout { return answer(.timeout) }
        if device.fault == .contended { return answer(.arbitration) }
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
