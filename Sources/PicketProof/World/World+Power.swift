/// Supplies: mains, the contact of the peer's relay, and the watchdog that resets a node.
internal import PicketCore
internal import PicketHardware
internal import PicketWire

extension World {
    /// The rail of a node: fed by one of its supplies.
    private func rail(_ node: Node) -> Bool { feeds(0, node) || feeds(1, node) }

    /// Mains, through the contact of the peer's relay for this supply.
    private func feeds(_ supply: Int, _ node: Node) -> Bool {
        guard supply < plan.supplies, node.mains, node.deadSupply != supply else { return false }
        return supply == 0 ? peer(of: node).contact : peer(of: node).secondContact
    }

    func supply(_ node: Node, after delay: Int64 = 0) {
        if rail(node) {
            guard !node.powered else { return }
            node.powered = true
            node.powerLife += 1
            node.poweredAt = now
            node.base = 5_000_000_000 + chance.below(20_000_000_000)
            if !planted(.adoptsAfterReboot) { node.note = .blank }
            if node.hellosNoted.heard > node.hellosKept.heard { node.hellosForgotten = true }
            node.hellosNoted = HelloMemory()
            tell(node, .world("power on"))
            after(
                plan.bootTime.nanoseconds + delay,
                .boots(node.index, powerLife: node.powerLife))
        } else if node.powered {
            goDark(node)
        }
    }

    func goDark(_ node: Node) {
        tell(node, .world("power off"))
        endAgent(node)
        node.powered = false
        if now - node.poweredAt > 1_500_000_000 { node.darkSince = now }
        node.powerLife += 1
        node.life += 1
        node.watchdogArmed = false
        node.processes = []
        node.starts = [:]
        node.byHand = [:]
        node.strays = []
        node.storeJobs = []
        for resource in node.up.indices {
            node.up[resource] = false
            node.serves[resource] = false
        }
        watch.wentDark(node, in: self)
        // Its relay falls to rest. A contact that was about to open still opens, for a moment.
        if !node.line, plan.outlet == nil {
            node.line = true
            settleContact(node, cancels: false)
        }
    }

    func boot(_ node: Node, _ powerLife: UInt32) {
        guard node.powered, node.powerLife == powerLife else { return }
        startAgent(node)
    }

    /// A reset: off and on again.
    func reset(_ node: Node) {
        goDark(node)
        supply(node)
    }

    // MARK: Relays

    /// The line gets this value. The contact follows when, and if, the relay moves.
    func drive(_ node: Node, on: Bool, cause: Cause) {
        if !on {
            watch.drivesOff(node, cause: cause, in: self)
            node.lineCause = cause
        }
        guard node.line != on else { return }
        node.line = on
        settleContact(node)
    }

    func settleContact(_ node: Node, cancels: Bool = true) {
        if cancels {
            node.relayMoves += 1
            node.relayRestsAt = now
        }
        // A contact moves back only after it has moved.
        func move(_ on: Bool, _ delay: Int64) {
            node.relayRestsAt = max(node.relayRestsAt, now + delay)
            queue.put(
                .contactMoves(node.index, generation: node.relayMoves, on: on),
                at: node.relayRestsAt)
        }
        if plan.supplies > 1 { settleSecond(node) }
        let usual = plan.offWithin.nanoseconds / 5 + chance.below(plan.offWithin.nanoseconds / 5)
        if let outlet = plan.outlet, !node.line, node.relayFault == nil {
            return move(false, chance.below(outlet.nanoseconds * 9 / 10))
        }
        if node.parted.contains(.relay) { return move(true, usual) }
        switch node.relayFault {
        case nil, .senseOn, .senseOff, .unreachable, .hangs: move(node.line, usual)
        case .stuckOn, .lies: move(true, 0)
        case .stuckOff: move(false, 0)
        case .slow: move(node.line, plan.offWithin.nanoseconds * 2 + usual * 4)
        case .bouncing:
            for step in 0..<5 {
                move(node.line == (step % 2 == 0), usual + Int64(step) * 2_000_000)
            }
        }
    }

