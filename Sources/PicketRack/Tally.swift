/// Counts and measures what the rack sees by itself: lines, contacts, rails and workload records.
import PicketConfig
import PicketCore

struct Tally {
    /// How often an agent's order cut a node. All supplies of a node together count as one.
    private(set) var fences: PerNode<Int> = PerNode(low: 0, high: 0)
    /// How often such an order reached a line, whether or not the contact opened.
    private(set) var attempts: PerNode<Int> = PerNode(low: 0, high: 0)
    private(set) var takeovers = 0
    private(set) var handovers = 0
    /// By a watchdog.
    private(set) var resets = 0
    /// Writes that were acknowledged, and that the next holder did not have.
    private(set) var lost: UInt64 = 0
    /// At lines that drive relays.
    private(set) var edges = 0
    private(set) var detection: Duration?
    private(set) var fence: Duration?
    private(set) var activation: Duration?
    private(set) var takeover: Duration?
    /// Milliseconds by the agents' own clocks, for each fence: from the sense line's edge to the
    /// proof, without the line's driver; and the driver's part.
    private(set) var ownParts: [Double] = []
    private(set) var driverParts: [Double] = []
    /// Of all takeovers whose beginning is known.
    private(set) var slowestTakeover: Duration?

    private let names: PerNode<String>
    private var death: PerNode<Instant?> = PerNode(low: nil, high: nil)
    private var ordered: PerNode<Instant?> = PerNode(low: nil, high: nil)
    private var open: PerNode<Bool> = PerNode(low: false, high: false)
    private var rail: PerNode<Instant?> = PerNode(low: nil, high: nil)

    init(plan: RackPlan) { names = plan.names }

    var fenceCount: Int { fences.low + fences.high }
    var attemptCount: Int { attempts.low + attempts.high }

    mutating func reset() { resets += 1 }
    mutating func lose(_ writes: UInt64) { lost += writes }
    mutating func proved(_ own: Double, _ driver: Double) {
        ownParts.append(own)
        driverParts.append(driver)
    }
    mutating func edge() { edges += 1 }

    mutating func died(_ node: NodeID, at now: Instant) { death[node] = now }

    mutating func lineOff(feeding node: NodeID, at now: Instant) {
        if let before = ordered[node], now - before < .milliseconds(20) { return }
        attempts[node] += 1
        ordered[node] = now
        if let death = death[node], detection == nil { detection = now - death }
    }

    mutating func contactsOpen(feeding node: NodeID, at now: Instant) {
        guard !open[node], ordered[node] != nil else { return }
        open[node] = true
        fences[node] += 1
    }

    mutating func contactsClosed(feeding node: NodeID) { open[node] = false }

    mutating func railOff(_ node: NodeID, at now: Instant) {
        rail[node] = now
        if open[node], let ordered = ordered[node], fence == nil { fence = now - ordered }
    }

    /// How the activity came about, as an addition to the sentence that tells of it.
    mutating func began(_ activity: Activity, after before: Activity?) -> String {
        guard let before else { return " (formation)" }
        guard before.node != activity.node else { return " (again)" }
        let from: NodeID = before.node == names.low ? .low : .high
        if before.ended {
            handovers += 1
            return " (handover from \(before.node))"
        }
        takeovers += 1
        // The rail was off already where the node had died before the relay moved.
        let off = [rail[from], ordered[from]].compactMap { $0 }.max()
        if activation == nil, let off { activation = activity.first - off }
        if let death = death[from] {
            let span = activity.first - death
            if takeover == nil { takeover = span }
            slowestTakeover = max(slowestTakeover ?? span, span)
        }
        return " (takeover from \(before.node))"
    }
}
