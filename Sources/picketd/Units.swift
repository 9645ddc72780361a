/// Root's helper (picket-units), as the agent sees it: whether it is there, and may start what the
/// configuration names. It is looked at now and then, because a takeover is too late to find out.

import PicketControl
import PicketCore
import PicketLinux
import PicketText

final class Units: Part {
    private let named: [String]
    private var lookAt: Instant
    private var isLooking = false
    private var startable: [String] = []
    /// Why not all units could be started or stopped, and what to do; `nil` where they could.
    private(set) var fault: String?

    static let interval = Duration.seconds(10)
    static let within = Duration.seconds(5)

    /// - Parameter named: the units that the groups have; none where nothing is to be looked at.
    init(_ named: [String], at now: Instant) {
        self.named = named
        lookAt = now
    }

    override var due: Instant { named.isEmpty || isLooking ? .distantFuture : lookAt }

    override func pass(_ agent: Agent) {
        lookAt = agent.now + Units.interval
        isLooking = true
        startable = []
        agent.processes.run(
            Launch(
                arguments: ["picket-units", "--patience", "1000", "list"],
                environment: agent.processes.environment, mostLines: 2000),
            as: .units, until: agent.now + Units.within)
    }

    func heard(_ line: String) { startable.append(line) }

    func looked(_ end: ChildEnd, _ agent: Agent) {
        isLooking = false
        let before = fault
        fault = Units.fault(named, startable, end)
        guard fault != before else { return }
        agent.noteChange()
        if let fault { agent.log(.critical, fault) }
    }

    static func fault(_ named: [String], _ startable: [String], _ end: ChildEnd) -> String? {
        guard end == .exited(0) else {
            return "the helper that starts and stops units does not answer: systemctl start"
                + " picket-units, and see: journalctl -u picket-units"
        }
        let missing = named.filter { !startable.contains($0) }
        if missing.isEmpty { return nil }
        return "the helper that starts and stops units does not know \(Text.list(missing)): the"
            + " configuration must be root's alone to write; see: journalctl -u picket-units"
    }
}
