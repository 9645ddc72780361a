/// A plan drawn from a seed: which kinds of fault are on, how often they come, and how they
/// cluster.
///
/// A failover pair breaks mostly when two things go wrong within one detection time. So faults come
/// in bursts: several of the kinds that are on, within a few detection times. Then there is time to
/// come back.
public import PicketCore

public enum Swarm {
    /// What a plan dwells on.
    public enum Focus: String, CaseIterable, Sendable {
        /// Any mixture.
        case any
        /// Partitions while groups move.
        case partitions
        /// Disks that do not take the state that must be remembered.
        case disks
        /// Disks that are full while nothing is to be remembered, until the peer dies or there is room.
        case fullDisks
        /// One fence after the other, beyond the budget.
        case budgets
        /// Loops and workers that wake up late, when contact is lost and regained.
        case lateness
        /// Agents that stand still between two steps of a turn, when contact is lost and regained.
        case turns
        /// Agents and nodes that end and start anew, while little is heard.
        case lives
        /// Agents that die between two effects while operators move groups.
        case moves
        /// Agents that end in the middle of a start, a restart or a stop, in maintenance too.
        case starts
        /// Nodes without power, one after the other, and operators who say so.
        case blackouts
        /// Recorded datagrams come again, to agents that start anew.
        case replays
        /// Words of operators, true and false.
        case words
        /// Nodes that boot and do not hear each other, and operators who fence by hand.
        case strangers
        /// Groups whose starts, stops and monitors fail.
        case resources
        /// Files that differ while nodes lose each other.
        case configurations
        /// Lists of groups that are changed, node by node, with their priorities and the timing.
        case lists
        /// A group that is given another name, and its resources another definition, on one node
        /// after the other, the holder last.
        case renames
        /// A resource that stands in another group in the changed files, and agents that read them
        /// while they live, also beside a peer that has left it running.
        case reloads
        /// Links that are added, removed and put in another order, on one node after the other, while one
        /// of them is cut.
        case links
        /// Levels of fencing that change while nodes lose each other.
        case levels
        /// Maintenance at either node, while groups fail and nodes come and go.
        case maintenance
        /// Somebody works on one group on low, which leaves by plan, or is not heard any more.
        case work
        /// Services that fail some seconds after each start, on both nodes.
        case flaps
        /// Sensors that overheat, fail and are drilled.
        case sensors
        /// One plug with all wires, which parts and comes back.
        case plugs
        /// Nodes with two supplies, of which one is dead.
        case supplies
        /// Groups with data, whose copies do not follow.
        case data
        /// Outlets that switch late.
        case outlets
        /// Nodes that are unfit when contact is lost.
        case fitness
        /// Units that are missing on a node, while groups move and contact is lost.
        case readiness
        /// Relays that fail when they are needed, and workers that hang.
        case trust
        /// Groups that cannot be stopped, beside peers that cannot fence.
        case stuck
        /// Agents that end in a partition, after a node has booted.
        case clocks
        /// Terms that are heard while the disk takes nothing, and then the agent ends.
        case terms
        /// Work by hand in maintenance, beside agents that are restarted.
        case hands
        /// Groups that a person starts beside the pair, outside maintenance.
        case strays
        /// Recordings of a dark peer, and the operator's word that it is off.
        case recordings
        /// Groups with data that go to and fro, beside a copy that stands still.
        case copies
        /// Groups with data that refuse a term below theirs, on nodes that have forgotten the terms.
        case guards
        /// Holders that write on without their copies, and are taken over from.
        case branches
        /// Groups whose stores wait for the peer's copy, which stands still, and whose commands fail.
        case strict
    }

    /// - Parameters:
    ///   - safety: how long faults are on.
    ///   - detectWithin: instead of one that is drawn; one that can hold.
    public static func plan(
        seed: UInt64, safety: Duration = .seconds(240), focus: Focus = .any,
        detectWithin: Duration? = nil
    ) -> Plan {
        var chance = Chance(seed: seed)
        var plan = Plan(seed: seed)
        plan.safety = safety
        setUp(&plan, &chance)
        let kinds = kinds(&plan, focus, &chance)
        if let detectWithin { plan.detectWithin = detectWithin }
        // A node whose disk takes nothing for ever cannot answer whose data are newer.
        if plan.leastLag != nil { plan.staysFull = nil }
        // In so short a time no late outlet fits.
        if plan.policy(of: .low) == nil { plan.outlet = nil }
        // Proof that comes so late would spend every judgement of the copies.
        if plan.outlet != nil {
            for index in plan.groups.indices { plan.groups[index].sync?.maxLag = .seconds(4) }
        }
        if focus == .clocks { again(every: 30, &plan, loseClock) }
        if focus == .fullDisks { again(every: 110, &plan, fill) }
        if focus == .hands { again(every: 60, &plan, workByHand) }
        if focus == .starts { again(every: 30, &plan, endHalfWay) }
        if focus == .recordings { again(every: 60, &plan, replay) }
        if focus == .terms { again(every: 45, &plan, loseTerms) }
        if focus == .copies { again(every: 14, &plan, giveBack) }
        if focus == .guards { again(every: 60, &plan, forgetTerms) }
        if focus == .branches {
            let detects = plan.detectWithin.milliseconds
            let mostLag = plan.leastLag!.milliseconds * 2 + 1_500 + detects
            again(every: 70, &plan) {
                $1.percent(70) ? part($0, mostLag, &$1) : dieOrdering(detects, mostLag, &$1)
            }
        }
        if focus == .work { again(every: 55, &plan, work) }
        if focus == .turns, kinds.isEmpty { again(every: 8, &plan, hearLate) }
        if focus == .strict, kinds.isEmpty {
            let lag = plan.groups[0].sync!.maxLag.milliseconds
            if plan.seed % 4 == 0 {
                again(every: 45, &plan) {
                    $1.percent(50) ? dieRestored($0, within: lag) : fallUnnoted(within: lag)
                }
            } else {
                again(every: 75, &plan) { workOnStore(node: $0, within: lag, &$1) }
            }
        }
        if focus == .renames {
            var list = plan.list
            list[0].name += plan.groups.count
            for index in list[0].resources.indices {
                list[0].resources[index] += plan.resources
            }
            again(every: 25, &plan) { rename(in: list, on: $0, &$1) }
        }
        if focus == .reloads {
            var list = plan.list
            list[0].resources.append(list[1].resources.removeLast())
            again(every: 20, &plan) {
                $1.percent(30) ? shiftBesideLeaver(to: list, &$1) : shift(to: list, on: $0, &$1)
            }
        }
        if focus == .links {
            let links = plan.links
            again(every: 25, &plan) { relink($0, links, &$1) }
        }
        if focus == .levels {
            again(every: 20, &plan) { $1.percent(50) ? fenceAnew($0, &$1) : takeBack($0, &$1) }
        }
        if focus == .sensors { again(every: 40, &plan, loseSensor) }
        guard !kinds.isEmpty else {
            plan.faults.sort { $0.at < $1.at }
            return plan
        }
        let gap: Int64 = chance.one(of: [3_000, 8_000, 15_000, 30_000])
        var at = Duration.milliseconds(5_000 + chance.below(5_000))
        while at < safety {
            let count = 1 + chance.below(4)
            for _ in 0..<count {
                let spread = plan.detectWithin * 3
                let offset = Duration.microseconds(chance.below(spread.microseconds + 1))
                let kind = chance.one(of: kinds)
                guard let entry = draw(kind, at: at + offset, plan, &chance),
                    entry.at < safety
                else { continue }
                plan.faults.append(entry)
                // A fault that hits both nodes at once is worse than two that hit one each.
                // A plug between two nodes carries the wires of both, more often than not.
                if chance.percent(kind == .harness ? 70 : 20), let twin = entry.fault.onPeer {
                    plan.faults.append(
                        FaultEntry(at: entry.at, lasting: entry.lasting, twin))
                }
                if kind == .outrun { outrun(entry, &plan) }
                if kind == .cutMove { cutMove(entry, &plan, &chance) }
                // A disk that takes nothing is noticed by an agent that begins anew.
                if kind == .fullRestart, case .diskFull(let node) = entry.fault {
                    plan.faults.append(restart(of: node, after: entry.at, &chance))
                }
                // A list is read by an agent that starts; often the other file follows.
                if kind == .lists, case .list(let node, let list) = entry.fault {
                    let restart = entry.at + .milliseconds(chance.below(300))
                    let ends = chance.percent(70) ? Fault.crash : { .command($0, .leave) }
                    // Of a chance of its own, like `asks`.
                    var reloads = Chance(
                        seed: plan.seed ^ 0x72_6c_64 ^ UInt64(entry.at.microseconds))
                    let restarts = { (node: NodeID) -> Fault in
                        reloads.percent(50) ? .reload(node) : ends(node)
                    }
                    plan.faults.append(FaultEntry(at: restart, restarts(node)))
                    // The timing is changed with it, often.
                    var times = Chance(
                        seed: plan.seed ^ 0x74_69_6d ^ UInt64(entry.at.microseconds))
                    let isSlower = times.percent(30)
                    func slow(_ node: NodeID, _ at: Duration) {
                        guard isSlower else { return }
                        plan.faults.append(
                            FaultEntry(at: at, lasting: entry.lasting, .otherConfiguration(node)))
                    }
                    slow(node, entry.at)
                    if chance.percent(60) {
                        let next = restart + .milliseconds(chance.below(8_000))
                        plan.faults.append(
                            FaultEntry(
                                at: next, lasting: entry.lasting, .list(node.peer, list)))
                        slow(node.peer, next)
                        plan.faults.append(FaultEntry(at: next, restarts(node.peer)))
                    }
                    let end = entry.at + entry.lasting + .milliseconds(chance.below(500))
                    plan.faults.append(FaultEntry(at: end, restarts(node)))
                    if let slow = slowStop(of: entry.at, plan) { plan.faults.append(slow) }
                }
                // The group is to go to a peer whose relay does not pass its test, or which is not
                // fit either.
                if kind == .stuck, case .resource(let node, let group, let fault) = entry.fault {
                    let relay = chance.one(of: [RelayFault.unreachable, .senseOff])
                    plan.faults.append(
                        FaultEntry(
                            at: entry.at, lasting: entry.lasting, .relay(node.peer, relay)))
                    if fault == .unkillable {
                        plan.faults.append(
                            FaultEntry(
                                at: entry.at, lasting: entry.lasting,
                                .resource(node, group, .stopHangs)))
                    }
                    plan.faults.append(
                        FaultEntry(
                            at: entry.at + .milliseconds(500 + chance.below(12_000)),
                            .command(node.peer, .handover(group))))
                    if chance.percent(25) {
                        plan.faults.append(
                            FaultEntry(
                                at: entry.at + .seconds(chance.below(20)),
                                lasting: .seconds(10 + chance.below(60)),
                                .sensor(node.peer, Int(chance.below(2)), .critical)))
                    }
                }
                // A partition; one way only is another kind.
                if kind == .flaps, case .resource(let node, let group, let fault) = entry.fault {
                    plan.faults.append(
                        FaultEntry(
                            at: entry.at, lasting: entry.lasting,
                            .resource(node.peer, group, fault)))
                }
                if kind == .cuts, case .cut(let from, let link) = entry.fault {
                    plan.faults.append(
                        FaultEntry(
                            at: entry.at, lasting: entry.lasting,
                            .cut(from: from.peer, link: link)))
                }
            }
            at = at + .milliseconds(gap / 2 + chance.below(gap))
        }
        if focus == .disks {
            hang(&plan)
            blind(&plan)
        }
        if focus == .lateness {
            callOff(&plan)
            lag(&plan)
        }
        if focus == .any { interrupt(&plan) }
        if focus == .maintenance || focus == .any { holdGroups(&plan, focus) }
        plan.faults.sort { $0.at < $1.at }
        return plan
    }

