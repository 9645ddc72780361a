public import ArgumentParser
import PicketCore
public import PicketProof

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Explore every state that a pair and a few faults can reach.",
        discussion: """
            Ends with 0 when all states within the bounds were seen and every property holds, with 1 \
            and the shortest way there when one does not, with 2 when the bounds make no sense, and \
            with 3 when --states came first.
            """)

    @Option(help: "Faults and operator's commands together.")
    var faults = 1
    @Option(help: "Messages under way, both directions together (2, 4, 6, 8).")
    var inFlight = 2
    @Option(help: "Fences that each node's budget allows.")
    var fences = 1
    @Option(help: "Give up beyond so many states.")
    var states = 100_000_000
    @Option(help: "Only these kinds of faults, by commas: \(Check.kindNames).")
    var only: String?
    @Flag(help: "Also the turns after the first, by the pair's common time.")
    var late = false
    @Flag(help: "Also nodes that go on alone after a while.")
    var alone = false
    @Flag(help: "Disks and resources may take any time.")
    var slow = false
    @Option(
        help: ArgumentHelp(
            "The two files give the group other resources (resources), or each lists a group that the"
                + " other lacks (lists).", valueName: "how"))
    var differ: CheckBounds.Files = .alike
    @Flag(help: "Begin with a pair in contact whose group runs.")
    var paired = false
    @Flag(help: "Say how often each kind of step was taken.")
    var coverage = false

    @Option(help: "A planted bug to switch on (simulation build only).") var bug: String?

    static var kindNames: String { FaultKinds.names.map { $0.0 }.joined(separator: ", ") }

    func run() throws {
        let bounds = try bounds()
        try PlantedSwitch.set(bug)
        var checker = Checker(bounds)
        let result = checker.run { states, depth, waiting in
            let rate = Double(states) / Check.coreSeconds
            Check.tell("  \(states) states, depth \(depth), \(waiting) wait, \(Int(rate)) a second")
        }
        let seconds = Check.coreSeconds
        print(
            "2 nodes × 1 group, up to \(faults) faults, up to \(inFlight) messages in flight,"
                + " \(fences) fences by each\(differ == .alike ? "" : ", \(differ) that differ")")
        print(
            "\(result.states) distinct states, \(result.transitions) transitions, depth"
                + " \(result.depth), \(result.bytesPerState) bytes a state,"
                + " \(Int(Double(result.states) / seconds)) states/s"
                + " (\(Int(Double(result.transitions) / seconds)) transitions/s), one core")
        if coverage { for (name, count) in result.coverage { print("  \(name): \(count)") } }
        switch result.verdict {
        case .exhausted: print("exhausted: every property holds in each of them")
        case .unfinished:
            print("not exhausted: --states came first; no property is broken so far")
            throw ExitCode(3)
        case .violated(let violation):
            print("\(violation.property) is broken: \(violation.text)\n")
            for line in result.chart(bounds) { print(line) }
            throw ExitCode(1)
        }
    }

    private func bounds() throws -> CheckBounds {
        var bounds = CheckBounds()
        bounds.faults = faults
        bounds.inFlight = inFlight
        bounds.fences = fences
        bounds.lateTurns = late
        bounds.aloneAfter = alone
        bounds.slow = slow
        bounds.files = differ
        bounds.paired = paired
        bounds.mostStates = states
        if let only {
            bounds.kinds = []
            for word in only.split(separator: ",") {
                guard let kind = FaultKinds.names.first(where: { $0.0 == word }) else {
                    throw refusal("--only \(word): expected one of \(Check.kindNames)")
                }
                bounds.kinds.insert(kind.1)
            }
        }
        if let objection = bounds.objection { throw refusal(objection) }
        return bounds
    }

    private func refusal(_ text: String) -> ExitCode {
        Check.tell("picket-sim check: \(text)")
        return ExitCode(2)
    }
}

extension CheckBounds.Files: ExpressibleByArgument {}
