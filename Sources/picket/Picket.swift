import ArgumentParser
import Foundation
import PicketControl
import PicketText

@main
struct Main {
    static func main() {
        do {
            var command = try Picket.parseAsRoot()
            try command.run()
        } catch {
            guard Picket.exitCode(for: error) == .validationFailure else {
                Picket.exit(withError: error)
            }
            let unknown = unknownVerb()
            if CommandLine.arguments.contains("--json") {
                Terminal.write(Reply.failure("usage", unknown ?? Picket.message(for: error)))
            } else {
                Terminal.complain(unknown.map { "picket: " + $0 } ?? Picket.fullMessage(for: error))
            }
            exit(Exit.usage.rawValue)
        }
    }

    /// A misspelt verb would otherwise be taken for an argument of `status`, and refused as one.
    private static func unknownVerb() -> String? {
        guard let verb = CommandLine.arguments.dropFirst().first, !verb.hasPrefix("-") else {
            return nil
        }
        let verbs = Picket.configuration.groupedSubcommands.flatMap { $0.subcommands }
            .map { $0._commandName }
        guard !verbs.contains(verb), verb != "help" else { return nil }
        return "there is no verb \"\(verb)\". Known are \(Text.list(verbs)); "
            + "\"picket --help\" says more."
    }
}

struct Picket: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "picket",
        abstract: "Shows, moves and rehearses a pair of nodes that fail over to each other.",
        discussion: """
            Without a verb it shows the status of the pair, as the agent on this node sees it.

            EXAMPLES
              picket                           would the pair survive a failure now?
              picket status --watch            the same, live
              picket history --follow          what happened, and why, as it happens
              picket handover gateway          move a group to the other node
              picket drill relay               test the fence, and cut nothing
              picket drill sensor inlet --value 95C --for 10s
              picket check /etc/picket/picket.yaml
              picket doctor                    what is missing here, and what to do about it
              picket rack                      a whole pair, simulated on this computer

            EXIT CODES
              0  done; for status: the pair is protected, or only weakened
              1  refused, or it failed
              2  the command line or the configuration is wrong
              3  the agent does not answer
              4  status: the pair is unprotected, a failure now may end the service
              5  drill: inconclusive or interrupted, nothing is proved
            """,
        version: Version.text,
        subcommands: [],
        groupedSubcommands: [
            CommandGroup(name: "Look", subcommands: [StatusCommand.self, HistoryCommand.self]),
            CommandGroup(
                name: "Act",
                subcommands: [
                    HandoverCommand.self, FailbackCommand.self, FenceCommand.self,
                    MaintenanceCommand.self, RunCommand.self, PauseCommand.self, ClearCommand.self,
                    TakeCommand.self, ApplyCommand.self,
                ]),
            CommandGroup(
                name: "Rehearse", subcommands: [DrillCommand.self, RackCommand.self]),
            CommandGroup(
                name: "Set up",
                subcommands: [
                    InitCommand.self, KeygenCommand.self, CheckCommand.self, TimingCommand.self,
                    DoctorCommand.self, BenchCommand.self,
                ]),
        ],
        defaultSubcommand: StatusCommand.self)
}

enum Version {
    static let text = "0.1.0"
}
