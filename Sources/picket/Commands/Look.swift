import ArgumentParser
import Foundation
import PicketControl
import PicketCore

struct StatusCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Would the pair survive a failure now? And what that rests on.",
        discussion: """
            The first line answers. Below it stands one line for each failure that the pair is \
            there for: ok, weak (survived, but without a spare) or GAP (not survived).

            Exits with 4 if there is a gap, so that a monitor can call it.

            EXAMPLES
              picket status --watch
              picket status --json | jq .protection.verdict
            """)

    @OptionGroup var agent: AgentOptions
    @Flag(name: .shortAndLong, help: "Show it anew after every change, until ctrl-C.")
    var watch = false
    @Flag(name: .long, help: "One JSON object per status.") var json = false

    func act() throws {
        if watch { return try follow() }
        let line = try agent.ask(.status)
        let status = try StatusModel.decode(line)
        show(line, status)
        if status.protection.verdict == "unprotected" {
            throw ExitCode(Exit.unprotected.rawValue)
        }
    }

    /// On a terminal it outlives the agent, because a person who watches an upgrade wants to see
    /// the agent come back.
    private func follow() throws {
        var connection = try agent.connect()
        while true {
            connection.send(.watch(every: .seconds(1)))
            while case .line(let line) = try connection.next() {
                let status = try StatusModel.decode(line)
                if json {
                    show(line, status)
                } else {
                    Terminal.repaint(StatusView(status: status).lines())
                }
            }
            guard Terminal.isScreen, !json else {
                throw Failure(
                    .unreachable, "unreachable", "the agent at \(connection.path) has ended.")
            }
            connection = reconnected()
        }
    }

    private func reconnected() -> AgentConnection {
        Terminal.say(Terminal.paint("The agent has ended; waiting for the next one …", .yellow))
        while true {
            sleep(1)
            if let connection = try? agent.connect() { return connection }
        }
    }

    private func show(_ line: Data, _ status: StatusModel) {
        if json {
            Terminal.write(Array(line) + [10])
        } else {
            Terminal.say(StatusView(status: status).lines().joined(separator: "\n"))
        }
    }
}

struct HistoryCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "What happened on this node, when, and why.",
        discussion: """
            Times are this node's, in UTC.

            EXAMPLES
              picket history -n 200
              picket history --follow
              picket history --json | jq 'select(.severity == "alarm")'
            """)

    @OptionGroup var agent: AgentOptions
    @Option(name: .shortAndLong, help: "How many entries, at most \(Request.longestHistory).")
    var number = 50
    @Flag(name: .shortAndLong, help: "Then each new entry as it comes, until ctrl-C.")
    var follow = false
    @Flag(name: .long, help: "One JSON object per entry.") var json = false

    func validate() throws {
        guard (0...Request.longestHistory).contains(number) else {
            throw ValidationError("-n takes 0 to \(Request.longestHistory).")
        }
    }

    func act() throws {
        let connection = try agent.connect()
        connection.send(.history(count: number, follow: follow))
        while case .line(let line) = try connection.next(within: follow ? nil : .seconds(10)) {
            switch ReplyModel.type(of: line) {
            case "end":
                if !follow { return }
            case "history" where json: Terminal.write(Array(line) + [10])
            default:
                HistoryView.show(try ReplyModel.decode(HistoryModel.self, "history", from: line))
            }
        }
        if follow {
            throw Failure(.unreachable, "unreachable", "the agent at \(connection.path) has ended.")
        }
    }
}

enum HistoryView {
    static func show(_ entry: HistoryModel) {
        let mark = entry.simulated == true ? " [simulated]" : ""
        let text =
            switch entry.severity {
            case "alarm": Terminal.paint("ALARM  " + entry.text, .red)
            case "warning": Terminal.paint("warn   " + entry.text, .yellow)
            default: "       " + entry.text
            }
        Terminal.say(Terminal.paint(entry.time, .faint) + "  " + text + mark)
    }
}
