import ArgumentParser
import Foundation
import PicketControl
import PicketCore
import PicketText

struct DrillCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drill",
        abstract: "Rehearses a failure, takes it back, and reports how it went.",
        discussion: """
            A drill runs in the agent, is marked as one in the status and history of both nodes, \
            ends by itself, and is undone if this command or the agent dies. Its report stays in \
            the agent's state directory under drills/.

            Without --live no power is cut and no agent is stopped. A sensor drill may move \
            groups: that is what it rehearses.

            EXAMPLES
              picket drill relay                              can the peer be fenced?
              picket drill sensor inlet --value 95C --for 10s
              picket drill sensor inlet --fail --for 10s
              picket drill link 2 --for 5s
              picket drill failover                           the plan
              picket drill failover --live                    the real thing

            EXIT CODES
              0 passed   1 failed or refused   5 inconclusive or interrupted
            """,
        subcommands: [
            DrillSensorCommand.self, DrillLinkCommand.self, DrillRelayCommand.self,
            DrillFailoverCommand.self, DrillHangCommand.self,
        ])
}

struct DrillOptions: ParsableArguments {
    @OptionGroup var agent: AgentOptions
    @Flag(name: .long, help: "Lines of JSON: progress, then the report.") var json = false
}

struct DrillSensorCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "sensor",
        abstract: "Has a sensor of this node read a value, fail, or stick.",
        discussion: "What is injected can lower the node's health, never raise it.")
    @OptionGroup var options: DrillOptions
    @Argument(help: "The sensor's name.") var name: String
    @Option(
        name: .long, parsing: .unconditional,
        help: ArgumentHelp("What it reads, as in 95C or 4.2V.", valueName: "value"))
    var value: String?
    @Flag(name: .long, help: "Every reading fails.") var fail = false
    @Flag(name: .long, help: "Every reading repeats the last one.") var stuck = false
    @Option(name: .customLong("for"), help: ArgumentHelp("For how long.", valueName: "time"))
    var span: SpanArgument
    var json: Bool { options.json }

    func validate() throws {
        guard (value != nil ? 1 : 0) + (fail ? 1 : 0) + (stuck ? 1 : 0) == 1 else {
            throw ValidationError("Give one of --value, --fail and --stuck.")
        }
        if let value, Text.quantity(value) == nil {
            throw ValidationError(RequestError.noQuantity(value).text)
        }
    }

    func act() throws {
        var fault = PicketControl.Drill.SensorFault.fail
        if stuck { fault = .stuck }
        if let value, let quantity = Text.quantity(value) {
            fault = .value(quantity.value, unit: quantity.unit)
        }
        try options.run(.sensor(name: name, fault, for: span.duration))
    }
}

struct DrillLinkCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "link",
        abstract: "Drops everything on one link, both ways.",
        discussion: "Cutting the last link that works loses contact: refused without --live.")
    @OptionGroup var options: DrillOptions
    @Argument(help: "The link, counted from 1 as in the configuration.") var link: Int
    @Option(name: .customLong("for"), help: ArgumentHelp("For how long.", valueName: "time"))
    var span: SpanArgument
    @Flag(name: .long, help: "Even if it is the last one: a node will be fenced.") var live = false
    @Flag(name: .long, help: "Do not ask.") var yes = false
    var json: Bool { options.json }

    func validate() throws {
        guard (1...Limits.links).contains(link) else {
            throw ValidationError("Links are counted from 1 to \(Limits.links).")
        }
    }

    func act() throws {
        if live {
            let status = try options.agent.status()
            let others = status.links.filter { $0.up && $0.link != link }
            if others.isEmpty {
                try Terminal.demand(
                    status.node,
                    before: "This cuts the last link that works: \(status.node) and "
                        + "\(status.peer) lose contact and one of them is FENCED.", yes: yes)
            }
        }
        try options.run(.link(link - 1, for: span.duration, live: live))
    }
}

