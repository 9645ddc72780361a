/// One node: its power, its wires and the devices on its buses.
///
/// Losing power is the death of all that runs at once; the rail reads *off* only when nothing of it
/// can act any more, so that a verified fence means what it says.
import PicketConfig
package import PicketCore
import PicketHardware

package final class SimulatedNode {
    package let id: NodeID
    package let name: String
    package let plan: NodePlan
    package let directory: String
    package unowned let rack: Rack
    /// What the node's agent says of itself.
    package private(set) lazy var agent = AgentObserver(of: self)

    private(set) var state: State = .off
    /// The supply before the relays.
    private(set) var mains = true
    /// Not switched on until somebody says so.
    private var held = true
    private(set) var boots = 0
    /// What ended the life before: `power` or `watchdog`.
    private(set) var lastReset = "power"
    var relays: [SimulatedRelay] = []
    /// Before its supplies, one after the other.
    var outlets: [SimulatedRelay] = []
    /// The lines by which it cuts and senses its peer do not answer.
    var linesHang = false { didSet { if !linesHang { body.answerLines() } } }
    /// Its agent is kept from running, again and again.
    var stallTimer: EventLoop.TimerID?
    package private(set) var buses: [Int: SimulatedBus] = [:]
    private(set) var sensors: [SimulatedSensor] = []
    private(set) var body: (any NodeBody)!

    /// Processes of the last power-on may still run.
    package private(set) var draining = false

    enum State: Equatable {
        case off
        case booting
        case running
        /// Powered, and nothing runs: a kernel that died.
        case crashed
    }

    init(id: NodeID, plan: NodePlan, rack: Rack) {
        self.id = id
        self.name = rack.plan.names[id]
        self.plan = plan
        self.directory = "\(rack.directory)/\(name)"
        self.rack = rack
        for sensor in plan.sensors {
            let simulated = SimulatedSensor(settings: sensor.settings, value: sensor.value)
            sensors.append(simulated)
            let bus = buses[sensor.settings.bus] ?? SimulatedBus()
            buses[sensor.settings.bus] = bus
            bus.device(at: sensor.settings.address).sensors.append(simulated)
        }
    }

    /// Once the wires are there.
    func embody(by maker: any NodeMaker) throws(RackFailure) { body = try maker.body(of: self) }

    var stateDirectory: String { directory + "/state" }
    package var configurationPath: String { directory + "/picket.yaml" }
    package var logPath: String { directory + "/log" }

    // MARK: - Power

    var isFed: Bool {
        mains && !held && outlets.allSatisfy { $0.contact }
            && (relays.isEmpty || relays.contains { $0.feeds })
    }

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
            lastReset = "power"
            die(.off)
        } else if isFed, state == .off, !draining {
            boot(because: "power on")
        }
        rack.railMoved()
    }

    /// The kernel dies: only the watchdog or the relay brings it back.
    func crash() {
        guard state == .running || state == .booting else { return }
        body.crash()
    }

    /// Everything that runs dies now.
    private func die(_ next: State) {
        state = next
        body.die(poweredOff: next == .off)
        draining = body.exists
        agent.died()
        for bus in buses.values { bus.forget() }
        if draining { drain() } else { drained() }
        for relay in rack.relays where relay.driver == id { relay.driverDied() }
    }

    private func drain() {
        guard body.isGone else {
            rack.loop.after(.microseconds(300)) { [unowned self] in drain() }
            return
        }
        drained()
    }

    private func drained() {
        draining = false
        body.clear()
        if state == .off { say("rail_off", "is off: nothing on it runs any more", .normal) }
        rack.railFell(self)
        if isFed, state == .off { boot(because: "power on") }
    }

    private func boot(because cause: String) {
        if state == .off { state = .booting }
        body.boot(because: cause)
    }

    func remove() { body.remove() }

    // MARK: - What the body says

    /// The agent is about to be started.
    package func hasBooted() {
        state = .running
        boots += 1
        say("booted", "has booted", .normal)
    }

    /// The kernel is dead, and nothing of what it ran is left.
    func diedInPlace() { die(.crashed) }

    /// The kernel is dead, and what it ran will be found dead when the node is reset.
    package func stoodStill() {
        state = .crashed
        agent.died()
    }

    package func watchdogBit() {
        say("watchdog_reset", "is reset by its watchdog", .alarm)
        rack.watchdogBit()
        lastReset = "watchdog"
    }

    /// The node was reset by itself and boots again, its power on all the while.
    package func wasReset() {
        guard state != .off else { return }
        if state == .running { say("reset", "resets itself", .warning) }
        state = .booting
        agent.died()
    }

    // MARK: -

    func sensor(_ name: String) -> SimulatedSensor? {
        sensors.first { $0.settings.name == name }
    }

    package func say(_ kind: String, _ text: String, _ severity: RackEvent.Severity) {
        rack.tell(.rack, kind, node: name, "\(name) \(text)", severity)
    }
}