    func contactMoves(_ node: Node, _ generation: UInt32, on: Bool) {
        guard generation == node.relayMoves, node.contact != on else { return }
        node.contact = on
        moved(node, on, "the relay")
    }

    /// Each relay in its own time.
    private func settleSecond(_ node: Node) {
        let usual = plan.offWithin.nanoseconds / 5
        node.secondRestsAt = max(node.secondRestsAt, now + usual + chance.below(usual))
        let on = node.line || node.parted.contains(.relay)
        queue.put(
            .secondContactMoves(node.index, generation: node.relayMoves, on: on),
            at: node.secondRestsAt)
    }

    func secondContactMoves(_ node: Node, _ generation: UInt32, on: Bool) {
        guard generation == node.relayMoves, node.secondContact != on else { return }
        node.secondContact = on
        moved(node, on, "the second relay")
    }

    private func moved(_ node: Node, _ on: Bool, _ relay: String) {
        let victim = peer(of: node)
        tell(node, .world("\(relay) \(on ? "connects" : "cuts") \(victim.id)"))
        if !on, victim.powered, !rail(victim) { watch.cuts(victim, by: node, in: self) }
        supply(victim)
    }

    /// What the feedback of a supply says; nil where it says nothing, or neither. A line that lies is
    /// the first one.
    func sense(_ node: Node, supply: Int) -> Bool? {
        var on = feeds(supply, peer(of: node))
        var off = !on
        switch node.relayFault {
        case .senseOn where supply == 0: on = true
        case .senseOff where supply == 0: on = false
        case .lies where supply == 0: (on, off) = (node.line, !node.line)
        case .unreachable: return nil
        case .senseOn, .senseOff, .lies, nil, .stuckOn, .stuckOff, .slow, .bouncing, .hangs: break
        }
        if node.parted.contains(.sense) { (on, off) = (plan.wiring == .readsOn, false) }
        guard plan.wiring == .contacts else { return on }
        do throws(LineError) { return try SupplyDescription.says(on: on, off: off) } catch {
            return nil
        }
    }

    // MARK: Plugs

    /// Where nothing is stated of a plug, one that is pulled while the peer is silent already is a
    /// second fault at once: the sense wire may part while the peer is cut.
    var mayPartHarness: Bool {
        plan.wiring != .readsOff
            || nodes.allSatisfy { node in
                guard let agent = node.agent,
                    let age = agent.machine.peer.contact.age(at: node.clock(now))
                else { return false }
                let timing = agent.machine.policy.timing
                return age <= timing.heartbeat * 2 + .milliseconds(2)
            }
    }

    /// No two wires of a plug part together, nor do they come back so; each when it has parted.
    func moveHarness(of node: Node, parts: Bool) {
        let longest: Int64 = 300_000_000
        for lead in Lead.allCases {
            after(
                chance.below(longest) + (parts ? 0 : longest),
                .lead(node.index, lead, parts: parts))
        }
    }

    func move(_ lead: Lead, of node: Node, parts: Bool) {
        guard !recovering, node.parted.contains(lead) != parts else { return }
        if parts { node.parted.insert(lead) } else { node.parted.remove(lead) }
        tell(node, .world("its \(lead) wire \(parts ? "parts" : "is back")"))
        node.hasBeenOddAt = now
        if lead == .relay { settleContact(node) }
    }

    // MARK: Watchdog

    func watchdogDue(_ node: Node, _ powerLife: UInt32) {
        guard node.powered, node.powerLife == powerLife, node.watchdogArmed else { return }
        let left = node.fedAt + plan.watchdog.nanoseconds - now
        if left > 0 {
            after(left, .watchdog(node.index, powerLife: powerLife))
        } else if node.watchdogDeadUntil > now {
            after(500_000_000, .watchdog(node.index, powerLife: powerLife))
        } else {
            tell(node, .world("the watchdog resets the node"))
            coverage.watchdogResets += 1
            reset(node)
        }
    }
}
