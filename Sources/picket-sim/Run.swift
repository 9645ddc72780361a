import ArgumentParser
import Foundation
import PicketCore
import PicketProof

/// Many worlds, each with its own faults.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Plays simulated worlds, each drawn from its seed, until a property is violated.",
        discussion: """
            EXAMPLES
              picket-sim run --seeds 1000              seeds 1 … 1000
              picket-sim run --seed 4711 --shrink      the fewest faults that still violate
              picket-sim run --seed 4711 --replay      the whole story
              picket-sim run --script found.txt        a script that was kept
              picket-sim run --list                    what --focus may be, one a line

            EXIT CODES
              0  nothing was violated
              1  a property was violated
              2  the command line or a script is wrong
            """)

    @Option(help: "How many seeds.") var seeds = 1
    @Option(help: "The first seed.") var seed: UInt64 = 1
    @Option(help: "What to dwell on: \(Run.focuses).") var focus = "any"
    @Option(help: "Simulated hours of faults per seed.") var hours = 240.0 / 3600
    @Option(help: "This detect_within for all seeds (500ms), instead of one drawn for each.")
    var detectWithin: String?
    @Option(help: "Stop after this many wall-clock minutes.") var minutes: Double?
    @Option(help: "A script instead of a seed.") var script: String?
    @Option(help: "A planted bug to switch on (simulation build only).") var bug: String?
    @Flag(help: "Tell the whole story.") var replay = false
    @Flag(help: "Take faults away as long as the same property is still violated.")
    var shrink = false
    @Flag(help: "Go on after a violation, and list them all.") var keepGoing = false
    @Flag(help: "No coverage table.") var quiet = false
    @Flag(name: .customLong("list"), help: "Name what --focus may be, one a line.")
    var lists = false
    @OptionGroup var option: CoresOption

    func validate() throws {
        guard seeds > 0 else { throw ValidationError("--seeds \(seeds): expected 1 or more") }
        guard seed <= .max - UInt64(seeds) else {
            throw ValidationError("--seed \(seed): expected at most \(UInt64.max - UInt64(seeds))")
        }
        guard hours > 0, hours <= 24 * 366 else {
            throw ValidationError("--hours \(hours): expected more than 0, at most a year")
        }
        if let minutes, !(minutes > 0) {
            throw ValidationError("--minutes \(minutes): expected more than 0")
        }
    }

    func run() throws {
        if lists {
            for focus in Swarm.Focus.allCases { print(focus.rawValue) }
            return
        }
        try PlantedSwitch.set(bug)
        if let script {
            let plan = try Story.load(script)
            try play(plan)
        } else if replay || shrink {
            try play(try plans()(seed))
        } else {
            try swarm()
        }
    }

    private var safety: Duration { .milliseconds(Int64(hours * 3_600_000)) }

    private static var focuses: String {
        Swarm.Focus.allCases.map(\.rawValue).joined(separator: ", ")
    }

    private func chosenFocus() throws -> Swarm.Focus {
        guard let chosen = Swarm.Focus(rawValue: focus) else {
            Story.complain("--focus \(focus): expected one of \(Run.focuses)")
            throw ExitCode(2)
        }
        return chosen
    }

    /// The plan of each seed.
    private func plans() throws -> (UInt64) -> Plan {
        let focus = try chosenFocus()
        let pace = try chosenPace()
        return { Swarm.plan(seed: $0, safety: safety, focus: focus, detectWithin: pace) }
    }

    private func chosenPace() throws -> Duration? {
        guard let detectWithin else { return nil }
        do throws(ScriptError) {
            return try Plan(text: "detect-within \(detectWithin)").detectWithin
        } catch {
            Story.complain("--detect-within \(detectWithin): expected \(error.expected)")
            throw ExitCode(2)
        }
    }

    private func play(_ plan: Plan) throws {
        var plan = plan
        if shrink {
            plan = Shrink.run(plan) { Story.complain($0) }
            print(plan.text)
        }
        let before = Cores.seconds
        let world = World(plan, remembering: replay ? nil : 400)
        let good = world.run()
        let ran = Cores.seconds - before
        if replay || !good { for line in Story.lines(of: world) { print(line) } }
        if !good { throw ExitCode(1) }
        print(
            "nothing violated in \(Int(world.seconds)) s, "
                + String(format: "%.2f", world.seconds / 3600 / max(ran, 1e-9))
                + " pair-hours per second of a core")
    }

    /// What the world of a seed came to.
    private struct Played: Codable {
        var seconds: Double
        var coverage: Coverage
        var violation: String?
        var story: [String] = []
    }

    private func play(_ seed: UInt64, _ plan: Plan) -> Played {
        let world = World(plan, remembering: 60)
        let good = world.run()
        var played = Played(seconds: world.seconds, coverage: world.coverage)
        if !good, let violation = world.violation {
            played.violation = "seed \(seed): \(violation.property): \(violation.text)"
            if !keepGoing { played.story = Story.lines(of: world) }
        }
        return played
    }

    private func swarm() throws {
        let plans = try plans()
        let names = { (part: Int) in seed + UInt64(part) }
        var coverage = Coverage()
        var simulated = 0.0
        var (played, violations) = (0, 0)
        let began = Date()
        let before = Cores.seconds
        var told = began
        let end = minutes.map { began + $0 * 60 } ?? .distantFuture
        try Cores.play(
            seeds, on: option.cores, while: { Date() < end }, naming: { "seed \(names($0))" },
            { play(names($0), plans(names($0))) }
        ) { _, world in
            played += 1
            simulated += world.seconds
            coverage.add(world.coverage)
            if let violation = world.violation {
                violations += 1
                for line in world.story + [violation] { print(line) }
                fflush(nil)
            }
            let now = Date()
            if now.timeIntervalSince(told) > 5 {
                told = now
                Story.progress(played, of: seeds, simulated, now.timeIntervalSince(began))
            }
            return world.violation == nil || keepGoing
        }
        let elapsed = Date().timeIntervalSince(began)
        if !quiet { Story.print(coverage) }
        let ran = Cores.seconds - before
        let hours = simulated / 3600
        print(
            "\(played) seeds, \(String(format: "%.2f", hours)) pair-hours in "
                + "\(String(format: "%.1f", elapsed)) s (\(String(format: "%.1f", ran)) s of a core: "
                + "\(String(format: "%.2f", hours / max(ran, 1e-9))) pair-hours per second), "
                + "\(violations) violations")
        if violations > 0 { throw ExitCode(1) }
    }
}
