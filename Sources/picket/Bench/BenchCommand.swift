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
            program to measure it beside the ordinary one, and one of 0.1.0 to see whether takeovers \
            have become slower: both take turns on one computer.
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

    @Option(help: "A picketd of 0.1.0, which takes over by turns with today's.")
    var former: String?

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
        let rack = try BenchRack(detectWithin: detectWithin, sensors: 2, sensorInterval: "500ms")
        defer { rack.remove() }
        guard let former else {
            var today = Takeovers(detectWithin: detectWithin)
            for _ in 0..<takeovers { today.count(try rack.play(picketd: picketd)) }
            return today.tell()
        }
        let formerRack = try BenchRack(
            detectWithin: detectWithin, sensors: 2, sensorInterval: "500ms", former: true)
        defer { formerRack.remove() }
        var (today, before) = (
            Takeovers(detectWithin: detectWithin), Takeovers(detectWithin: detectWithin)
        )
        for _ in 0..<takeovers {
            today.count(try rack.play(picketd: picketd))
            before.count(try formerRack.play(picketd: former))
        }
        today.tell()
        Terminal.say(" 0.1.0, by turns with it")
        before.tell()
        if let new = today.spread("takeover_ms"), let old = before.spread("takeover_ms") {
            let ratio = String(format: "%.2f", new.median / old.median)
            Terminal.say("  ratio           \(ratio) of the medians, today's to 0.1.0's")
        }
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

/// What some takeovers took, by the rack's measures.
private struct Takeovers {
    let detectWithin: Int
    private var figures: [String: [Double]] = [:]
    private var failed = 0

    init(detectWithin: Int) { self.detectWithin = detectWithin }

    mutating func count(_ summary: BenchRack.Summary?) {
        guard let summary, summary.passed else {
            failed += 1
            return
        }
        for (name, value) in summary.measures { figures[name, default: []].append(value) }
        if let takeover = summary.measures["takeover_ms"], let fence = summary.measures["fence_ms"]
        {
            figures["over the budget", default: []].append(
                takeover - Double(detectWithin) - fence)
        }
    }

    func spread(_ name: String) -> Spread? { Spread(figures[name] ?? []) }

    func tell() {
        for (name, label) in [
            ("detection_ms", "detection      "), ("fence_ms", "fence          "),
            ("activation_ms", "activation     "), ("takeover_ms", "takeover       "),
            ("over the budget", "over the budget"),
        ] {
            if let spread = spread(name) { Terminal.say("  \(label) " + spread.text("ms")) }
        }
        Terminal.say("  runs that did not end as expected: \(failed)")
    }
}
