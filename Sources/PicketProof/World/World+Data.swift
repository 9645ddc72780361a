/// The data of stateful groups: the world alone knows whose are newer.
///
/// A group of which all has started writes. The first write after a start begins an epoch, as a database
/// that is promoted begins a timeline. The other node's copy follows at each step as long as
/// datagrams pass both ways, and stays where it is from the moment on at which they do not. A holder
/// that nobody hears writes on. A copy that has something which the writer's epoch began without does
/// not follow until somebody has made it anew. The data keep the term at which they were written, and
/// refuse a start below it.
internal import PicketCore

/// A node's copy of a group's data.
struct DataCopy: Equatable {
    /// Of its newest write; 0 for none.
    var epoch: UInt64 = 0
    var number: UInt64 = 0
    /// It has all that was written in this epoch until then.
    var asOf = Int64.min / 2
    /// It has diverged from the writer's, and is made anew then.
    var isAnewAt: Int64?
    /// It was started since it last wrote, at this term: the next write begins an epoch.
    var startedAt: UInt64?
    /// At which it was written last. The store keeps it, and starts at no term below.
    var term: UInt64 = 0
}

extension World {
    /// Writes, lets copies follow, and every other time probes them.
    func moveData() {
        guard let lag = plan.leastLag else { return }
        writes += 1
        for group in 0..<plan.names where plan.sync(of: group) != nil {
            for node in nodes { write(group, node) }
        }
        if writes % 2 == 0 { for node in nodes { probe(node) } }
        after(lag.nanoseconds / 8, .writes)
    }

    func write(_ name: Int, _ node: Node) {
        guard plan.sync(of: name) != nil,
            let group = (node.agent?.list ?? node.noted).first(where: { $0.name == name }),
            group.resources.allSatisfy({ node.serves[$0] })
        else { return }
        let startedAt = node.data[name].startedAt
        if startedAt != nil || node.data[name].epoch == 0 {
            node.data[name].startedAt = nil
            node.data[name].term = startedAt ?? node.data[name].term
            node.data[name].epoch = watch.beginsEpoch(of: name, node)
            node.data[name].isAnewAt = nil
        }
        node.data[name].number += 1
        node.data[name].asOf = now
        defer { acknowledge(name, node) }
        let peer = peer(of: node)
        guard peer.powered, peer.copyStallsUntil[name] <= now, !peer.isUp(group),
            passes(between: node, peer)
        else { return }
        let copy = peer.data[name]
        if copy.epoch != node.data[name].epoch, watch.has(copy, lackedBy: node.data[name]) {
            let at = copy.isAnewAt ?? now + 20_000_000_000
            peer.data[name].isAnewAt = at
            guard now >= at else { return }
        }
        peer.data[name] = node.data[name]
    }

    private func passes(between node: Node, _ peer: Node) -> Bool {
        node.weather.indices.contains {
            node.weather[$0].cutUntil <= now && peer.weather[$0].cutUntil <= now
        }
    }

    func probe(_ node: Node) {
        guard let agent = node.agent else { return }
        for (place, group) in agent.list.enumerated() where plan.sync(of: group.name) != nil {
            let copy = node.data[group.name]
            let failed = node.probeFailsUntil[group.name] > now
            let position = DataPosition(epoch: UInt32(copy.epoch), number: copy.number)
            give(failed ? .sync(place, .failed) : .position(place, position), node)
            guard node.agent === agent else { return }
        }
    }
}