    /// One chain of faults, again and again, on either node. Others would break it.
    private static func again(
        every seconds: Int64, _ plan: inout Plan,
        _ chain: (NodeID, inout Chance) -> [(milliseconds: Int64, lasting: Int64, Fault)]
    ) {
        var chance = Chance(seed: plan.seed ^ 0x63_68_61_69_6e)
        var at = Duration.seconds(6)
        while at + .seconds(seconds) <= plan.safety {
            for link in chain(chance.percent(50) ? .low : .high, &chance) {
                plan.faults.append(
                    FaultEntry(
                        at: at + .milliseconds(link.milliseconds),
                        lasting: .milliseconds(link.lasting), link.2))
            }
            at = at + .seconds(seconds)
        }
    }

    /// The clock of a node begins anew. Then both agents end, and the next ones do not hear each
    /// other: they have the clock that was noted, or none.
    private static func loseClock(
        _ node: NodeID, _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        let crash = 6_000 + chance.below(2_000)
        return [
            (0, 500 + chance.below(3_000), .powerLoss(node)), (crash, 0, .crash(node)),
            (crash + chance.below(100), 0, .crash(node.peer)),
            (crash, 12_000, .cut(from: node, link: nil)),
            (crash, 12_000, .cut(from: node.peer, link: nil)),
        ]
    }

    /// The disk of a node is full for long, while the pair is well. Then there is room, or the peer
    /// dies before. In some worlds there was something to be remembered meanwhile.
    private static func fill(
        _ node: NodeID, _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        let room = 48_000 + chance.below(12_000)
        guard chance.percent(70) else { return [(10_000, room, .diskFull(node))] }
        let orders: [(milliseconds: Int64, lasting: Int64, Fault)] = [
            (13_000, 0, .command(node, .maintenance(true, of: 0, despite: .none))),
            (16_000, 0, .command(node, .maintenance(false, of: 0, despite: .none))),
        ]
        return [
            (10_000, room + 20_000, .diskFull(node)),
            (10_000 + room, 2_000 + chance.below(8_000), .powerLoss(node.peer)),
        ] + (room % 2 == 0 ? orders : [])
    }

    /// Somebody works by hand on what a node does not hold, beside agents that are restarted. The
    /// maintenance is ended without a word of that, and then by name.
    private static func workByHand(
        _ node: NodeID, _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        let name = chance.percent(50) ? 0 : nil
        let begins = 4_000 + chance.below(4_000)
        let ends = 22_000 + chance.below(3_000)
        let ender = chance.percent(50) ? node : node.peer
        var links: [(milliseconds: Int64, lasting: Int64, Fault)] = [
            (0, 0, .command(node.peer, .handover(0))),
            (2_000, 0, .command(node, .maintenance(true, of: name, despite: .none))),
            // It runs on one of them.
            (begins, 45_000, .byHand(node, 0)), (begins, 45_000, .byHand(node.peer, 0)),
            (ends, 0, .command(ender, .maintenance(false, of: name, despite: .none))),
            (ends + 2_000, 0, .command(ender, .maintenance(false, of: name, despite: .all))),
        ]
        for node in [node, node.peer] where chance.percent(60) {
            links.append((begins - 200 + chance.below(4_000), 0, .crash(node)))
        }
        return links
    }

    /// A group starts on a node, or is restarted there, which takes long or fails half-way, and the agent
    /// ends meanwhile. Often the next one is to give the group back, or cannot stop it, or hands are
    /// off it.
    private static func endHalfWay(
        _ node: NodeID, _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        let restarts = chance.percent(30)
        let ends = 4_000 + chance.below(restarts ? 5_000 : 1_500)
        var links: [(milliseconds: Int64, lasting: Int64, Fault)] = [
            (0, 0, .command(restarts ? node.peer : node, .handover(0))),
            (ends, 0, .crash(node)),
        ]
        if restarts {
            links.append((3_500, 4_000, .resource(node, 0, .monitorFails)))
            links.append((3_500, 6_000, .resource(node, 0, .startHangs)))
        } else {
            let fault = chance.one(of: [ResourceFault.startHangs, .startFails, .slow])
            links.append((3_500, 3_000, .resource(node, 0, fault)))
            links.append((4_000, 0, .command(node.peer, .handover(0))))
        }
        if chance.percent(40) {
            links.append(
                (chance.percent(50) ? 3_500 : ends, 10_000, .resource(node, 0, .stopFails)))
        }
        if chance.percent(50) {
            links.append((ends + 500 + chance.below(4_000), 0, .command(node, .handover(0))))
        }
        if chance.percent(50) {
            let name = chance.percent(50) ? 0 : nil
            let at = chance.percent(50) ? 3_000 : ends - chance.below(500)
            links += [
                (at, 0, .command(node, .maintenance(true, of: name, despite: .none))),
                (15_000, 0, .command(node, .maintenance(false, of: name, despite: .none))),
                (17_000, 0, .command(node, .maintenance(false, of: name, despite: .all))),
            ]
        }
        return links
    }

