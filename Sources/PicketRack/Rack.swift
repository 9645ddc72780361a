/// A rack around a pair: power, wires, switch and evidence, in one loop.
///
/// Everything that happens is told as a `RackEvent` to whoever listens (timeline, scenario, live
/// view). What the rack saw itself and what an agent says of itself are never mixed.
import Foundation
import PicketConfig
package import PicketCore
package import PicketRackClient

package final class Rack {
    package let loop = EventLoop()
    package let plan: RackPlan
    package let directory: String
    let began: Instant
    private let maker: any NodeMaker
    var patience: Int { maker.patience }
    private(set) var nodes: [SimulatedNode] = []
    package private(set) var relays: [SimulatedRelay] = []
    private(set) var outlets: [SimulatedRelay] = []
    private(set) var network: Network!
    private(set) var evidence = Evidence()
    private(set) var tally: Tally
    /// By `run on`.
    var commandsUnderWay = 0
    var failedCommand: String?
    private(set) var failure: String?
    private let key = (0..<32).map { _ in UInt8.random(in: 0...255) }
    private var listeners: [(RackEvent) -> Void] = []

    /// At which interval the agents are asked how they are, at least, in milliseconds.
    let statusEvery: Int

    /// - Parameter directory: the rack's own, empty and with a short path, because it
    ///   holds sockets.
    package init(
        plan: RackPlan, of maker: any NodeMaker, directory: String, statusEvery: Int = 100
    ) throws(RackFailure) {
        self.plan = plan
        self.maker = maker
        self.directory = directory
        self.statusEvery = statusEvery
        began = loop.now
        tally = Tally(plan: plan)
        try writeFiles()
        try maker.begin(self)
        network = try Network(loop: loop, linkCount: plan.linkCount) {
            number throws(RackFailure) in try maker.link(number, of: self)
        }
        for id in [NodeID.low, .high] {
            nodes.append(SimulatedNode(id: id, plan: plan.nodes[id], rack: self))
        }
        for node in nodes { wire(node) }
        for node in nodes { try node.embody(by: maker) }
        if !stateful.isEmpty {
            loop.every(.milliseconds(50)) { [unowned self] in
                copyData(of: stateful)
                for group in stateful where isStrict(group) { acknowledge(group) }
            }
        }
    }

    package subscript(id: NodeID) -> SimulatedNode { nodes[Int(id.rawValue)] }

    private func wire(_ node: SimulatedNode) {
        for supply in node.plan.supplies {
            let relay = SimulatedRelay(plan: supply, driver: node.id.peer, loop: loop)
            relay.moved = { [unowned self, unowned relay] in contactMoved(relay) }
            relays.append(relay)
            node.relays.append(relay)
        }
        for plan in node.plan.outlets {
            let outlet = SimulatedRelay(
                plan: plan, driver: node.id.peer, isOutlet: true, loop: loop)
            outlet.moved = { [unowned self, unowned outlet] in outletMoved(outlet) }
            outlets.append(outlet)
            node.outlets.append(outlet)
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
            try writeKey(of: id, right: true)
            try writeFile(of: id, nil)
        }
    }

    /// The configuration of a node that is a process; its agent reads it when it starts.
    func writeFile(of id: NodeID, _ edit: Action.GroupEdit?) throws(RackFailure) {
        let name = plan.names[id]
        let rehearsed = edit.map { Rehearsal.editing($0, in: plan.rehearsed) } ?? plan.rehearsed
        let text = Rehearsal.completed(
            rehearsed, node: name, maker.places(of: name, in: directory))
        try write(Array(text.utf8), to: "\(directory)/\(name)/picket.yaml", 0o644)
    }

    /// The agents read it when they start, and on SIGHUP.
    func changeKey(of id: NodeID, right: Bool) throws(RackFailure) {
        self[id].body.replaceKey(try writeKey(of: id, right: right))
    }

    /// - Returns: the key.
    @discardableResult
    private func writeKey(of id: NodeID, right: Bool) throws(RackFailure) -> [UInt8] {
        let bytes = right ? key : key.map { $0 ^ 0x55 }
        try write(bytes, to: "\(directory)/\(plan.names[id])/pair.key", 0o600)
        return bytes
    }

    private func write(_ bytes: [UInt8], to path: String, _ mode: Int) throws(RackFailure) {
        guard
            FileManager.default.createFile(
                atPath: path, contents: Data(bytes), attributes: [.posixPermissions: mode])
        else { throw RackFailure("cannot write \(path)") }
    }

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
    package func fail(_ reason: String) {
        failure = reason
        loop.stop()
    }

    // MARK: - Relays

    package func setLine(_ name: String, on: Bool, by node: SimulatedNode) -> RackAnswer {
        let all = relays + outlets
        guard let relay = all.first(where: { $0.driver == node.id && $0.plan.line == name })
        else { return .error("no line \(name) that \(node.name) drives") }
        guard relay.commanded != on else { return .done }
        tally.edge()
        if !on { tally.lineOff(feeding: relay.fed, at: loop.now) }
        tell(
            .rack, on ? "line_on" : "line_off", node: node.name,
            "\(node.name) sets \(name) \(on ? "on" : "off")")
        relay.drive(on: on)
        return .done
    }

    func getLine(_ name: String, by node: SimulatedNode) -> RackAnswer {
        for relay in relays + outlets where relay.driver == node.id {
            if relay.plan.line == name { return .ok([relay.commanded ? "on" : "off"]) }
            if relay.plan.sense == name { return .ok([sense(relay) ? "on" : "off"]) }
            if relay.plan.opposite == name {
                return .ok([sense(relay, opposite: true) ? "on" : "off"])
            }
        }
        return .error("no line \(name) on \(node.name)")
    }

    package func sense(_ relay: SimulatedRelay, opposite: Bool = false) -> Bool {
        let node = self[relay.fed]
        let live = (node.mains && relay.feeds) || (node.draining && !node.isFed)
        return relay.reads(live: live, opposite: opposite)
    }

    private func contactMoved(_ relay: SimulatedRelay) {
        let node = self[relay.fed]
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

    private func outletMoved(_ outlet: SimulatedRelay) {
        let node = self[outlet.fed]
        if outlet.contact {
            tally.contactsClosed(feeding: node.id)
            tell(.rack, "contact_closed", node: node.name, "the outlet of \(node.name) is on")
        } else {
            tally.contactsOpen(feeding: node.id, at: loop.now)
            tell(
                .rack, "contact_open", node: node.name, "the outlet of \(node.name) is off",
                .warning)
        }
        node.feedChanged()
    }

    /// What the nodes' sense lines read may have changed.
    func railMoved() {
        for node in nodes { node.body.senseMoved() }
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

    /// A record of a group's own process.
    package func take(_ record: Record) {
        for finding in evidence.add(record) { report(finding) }
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

    // MARK: - Data

    /// The groups whose data the rack copies.
    private(set) lazy var stateful =
        maker.places(of: plan.names.low, in: directory).copiesData
        ? plan.configurations.low.groups.filter { $0.sync != nil }.map(\.name) : []

    /// Copies that stand still: node and group.
    private var stalled: [(NodeID, String)] = []

    func stallCopy(of group: String, on node: NodeID, _ stalls: Bool) {
        stalled.removeAll { $0 == (node, group) }
        if stalls { stalled.append((node, group)) }
    }

    /// The data of a group that is active go to the other node, as long as a link carries both ways.
    private func copyData(of groups: [String]) {
        for group in groups {
            guard let name = active(group), let holder = plan.node(named: name),
                self[holder.peer].state == .running, network.carriesBothWays,
                !stalled.contains(where: { $0 == (holder.peer, group) })
            else { continue }
            guard let data = try? Data(contentsOf: file(holder, group, "data")) else { continue }
            try? data.write(to: file(holder.peer, group, "data"), options: .atomic)
        }
    }

    private func file(_ node: NodeID, _ group: String, _ kind: String) -> URL {
        URL(fileURLWithPath: "\(directory)/workloads/\(plan.names[node]).\(group).\(kind)")
    }

    // MARK: - Commits

    /// Of strict groups: the node that runs it, and how far its data were acknowledged.
    private var acknowledged: [String: (node: NodeID, number: UInt64)] = [:]

    private func isStrict(_ group: String) -> Bool {
        plan.configurations.low.groups.contains { $0.name == group && $0.sync?.strict != nil }
    }

    /// The stand-in's database acknowledges what the other node's copy has, too; or all that it has,
    /// as long as it is told to go on alone. Who goes on must have begun with all of that.
    private func acknowledge(_ group: String) {
        guard let name = active(group), let holder = plan.node(named: name) else { return }
        if let before = acknowledged[group], before.node != holder {
            guard let began = number(holder, group, "began") else { return }
            tally.lose(before.number - min(before.number, began))
            acknowledged[group] = (holder, began)
        }
        guard let written = number(holder, group, "data") else { return }
        let goesAlone = FileManager.default.fileExists(atPath: file(holder, group, "alone").path)
        let copied = number(holder.peer, group, "data") ?? 0
        let known = acknowledged[group]?.number ?? 0
        acknowledged[group] = (holder, max(known, goesAlone ? written : min(written, copied)))
    }

    private func number(_ node: NodeID, _ group: String, _ kind: String) -> UInt64? {
        let text = try? String(contentsOf: file(node, group, kind), encoding: .utf8)
        return text?.split(separator: ":").last
            .flatMap { UInt64($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
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
