/// The world of a pair: power, wires, switch and evidence, in one loop.
///
/// Everything that happens is told as a `RackEvent` to whoever listens (timeline, scenario, live
/// view). What the rack saw itself and what an agent says of itself are never mixed.
import CPicket
import Foundation
import PicketConfig
import PicketCore
import PicketRackClient

package final class World {
    package let loop = EventLoop()
    let plan: RackPlan
    let programs: RackPrograms
    let directory: String
    /// Give the nodes a disk that can be full for real, if that is permitted.
    let smallDisks: Bool
    /// The nodes are virtual machines, made of this.
    let lab: LabKit?
    /// Where their workloads' records come in.
    private(set) var wire: LabWire?
    let began: Instant
    private(set) var nodes: [SimulatedNode] = []
    private(set) var relays: [SimulatedRelay] = []
    private(set) var network: Network!
    private(set) var agents: PerNode<AgentObserver>
    private(set) var evidence = Evidence()
    private(set) var tally: Tally
    /// On machines, by `run on`.
    var commandsUnderWay = 0
    var failedCommand: String?
    private(set) var failure: String?
    private let log: WorkloadLog
    private let key = (0..<32).map { _ in UInt8.random(in: 0...255) }
    private var servers: [RackServer] = []
    private var listeners: [(RackEvent) -> Void] = []

    /// At which interval the agents are asked how they are, at least, in milliseconds.
    let statusEvery: Int

    /// - Parameter directory: the rack's own, empty and with a short path, for it holds sockets.
    package init(
        plan: RackPlan, programs: RackPrograms, directory: String, smallDisks: Bool = false,
        lab: LabKit? = nil, statusEvery: Int = 100
    ) throws(RackFailure) {
        self.plan = plan
        self.programs = programs
        self.directory = directory
        self.smallDisks = smallDisks
        self.lab = lab
        self.statusEvery = statusEvery
        began = loop.now
        tally = Tally(plan: plan)
        guard let log = WorkloadLog(path: directory + "/workload.log") else {
            throw RackFailure("cannot create the workloads' log in \(directory)")
        }
        self.log = log
        agents = PerNode(
            low: AgentObserver(name: plan.names.low), high: AgentObserver(name: plan.names.high))
        try writeFiles()
        network = try Network(world: self, linkCount: plan.linkCount)
        if lab != nil { try listenToMachines() }
        for id in [NodeID.low, .high] {
            let name = plan.names[id]
            nodes.append(
                SimulatedNode(
                    id: id, name: name, plan: plan.nodes[id], directory: "\(directory)/\(name)",
                    world: self))
        }
        for node in nodes { wire(node) }
        for node in nodes { try node.fit() }
        for node in nodes where lab == nil {
            servers.append(try RackServer(world: self, node: node))
        }
        for node in nodes { agents[node.id].attach(to: node, of: self) }
        _ = picket_become_subreaper()
        loop.every(.milliseconds(5)) { [unowned self] in readEvidence() }
        loop.every(.milliseconds(100)) { [unowned self] in reapChildren() }
    }

    subscript(id: NodeID) -> SimulatedNode { nodes[Int(id.rawValue)] }

    var faultsDirectory: String { directory + "/faults" }

    private func wire(_ node: SimulatedNode) {
        for supply in node.plan.supplies {
            let relay = SimulatedRelay(plan: supply, driver: node.id.peer, loop: loop)
            relay.moved = { [unowned self, unowned relay] in contactMoved(relay) }
            relays.append(relay)
            node.relays.append(relay)
        }
        for (sensor, plan) in zip(node.sensors, node.plan.sensors) where plan.sensesPeer {
            sensor.powered = { [unowned self] in self[node.id.peer].rail }
        }
    }

    private func writeFiles() throws(RackFailure) {
        do {
            let files = FileManager.default
            let (low, high) = (plan.names.low, plan.names.high)
            for name in ["faults", "workloads", "\(low)/state", "\(high)/state"] {
                try files.createDirectory(
                    atPath: "\(directory)/\(name)", withIntermediateDirectories: true)
            }
        } catch { throw RackFailure("cannot write into \(directory): \(error)") }
        for id in [NodeID.low, .high] {
            let name = plan.names[id]
            try writeKey(of: id, right: true)
            let text =
                lab == nil
                ? Rehearsal.completed(
                    plan.rehearsed, node: name, rack: directory, workload: programs.workload)
                : Rehearsal.completedForMachine(plan.rehearsed, node: name)
            try write(Array(text.utf8), to: "\(directory)/\(name)/picket.yaml", 0o644)
        }
    }

    /// The agents read it when they start, and on SIGHUP.
    func writeKey(of id: NodeID, right: Bool) throws(RackFailure) {
        let path = "\(directory)/\(plan.names[id])/pair.key"
        let bytes = right ? key : key.map { $0 ^ 0x55 }
        try write(bytes, to: path, 0o600)
        if nodes.count == 2 { self[id].machine?.put("/etc/picket/pair.key", bytes) }
    }

    private func write(_ bytes: [UInt8], to path: String, _ mode: Int) throws(RackFailure) {
        guard
            FileManager.default.createFile(
                atPath: path, contents: Data(bytes), attributes: [.posixPermissions: mode])
        else { throw RackFailure("cannot write \(path)") }
    }

    func configurationPath(of node: SimulatedNode) -> String { node.directory + "/picket.yaml" }

    // MARK: - Telling

    func listen(_ listener: @escaping (RackEvent) -> Void) { listeners.append(listener) }

    func tell(
        _ source: RackEvent.Source, _ kind: String, node: String? = nil, _ text: String,
        _ severity: RackEvent.Severity = .normal
    ) {
        tell(
            RackEvent(
                at: loop.now, source: source, node: node, kind: kind, text: text,
                severity: severity))
    }

    func tell(_ event: RackEvent) {
        for listener in listeners { listener(event) }
    }

    /// The rack itself cannot go on.
    func fail(_ reason: String) {
        failure = reason
        loop.stop()
    }

    // MARK: - Relays

    func setLine(_ name: String, on: Bool, by node: SimulatedNode) -> RackAnswer {
        guard let relay = relays.first(where: { $0.driver == node.id && $0.plan.line == name })
        else { return .error("no line \(name) that \(node.name) drives") }
        guard relay.commanded != on else { return .done }
        tally.edge()
        if !on { tally.lineOff(feeding: relay.feeds, at: loop.now) }
        tell(
            .rack, on ? "line_on" : "line_off", node: node.name,
            "\(node.name) sets \(name) \(on ? "on" : "off")")
        relay.drive(on: on)
        return .done
    }

    func getLine(_ name: String, by node: SimulatedNode) -> RackAnswer {
        for relay in relays where relay.driver == node.id {
            if relay.plan.line == name { return .ok([relay.commanded ? "on" : "off"]) }
            if relay.plan.sense == name { return .ok([sense(relay) ? "on" : "off"]) }
        }
        return .error("no line \(name) on \(node.name)")
    }

    func sense(_ relay: SimulatedRelay) -> Bool {
        let node = self[relay.feeds]
        let live = (node.mains && relay.contact) || (node.draining && !node.isFed)
        switch relay.feedback {
        case .truthful: return live
        case .saysOn: return true
        case .saysOff: return false
        case .inverted: return !live
        }
    }

    private func contactMoved(_ relay: SimulatedRelay) {
        let node = self[relay.feeds]
        if node.relays.allSatisfy({ !$0.contact }) {
            tally.contactsOpen(feeding: node.id, at: loop.now)
            tell(
                .rack, "contact_open", node: node.name, "the relay disconnects \(node.name)",
                .warning)
        } else if relay.contact {
            tally.contactsClosed(feeding: node.id)
            tell(.rack, "contact_closed", node: node.name, "the relay connects \(node.name)")
        }
        node.feedChanged()
    }

    /// What the machines' sense lines read may have changed.
    func railMoved() {
        for node in nodes { node.machine?.senseMoved() }
    }

    func watchdogBit() { tally.reset() }
    /// By an agent's own clock.
    func proved(ownMilliseconds own: Double, driverMilliseconds driver: Double) {
        tally.proved(own, driver)
    }

    func railFell(_ node: SimulatedNode) {
        tally.railOff(node.id, at: loop.now)
        railMoved()
    }

    // MARK: - Evidence

    private func listenToMachines() throws(RackFailure) {
        let wire = try LabWire(directory: directory, loop: loop)
        wire.arrived = { [unowned self] record in
            for finding in evidence.add(record) { report(finding) }
        }
        self.wire = wire
    }

    private func readEvidence() {
        for record in log.newRecords() {
            for finding in evidence.add(record) { report(finding) }
        }
        if log.damaged > 0, failure == nil { fail("the workloads' log holds damaged records") }
    }

    private func report(_ finding: Evidence.Finding) {
        switch finding {
        case .began(let activity):
            let before = evidence.activities.dropLast().last { $0.group == activity.group }
            let text = tally.began(activity, after: before)
            tell(
                RackEvent(
                    at: activity.first, source: .workload, node: activity.node, kind: "active",
                    text:
                        "\(activity.group) is active on \(activity.node), term \(activity.term)\(text)",
                    severity: .good, group: activity.group))
        case .ended(let activity):
            tell(
                RackEvent(
                    at: activity.last, source: .workload, node: activity.node, kind: "ended",
                    text: "\(activity.group) has ended on \(activity.node)",
                    group: activity.group))
        case .dual(let activity, let other):
            tell(
                RackEvent(
                    at: activity.first, source: .workload, node: activity.node,
                    kind: "dual_active",
                    text: "\(activity.group) IS ACTIVE ON \(activity.node) AND ON \(other)",
                    severity: .alarm, group: activity.group))
        }
    }

    /// The node on which the group is active now, by its own records.
    func active(_ group: String) -> String? {
        guard let name = evidence.active(group, at: loop.now), let id = plan.node(named: name),
            self[id].state == .running
        else { return nil }
        return name
    }

    // MARK: - Processes

    func reapChildren() {
        var status: Int32 = 0
        while unsafe waitpid(-1, &status, WNOHANG) > 0 {}
    }

    /// Notes what is about to be done to a node, as the beginning of what is measured.
    func injected(_ node: NodeID) { tally.died(node, at: loop.now) }

    /// Ends every process and takes the directory away.
    package func remove(keepDirectory: Bool) {
        for node in nodes { node.remove() }
        if !keepDirectory {
            try? FileManager.default.removeItem(atPath: directory)
        }
    }
}