    /// A node can prove nothing of its dark peer, whose packets somebody has recorded: they come again
    /// and again, and the operator says that it is off.
    private static func replay(
        _ node: NodeID, _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        var links: [(milliseconds: Int64, lasting: Int64, Fault)] = [
            (0, 45_000, .relay(node, .unreachable)), (1_000, 40_000, .powerLoss(node.peer)),
        ]
        for turn in 0..<8 {
            let at = 4_000 + Int64(turn) * 4_000 + chance.below(500)
            links.append((at, 0, .replay(to: node, count: 50)))
        }
        links.append((12_000 + chance.below(8_000), 0, .crash(node)))
        for word in 0..<3 {
            let at = 20_000 + Int64(word) * 6_000 + chance.below(4_000)
            links.append((at, 0, .command(node, .confirmFence)))
        }
        return links
    }

    /// A node boots while its disk takes nothing. Its peer, which has not met it, has fenced it and
    /// leapt; what the node hears of that is on its note alone. Then its agent ends, the peer loses its
    /// power, and the operator says so.
    private static func loseTerms(
        _ node: NodeID, _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        let end = 17_500 + chance.below(1_000)
        return [
            (0, 0, .command(node.peer, .handover(nil))), (1_000, 20_000, .diskFull(node)),
            (2_000, 300, .powerLoss(node)), (2_000 + chance.below(200), 0, .crash(node.peer)),
            (end, 12_000, .powerLoss(node.peer)), (end + chance.below(50), 0, .crash(node)),
            (22_000 + chance.below(1_000), 0, .command(node, .confirmFence)),
        ]
    }

    /// A sensor that is past its limit, or comes past it meanwhile, leaves the file for a while.
    private static func loseSensor(
        _ node: NodeID, _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        let sensor = Int(chance.below(2))
        return [
            (chance.below(8_000), 30_000, .sensor(node, sensor, .critical)),
            (4_000 + chance.below(2_000), 15_000 + chance.below(10_000), .sensorGone(node, sensor)),
        ]
    }

    /// One link is cut while the files of both nodes get other links, mostly the same ones.
    private static func relink(
        _ node: NodeID, _ count: Int, _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        func drawn() -> [Int] {
            var links = Array(0..<count)
            links.swapAt(Int(chance.below(Int64(count))), Int(chance.below(Int64(count))))
            if chance.percent(50) { links.remove(at: Int(chance.below(Int64(count)))) }
            return links
        }
        let cut = Int(chance.below(Int64(count)))
        let (first, second) = (3_000 + chance.below(3_000), 7_000 + chance.below(3_000))
        let links = drawn()
        let others = chance.percent(70) ? links : drawn()
        var faults: [(milliseconds: Int64, lasting: Int64, Fault)] = [
            (first, 10_000, .links(node, links)),
            (second, 9_000 + chance.below(4_000), .links(node.peer, others)),
        ]
        if chance.percent(70) {
            let lasting = 6_000 + chance.below(10_000)
            faults.append((0, lasting, .cut(from: node, link: cut)))
            faults.append((0, lasting, .cut(from: node.peer, link: cut)))
        }
        return faults
    }

    /// A group goes to the peer, and is to come back before the copy that it left has followed.
    private static func giveBack(
        _ node: NodeID, _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        var links: [(milliseconds: Int64, lasting: Int64, Fault)] = [
            (0, 0, .command(node.peer, .handover(nil))),
            (3_000, 8_000, .sync(node, 0, .stale)),
            (4_000 + chance.below(300), 0, .command(node, .handover(nil))),
        ]
        for turn in 1...10 {
            links.append(
                (links[2].milliseconds + Int64(turn) * 20, 0, .command(node.peer, .handover(nil))))
        }
        return links
    }

    /// Both nodes lose their power and their state files, and begin with low terms beside data of
    /// a later one. Or the data refuse every term for a while.
    private static func forgetTerms(
        _ node: NodeID, _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        var links: [(milliseconds: Int64, lasting: Int64, Fault)] = []
        for turn in 0..<(4 + chance.below(12)) {
            links.append(
                (turn * 600, 0, .command(turn % 2 == 0 ? node : node.peer, .handover(nil))))
        }
        let dark = 12_000 + chance.below(1_000)
        for (node, late) in [(node, 0), (node.peer, chance.below(2_000))] {
            links.append((dark, 1_000 + late, .powerLoss(node)))
            links.append((dark + 500, 0, .loseState(node)))
        }
        if chance.percent(50) {
            links.append((dark + 10_000, 15_000, .resource(node, 0, .startRefused)))
            links.append((dark + 11_000, 0, .command(node, .handover(0))))
            links.append((dark + 11_000, 0, .command(node.peer, .handover(0))))
        }
        return links
    }

    /// A copy stands still until its holder goes on alone, follows until it is to be restored, and
    /// stands still again meanwhile. It keeps up as far as anybody can judge when the holder dies.
    private static func dieRestored(
        _ node: NodeID, within lag: Int64
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        let follows = lag * 3 / 2 + 1_000
        return [
            (0, follows, .sync(node.peer, 0, .stale)),
            (follows + lag * 12 / 20, lag * 2, .sync(node.peer, 0, .stale)),
            (follows + lag * 27 / 20, 3_000, .powerLoss(node)),
        ]
    }

    /// A copy falls behind while no disk is quick to note that.
    private static func fallUnnoted(
        within lag: Int64
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        let stalls = lag * 2 + 2_000
        var links: [(milliseconds: Int64, lasting: Int64, Fault)] = []
        for node in [NodeID.low, .high] {
            links.append((0, stalls, .sync(node, 0, .stale)))
            links.append((0, stalls, .diskSlow(node, upTo: .seconds(2))))
        }
        return links
    }

    /// The copy stands still for long, and meanwhile somebody works on the store; or it follows while
    /// somebody does; or a restore fails before it; or a degrade hangs, and may take effect after the
    /// copy has followed; or no disk takes anything before it; or the peer is off for long after a
    /// takeover.
    private static func workOnStore(
        node: NodeID, within lag: Int64, _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        func stall(_ at: Int64, for lasting: Int64) -> [(Int64, Int64, Fault)] {
            [NodeID.low, .high].map { (at, lasting, .sync($0, 0, .stale)) }
        }
        func spoil(
            _ at: Int64, for lasting: Int64, _ fault: ResourceFault
        ) -> [(Int64, Int64, Fault)] {
            [NodeID.low, .high].map { (at, lasting, .resource($0, 0, fault)) }
        }
        func work(_ on: Bool, _ at: Int64) -> (Int64, Int64, Fault) {
            (at, 0, .command(node, .maintenance(on, of: 0, despite: .all)))
        }
        let falls = lag * 2 + 2_000
        switch chance.below(6) {
        case 0:
            return stall(0, for: 60_000) + [
                work(true, falls), work(false, falls + 1_000 + chance.below(3_000)),
            ]
        case 1:
            return stall(0, for: falls + 1_000) + [
                work(true, falls), work(false, falls + lag * 4 + 5_000),
            ]
        case 2:
            return stall(0, for: falls) + spoil(falls - 500, for: lag * 3, .commandsFail)
                + stall(falls + lag * 2, for: 60_000)
        case 3:
            return stall(0, for: falls) + spoil(0, for: falls, .commandsHang)
                + stall(18_000 + lag * 2, for: lag * 2)
        case 4:
            return [NodeID.low, .high].map { (0, 45_000, .diskFull($0)) }
                + stall(2_000, for: 40_000)
        default: return [(0, 35_000, .powerLoss(node))]
        }
    }

