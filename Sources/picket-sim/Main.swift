/// The proof's tools: a deterministic world (`run`), an exhaustive checker (`check`), and the
/// planted bugs that both must find (`bugs`).
import ArgumentParser

@main
struct PicketSim: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "picket-sim",
        abstract: "Looks for a violation of the pair's properties in simulated worlds.",
        subcommands: [Run.self, Check.self, Bugs.self, Golden.self])
}
