import ArgumentParser

struct Bugs: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Not built yet.")

    func run() throws {}
}
