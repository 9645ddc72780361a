import ArgumentParser
import Foundation
import PicketControl
import PicketCore

struct ApplyCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Puts one configuration file in place on both nodes, in step.",
        discussion: """
            Both nodes check the file. Only if both would take it up by a reload is it put in place, \
            first on the peer, then here. The old file stays beside it, as picket.yaml.before. Each \
            node keeps its own name on the line "node:".

            With --confirm-within both nodes take the old file back by themselves unless the new one \
            is confirmed in that time, on either node. What the file changes of a group that runs is \
            stopped and started as at a reload: "picket check --against-running" says it beforehand.

            EXAMPLES
              picket apply new.yaml                      on both nodes, at once
              picket apply new.yaml --confirm-within 5m  and back, unless it is confirmed
              picket apply --confirm                     it stays
              picket apply --revert                      the old one comes back
            """)
    @OptionGroup var agent: AgentOptions
    @Argument(help: "The configuration.") var file: String?
    @Option(
        name: .long,
        help: ArgumentHelp("Take it back unless it is confirmed in this time.", valueName: "time"))
    var confirmWithin: SpanArgument?
    @Flag(name: .long, help: "Keep what was applied.") var confirm = false
    @Flag(name: .long, help: "Take back what was applied.") var revert = false
    @Flag(name: .long, help: "One line of JSON.") var json = false

    func validate() throws {
        guard [file != nil, confirm, revert].count(where: { $0 }) == 1 else {
            throw ValidationError("a file, --confirm or --revert is needed, and only one of them")
        }
        if confirmWithin != nil, file == nil {
            throw ValidationError("--confirm-within is for a file that is applied")
        }
    }

    func act() throws {
        guard let file else { return try report(confirm ? .applyConfirm : .applyRevert, []) }
        guard let text = FileManager.default.contents(atPath: file) else {
            throw Failure(
                .usage, "no_file", "\(file): there is no such file, or you may not read it")
        }
        guard (1...Request.longestFile).contains(text.count) else {
            throw Failure(
                .usage, "no_file",
                "\(file): found \(text.count) bytes, expected 1 to \(Request.longestFile)")
        }
        try report(.apply(bytes: text.count, within: confirmWithin?.duration), Array(text))
    }

    private func report(_ request: Request, _ text: [UInt8]) throws {
        let connection = try agent.connect()
        connection.send(request, then: text)
        guard case .line(let line) = try connection.next(within: .seconds(120)) else {
            throw Failure(
                .unreachable, "unreachable",
                "the agent at \(connection.path) gave no answer; \"picket status\" tells how it"
                    + " stands.")
        }
        let result = try ResultModel.accepted(line)
        if json { Terminal.write(Array(line) + [10]) } else { Terminal.say(result.text) }
    }
}
