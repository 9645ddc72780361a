/// This node's health: what its sensors and its own self-checks come to, told to the machine.

import PicketControl
import PicketCore
import PicketHardware

final class HealthKeeper: Part {
    private var model = HealthModel()
    private var contactAt: Instant?

    /// Why it is not the best.
    var reasons: [HealthReason] { model.reasons }

    override var due: Instant { model.nextDeadline }
    override func pass(_ agent: Agent) { update(agent) }

    override func observe(_ trace: Trace, _ agent: Agent) {
        if trace.kind == .contact { contactAt = agent.now }
    }

    /// They have not had that time either.
    func linksAdded(_ agent: Agent) { contactAt = agent.now }

    func update(_ agent: Agent) {
        let status = agent.status
        let checks = SelfChecks(
            watchdog: agent.watchdogs.check,
            relayTest: status.relayTest,
            linksDown: linksDown(status, agent),
            memoryLocked: agent.lockedMemoryRefused == nil,
            realTime: agent.realTimeRefused == nil,
            stateWritten: agent.storage.isStateWritten)
        if let health = model.update(
            sensors: agent.sensors.monitors, checks: checks,
            simulated: agent.hardware.isSimulated, at: agent.now)
        {
            agent.noteChange()
            agent.handle(.health(health))
        }
    }

    /// Right after contact the links have not had the time to show that they carry both ways.
    private func linksDown(_ status: Status, _ agent: Agent) -> Int {
        guard status.contact == .established, let contactAt,
            agent.now - contactAt > .seconds(2)
        else { return 0 }
        return agent.links.count - status.linksUp.count
    }
}
