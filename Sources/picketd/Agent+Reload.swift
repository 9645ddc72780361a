import PicketConfig
import PicketControl
import PicketCore
import PicketLinux
import PicketWire
import PicketText

extension Agent {
    /// SIGHUP: the changed configuration as a whole, or nothing of it. Roles are untouched.
    func reload() {
        if !reader.isReloading { serviceManager?.reloading() }
        log(.notice, "reading \(options.configuration) again")
        reader.ask(.reload)
    }

    /// The agent that follows will read the file from its beginning: a file that it would refuse
    /// ends no agent.
    func pause(_ request: Request, _ caller: Caller) {
        caller.interest = .waiting
        let running = noted.holdings.map { narrator.names.group($0.group) }
        reader.ask(.pause(caller: caller.id, request, running: running))
    }

    func drainReading() {
        guard ready.contains(Token.reading), let (wish, found) = reader.take() else { return }
        switch wish {
        case .reload:
            switch found {
            case .read(let new, let keys): takeUp(new, keys)
            case .refused(let lines): refuse(lines)
            }
            if !reader.isReloading { serviceManager?.ready(status: statusText) }
        case .pause(let id, let request, _):
            guard let caller = callers.first(where: { $0.id == id }) else { return }
            switch found {
            case .read: give(request, caller)
            case .refused(let lines): refuse(lines, caller)
            }
        }
    }

    private func refuse(_ lines: [String], _ caller: Caller) {
        var text =
            "The agent goes on: the one that follows would not start with \(options.configuration)."
        for line in lines { text += "\n" + line }
        caller.finish(Reply.error(RequestError(.refused, text)))
    }

    private func takeUp(_ new: Configuration, _ keys: [Key]) {
        let unable = Agent.needsRestart(from: settings, to: new)
        guard unable.isEmpty else {
            tell(
                "reload", .warning,
                "The changed configuration is not taken up: \(Text.list(unable)) can change"
                    + " only with a restart (\"picket pause\", then restart the agent).",
                simulated: false)
            return
        }
        guard machine.reload(new.policy) else {
            tell(
                "reload", .warning, "The changed configuration is for another pair.",
                simulated: false)
            return
        }
        channel.replace(keys: keys)
        settings = new
        for warning in new.warnings { log(.warning, warning.text) }
        tell("reload", .notice, "The changed configuration is taken up.", simulated: false)
    }

    private func refuse(_ lines: [String]) {
        for line in lines { log(.error, line) }
        tell(
            "reload", .warning,
            "The changed configuration is refused as a whole: it has"
                + " \(lines.count == 1 ? "an error" : "\(lines.count) errors")."
                + " The agent goes on with the one it has.", simulated: false)
    }

    /// What is bound to sockets, threads and files from the start.
    private static func needsRestart(from old: Configuration, to new: Configuration) -> [String] {
        var all: [String] = []
        if old.me != new.me { all.append("this node's name") }
        for section in Configuration.Section.allCases
        where old.digest(of: section) != new.digest(of: section) {
            switch section {
            case .names: all.append("the names of pair and nodes")
            case .links: all.append("the links")
            case .watchdog: all.append("the watchdog")
            case .sensors: all.append("the sensors")
            case .fence: all.append("how the nodes are fenced")
            case .groups: all.append("the groups and their resources")
            }
        }
        if old.paths != new.paths { all.append("the paths") }
        return all
    }
}