    /// High, whose worker hangs, orders a fence of low, which holds the groups, and loses its power before
    /// it learns of an end. Low writes on by itself, until the site loses its power. Then an operator
    /// names low.
    private static func dieOrdering(
        _ detects: Int64, _ mostLag: Int64, _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        let dies = 10_000 + detects * 2 + chance.below(detects)
        let both = dies + mostLag + chance.below(3_000)
        var links: [(milliseconds: Int64, lasting: Int64, Fault)] = [
            (1_000, 0, .command(.low, .clear(nil))), (1_500, 0, .command(.low, .failback(nil))),
            (9_500, dies - 9_000, .relay(.low, .stuckOn)), (10_000, dies, .relay(.high, .hangs)),
            (dies, both - dies + 500 + chance.below(1_000), .powerLoss(.high)),
            (both, 1_000 + chance.below(1_000), .powerLoss(.low)),
            (both + 12_000, 0, .command(.low, .take(nil, stale: true))),
        ]
        for from in [NodeID.low, .high] {
            links.append((10_000, dies - 9_500, .cut(from: from, link: nil)))
        }
        return links
    }

    /// Low, which holds the groups, loses its power. The copies on high stand still since long, or its
    /// probes have failed for a while, or it lacks no more than was agreed. High takes over, by its
    /// file or by its operator. Before the copy on low is made anew both lose their power, with or
    /// without having met; and then an operator names one.
    private static func part(
        _ node: NodeID, _ mostLag: Int64, _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        let dies = 3_000 + mostLag + chance.below(500)
        let taken = dies + 4_000 + chance.below(1_000)
        let back = taken + chance.below(5_000)
        let both = back + (chance.percent(40) ? -300 : chance.below(6_000))
        let named = both + 10_000 + chance.below(5_000)
        var links: [(milliseconds: Int64, lasting: Int64, Fault)] = [
            (0, 0, .command(node, .take(nil, stale: true))),
            (1_000, 0, .command(.low, .clear(nil))), (1_500, 0, .command(.low, .failback(nil))),
            (dies, back - dies, .powerLoss(.low)),
            (taken, 0, .command(.high, .take(nil, stale: true))),
            (both, 1_000 + chance.below(2_000), .powerLoss(.high)),
            (both + chance.below(100), 1_000 + chance.below(2_000), .powerLoss(.low)),
            (named, 0, .command(node.peer, .take(nil, stale: true))),
        ]
        let kind = chance.below(10)
        let staysBehind = chance.percent(40)
        for group in 0..<2 {
            switch kind {
            case 0..<5: links.append((3_000, mostLag + 1_000, .sync(.high, group, .stale)))
            case 5..<8: links.append((dies - 1_500, 2_000, .sync(.high, group, .failed)))
            default:
                links.append((dies - 100 - chance.below(700), 1_000, .sync(.high, group, .stale)))
            }
            if staysBehind { links.append((back, 6_000, .sync(.low, group, .stale))) }
        }
        return links
    }

    /// A turn stands still, and takes in what has come meanwhile. That is the last that it hears;
    /// and its peer, which hears the answer, comes late to its own turn.
    private static func hearLate(
        _ node: NodeID, _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        let pause = 40 + chance.below(120)
        return [
            (0, pause, .pauseAfter(node, steps: Int(chance.below(3)))),
            (pause - chance.below(3), 3_000, .cut(from: node.peer, link: nil)),
            (pause + 1 + chance.below(4), 3_000, .cut(from: node, link: nil)),
            (pause + 5, 5 + chance.below(150), .pause(node.peer)),
        ]
    }

    /// Both groups are on low, as preferred, and hands are off the second one. Then low leaves while high
    /// may not start the first one at once, and high may leave as well; or it leaves in the middle of
    /// what a person ordered; or the links die while the group is being stopped, or while high, whose
    /// agent is restarted, had it before it lost its power.
    private static func work(
        _ node: NodeID, _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        var links: [(milliseconds: Int64, lasting: Int64, Fault)] = [
            (0, 0, .command(.low, .clear(nil))),
            (100, 0, .command(.low, .maintenance(false, of: 1, despite: .all))),
            (1_000, 0, .command(.low, .failback(nil))),
        ]
        func then(_ at: Int64, _ fault: Fault, lasting: Int64 = 0) {
            links.append((at, lasting, fault))
        }
        let works = Fault.command(.low, .maintenance(true, of: 1, despite: .none))
        var cut: Int64
        switch chance.below(5) {
        case 0, 1:
            then(4_000, .resource(.high, 0, .startFails), lasting: 2_000)
            then(5_000, .command(.low, .handover(0)))
            then(7_000, works)
            let leaves = 12_500 + chance.below(1_500)
            then(leaves, .command(.low, .leave))
            cut = leaves + 300 + chance.below(2_000)
            if chance.percent(50) { then(cut - 200, .command(.high, .leave)) }
            let ends = cut + chance.below(8_000)
            then(ends, .command(.high, .maintenance(false, of: 1, despite: .all)))
        case 2:
            then(4_000, .command(.low, .handover(1)))
            then(6_000, works)
            then(7_000, .resource(.low, 1, .slow), lasting: 10_000)
            then(8_000, .command(.high, .handover(1)))
            cut = 8_020 + chance.below(300)
            then(cut, .command(.low, .leave))
            cut += 4_000
        case 3:
            then(4_000, works)
            then(5_000, .relay(.low, .unreachable), lasting: 30_000)
            then(6_000, .resource(.low, 1, .stopFails), lasting: 20_000)
            then(7_000, .command(.low, .handover(nil)))
            cut = 9_000 + chance.below(5_000)
        default:
            then(4_000, .command(.low, .handover(1)))
            then(5_000, .powerLoss(.high), lasting: 500)
            then(14_000, .command(.low, .handover(0)))
            then(15_000, works)
            then(16_000, .relay(.low, .unreachable), lasting: 25_000)
            cut = 24_000 + chance.below(2_000)
            then(cut, .crash(.high))
        }
        for node in [NodeID.low, .high] { then(cut, .cut(from: node, link: nil), lasting: 15_000) }
        return links
    }

    /// Nothing is heard for a while, and in that time the file changes, before, in or after the fence.
    private static func fenceAnew(
        _ node: NodeID, _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        func anew(_ chance: inout Chance) -> Fault {
            .fenceAnew(node, levels: 1 + Int(chance.below(2)))
        }
        var links: [(milliseconds: Int64, lasting: Int64, Fault)] = [(0, 0, anew(&chance))]
        if chance.percent(50) {
            for from in [NodeID.low, .high] {
                links.append((1_000, 3_000 + chance.below(1_000), .cut(from: from, link: nil)))
            }
        } else {
            links.append((1_000, 3_000, .powerLoss(node.peer)))
        }
        for _ in 0..<6 {
            links.append((1_000 + chance.below(4_000), 0, anew(&chance)))
        }
        return links
    }

    /// The peer cannot stop its group, and asks to be fenced. Hands are taken off the pair, or the group
    /// stops after all, while the first level hangs. Some time after that the peer dies.
    private static func takeBack(
        _ node: NodeID, _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        let stops = 3_500 + chance.below(2_000)
        let off = Fault.command(node, .maintenance(false, of: nil, despite: .all))
        return [
            (0, 0, .fenceAnew(node, levels: 2)), (200, 0, .command(node, .handover(0))),
            (2_500, stops - 2_500, .resource(node.peer, 0, .stopFails)),
            (2_600, 5_000, .relay(node, .hangs)), (2_700, 0, .command(node.peer, .handover(0))),
            (
                stops, 0,
                .command(
                    node,
                    chance.percent(50)
                        ? .maintenance(true, of: nil, despite: .none) : .clear(nil))
            ),
            (stops + 1, 0, .command(node.peer, .clear(nil))), (9_000, 0, off),
            (14_000 + chance.below(2_000), 2_500, .powerLoss(node.peer)),
        ]
    }

    /// Nothing is a difference any more once the holder has the list, too. It stops the group by the
    /// former name then, which takes its time, and the peer may prefer to have the other. In
    /// maintenance it is not to be stopped, whether the agent is restarted, leaves or lives.
    private static func rename(
        in list: [ListedGroup], on node: NodeID, _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        let second = 5_000 + chance.below(1_000)
        let back = 14_000 + chance.below(1_000)
        var links: [(milliseconds: Int64, lasting: Int64, Fault)] = [
            (0, 0, .command(node, .handover(0))),
            (2_000, 12_000, .list(node.peer, list)), (2_000, 0, .crash(node.peer)),
            (second, 9_000, .list(node, list)), (second, 4_000, .resource(node, 0, .slow)),
            (second, 0, chance.percent(50) ? .crash(node) : .reload(node)),
            (back, 0, .crash(node.peer)), (back + 3_000, 0, .crash(node)),
        ]
        guard chance.percent(40) else { return links }
        let name = chance.percent(50) ? 0 : nil
        links += [
            (3_500, 0, .command(node, .maintenance(true, of: name, despite: .none))),
            (back + 5_000, 0, .command(node, .maintenance(false, of: name, despite: .all))),
        ]
        if chance.percent(30) { links.append((second - 500, 0, .command(node, .leave))) }
        return links
    }

