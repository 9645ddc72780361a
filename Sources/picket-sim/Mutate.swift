import ArgumentParser
import Foundation
import PicketProof

/// Mistakes that nobody has chosen, each in one place of the agent: what finds them?
struct Mutate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Plays one mutant after the other, and tells what caught it (make mutants only).",
        discussion: """
            Each mutant is played by the golden stories, by seeds, by small bounds of the checker and \
            by the unit tests, in this order, until it violates a property. Prints a line for each, \
            and how many were caught by what. Exit 1 if too few were.

            CAUGHT BY
              property  it violated one, in a story, a seed or the checker
              crash     its process broke off, or did not end
              test      a unit test failed
              story     a golden story is told otherwise, and nothing else noticed
              nobody
            """)

    @Argument(help: "What `scripts/mutants` has written of the mutants.")
    var list = ".build-mutants/list.tsv"
    @Option(help: "How many, drawn over all files alike; all by default.") var sample: Int?
    @Option(help: "From where the draw begins.") var offset = 0
    @Option(help: "Only this one, by its number.") var only: Int?
    @Option(help: "A program of unit tests, with the same mutants in it.") var tests: String?
    @Option(help: "How many seeds: every third of any fault, the others of each focus in turn.")
    var seeds: UInt64 = 300
    @Option(help: "The share that has to be caught at least, in percent.") var atLeast = 0
    @OptionGroup var option: CoresOption

    private struct Mutant {
        var number: Int
        var place: String
        var kind: String
        var what: String
    }

    private enum Catcher: String, Codable, CaseIterable {
        case property, crash, test, story, nobody
    }

    private struct Played: Codable {
        var by: Catcher
        var how: String
    }

    func run() throws {
        // What violates a property without any mutant would be held against one.
        let none = Mutant(number: 0, place: "no place", kind: "none", what: "as it is")
        let mutants = [none] + (try chosen())
        var counts: [Catcher: Int] = [:]
        var isSound = true
        print("| mutant | place | kind | what | caught by | how |")
        print("|---|---|---|---|---|---|")
        try Cores.play(
            mutants.count, on: option.cores, naming: { "mutant \(mutants[$0].number)" },
            brokenOff: { _ in Played(by: .crash, how: "it broke off or did not end") },
            { play(mutants[$0]) }
        ) { part, played in
            let one = mutants[part]
            if one.number == 0 {
                guard played.by != .nobody else { return true }
                Story.complain("without any mutant: \(played.by.rawValue), \(played.how)")
                isSound = false
                return false
            }
            counts[played.by, default: 0] += 1
            print(
                "| \(one.number) | \(one.place) | \(one.kind) | `\(escaped(one.what))` "
                    + "| \(played.by.rawValue) | \(escaped(played.how)) |")
            fflush(nil)
            return true
        }
        guard isSound else { throw ExitCode(1) }
        let all = mutants.count - 1
        let caught = all - counts[.nobody, default: 0]
        print("\n\(all) mutants, \(percent(caught, of: all)) caught:")
        for one in Catcher.allCases {
            let count = counts[one, default: 0]
            print("  \(one.rawValue): \(count) (\(percent(count, of: all)))")
        }
        if caught * 100 < atLeast * all { throw ExitCode(1) }
    }

    private func percent(_ part: Int, of all: Int) -> String {
        String(format: "%.0f %%", 100 * Double(part) / Double(max(1, all)))
    }

    private func escaped(_ text: String) -> String { text.replacing("|", with: "\\|") }

    private func chosen() throws -> [Mutant] {
        guard let text = try? String(contentsOfFile: list, encoding: .utf8) else {
            Story.complain("\(list): cannot be read; `make mutants` writes it")
            throw ExitCode(2)
        }
        let all = text.split(separator: "\n").compactMap { line -> Mutant? in
            let parts = line.split(separator: "\t", maxSplits: 5).map(String.init)
            guard parts.count == 6, let number = Int(parts[0]) else { return nil }
            return Mutant(
                number: number, place: "\(parts[1]):\(parts[2])", kind: parts[4], what: parts[5])
        }
        if let only { return all.filter { $0.number == only } }
        guard let sample, sample < all.count else { return all }
        let step = Double(all.count) / Double(sample)
        return (0..<sample).map { all[(Int(Double($0) * step) + offset) % all.count] }
    }

    // MARK: - In the mutant's process

    private func play(_ mutant: Mutant) -> Played {
        // It is looked at once, before the first of the agent's code runs.
        _ = unsafe setenv("PICKET_MUTANT", "\(mutant.number)", 1)
        alarm(900)
        var otherwise: String?
        for file in Golden.files("Tests/Golden") {
            guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { continue }
            let golden = GoldenStory(text: text)
            let name = file.split(separator: "/").last.map(String.init) ?? file
            do {
                let played = try golden.play()
                if let violation = played.violation {
                    return Played(by: .property, how: "\(violation.property), \(name)")
                }
                if played.story != golden.story { otherwise = otherwise ?? name }
            } catch { otherwise = otherwise ?? name }
        }
        let focuses = Swarm.Focus.allCases.filter { $0 != .any }
        for seed in 1...seeds {
            let focus = seed % 3 == 0 ? .any : focuses[Int(seed) % focuses.count]
            let world = World(Swarm.plan(seed: seed, focus: focus), remembering: 1)
            if !world.run(), let violation = world.violation {
                return Played(
                    by: .property, how: "\(violation.property), seed \(seed) of \(focus.rawValue)")
            }
        }
        for (name, bounds) in Self.bounds {
            var checker = Checker(bounds)
            if case .violated(let broken) = checker.run().verdict {
                return Played(by: .property, how: "\(broken.property), checker, \(name)")
            }
        }
        if let tests, unsafe system(testing(tests)) != 0 {
            return Played(by: .test, how: "")
        }
        if let otherwise { return Played(by: .story, how: otherwise) }
        return Played(by: .nobody, how: "")
    }

    private func testing(_ program: String) -> String {
        "timeout 300 \(program) --testing-library swift-testing --filter "
            + "'PicketCoreTests|PicketWireTests|PicketHardwareTests' > /dev/null 2>&1"
    }

    private static var bounds: [(String, CheckBounds)] {
        var calm = CheckBounds()
        calm.faults = 0
        calm.fences = 0
        var ill = calm
        ill.faults = 1
        ill.kinds = [.health]
        return [("no faults", calm), ("1 of health", ill)]
    }
}
