/// The proof's tools: a deterministic world (`run`), an exhaustive checker (`check`), and the
/// planted bugs that both must find (`bugs`).
import ArgumentParser
import Foundation

@main
struct Main {
    static func main() {
        do {
            var command = try PicketSim.parseAsRoot()
            try command.run()
        } catch {
            let code = PicketSim.exitCode(for: error)
            guard code == .validationFailure else { PicketSim.exit(withError: error) }
            Story.complain(PicketSim.fullMessage(for: error))
            exit(2)
        }
    }
}

struct PicketSim: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "picket-sim",
        abstract: "Looks for a violation of the pair's properties in simulated worlds.",
        subcommands: [Run.self, Check.self, Bugs.self, Golden.self, Mutate.self])
}
