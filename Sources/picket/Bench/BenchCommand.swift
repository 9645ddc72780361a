import ArgumentParser
import Foundation
import PicketControl
import PicketRack

/// `picket bench`: every figure that the project states, measured in one run on this computer.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure takeovers on the rack, and the agent's weight and speed.",
        discussion: """
            Runs real agents on the simulated rack. Times are the rack's own, taken from power, \
            wires and the workload's log, never from what the agents say. "over the budget" is \
            the takeover less detect_within and the relay's off time. Give the embedded agent's \
            program to measure it beside the ordinary one.
            """,
        shouldDisplay: false)

    @Option(help: "Takeovers for each detect_within.")
    var takeovers = 20

    @Option(help: "Seconds of steady state that are measured.")
    var seconds = 20

    @Option(help: "The agent built as Embedded Swift.")
    var embedded: String?

    @Option(help: "The agent built in ordinary mode; by default the one beside this program.")
    var picketd: String?

    func run() throws {
        let ordinary = picketd ?? Shipped.program(beside: "picketd")
        let released = embedded ?? ordinary
        Terminal.say("core: events a second, heartbeats in contact")
        let events = CoreBench.run(rounds: 9, events: 100_000).map { $0 / 1e6 }
        if let spread = Spread(events) { Terminal.say("  " + spread.text("M/s", digits: 2)) }
        for within in [50, 200, 1000] {
            try takeovers(detectWithin: within, picketd: released)
        }
        Terminal.say("the loop's latency: status asked for over the control socket, 8 sensors")
        let rack = try BenchRack(detectWithin: 1500, sensors: 8, sensorInterval: "500ms")
        defer { rack.remove() }
        for line in try LoopLatency.measure(rack, picketd: released) { Terminal.say("  " + line) }
        try steady("embedded", released, skip: embedded == nil)
        try steady("ordinary", ordinary, skip: false)
    }

    private func takeovers(detectWithin: Int, picketd: String) throws {
        Terminal.say("takeover: detect_within \(detectWithin) ms, the holder's kernel dies")
        var figures: [String: [Double]] = [:]
        var over: [Double] = []
        var failed = 0
        let rack = try BenchRack(detectWithin: detectWithin, sensors: 2, sensorInterval: "500ms")
        defer { rack.remove() }
        for _ in 0..<takeovers {
            guard let summary = try rack.play(picketd: picketd), summary.passed else {
                failed += 1
                continue
            }
            for (name, value) in summary.measures { figures[name, default: []].append(value) }
            if let takeover = summary.measures["takeover_ms"],
                let fence = summary.measures["fence_ms"]
            {
                over.append(takeover - Double(detectWithin) - fence)
            }
        }
        for name in ["detection_ms", "fence_ms", "activation_ms", "takeover_ms"] {
            guard let spread = Spread(figures[name] ?? []) else { continue }
            let label = name.dropLast(3).padding(toLength: 16, withPad: " ", startingAt: 0)
            Terminal.say("  \(label)" + spread.text("ms"))
        }
        if let spread = Spread(over) { Terminal.say("  over the budget " + spread.text("ms")) }
        Terminal.say("  runs that did not end as expected: \(failed)")
    }

    private func steady(_ mode: String, _ picketd: String, skip: Bool) throws {
        guard !skip else {
            Terminal.say("steady state, \(mode): not measured, its program was not given")
            return
        }
        Terminal.say("steady state, \(mode): 10 heartbeats a second, 2 links, 8 sensors")
        let rack = try BenchRack(detectWithin: 1500, sensors: 8, sensorInterval: "500ms")
        defer { rack.remove() }
        for line in try SteadyState.measure(rack, picketd: picketd, seconds: seconds) {
            Terminal.say("  " + line)
        }
    }
}