    /// Each node holds the group that it prefers, and each file in its turn has a resource of the one
    /// in the other.
    private static func shift(
        to list: [ListedGroup], on node: NodeID, _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        let second = 4_000 + chance.below(3_000)
        let back = 12_000 + chance.below(1_000)
        return [
            (0, 0, .command(node, .failback(nil))),
            (2_000, back - 2_000, .list(node, list)), (2_000, 0, .reload(node)),
            (second - 1, back + 1_000 - second, .list(node.peer, list)),
            (second, 0, .reload(node.peer)),
            (second, 3_000, .resource(node.peer, Int(chance.below(2)), .slow)),
            (back + 1, 0, .reload(node)), (back + 1_001, 0, .reload(node.peer)),
        ]
    }

    /// High leaves, and group 1 runs on there in maintenance. That ends on low, which cannot fence high
    /// at once, and whose file has a resource of group 1 in group 0 by then.
    private static func shiftBesideLeaver(
        to list: [ListedGroup], _ chance: inout Chance
    ) -> [(milliseconds: Int64, lasting: Int64, Fault)] {
        let ends = 6_000 + chance.below(1_000)
        let reload = ends + 100 + chance.below(1_000)
        return [
            (0, 0, .command(.low, .failback(nil))), (0, 0, .command(.high, .failback(nil))),
            (2_000, 0, .command(.high, .maintenance(true, of: 1, despite: .none))),
            (3_500, 0, .command(.high, .leave)),
            (5_000, 5_000, .relay(.low, .unreachable)),
            (ends, 0, .command(.low, .maintenance(false, of: 1, despite: .all))),
            (reload - 1, 5_000, .list(.low, list)), (reload, 0, .reload(.low)),
            (reload + 5_000, 0, .reload(.low)),
        ]
    }

    /// Of a chance of its own, so that the rest of a seed's plan does not depend on it.
    private static func hang(_ plan: inout Plan) {
        var chance = Chance(seed: plan.seed ^ 0x68_61_6e_67)
        guard chance.percent(25) else { return }
        plan.faults.append(
            FaultEntry(
                at: .seconds(10 + chance.below(150)), lasting: .seconds(10 + chance.below(60)),
                .diskHangs(chance.percent(50) ? .low : .high)))
    }

    /// Neither node can fence the other while they are apart, and the holder writes on. In the end
    /// one of them loses its power, and the operator says so.
    private static func outrun(_ cut: FaultEntry, _ plan: inout Plan) {
        guard case .cut(let node, _) = cut.fault else { return }
        let end = cut.at + cut.lasting
        let second = Duration.seconds(1)
        plan.faults += [NodeID.low, .high].map {
            FaultEntry(at: cut.at, lasting: cut.lasting + second, .relay($0, .stuckOn))
        }
        plan.faults.append(
            FaultEntry(at: cut.at, lasting: cut.lasting + second, .cut(from: node.peer, link: nil)))
        plan.faults.append(
            FaultEntry(at: end - second, lasting: .seconds(4), .powerLoss(node)))
        plan.faults.append(FaultEntry(at: end - second / 2, .command(node.peer, .confirmFence)))
    }

    /// The disk of a node takes nothing while the terms rise; then both nodes lose their power, and the
    /// operator lets that node go on alone. It cannot have kept how far the terms had come.
    private static func blind(_ plan: inout Plan) {
        var chance = Chance(seed: plan.seed ^ 0x62_6c_69)
        guard chance.percent(25) else { return }
        let node: NodeID = chance.percent(50) ? .low : .high
        let at = Duration.seconds(10 + chance.below(150))
        func then(_ after: Int64, _ fault: Fault, lasting: Int64 = 0) {
            plan.faults.append(
                FaultEntry(
                    at: at + .milliseconds(after), lasting: .milliseconds(lasting), fault))
        }
        then(0, .diskFull(node), lasting: 10_350)
        for turn in 0..<6 {
            let to = turn % 2 == 0 ? node.peer : node
            then(Int64(turn) * 500, .command(to, .handover(nil)))
        }
        then(4_000, .powerLoss(node.peer), lasting: 300)
        then(10_000, .powerLoss(node.peer), lasting: 15_000)
        then(10_300, .powerLoss(node), lasting: 300)
        then(14_000, .command(node, .confirmFence))
    }

    /// Contact is lost while a group moves, so that one node does not hear whether the other began.
    private static func cutMove(
        _ move: FaultEntry, _ plan: inout Plan, _ chance: inout Chance
    ) {
        let at = move.at + .microseconds(chance.below(40_000))
        plan.faults += [NodeID.low, .high].map {
            FaultEntry(at: at, lasting: plan.detectWithin * 4, .cut(from: $0, link: nil))
        }
    }

    /// A loop that is late for long at the end, and hears nothing meanwhile: a datagram would wake it
    /// in time. Maintenance keeps both nodes from fencing.
    private static func lag(_ plan: inout Plan) {
        var chance = Chance(seed: plan.seed ^ 0x6c_61_67)
        guard chance.percent(25), plan.safety > .seconds(90) else { return }
        let at = plan.safety - .seconds(80)
        let node = chance.percent(50) ? NodeID.low : .high
        // Another lateness would take the place of this one, and a restart would end it.
        plan.faults.removeAll { $0.at >= at }
        plan.faults += [
            FaultEntry(at: at, .command(node, .maintenance(true, despite: .none))),
            FaultEntry(
                at: at + .seconds(1), lasting: .seconds(78),
                .late(node, upTo: plan.detectWithin / 2)),
            FaultEntry(
                at: at + .seconds(2), lasting: .seconds(77), .cut(from: node.peer, link: nil)),
        ]
    }

    /// The peer answers in time, and the worker, which is late, has the order to fence it still. Of a
    /// chance of its own.
    private static func callOff(_ plan: inout Plan) {
        var chance = Chance(seed: plan.seed ^ 0x6f_66_66)
        let detects = plan.detectWithin.milliseconds
        for _ in 0..<12 {
            let at = Duration.seconds(10) + .milliseconds(chance.below(200_000))
            let cut = Duration.milliseconds(detects / 2 + chance.below(detects))
            for node in [NodeID.low, .high] {
                plan.faults += [
                    FaultEntry(at: at, lasting: .seconds(2), .late(node, upTo: .milliseconds(60))),
                    FaultEntry(at: at, lasting: cut, .cut(from: node, link: nil)),
                ]
            }
            // Or the process stands still before the worker has taken the order, and beyond its time.
            guard chance.percent(50) else { continue }
            let order = Duration.milliseconds(detects / 2 + chance.below(detects / 2))
            plan.faults.append(
                FaultEntry(
                    at: at + order, lasting: plan.detectWithin,
                    .pause(chance.percent(50) ? .low : .high)))
        }
    }

    /// Turns that stand still in their middle. Of a chance of its own, as in `hang`.
    private static func interrupt(_ plan: inout Plan) {
        var chance = Chance(seed: plan.seed ^ 0x74_75_72_6e)
        guard chance.percent(15) else { return }
        for _ in 0..<20 {
            let at = Duration.milliseconds(chance.below(plan.safety.milliseconds))
            guard let entry = draw(.halfway, at: at, plan, &chance) else { continue }
            plan.faults.append(entry)
        }
    }

    private static func setUpSupplies(_ plan: inout Plan, _ chance: inout Chance) {
        plan.supplies = 2
        if chance.percent(60) {
            plan.staysDead = Plan.DeadSupply(
                node: chance.percent(50) ? .low : .high, supply: Int(chance.below(2)))
        }
    }

