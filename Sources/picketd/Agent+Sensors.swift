import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux
import PicketText

extension Agent {
    func drainSensing() {
        guard ready.contains(Token.sensing) else { return }
        sensing.clear()
        passSensors()
    }

    /// Takes what the workers have read, also where one of them hangs amid its round and has not
    /// said so yet; and lets time pass for all.
    func passSensors() {
        sensing.passedAt = now
        while let reading = sensing.next() {
            let index = reading.sensor
            switch reading.result {
            case .sample(let sample):
                noticed(sensing.monitors[index].take(sample, at: now), index)
            case .failure(let error):
                noticed(sensing.monitors[index].fail(error, at: now), index)
            }
        }
        for index in sensing.monitors.indices {
            noticed(sensing.monitors[index].pass(at: now), index)
        }
        updateHealth()
    }

    /// A sensor's verdict has changed, or not.
    func noticed(_ change: SensorChange?, _ index: Int) {
        guard let change else { return }
        let name = narrator.names.sensors[index]
        let severity: Trace.Kind.Severity =
            switch change.to.level {
            case .ok: .notice
            case .unknown, .warn: .warning
            case .critical: .alarm
            }
        tell(
            "sensor", severity,
            "Sensor \(name) is \(Agent.word(change.to)): \(Agent.describe(change.reading))"
                + (change.simulated ? " (drill)." : "."),
            simulated: change.simulated)
        drillsObserve(sensor: index, Agent.state(of: sensing.monitors[index]))
    }

    func updateHealth() {
        let status = machine.status(at: now)
        let armed = watchdogReport.timeout > .zero && watchdogReport.fault == nil
        let checks = SelfChecks(
            watchdog: settings.watchdog == nil ? .absent : armed ? .armed : .unarmed,
            relayTest: status.relayTest,
            linksDown: linksDown(status),
            memoryLocked: lockedMemoryRefused == nil, realTime: realTimeRefused == nil,
            stateWritten: stateWritten)
        if let health = healthModel.update(
            sensors: sensing.monitors, checks: checks, simulated: options.rack != nil, at: now)
        {
            changed = true
            handle(.health(health))
        }
    }

    /// Right after contact the links have not had the time to show that they carry both ways.
    private func linksDown(_ status: Status) -> Int {
        guard status.contact == .established, let contactAt, now - contactAt > .seconds(2) else {
            return 0
        }
        return links.count - status.linksUp.count
    }

    // MARK: In words

    private static func word(_ verdict: Verdict) -> String {
        if verdict.failed { return "failed" }
        return switch verdict.level {
        case .ok: "normal"
        case .unknown: "unknown"
        case .warn: "past its warning limit"
        case .critical: "past its critical limit"
        }
    }

    static func describe(_ reading: Reading) -> String {
        switch reading {
        case .value(let quantity): describe(quantity)
        case .stale(let last):
            last.map { "nothing new since \(describe($0))" } ?? "nothing was ever read"
        case .failed(let fault): describe(fault)
        }
    }

    private static func describe(_ quantity: Quantity) -> String {
        Text.number(quantity.value) + quantity.unit.symbol
    }

    static func describe(_ fault: SensorFault) -> String {
        switch fault {
        case .unreadable(let error): "\(error.register): \(describe(error.problem))"
        case .stuck: "the same value for too long"
        case .implausible(let quantity): "\(describe(quantity)) is not plausible"
        case .tooFast(let quantity): "a jump to \(describe(quantity)) is not plausible"
        case .injected: "a drill's failure"
        }
    }

    private static func describe(_ problem: SensorError.Problem) -> String {
        switch problem {
        case .bus(let error): describe(error)
        case .overflow: "overflow"
        case .notReady: "the conversion did not end in time"
        case .wrongDevice: "another device answers at this address"
        case .checksum: "the answer does not match its checksum"
        case .shortAnswer: "the answer is too short"
        }
    }

    private static func describe(_ error: BusError) -> String {
        switch error {
        case .nak: "no acknowledgement: the device is absent, without power or busy"
        case .timeout: "the bus hangs"
        case .arbitrationLost: "arbitration lost"
        case .claimed: "a driver of the kernel has this address, and shows nothing in hwmon"
        case .vanished: "the bus is gone"
        case .other(let errno): SystemError.text(of: errno)
        }
    }

    // MARK: For the status

    func sensorReports() -> [SensorReport] {
        sensing.monitors.map { monitor in
            let shown = monitor.injected ?? monitor.reading
            var report = SensorReport(
                name: monitor.name, value: nil, unit: "", state: Agent.state(of: monitor),
                simulated: monitor.isSimulated || options.rack != nil)
            report.age = monitor.readAt.map { now - $0 }
            switch shown {
            case .value(let quantity):
                report.value = quantity.value
                report.unit = quantity.unit.symbol
            case .stale(let last):
                report.value = last?.value
                report.unit = last?.unit.symbol ?? ""
            case .failed(let fault): report.fault = Agent.describe(fault)
            }
            if report.unit.isEmpty,
                let sensor = settings.sensors.first(where: { $0.name == monitor.name })
            {
                report.unit = sensor.driver.unit.symbol
            }
            return report
        }
    }

    static func state(of monitor: SensorMonitor) -> SensorReport.State {
        if monitor.verdict.level == .critical { return .critical }
        switch monitor.injected ?? monitor.reading {
        case .failed: return monitor.verdict.failed ? .failed : state(by: monitor.verdict.level)
        case .stale(let last): return last == nil && !monitor.verdict.failed ? .unknown : .stale
        case .value: return state(by: monitor.verdict.level)
        }
    }

    private static func state(by level: Level) -> SensorReport.State {
        switch level {
        case .ok: .normal
        case .unknown: .unknown
        case .warn: .warn
        case .critical: .critical
        }
    }
}
