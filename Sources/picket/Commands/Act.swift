import ArgumentParser
import Foundation
import PicketControl
import PicketCore
import PicketText

/// Commands that begin something: they show its course, until it is over.
struct WaitOptions: ParsableArguments {
    @Flag(name: .long, help: "Return as soon as the agent has accepted the order.")
    var noWait = false
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Stop watching after this long; the agent goes on with the order.", valueName: "time"))
    var timeout: SpanArgument = SpanArgument(.seconds(120))
}

/// "30s", "500ms".
struct SpanArgument: ExpressibleByArgument {
    var duration: PicketCore.Duration
    init(_ duration: PicketCore.Duration) { self.duration = duration }
    init?(argument: String) {
        guard let duration = Text.duration(argument) else { return nil }
        self.init(duration)
    }
    var defaultValueDescription: String { Text.exact(duration) }
}

struct HandoverCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "handover",
        abstract: "Moves a group, or all of them, to the other node.",
        discussion: """
            The holder stops the group, then the other node starts it: the service pauses for as \
            long as that takes. The order is refused, with the reason, if the other node could not \
            take the group.

            EXAMPLES
              picket handover gateway
              picket handover              every group that either node holds
            """)
    @OptionGroup var agent: AgentOptions
    @OptionGroup var wait: WaitOptions
    @Argument(help: "The group; all if left out.") var group: String?
    @Flag(name: .long, help: "Lines of JSON.") var json = false

    func act() throws {
        let before = try agent.status()
        let chosen = try before.chosen(group)
        let targets = chosen.map { group in
            let holder = before.holder(of: group)?.node
            return (group.name, holder.map { $0 == before.node ? before.peer : before.node })
        }
        try Watching(agent, wait, json).run(.handover(group: group)) { status in
            targets.allSatisfy { name, node in node == nil || status.isActive(name, on: node!) }
        }
    }
}

struct FailbackCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "failback",
        abstract: "Returns a group, or all of them, to the node that it prefers.")
    @OptionGroup var agent: AgentOptions
    @OptionGroup var wait: WaitOptions
    @Argument(help: "The group; all if left out.") var group: String?
    @Flag(name: .long, help: "Lines of JSON.") var json = false

    func act() throws {
        let chosen = try agent.status().chosen(group)
        try Watching(agent, wait, json).run(.failback(group: group)) { status in
            chosen.allSatisfy { group in
                group.enabled == false
                    || status.isActive(group.name, on: group.prefer ?? status.node)
            }
        }
    }
}

struct FenceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fence",
        abstract: "Cuts the peer's power now, records that it is off, or switches it on.",
        discussion: """
            EXAMPLES
              picket fence west            cut its power, verify it, take over
              picket fence confirm west    your word that it is off
              picket fence restore west    switch it on, after a fence with policy: off
            """,
        subcommands: [
            FenceNowCommand.self, FenceConfirmCommand.self, FenceRestoreCommand.self,
        ],
        defaultSubcommand: FenceNowCommand.self)
}

struct FenceNowCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "now",
        abstract: "Cuts the peer's power, in contact or not, and takes over what it holds.")
    @OptionGroup var agent: AgentOptions
    @OptionGroup var wait: WaitOptions
    @Argument(help: "The peer's name.") var node: String
    @Flag(name: .long, help: "Do not ask.") var yes = false
    @Flag(name: .long, help: "Lines of JSON.") var json = false

    func act() throws {
        let status = try agent.status()
        try status.demandPeer(node)
        let held = status.groups.filter { status.holder(of: $0)?.node == node }.map { $0.name }
        let way = status.fence.levels.first ?? "no configured way"
        let real = status.simulated.isEmpty ? "" : " (simulated)"
        try Terminal.demand(
            node,
            before: "This cuts the power of \(node)\(real), by \(way), "
                + (status.contact == "established" ? "although it is in contact. " : "")
                + "It holds \(held.isEmpty ? "no group" : Text.list(held)).", yes: yes
        )
        try Watching(agent, wait, json).run(
            .fence(node: node), failing: ["fence_exhausted", "fence_refused"]
        ) { status in
            ["idle", "restoring"].contains(status.fence.state) && status.receipt != nil
                && held.allSatisfy { status.isActive($0, on: status.node) }
        } event: { entry in
            entry.kind == "fence_restored" || (held.isEmpty && entry.kind == "fence_verified")
        }
    }
}