    /// Operators who take hands off one group, at either node, and some time later put them back. Of a
    /// chance of its own, like `hang`.
    private static func holdGroups(_ plan: inout Plan, _ focus: Focus) {
        var chance = Chance(seed: plan.seed ^ 0x68_6f_6c_64)
        guard !plan.rolls, chance.percent(focus == .any ? 20 : 70) else { return }
        var at = Duration.seconds(6 + chance.below(20))
        while at < plan.safety - .seconds(10) {
            let group = Int(chance.below(Int64(plan.groups.count)))
            let on = chance.percent(60)
            let node: NodeID = chance.percent(50) ? .low : .high
            plan.faults.append(
                FaultEntry(
                    at: at,
                    .command(
                        node,
                        .maintenance(
                            on, of: group, despite: chance.percent(50) ? .all : .none))))
            // Often its node ends by plan while it is held.
            if on, chance.percent(30) {
                plan.faults.append(
                    FaultEntry(
                        at: at + .milliseconds(50 + chance.below(4_000)),
                        .command(chance.percent(50) ? .low : .high, .leave)))
            }
            at = at + .milliseconds(3_000 + chance.below(20_000))
        }
    }

    private static func restart(
        of node: NodeID, after at: Duration, _ chance: inout Chance
    ) -> FaultEntry {
        let begins = at + .milliseconds(100 + chance.below(3_000))
        return chance.percent(50)
            ? FaultEntry(at: begins, .crash(node))
            : FaultEntry(at: begins, lasting: .milliseconds(500), .powerLoss(node))
    }

    private static func setUp(_ plan: inout Plan, _ chance: inout Chance) {
        plan.detectWithin = chance.one(of: [
            .milliseconds(500), .milliseconds(500), .milliseconds(200), .milliseconds(1000),
        ])
        plan.offWithin = chance.one(of: [.milliseconds(50), .milliseconds(20)])
        plan.links = chance.percent(50) ? 1 : 2
        plan.sealed = chance.percent(10)
        plan.drift = [Int(chance.below(401)) - 200, Int(chance.below(401)) - 200]
        plan.bootTime = chance.one(of: [.seconds(2), .seconds(5), .milliseconds(700)])
        plan.offTime = chance.one(of: [.seconds(1), .seconds(3), .milliseconds(300)])
        plan.watchdog = chance.one(of: [.seconds(3), .seconds(10)])
        plan.fencesAnHour = chance.one(of: [3, 100, 100])
        plan.movesAnHour = chance.one(of: [3, 100])
        if chance.percent(50) { plan.startup = .aloneAfter(.seconds(10)) }
        let count = chance.one(of: [1, 1, 2, 3])
        plan.groups = (0..<count).map { index in
            GroupPolicy(
                prefer: index == 1 || chance.percent(30) ? .high : .low,
                priority: UInt32(1 + chance.below(3)),
                failback: chance.percent(30) ? .auto(stableFor: .seconds(5)) : .manual)
        }
        // Of a chance of its own, so that the rest of a seed's plan does not depend on it.
        var asks = Chance(seed: plan.seed ^ 0x61_73_6b)
        for index in plan.groups.indices where asks.percent(10) {
            plan.groups[index].takeover = .ask
        }
        var resets = Chance(seed: plan.seed ^ 0x72_73_74)
        if resets.percent(20) { plan.resetAfterStops = 1 + Int(resets.below(2)) }
        var data = Chance(seed: plan.seed ^ 0x64_61_74_61)
        for index in plan.groups.indices where data.percent(15) {
            plan.groups[index].sync = sync(&data)
        }
        var strict = Chance(seed: plan.seed ^ 0x73_74_72)
        for index in plan.groups.indices where strict.percent(25) {
            makeStrict(&plan.groups[index].sync)
        }
        var outlets = Chance(seed: plan.seed ^ 0x6f_75_74)
        if outlets.percent(3) { setUpOutlet(&plan) }
        var unreachable = Chance(seed: plan.seed ^ 0x75_6e_72)
        plan.fencesUnreachable = unreachable.percent(5)
    }

    private static func sync(_ chance: inout Chance) -> GroupPolicy.Sync {
        let maxLag = chance.one(of: [Duration.seconds(1), .seconds(2), .seconds(4)])
        return GroupPolicy.Sync(
            maxLag: maxLag, takesOverStale: chance.percent(10), waits: maxLag * 3)
    }

    private static func makeStrict(_ sync: inout GroupPolicy.Sync?) {
        sync?.strict = true
        sync?.takesOverStale = false
    }

    private static func setUpOutlet(_ plan: inout Plan) {
        plan.detectWithin = .seconds(2)
        plan.outlet = .seconds(1)
    }

