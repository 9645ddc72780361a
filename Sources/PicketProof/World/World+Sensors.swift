/// Two sensors a node, each on a bus of its own: the shipping drivers on simulated buses, and the
/// shipping judgement of what they read (SensorMonitor, HealthModel).
///
/// The fault and the time decide what a chip measures. The watch judges by that, and not by the
/// monitors' judgement.
internal import PicketCore
internal import PicketHardware

public enum SensorFault: String, CaseIterable, Sendable {
    /// Past its critical limit.
    case critical
    case warn
    /// Now past the critical limit, now on its good side, but not by the hysteresis.
    case flutter
    /// One reading past the critical limit, and all well again.
    case glitch
    case nak
    /// The whole bus, until the fault ends.
    case hang
    /// Always the same bits.
    case stuck
    /// A value that cannot be.
    case wild
}

/// What a drill pretends of a node's first sensor.
public enum DrillKind: String, CaseIterable, Sendable {
    case critical, good, fail, stuck
}

/// One chip, as it really is.
struct Chip {
    /// The node's file has a sensor for it.
    var isListed = true
    var fault: SensorFault?
    var faultSince: Int64 = 0
    /// The bits that it last gave, for a stuck chip.
    var bits: UInt16 = 0

    // What the watch knows of it.
    /// Readings past the critical limit since the last one on its good side, and those since.
    var run = 0
    var good = 0
    /// The agent may call it critical.
    var mayBeCritical = false
    /// Since when the agent must call it critical.
    var criticalSince: Int64?
}

extension Chip {
    static let interval: Int64 = 500_000_000
    static let descriptions = [
        SensorDescription(
            name: "inlet", driver: .tmp102(TMP102()), bus: 0, address: 0x48,
            watch: SensorWatch(
                warn: [.above(60)], critical: [.above(75)], hysteresis: 3, debounce: 3,
                interval: Duration(nanoseconds: interval), staleAfter: .seconds(2),
                plausible: -20...110, stuckAfter: .seconds(5))),
        SensorDescription(
            name: "rail", driver: .ina219(INA219(measure: .busVoltage, shunt: 0.1)), bus: 1,
            address: 0x40,
            watch: SensorWatch(
                warn: [.below(4.8)], critical: [.below(4.6)], hysteresis: 0.08, debounce: 3,
                interval: Duration(nanoseconds: interval), staleAfter: .seconds(2),
                plausible: 0...12)),
    ]

    /// In the sensor's unit.
    func value(_ index: Int, at now: Int64) -> Double {
        let values: (well: Double, warn: Double, within: Double, critical: Double, wild: Double) =
            index == 0 ? (41, 66, 73.5, 80, 127) : (5.08, 4.72, 4.64, 4.5, 25)
        // No two readings are the same.
        let noise = Double((now / Chip.interval + Int64(index)) % 7) / 7
        let spread = noise * (index == 0 ? 1.0 : 0.03)
        switch fault {
        case nil, .nak, .hang, .stuck: return values.well + spread
        case .critical: return values.critical + spread
        case .warn: return values.warn + spread
        case .wild: return values.wild
        case .glitch:
            return now - faultSince <= Chip.interval
                ? values.critical + spread : values.well + spread
        case .flutter:
            return (now - faultSince) / 13_000_000_000 % 2 == 0
                ? values.critical + spread : values.within + spread
        }
    }

    /// Another agent, which knows nothing of earlier readings.
    mutating func forget() {
        run = 0
        good = 0
        mayBeCritical = false
        criticalSince = nil
    }

    /// Works out what must come of a reading, by the words of the configuration alone.
    mutating func judge(_ index: Int, at now: Int64) {
        let watch = Chip.descriptions[index].watch
        let value: Double
        switch fault {
        case .nak, .hang, .wild: return
        case .stuck: value = index == 0 ? TMP102.convert(bits) : INA219.convertBusVoltage(bits)
        case nil, .critical, .warn, .flutter, .glitch: value = self.value(index, at: now)
        }
        guard watch.plausible!.contains(value) else { return }
        if watch.critical[0].isCrossed(by: value) {
            good = 0
            run += 1
            if run >= watch.debounce { mayBeCritical = true }
            // A run that begins milder makes a milder level first, and the next run makes this one.
            // A stuck sensor is believed only for a while.
            if run >= watch.debounce * 2 - 1, criticalSince == nil, fault != .stuck {
                criticalSince = now
            }
        } else if !watch.critical[0].isCrossed(by: value, hysteresis: watch.hysteresis) {
            run = 0
            criticalSince = nil
            good += 1
            if good >= watch.debounce { mayBeCritical = false }
        } else if !mayBeCritical {
            run = 0
        }
    }
}

/// The registers of a node's chips.
private struct ChipBus: Bus {
    var chip: Chip
    let index: Int
    let now: Int64

    mutating func transaction(address: UInt8, write: [UInt8], read count: Int)
        throws(BusError) -> [UInt8]
    {
        if chip.fault == .nak { throw .nak(address: address) }
        let register = write.first ?? 0
        guard count == 2 else { return [UInt8](repeating: 0, count: count) }
        if register == (index == 0 ? 0 : 2) { return measured(register) }
        return content(of: register)
    }

    private mutating func measured(_ register: UInt8) -> [UInt8] {
        if chip.fault != .stuck || chip.bits == 0 {
            let bytes = content(of: register)
            chip.bits = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
        }
        return [UInt8(chip.bits >> 8), UInt8(chip.bits & 0xFF)]
    }

