import PicketControl
@testable import PicketCore

let names = Names(
    pair: "rack7", me: .low, nodes: ["east", "west"], groups: ["gateway", "historian"],
    links: ["10.0.0.1:7780 to 10.0.0.2:7780", "10.1.0.1:7780 to 10.1.0.2:7780"],
    sensors: ["inlet", "rail5v"], fenceLevels: ["relay RELAY_WEST", "agent fence_ipmilan"])

func policy() -> Policy {
    Policy(
        me: .low, linkCount: 2,
        timing: Timing(
            detectWithin: .milliseconds(500), heartbeat: .milliseconds(50),
            deadAfter: .milliseconds(400), probe: .milliseconds(5), headStart: .milliseconds(60),
            offWithin: .milliseconds(50), fenceTimeout: .seconds(2), fenceRetry: .seconds(5),
            feed: .milliseconds(500), longestPause: .seconds(60), leaveWithin: .seconds(1)),
        fenceLevels: [.relay(verified: true), .agent],
        groups: [GroupPolicy(prefer: .low), GroupPolicy(prefer: .high)], digest: 1)
}

/// A pair for which all is well: east has the first group, west the second.
func healthyStatus() -> Status {
    var first = GroupStatus(
        role: .holding, running: true, eligible: true, term: Term(7), peerRole: .granting,
        peerRunning: false, peerTerm: Term(7), sync: .unknown, peerSync: .current,
        lastHolder: .me, difference: [])
    first.peerRole = .vacant
    let second = GroupStatus(
        role: .vacant, running: false, eligible: true, term: Term(3), peerRole: .holding,
        peerRunning: true, peerTerm: Term(3), sync: .current, peerSync: .unknown,
        lastHolder: .peer, difference: .resources)
    return Status(
        phase: .paired, contact: .established, armed: true, maintenance: false,
        peerMaintenance: false, drill: false, peerDrill: false, health: Health(score: 100),
        peerHealth: 100, peerPhase: .paired, peerSession: SessionID(2), peerSimulated: false,
        peerWatchdogMilliseconds: 10_000, peerRelayTest: .passed, relayTest: .passed,
        watchdog: .seconds(10), configurationAgrees: true, linksUp: .first(2),
        age: .milliseconds(40), roundTrip: .microseconds(300), fence: .idle, fencesInWindow: 0,
        movesInWindow: 1, fencesRefillIn: nil, movesRefillIn: nil, protectionGap: nil,
        groups: [first, second], receipt: nil)
}

func report(_ change: (inout StatusReport) -> Void = { _ in }) -> StatusReport {
    var report = StatusReport(
        version: "0.1.0", names: names, policy: policy(), status: healthyStatus(),
        session: SessionID(0xAB), uptime: .seconds(90),
        sensors: [
            SensorReport(name: "inlet", value: 41.5, unit: "C", state: .normal),
            SensorReport(name: "rail5v", value: 5.02, unit: "V", state: .normal),
        ],
        links: [
            LinkReport(local: "10.0.0.1:7780", remote: "10.0.0.2:7780", up: true),
            LinkReport(local: "10.1.0.1:7780", remote: "10.1.0.2:7780", up: true),
        ],
        counters: [Counter("turns", 12)])
    change(&report)
    return report
}