    /// Any mixture. Every third seed dwells on something that is known to be hard.
    private static func kinds(
        _ plan: inout Plan, _ focus: Focus, _ chance: inout Chance
    ) -> [Kind] {
        var focus = focus
        if focus == .any {
            switch chance.below(20) {
            case 0..<4: focus = .partitions
            case 4..<7: focus = .disks
            default:
                if chance.percent(5) { plan.staysFull = chance.percent(50) ? .low : .high }
                plan.wiring = wiring(&chance)
                return Kind.allCases.filter { $0.isCommon && chance.percent(35) }
            }
        }
        if chance.percent(focus == .disks ? 50 : 5) {
            plan.staysFull = chance.percent(50) ? .low : .high
        }
        plan.fencesAnHour = focus == .budgets ? 3 : 100
        plan.movesAnHour = 100
        if focus != .disks {
            plan.bootTime = .milliseconds(700)
            plan.offTime = .milliseconds(300)
        }
        switch focus {
        case .any: return []
        case .partitions:
            return [.cuts, .cuts, .oneWay, .pause, .operators, .operators, .late, .crash]
        case .disks:
            plan.startup = .aloneAfter(.seconds(3))
            return [
                .disk, .disk, .fullRestart, .crash, .power, .operators, .operators, .cuts,
            ]
        case .fullDisks:
            plan.staysFull = nil
            if chance.percent(50) {
                for index in plan.groups.indices where plan.groups[index].sync == nil {
                    plan.groups[index].sync = sync(&chance)
                }
            }
            return []
        case .budgets:
            if chance.percent(50) { plan.window = .seconds(30) }
            // Of a chance of its own.
            var boards = Chance(seed: plan.seed ^ 0x62_6f_61_72)
            for index in plan.boardClocks.indices where boards.percent(40) {
                plan.boardClocks[index] = Plan.BoardClock(
                    begins: boards.one(of: [0, 0, 1_600_000_000, 1_900_000_000]),
                    synchronisedAfter: .seconds(boards.one(of: [5, 15, 40, 100, 10_000])))
            }
            return [.cuts, .cuts, .power, .hang, .crash, .wall]
        case .lateness:
            plan.detectWithin = .milliseconds(200)
            return [.cuts, .cuts, .late, .late, .pause, .operators]
        case .turns:
            guard chance.percent(50) else {
                plan.detectWithin = .milliseconds(500)
                return []
            }
            plan.detectWithin = .milliseconds(200)
            return [
                .halfway, .halfway, .halfway, .halfway, .cuts, .cuts, .oneWay, .operators, .power,
                .crash, .delay,
            ]
        case .lives:
            plan.startup = .aloneAfter(.seconds(3))
            return [.cuts, .oneWay, .crash, .crashAfter, .crashAfter, .power, .leave, .word]
        case .moves: return [.crashAfter, .crashAfter, .operators, .operators, .operators]
        case .blackouts:
            plan.startup = .aloneAfter(.seconds(3))
            return [.blackout, .blackout, .cuts, .word, .word, .word]
        case .replays: return [.replay, .replay, .replay, .crash, .power, .cuts, .duplicate]
        case .words: return [.cuts, .maintenance, .falseWord, .word]
        case .strangers:
            plan.startup = .aloneAfter(.seconds(3))
            return [.blackout, .cuts, .cuts, .cuts, .fences, .fences, .leave]
        case .resources:
            return [.resources, .resources, .cuts, .operators, .sensors, .crash, .leave]
        case .configurations:
            // Late turns are longer than the shortest.
            if plan.seed % 4 == 0 { setUpOutlet(&plan) }
            return [.configuration, .configuration, .cuts, .cuts, .oneWay, .operators]
        case .lists:
            if plan.groups.count == 1 { plan.groups.append(GroupPolicy(prefer: .high)) }
            // Of a chance of its own, like `asks`. A disk that takes nothing may have no room for
            // the terms of what the peer does not list.
            var stays = Chance(seed: plan.seed ^ 0x73_74_61_79)
            if plan.staysFull == nil, stays.percent(30) {
                plan.staysOther = Plan.StaysOther(
                    node: stays.percent(50) ? .low : .high, list: changed(plan, &stays))
            }
            return [.lists, .lists, .lists, .operators, .cuts, .power, .crash, .leave]
        case .renames:
            for index in plan.groups.indices { plan.groups[index].sync = nil }
            // An agent that is restarted is not missed.
            plan.detectWithin = .seconds(1)
            plan.staysFull = nil
            return []
        case .reloads:
            for index in plan.groups.indices { plan.groups[index].sync = nil }
            if plan.groups.count == 1 { plan.groups.append(GroupPolicy(prefer: .high)) }
            (plan.groups[0].prefer, plan.groups[1].prefer) = (.low, .high)
            plan.staysFull = nil
            return []
        case .links:
            plan.links = 2 + Int(chance.below(2))
            return chance.percent(50) ? [] : [.cuts, .oneWay, .crash, .pause, .operators]
        case .levels:
            return chance.percent(30) ? [] : [.cuts, .power, .crash, .relay, .operators]
        case .maintenance:
            return [
                .maintenance, .maintenance, .maintenance, .resources, .cuts, .power, .crash,
                .operators, .leave, .sensors,
            ]
        case .work:
            plan.groups = [GroupPolicy(prefer: .low), GroupPolicy(prefer: .low)]
            plan.staysFull = nil
            return []
        case .flaps:
            plan.movesAnHour = 2
            return [.flaps, .flaps, .flaps, .resources, .sensors, .cuts]
        case .sensors: return [.sensors, .sensors, .drill, .crash, .pause]
        case .stuck:
            for index in plan.groups.indices { plan.groups[index].sync = nil }
            plan.resetAfterStops = 1 + Int(chance.below(2))
            plan.fencesAnHour = chance.one(of: [1, 100])
            return [
                .stuck, .stuck, .stuck, .resources, .sensors, .cuts, .operators, .maintenance,
                .crash, .power,
            ]
        case .plugs:
            plan.detectWithin = .milliseconds(200)
            plan.wiring = wiring(&chance)
            return [.harness, .harness, .harness, .cuts, .power, .crash]
        case .supplies:
            plan.outlet = nil
            plan.wiring = chance.one(of: [.readsOn, .readsOn, .contacts, .readsOff])
            setUpSupplies(&plan, &chance)
            return [
                .deadSupply, .deadSupply, .deadSupply, .relay, .cuts, .cuts, .hang, .power, .crash,
                .operators,
            ]
        case .data:
            for index in plan.groups.indices where plan.groups[index].sync == nil {
                plan.groups[index].sync = sync(&chance)
            }
            plan.startup = .aloneAfter(.seconds(3))
            return [
                .cuts, .cuts, .relay, .power, .blackout, .blackout, .sync, .crash, .operators,
                .leave, .word, .disk, .outrun,
                .cutMove, .cutMove,
            ]
        case .outlets:
            setUpOutlet(&plan)
            return [.cuts, .cuts, .oneWay, .pause, .crash, .late, .power]
        case .clocks, .recordings, .hands: return []
        case .starts:
            // An agent that is restarted is not missed.
            plan.detectWithin = .seconds(1)
            plan.staysFull = nil
            return []
        case .strays:
            return [
                .stray, .stray, .stray, .stray, .operators, .operators, .cuts, .oneWay, .crash,
                .power,
                .resources, .leave,
            ]
        case .terms:
            for index in plan.groups.indices { plan.groups[index].sync = nil }
            plan.staysFull = nil
            plan.bootTime = .seconds(8)
            return []
        case .branches:
            for index in plan.groups.indices {
                plan.groups[index].prefer = .low
                plan.groups[index].takeover = .auto
                var sync = plan.groups[index].sync ?? sync(&chance)
                sync.maxLag = .seconds(1)
                if !sync.strict { sync.takesOverStale = chance.percent(60) }
                plan.groups[index].sync = sync
            }
            return []
        case .copies, .guards:
            for index in plan.groups.indices where plan.groups[index].sync == nil {
                plan.groups[index].sync = sync(&chance)
            }
            return []
        case .strict:
            for index in plan.groups.indices {
                if plan.groups[index].sync == nil { plan.groups[index].sync = sync(&chance) }
                makeStrict(&plan.groups[index].sync)
            }
            plan.startup = .aloneAfter(.seconds(3))
            if plan.seed % 4 < 2 { return [] }
            return [
                .sync, .sync, .sync, .sync, .commands, .commands, .cuts, .cuts, .cuts, .oneWay,
                .relay, .power, .blackout, .crash, .operators, .leave, .word, .disk, .outrun,
                .cutMove, .pause,
            ]
        case .fitness:
            return [.sensors, .sensors, .sensors, .cuts, .cuts, .pause, .disk, .resources, .oneWay]
        case .readiness:
            return [
                .unready, .unready, .unready, .operators, .cutMove, .cuts, .sensors, .power, .leave,
            ]
        case .trust:
            return [
                .relay, .relay, .worker, .worker, .cuts, .cuts, .cuts, .crash, .operators, .lie,
            ]
        }
    }

    private static func wiring(_ chance: inout Chance) -> Plan.Wiring {
        chance.one(of: [.readsOn, .readsOn, .readsOn, .contacts, .readsOff, .sharesPlug])
    }

    private enum Kind: CaseIterable {
        case cuts, oneWay, loss, delay, duplicate, corrupt, replay
        case pause, hang, livelock, crash, crashAfter, late
        case state, disk, fullRestart, power, relay, watchdog, wall, configuration, lists
        case sensors, drill, sync, resources
        case operators, maintenance, leave, fences, word
        case harness
        // Only where a plan dwells on them.
        case falseWord, blackout, flaps, worker, stuck, outrun, cutMove, lie, halfway
        case commands, unready, deadSupply, stray

        var isCommon: Bool {
            switch self {
            case .falseWord, .blackout, .flaps, .lists, .worker, .stuck, .outrun, .cutMove, .lie,
                .halfway, .commands, .unready, .deadSupply, .stray:
                false
            default: true
            }
        }
    }

