/// The outcome of a scenario, as the rack has counted and measured it and the scenario judges it.
import PicketConfig
import PicketControl
import PicketCore
import PicketText

package struct Summary {
    var scenario: String
    var fences: Int
    var attempts: Int
    var takeovers: Int
    var handovers: Int
    /// By watchdogs.
    var resets: Int
    /// Changes of level at the lines that drive relays.
    var edges: Int
    /// Acknowledged writes of strict groups.
    var lost: UInt64
    var dualActive: Duration
    /// Of the group that was longest without a node.
    var bothOff: Duration
    var detection: Duration?
    var fence: Duration?
    var activation: Duration?
    var takeover: Duration?
    var slowestTakeover: Duration?
    var ownParts: [Double]
    var driverParts: [Double]
    /// How often its steps were played.
    var repetitions: Int
    var holders: [(group: String, node: String?)]
    var outcome: String
    /// Why a group was last activated, by its agent's word.
    var cause: String?
    var failures: [String] = []
    /// How late the rack's own loop has been at worst. Its measurements are no better than that.
    var rackLate: Duration

    init(rack: Rack, scenario: String, repetitions: Int, cause: String?) {
        self.repetitions = repetitions
        let tally = rack.tally
        let now = rack.loop.now
        self.scenario = scenario
        self.cause = cause
        fences = tally.fenceCount
        attempts = tally.attemptCount
        takeovers = tally.takeovers
        handovers = tally.handovers
        resets = tally.resets
        edges = tally.edges
        lost = tally.lost
        rackLate = rack.loop.worstLateness
        dualActive = rack.evidence.dualActive()
        bothOff = rack.plan.groups.map { rack.evidence.nowhere($0, until: now) }.max() ?? .zero
        detection = tally.detection
        fence = tally.fence
        activation = tally.activation
        takeover = tally.takeover
        slowestTakeover = tally.slowestTakeover
        ownParts = tally.ownParts.sorted()
        driverParts = tally.driverParts.sorted()
        holders = rack.plan.groups.map { ($0, rack.active($0)) }
        outcome = "unchanged"
        if dualActive > .zero {
            outcome = "dual-active"
        } else if holders.contains(where: { $0.node == nil }) {
            outcome = "down"
        } else if takeovers > 0 {
            outcome = "takeover"
        } else if handovers > 0 {
            outcome = "handover"
        }
    }

    package var passed: Bool { failures.isEmpty }

    /// By the name that scenarios and JSON use; milliseconds for durations.
    func measure(_ name: String) -> Double? {
        switch name {
        case "fences": Double(fences)
        case "attempts": Double(attempts)
        case "takeovers": Double(takeovers)
        case "handovers": Double(handovers)
        case "resets": Double(resets)
        case "edges": Double(edges)
        case "lost_commits": Double(lost)
        case "dual_active_ms": milliseconds(dualActive)
        case "both_off_ms": milliseconds(bothOff)
        case "detection_ms": detection.map(milliseconds)
        case "fence_ms": fence.map(milliseconds)
        case "activation_ms": activation.map(milliseconds)
        case "takeover_ms": takeover.map(milliseconds)
        case "slowest_takeover_ms": slowestTakeover.map(milliseconds)
        case "own_p50_ms": quantile(0.5, of: ownParts)
        case "own_p99_ms": quantile(0.99, of: ownParts)
        case "driver_p99_ms": quantile(0.99, of: driverParts)
        default: nil
        }
    }

    /// Of a sorted list, the least value that so many of its values do not exceed; two digits.
    private func quantile(_ share: Double, of list: [Double]) -> Double? {
        guard !list.isEmpty else { return nil }
        let value = list[max(0, Int((share * Double(list.count)).rounded(.up)) - 1)]
        return (value * 100).rounded() / 100
    }

    private func milliseconds(_ duration: Duration) -> Double {
        (Double(duration.nanoseconds) / 1e5).rounded() / 10
    }

    /// One line.
    package var json: [UInt8] {
        JSONWriter.line { json in
            json.field("type", "summary")
            json.field("scenario", scenario)
            for name in Scenario.measures { json.field(name, measure(name)) }
            json.field("rack_late_ms", milliseconds(rackLate))
            json.field("outcome", outcome)
            json.field("cause", cause)
            json.object("active") { json in
                for holder in holders { json.field(holder.group, holder.node) }
            }
            json.field("passed", passed)
            json.array("failures") { json in
                for failure in failures { json.element(failure) }
            }
        }
    }

    /// For people: a line that says it all, and one for each failure.
    package var text: String {
        var parts = [
            "\(fences) fence\(fences == 1 ? "" : "s")",
            "\(takeovers) takeover\(takeovers == 1 ? "" : "s")",
            "\(handovers) handover\(handovers == 1 ? "" : "s")",
            "dual active \(Text.number(milliseconds(dualActive))) ms",
        ]
        if let detection { parts.append("detected in \(Text.number(milliseconds(detection))) ms") }
        if let fence { parts.append("off in \(Text.number(milliseconds(fence))) ms") }
        if let takeover { parts.append("taken over in \(Text.number(milliseconds(takeover))) ms") }
        if repetitions > 1 {
            parts.append("\(attempts - fences) failed fences")
            if let slowestTakeover {
                parts.append(
                    "the slowest takeover in \(Text.number(milliseconds(slowestTakeover))) ms")
            }
        }
        if repetitions > 1, let half = measure("own_p50_ms"), let most = measure("own_p99_ms"),
            let driver = measure("driver_p99_ms")
        {
            parts.append(
                "from the sense line's edge to the proof \(Text.number(half)) ms at the median,"
                    + " \(Text.number(most)) ms at p99 (the driver besides \(Text.number(driver)) ms"
                    + " at p99) in \(ownParts.count)")
        }
        if rackLate > .milliseconds(50) {
            parts.append("the rack itself \(Text.number(milliseconds(rackLate))) ms late")
        }
        let verdict = passed ? "PASSED" : "FAILED"
        let line = "\(verdict) \(scenario): \(outcome); \(parts.joined(separator: ", "))"
        return ([line] + failures.map { "  failed: \($0)" }).joined(separator: "\n")
    }
}
