import ArgumentParser
import Foundation
import PicketCore
import PicketSimulation

/// Each planted bug must be found, or the tools that look for bugs are worth nothing.
struct Bugs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Switches on one planted bug after the other, and finds each (make sim only).")

    @Option(help: "Seeds that may be spent on each.") var seeds: UInt64 = 400
    @Option(help: "The first seed.") var seed: UInt64 = 1
    @Option(help: "Only this one.") var only: String?

    #if PICKET_PLANTED_BUGS
        func run() throws {
            var missed = 0
            print("| planted bug | property | seeds | simulated s | what the watch said |")
            print("|---|---|---|---|---|")
            for bug in PlantedBug.allCases where only == nil || only == bug.rawValue {
                if !find(bug) { missed += 1 }
            }
            print("\n\(PlantedBug.allCases.count) planted bugs, \(missed) not found")
            if missed > 0 { throw ExitCode(1) }
        }

        private func find(_ bug: PlantedBug) -> Bool {
            var seconds = 0.0
            for seed in seed..<(seed + seeds) {
                let plan = Swarm.plan(seed: seed)
                unsafe PlantedBug.active = bug
                let world = World(plan, remembering: 1)
                let good = world.run()
                unsafe PlantedBug.active = nil
                seconds += world.seconds
                guard !good, let violation = world.violation else { continue }
                // Not what the right machine does in the same world.
                guard World(plan, remembering: 1).run() else { continue }
                print(
                    "| \(bug.rawValue) | \(violation.property) | \(seed - self.seed + 1) | "
                        + "\(Int(seconds)) | \(violation.text) |")
                fflush(nil)
                return true
            }
            print("| \(bug.rawValue) | NOT FOUND | \(seeds) | \(Int(seconds)) | |")
            fflush(nil)
            return false
        }
    #else
        func run() throws {
            Story.complain("planted bugs are in the simulation build only: make sim")
            throw ExitCode(2)
        }
    #endif
}
