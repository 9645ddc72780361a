/// What the service manager tells the agent and is told: signals, signs of life, a line of status.

import PicketControl
import PicketCore
import PicketLinux
import PicketText

final class SignalDesk: Part {
    private let signals: Signals

    init(_ signals: consuming Signals) { self.signals = signals }

    override func open(_ agent: Agent) throws(SystemError) {
        try agent.wait(on: signals.raw, of: self)
    }

    override func drain(_ agent: Agent) {
        guard !ready.isEmpty else { return }
        while let signal = signals.next() {
            switch signal {
            case .terminate, .interrupt: agent.leave()
            case .hangUp: agent.reader.reload(agent)
            case .child: agent.processes.noteEnd()
            }
        }
    }
}

final class Service: Part {
    private let manager: ServiceManager?
    private var told = ""
    private var nextSign: Instant

    init(at now: Instant) {
        manager = ServiceManager()
        nextSign = now
    }

    func ready(_ agent: Agent) {
        told = Service.text(agent)
        manager?.ready(status: told)
        if manager != nil { FailedStarts.forget() }
    }
    func reloading() { manager?.reloading() }
    func stopping() { manager?.stopping() }
    func stopping(within time: Duration) { manager?.stopping(within: time) }
    func alive() { manager?.alive() }

    override var due: Instant { manager?.watchdog == nil ? .distantFuture : nextSign }

    override func settle(_ agent: Agent) {
        guard let manager else { return }
        if let interval = manager.watchdog, agent.now >= nextSign {
            nextSign = agent.now + interval / 4
            manager.alive()
        }
        guard agent.changed else { return }
        let text = Service.text(agent)
        if text != told {
            told = text
            manager.status(text)
        }
    }

    /// For systemctl status.
    private static func text(_ agent: Agent) -> String {
        let status = agent.status
        let names = agent.names
        var held: [String] = []
        for (index, group) in status.groups.enumerated() where group.role == .holding {
            held.append(names.group(index) + (group.running ? "" : " (starting)"))
        }
        let holding = held.isEmpty ? "holds nothing" : "holds \(Text.list(held))"
        let mark = agent.hardware.isSimulated ? "SIMULATED: " : ""
        return "\(mark)\(names.node) \(status.phase.label), contact with \(names.peer) "
            + "\(status.contact.label), \(holding)"
    }
}