    private static func draw(
        _ kind: Kind, at: Duration, _ plan: Plan, _ chance: inout Chance
    ) -> FaultEntry? {
        let node: NodeID = chance.percent(50) ? .low : .high
        let link: Int? =
            plan.links > 1 && chance.percent(40) ? Int(chance.below(Int64(plan.links))) : nil
        let group = Int(chance.below(Int64(plan.groups.count)))
        /// Around a detection time, or many of them.
        func lasting() -> Duration {
            let unit = plan.detectWithin.microseconds
            return .microseconds(
                chance.percent(60) ? 1 + chance.below(unit * 2) : 1 + chance.below(unit * 30))
        }
        func entry(_ fault: Fault, _ lasting: Duration = .zero) -> FaultEntry {
            FaultEntry(at: at, lasting: lasting, fault)
        }
        switch kind {
        case .cuts, .oneWay: return entry(.cut(from: node, link: link), lasting())
        case .cutMove: return entry(.command(node, .handover(nil)))
        case .outrun:
            return entry(.cut(from: node, link: nil), .milliseconds(10_000 + chance.below(8_000)))
        case .loss:
            return entry(
                .loss(from: node, link: link, percent: 10 + Int(chance.below(85))), lasting())
        case .delay:
            return entry(
                .delay(
                    from: node, link: link,
                    upTo: .microseconds(1 + chance.below(plan.detectWithin.microseconds))),
                lasting())
        case .duplicate:
            return entry(
                .duplicate(from: node, link: link, percent: 10 + Int(chance.below(90))), lasting())
        case .corrupt:
            return entry(
                .corrupt(from: node, link: link, percent: 5 + Int(chance.below(90))), lasting())
        case .replay: return entry(.replay(to: node, count: 1 + Int(chance.below(100))))
        case .pause: return entry(.pause(node), lasting())
        case .halfway:
            return entry(.pauseAfter(node, steps: Int(chance.below(12))), lasting())
        case .hang: return entry(.hang(node), lasting())
        case .livelock: return entry(.livelock(node), lasting() * 2)
        case .crash: return entry(.crash(node))
        case .crashAfter: return entry(.crashAfter(node, effects: 1 + Int(chance.below(40))))
        case .late:
            return entry(.late(node, upTo: .milliseconds(1 + chance.below(60))), lasting() * 3)
        case .state:
            return chance.percent(30)
                ? entry(.loseState(node)) : entry(.damageState(node), lasting() * 4)
        case .disk:
            return chance.percent(50)
                ? entry(.diskFull(node), lasting() * (chance.percent(50) ? 3 : 30))
                : entry(.diskSlow(node, upTo: lasting()), lasting() * 4)
        case .fullRestart: return entry(.diskFull(node), .seconds(2) + lasting() * 30)
        case .flaps:
            return entry(.resource(node, group, .flaps), .seconds(20 + chance.below(100)))
        case .stuck:
            let faults: [ResourceFault] = [.stopFails, .stopFails, .unkillable, .stopUnknown]
            let fault = chance.one(of: faults)
            return entry(.resource(node, group, fault), .seconds(30 + chance.below(100)))
        case .unready:
            return entry(
                .resource(node, group, .unitMissing), .seconds(1) + lasting() * 10)
        case .commands:
            if chance.percent(20) {
                return entry(.resource(node, group, .commandsHang), .seconds(1 + chance.below(20)))
            }
            let fault: ResourceFault = chance.percent(60) ? .commandsFail : .slow
            return entry(.resource(node, group, fault), lasting() * 6)
        case .blackout: return entry(.powerLoss(node), .milliseconds(500 + chance.below(12_000)))
        case .power: return entry(.powerLoss(node), lasting())
        case .relay:
            let faults = RelayFault.allCases.filter { $0 != .lies && $0 != .hangs }
            return entry(.relay(node, chance.one(of: faults)), lasting() * 3)
        case .worker: return entry(.relay(node, .hangs), .seconds(5 + chance.below(60)))
        case .lie: return entry(.relay(node, .lies), .seconds(5 + chance.below(30)))
        case .harness: return entry(.harness(node), lasting() * 3)
        case .deadSupply:
            return entry(
                .deadSupply(node, Int(chance.below(2))), .seconds(2) + lasting() * 10)
        case .watchdog: return entry(.deadWatchdog(node), lasting() * 10)
        case .configuration: return entry(.otherConfiguration(node), lasting() * 10)
        case .lists:
            var list = changed(plan, &chance)
            // Of a chance of its own, like `asks`.
            var disables = Chance(seed: plan.seed ^ 0x6f_66_66 ^ UInt64(at.microseconds))
            if !list.isEmpty, disables.percent(20) {
                list[Int(disables.below(Int64(list.count)))].isEnabled = false
            }
            var priorities = Chance(seed: plan.seed ^ 0x70_72_69 ^ UInt64(at.microseconds))
            if priorities.percent(30) {
                for index in list.indices where priorities.percent(60) {
                    list[index].priority = UInt32(1 + priorities.below(9))
                }
            }
            return entry(.list(node, list), .seconds(5 + chance.below(40)))
        case .wall:
            if chance.percent(20) { return entry(.wrongKey(node), lasting() * 10) }
            return entry(.wallStep(node, .seconds(chance.below(200_000) - 100_000)))
        case .sensors:
            let fault = chance.one(of: SensorFault.allCases)
            let long = fault == .flutter || chance.percent(50)
            return entry(
                .sensor(node, Int(chance.below(2)), fault),
                long ? .seconds(5 + chance.below(50)) : lasting() * 6)
        case .drill:
            return entry(
                .drill(node, chance.one(of: DrillKind.allCases)), .seconds(2) + lasting() * 4)
        case .sync:
            let state = chance.one(of: [GroupReport.SyncState.stale, .failed])
            return entry(.sync(node, group, state), lasting() * 6)
        case .resources:
            return entry(
                .resource(
                    node, group,
                    chance.one(
                        of: ResourceFault.allCases.filter {
                            ![
                                .flaps, .stopUnknown, .startRefused, .commandsFail, .commandsHang,
                                .unitMissing,
                            ].contains($0)
                        })),
                lasting() * 6)
        case .operators:
            return entry(.command(node, chance.one(of: orders(group, &chance))))
        case .maintenance:
            let on = chance.percent(40)
            // An operator who ends it names what is not well, every second time.
            let names = !on && at.microseconds % 2 == 0
            return entry(.command(node, .maintenance(on, despite: names ? .all : .none)))
        case .leave: return entry(.command(node, .leave))
        case .fences:
            return entry(
                .command(
                    node,
                    chance.one(of: [.fence, .drillFailover(live: true), .confirmFence])))
        case .stray: return entry(.stray(node, group))
        case .falseWord: return entry(.falseWord(node))
        case .word:
            return chance.percent(10)
                ? entry(.falseWord(node)) : entry(.command(node, .confirmFence))
        }
    }

    /// What is gone from a list is stopped late. Of a chance of its own, like `asks`.
    private static func slowStop(of at: Duration, _ plan: Plan) -> FaultEntry? {
        var stops = Chance(seed: plan.seed ^ 0x73_74_6f_70 ^ UInt64(at.microseconds))
        guard stops.percent(50) else { return nil }
        let node = stops.percent(50) ? NodeID.low : .high
        let group = Int(stops.below(Int64(plan.groups.count)))
        return FaultEntry(
            at: at, lasting: .seconds(10),
            .resource(node, group, stops.percent(70) ? .slow : .stopFails))
    }

    /// The list of groups after an operator has changed it.
    private static func changed(_ plan: Plan, _ chance: inout Chance) -> [ListedGroup] {
        var list = plan.list
        for _ in 0...chance.below(2) {
            let at = Int(chance.below(Int64(list.count)))
            let other = Int(chance.below(Int64(list.count)))
            switch chance.below(7) {
            case 0: list.swapAt(at, other)
            case 1 where list.count > 1: list.remove(at: at)
            case 2 where list[at].name < plan.groups.count: list[at].name += plan.groups.count
            case 3 where at != other && list[at].resources.count > 1:
                list[other].resources.append(list[at].resources.removeLast())
            case 4 where list[at].resources.count > 1: list[at].resources.reverse()
            case 5
            where !list.contains(where: {
                $0.resources.contains { $0 % plan.resources == plan.resources - 1 }
            }):
                list[at].resources.append(plan.resources - 1)
            case 6 where !list[at].resources.isEmpty:
                let last = list[at].resources.count - 1
                list[at].resources[last] =
                    (list[at].resources[last] + plan.resources) % (plan.resources * 2)
            default: list.reverse()
            }
        }
        return list
    }

    private static func orders(_ group: GroupIndex, _ chance: inout Chance) -> [Command] {
        [
            .handover(group), .handover(nil), .failback(group), .failback(nil), .handover(99),
            .pause(.milliseconds(300 + chance.below(5_000))), .pause(.seconds(10_000)),
            .clear(nil), .clear(group), .drillFailover(live: false), .drill(true), .drill(false),
            .confirmFence, .take(nil, stale: false), .take(group, stale: false),
        ]
    }
}

extension Fault {
    /// The same fault of the other node, where that makes sense.
    fileprivate var onPeer: Fault? {
        switch self {
        case .pause(let node): .pause(node.peer)
        case .pauseAfter(let node, let steps): .pauseAfter(node.peer, steps: steps)
        case .hang(let node): .hang(node.peer)
        case .crash(let node): .crash(node.peer)
        case .crashAfter(let node, let effects): .crashAfter(node.peer, effects: effects)
        case .diskFull(let node): .diskFull(node.peer)
        case .powerLoss(let node): .powerLoss(node.peer)
        case .sensor(let node, let sensor, let fault): .sensor(node.peer, sensor, fault)
        case .relay(let node, let fault): .relay(node.peer, fault)
        case .harness(let node): .harness(node.peer)
        case .cut, .loss, .delay, .duplicate, .corrupt, .replay, .livelock, .late, .loseState,
            .damageState, .diskSlow, .diskHangs,
            .deadSupply, .deadWatchdog, .otherConfiguration, .list, .links, .fenceAnew, .wrongKey,
            .wallStep, .reload,
            .sensorGone, .drill, .sync,
            .resource, .command, .byHand, .stray,
            .falseWord:
            nil
        }
    }
}