struct FenceConfirmCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "confirm",
        abstract: "Records your word that the peer is off; this node then takes over.",
        discussion: """
            Use it only when the fence has failed and you have made certain yourself that the peer \
            is off. If it is not, both nodes run the same groups and data is lost. Your word is \
            refused while the peer is in contact.
            """)
    @OptionGroup var agent: AgentOptions
    @Argument(help: "The peer's name.") var node: String
    @Flag(name: .long, help: "Do not ask.") var yes = false
    @Flag(name: .long, help: "One line of JSON.") var json = false

    func act() throws {
        let status = try agent.status()
        try status.demandPeer(node)
        try Terminal.demand(
            node,
            before: "You confirm that \(node) is OFF. \(status.node) will take over what it held. "
                + "If \(node) still runs, both nodes will be active at once.", yes: yes)
        try agent.report(.confirmFence(node: node), json)
    }
}

struct FenceRestoreCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Switches the peer on, after a fence with policy: off.",
        discussion: "A fence that is under way comes to its end first.")
    @OptionGroup var agent: AgentOptions
    @Argument(help: "The peer's name.") var node: String
    @Flag(name: .long, help: "One line of JSON.") var json = false

    func act() throws { try agent.report(.restore(node: node), json) }
}

struct MaintenanceCommand: PicketCommand {
    enum Switch: String, ExpressibleByArgument, CaseIterable { case on, off }
    static let configuration = CommandConfiguration(
        commandName: "maintenance",
        abstract: "Takes all hands off the groups and the power, or watches the pair again.",
        discussion: """
            It is one setting of the pair: give it on either node, and both keep it across reboots. \
            While it is on, nothing is fenced, started, restarted or moved by itself; what fails is \
            only alarmed. A planned stop of an agent leaves its groups running.

            The command ends when both nodes have it on disk. Otherwise it says which node has not \
            heard of it.

            With a group's name hands are off that group alone, and the pair fences and moves on for \
            the others. A planned stop leaves that group running, and a node on which it runs is \
            fenced only for another group.

            "off" is refused while a group is down where it should run, or may run where it should \
            not, until you name it.
            """)
    @OptionGroup var agent: AgentOptions
    @Argument(help: "on or off.") var state: Switch
    @Argument(help: "Only this group; without it, all hands are off.") var group: String?
    @Option(
        name: .long, parsing: .upToNextOption,
        help: ArgumentHelp(
            "Groups that are not as they should be, as you know.", valueName: "group"))
    var despite: [String] = []
    @Flag(name: .long, help: "One line of JSON.") var json = false

    func act() throws {
        try agent.report(.maintenance(state == .on, of: group, despite: despite), json)
    }
}

struct RunCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Starts a unit of a group by hand, on this node, in maintenance.",
        discussion: """
            A unit of a group does not start by itself or by "systemctl start": it needs a warrant, \
            which only an active group has. In maintenance of the pair this verb gives it one and starts it. The \
            pair does not look whether it runs on the other node as well: you do.

            Stop it with "systemctl stop". What still runs beside its group when maintenance ends is \
            stopped, with an alarm.
            """)
    @OptionGroup var agent: AgentOptions
    @Argument(help: ArgumentHelp("A systemd unit of a group.", valueName: "unit")) var unit: String
    @Flag(name: .long, help: "One line of JSON.") var json = false

    func act() throws {
        let status = try agent.status()
        guard status.maintenance else {
            throw Failure(
                .refused, "not_in_maintenance",
                "outside maintenance the pair starts its units itself: \"picket maintenance on\" first"
            )
        }
        let (code, said) = Program.run("/usr/bin/env", ["picket-units", "run", unit])
        guard code == 0 else {
            throw Failure(.refused, "not_started", said.isEmpty ? "\(unit) did not start" : said)
        }
    }
}

struct PauseCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause",
        abstract:
            "Agrees on a pause with the peer and ends this agent, so that another replaces it.",
        discussion: """
            The groups keep running, and the peer does not fence this node meanwhile. The service \
            manager at once starts the agent that is installed now, and that agent adopts the groups. \
            If it does not come in time, the peer takes over.

            The agent reads its configuration first. If the next agent would not keep what runs with \
            it, the pause is refused.

            The Debian package pauses by itself when it is upgraded. By hand: install, then pause.

            EXAMPLE
              make install && picket pause --for 30s
            """)
    @OptionGroup var agent: AgentOptions
    @Option(name: .customLong("for"), help: ArgumentHelp("How long at most.", valueName: "time"))
    var span = SpanArgument(.seconds(30))
    @Flag(name: .long, help: "One line of JSON.") var json = false

    func act() throws { try agent.report(.pause(span.duration), json) }
}

struct ClearCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "clear",
        abstract: "Forgets a failed start or fence, so that it is tried again.",
        discussion: """
            "picket clear budgets" gives back what this node has spent of its budgets of fences \
            and moves. Each node counts for itself: run it on both.
            """)
    @OptionGroup var agent: AgentOptions
    @Argument(help: "The group, or \"budgets\"; all groups if left out.") var group: String?
    @Flag(name: .long, help: "One line of JSON.") var json = false

    func act() throws {
        try agent.report(group == "budgets" ? .clearBudgets : .clear(group: group), json)
    }
}