struct DrillRelayCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "relay",
        abstract: "Tests relay line and feedback; --live cuts one of several supplies at a time.",
        discussion: """
            Without --live nothing is cut. With it each supply of a relay that has several is cut \
            alone for a moment, while all others read on: the peer keeps its power, and the relay \
            has been seen to cut.
            """)
    @OptionGroup var options: DrillOptions
    @Flag(name: .long, help: "Cut one of several supplies at a time.") var live = false
    var json: Bool { options.json }

    func act() throws { try options.run(.relay(live: live)) }
}

struct DrillFailoverCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "failover",
        abstract: "Says what this node would do if its peer died now; --live does it.")
    @OptionGroup var options: DrillOptions
    @Flag(name: .long, help: "Cut the peer's power for real.") var live = false
    @Flag(name: .long, help: "Do not ask.") var yes = false
    var json: Bool { options.json }

    func act() throws {
        if live {
            let status = try options.agent.status()
            let real = status.simulated.isEmpty ? "" : " (simulated)"
            try Terminal.demand(
                status.peer,
                before: "This cuts the power of \(status.peer)\(real), although it is well, and "
                    + "moves its groups to \(status.node).", yes: yes)
        }
        try options.run(.failover(live: live))
    }
}

struct DrillHangCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "hang",
        abstract: "Says what would happen if this node's agent hung; --live hangs it.",
        discussion: """
            With --live the agent stops for good, the watchdog resets THIS node, and the peer \
            takes over. The agent that starts after the reset writes the report.
            """)
    @OptionGroup var options: DrillOptions
    @Flag(name: .long, help: "Stop the agent's loop for real.") var live = false
    @Flag(name: .long, help: "Do not ask.") var yes = false
    var json: Bool { options.json }

    func act() throws {
        if live {
            let status = try options.agent.status()
            try Terminal.demand(
                status.node,
                before: "This hangs the agent of \(status.node), which is this node: its "
                    + "watchdog will RESET it.", yes: yes)
        }
        try options.run(.hang(live: live))
    }
}

extension DrillOptions {
    /// Runs a drill in the agent, for as long as this command lives.
    func run(_ drill: PicketControl.Drill) throws {
        let connection = try agent.connect()
        connection.send(.drill(drill))
        while case .line(let line) = try connection.next() {
            let type = ReplyModel.type(of: line)
            if json, type != "error" { Terminal.write(Array(line) + [10]) }
            switch type {
            case "progress" where !json:
                show(try ReplyModel.decode(ProgressModel.self, "progress", from: line))
            case "progress": break
            default:
                return try conclude(ReplyModel.decode(ReportModel.self, "report", from: line))
            }
        }
        if case .hang(live: true) = drill {
            return Terminal.complain(
                "The agent is gone, as it should be. It reports when the node is up again: "
                    + "\"picket history\".")
        }
        throw Failure(.unreachable, "unreachable", "the \(DrillReport.interrupted)")
    }

    private func show(_ progress: ProgressModel) {
        let offset =
            Text.offset(Duration(nanoseconds: Int64(progress.offsetMs * 1e6))) + " s  "
        let text =
            switch progress.severity {
            case "alarm": Terminal.paint(progress.text, .red)
            case "warning": Terminal.paint(progress.text, .yellow)
            default: progress.text
            }
        Terminal.say(offset + text)
    }

    private func conclude(_ report: ReportModel) throws {
        if !json {
            let colour: Terminal.Colour =
                switch report.verdict {
                case "passed": .green
                case "failed": .red
                default: .yellow
                }
            Terminal.say(
                "\n" + Terminal.paint(report.verdict.uppercased(), colour) + "  "
                    + report.conclusion)
            Terminal.say("Report: drills/\(report.report).txt in the agent's state directory.")
        }
        switch report.verdict {
        case "passed": return
        case "failed": throw ExitCode(Exit.refused.rawValue)
        default: throw ExitCode(Exit.inconclusive.rawValue)
        }
    }
}