    private func content(of register: UInt8) -> [UInt8] {
        let driver = Chip.descriptions[index].driver
        let simulated = SimulatedChip([(driver, chip.value(index, at: now))])
        return driver.content(of: register, simulated)
    }
}

private struct NoDelay: Delay {
    mutating func delay(_ duration: Duration) {}
}

/// The agent's part: its drivers, monitors and health.
struct Sensing {
    var sensors = Chip.descriptions.map { Sensor($0) }
    /// The chips by which it goes; the monitors are in this order.
    private(set) var listed: [Int] = []
    var monitors: [SensorMonitor] = []
    var health = HealthModel()

    mutating func list(_ chips: [Int], at now: Instant) {
        listed = chips
        monitors = monitors.following(chips.map { Chip.descriptions[$0] }, at: now)
    }
}

extension World {
    /// The agent's workers read all sensors, unless their bus hangs.
    func sense(_ node: Node, _ life: UInt32) {
        guard node.life == life, let agent = node.agent else { return }
        after(Chip.interval, .senses(node.index, life: life))
        guard node.standsStillUntil <= now else { return watch.notSensed(node, at: now) }
        let local = node.clock(now)
        takeUpLinks(node, agent)
        guard node.agent === agent, !agent.ended, node.standsStillUntil <= now else { return }
        takeUpSensors(node, agent, at: local)
        for (place, index) in agent.sensing.listed.enumerated()
        where node.chips[index].fault != .hang {
            var bus = ChipBus(chip: node.chips[index], index: index, now: now)
            var delay = NoDelay()
            do throws(SensorError) {
                let sample = try agent.sensing.sensors[index].read(from: &bus, delay: &delay)
                _ = agent.sensing.monitors[place].take(sample, at: local)
            } catch {
                _ = agent.sensing.monitors[place].fail(error, at: local)
            }
            node.chips[index] = bus.chip
            node.chips[index].judge(index, at: now)
        }
        for index in agent.sensing.monitors.indices {
            _ = agent.sensing.monitors[index].pass(at: local)
        }
        watch.sensed(node, at: now)
        tellHealth(node, agent, at: local)
        tellReadiness(node, agent)
        if node.agent === agent, !agent.ended { lookAtUnits(node, agent) }
    }

    /// The agent is told of another list until it takes it up, which it does not in a drill.
    private func takeUpSensors(_ node: Node, _ agent: AgentLife, at local: Instant) {
        let listed = node.chips.indices.filter { node.chips[$0].isListed }
        guard listed != agent.sensing.listed,
            !agent.sensing.monitors.contains(where: { $0.injected != nil })
        else { return }
        tell(node, .world("the agent takes up other sensors"))
        for chip in node.chips.indices where !agent.sensing.listed.contains(chip) {
            node.chips[chip].forget()
        }
        agent.sensing.list(listed, at: local)
        for chip in node.chips.indices where !listed.contains(chip) { node.chips[chip].forget() }
    }

    /// As the agent's look at its units.
    private func tellReadiness(_ node: Node, _ agent: AgentLife) {
        for place in agent.list.indices {
            guard node.agent === agent, !agent.ended, node.standsStillUntil <= now else { return }
            let isReady = !lasts(.unitMissing, agent.list[place], node)
            if agent.machine.groups[place].isReady != isReady {
                turn(node, .ready(place, isReady))
            }
        }
    }

    func tellHealth(_ node: Node, _ agent: AgentLife, at local: Instant) {
        let checks = SelfChecks(
            watchdog: node.watchdogDeadUntil <= now ? .armed : .unarmed,
            relayTest: agent.machine.vitals.relayTest)
        guard
            let health = agent.sensing.health.update(
                sensors: agent.sensing.monitors, checks: checks, at: local)
        else { return }
        turn(node, .health(health))
    }

    func set(_ fault: SensorFault?, _ sensor: Int, of node: Node) {
        node.chips[sensor].fault = fault
        node.chips[sensor].faultSince = now
    }

    /// A drill on the first sensor, as long as the agent lives.
    func drill(_ kind: DrillKind, _ node: Node, until: Int64) {
        guard let agent = node.agent, node.standsStillUntil <= now,
            agent.sensing.listed.first == 0
        else { return }
        let injection: SensorMonitor.Injection =
            switch kind {
            case .critical: .value(95)
            case .good: .value(20)
            case .fail: .failure
            case .stuck: .stuck
            }
        let local = node.clock(now)
        let ends = local + Duration(nanoseconds: until - now)
        // A sensor that seems stuck or to fail is as bad as it was last.
        let was = node.chips[0].mayBeCritical || node.chips[0].run > 0
        let critical = kind == .critical || kind != .good && was
        watch.pretends(node, critical: critical, until: until)
        command(.drill(true), node)
        _ = agent.sensing.monitors[0].inject(injection, until: ends, at: local)
        tellHealth(node, agent, at: local)
    }

    func endDrill(_ node: Node) {
        guard let agent = node.agent else { return }
        let local = node.clock(now)
        if agent.sensing.listed.first == 0 {
            _ = agent.sensing.monitors[0].endDrill(at: local)
        }
        command(.drill(false), node)
        guard node.agent === agent, !agent.ended else { return }
        tellHealth(node, agent, at: local)
    }
}