struct TakeCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "take",
        abstract: "Takes over a group that waits for this order.",
        discussion: """
            A group with "takeover: ask" is not taken over by itself: once the peer is fenced and
            verified off, or has left by plan, the group waits here, and an alarm says so. This
            order starts it.

            A group with "sync:" does not start on a copy of its data that is not known to be the
            newest. With --stale it starts here all the same, and what only the other node has
            may be lost. Where the data of the two nodes have diverged it names those that stay.

            EXAMPLES
              picket take app          the group app
              picket take app --stale  also with a copy that is not current
              picket take              every group that waits
            """)
    @OptionGroup var agent: AgentOptions
    @OptionGroup var wait: WaitOptions
    @Argument(help: "The group; all that wait if left out.") var group: String?
    @Flag(name: .long, help: "Start it here whatever its copy of the data is.") var stale = false
    @Flag(name: .long, help: "Lines of JSON.") var json = false

    func validate() throws {
        if stale, group == nil {
            throw ValidationError("--stale needs the name of the group whose data are at stake")
        }
    }

    func act() throws {
        let chosen = try agent.status().chosen(group).filter {
            $0.asked == true || $0.waitsForCopy == true
        }
        try Watching(agent, wait, json).run(.take(group: group, stale: stale)) { status in
            chosen.allSatisfy { status.isActive($0.name, on: status.node) }
        }
    }
}

extension AgentOptions {
    /// A command that is done once it is accepted.
    func report(_ request: Request, _ json: Bool) throws {
        let line = try ask(request)
        let result = try ResultModel.accepted(line)
        if json { Terminal.write(Array(line) + [10]) } else { Terminal.say(result.text) }
    }
}

extension StatusModel {
    func demandPeer(_ name: String) throws {
        if name == peer { return }
        throw Failure(
            .usage, "unknown_name",
            name == node
                ? "\(node) is this node; it fences only its peer, \(peer). Ask on \(peer)."
                : "there is no node \(name) in \(pair); the peer is \(peer).")
    }

    func chosen(_ name: String?) throws -> [Group] {
        guard let name else { return groups }
        guard let group = groups.first(where: { $0.name == name }) else {
            throw Failure(
                .usage, "unknown_name",
                "there is no group \(name) in \(pair); it has "
                    + "\(Text.list(groups.map { $0.name })).")
        }
        return [group]
    }

    func isActive(_ name: String, on node: String) -> Bool {
        guard let group = groups.first(where: { $0.name == name }),
            let holder = holder(of: group)
        else { return false }
        return holder.node == node && holder.running
    }
}

/// Sends a command and tells its course, from the agent's own history, until it is over.
struct Watching {
    let agent: AgentOptions
    let options: WaitOptions
    let json: Bool

    init(_ agent: AgentOptions, _ options: WaitOptions, _ json: Bool) {
        self.agent = agent
        self.options = options
        self.json = json
    }

    /// Kinds after which there is nothing more to wait for.
    private static let failures = [
        "move_refused", "start_failed", "stop_failed", "command_refused",
    ]

    func run(
        _ request: Request, failing: [String] = [], until done: (StatusModel) -> Bool,
        event: (HistoryModel) -> Bool = { _ in false }
    ) throws {
        let history = try agent.connect()
        if !options.noWait { history.send(.history(count: 0, follow: true)) }
        let line = try agent.ask(request)
        let result = try ResultModel.accepted(line)
        if json { Terminal.write(Array(line) + [10]) } else { Terminal.say(result.text) }
        if options.noWait { return }
        let deadline = Date(
            timeIntervalSinceNow: Double(options.timeout.duration.milliseconds) / 1e3)
        var seen = false
        while Date() < deadline {
            switch try history.next(within: .milliseconds(200)) {
            case .line(let line):
                guard ReplyModel.type(of: line) == "history" else { continue }
                let entry = try ReplyModel.decode(HistoryModel.self, "history", from: line)
                if json { Terminal.write(Array(line) + [10]) } else { HistoryView.show(entry) }
                if (Self.failures + failing).contains(entry.kind) {
                    throw Failure(.refused, entry.kind, "it did not work: \(entry.text)")
                }
                seen = seen || event(entry)
            case .silent:
                if try seen || done(agent.status()) { return }
            case .closed:
                throw Failure(.unreachable, "unreachable", "the agent has ended.")
            }
        }
        throw Failure(
            .refused, "timeout",
            "not done after \(Text.span(options.timeout.duration)); the agent goes on with it, and "
                + "\"picket history --follow\" shows how.")
    }
}
