public import PicketCore
import PicketHardware
import PicketText

/// The agent's answers: lines of JSON, each an object with a `type`.
///
/// | type       | answers                 | more follow |
/// |------------|-------------------------|-------------|
/// | `status`   | `status`, `watch`       | `watch`: until the client closes |
/// | `history`  | `history` (HistoryEntry.json) | until `end`, or, to follow, until the client closes |
/// | `end`      | after the last of several | no |
/// | `result`   | commands                | no |
/// | `progress` | `drill`                 | until `report` |
/// | `report`   | `drill`                 | no |
/// | `error`    | anything                | no |
///
/// The agent closes the connection after the last line, so that a client may as well read to the
/// end. A type or field that a client does not know is to be skipped, not refused.
public enum Reply {
    public static func status(_ report: StatusReport) -> [UInt8] {
        JSONWriter.line { json in
            json.field("type", "status")
            report.write(into: &json)
        }
    }

    public static func end() -> [UInt8] { JSONWriter.line { $0.field("type", "end") } }

    /// The outcome of a command.
    public static func result(
        _ request: Request, _ result: CommandResult, narrator: Narrator
    ) -> [UInt8] {
        JSONWriter.line { json in
            json.field("type", "result")
            json.field("request", request.line)
            switch result {
            case .accepted:
                json.field("accepted", true)
                json.field("text", narrator.filled(accepted(request)))
            case .refused(let refusal):
                json.field("accepted", false)
                json.field("refusal", refusal.label)
                json.field("text", refused(request, refusal, narrator))
            case .refusedFor(let refusal, let group):
                json.field("accepted", false)
                json.field("refusal", refusal.label)
                json.field("group", narrator.names.group(group))
                json.field("text", narrator.refusal(refusal, of: group))
            }
        }
    }

    /// The outcome of what the shell did.
    public static func told(_ request: Request, accepted: Bool, _ text: String) -> [UInt8] {
        JSONWriter.line { json in
            json.field("type", "result")
            json.field("request", request.line)
            json.field("accepted", accepted)
            if !accepted { json.field("refusal", "refused") }
            json.field("text", text)
        }
    }

    public static func error(_ error: RequestError) -> [UInt8] {
        failure(error.code.label, error.text)
    }

    /// For a failure in the shell itself, such as a history that cannot be read.
    public static func failure(_ code: String, _ text: String) -> [UInt8] {
        JSONWriter.line { json in
            json.field("type", "error")
            json.field("code", code)
            json.field("text", text)
        }
    }

    /// An order on maintenance holds where it was given, also where the peer does not know of it.
    private static func refused(
        _ request: Request, _ refusal: Refusal, _ narrator: Narrator
    ) -> String {
        guard case .maintenance(let on, let group, _) = request else {
            return narrator.refusal(refusal)
        }
        let what = group.map { "Maintenance of \($0)" } ?? "Maintenance"
        switch refusal {
        case .peerUnaware where on:
            return narrator.filled(
                "\(what) is on here, but {peer} has not heard of it: it may still cut {me} and "
                    + "take over. Give the order on {peer} as well"
                    + (group.map { ", if its file has \($0)" } ?? "") + ", or mend the links.")
        case .peerUnaware:
            return narrator.filled(
                "\(what) is off here, but {peer} has not heard of it: it "
                    + (group == nil ? "fences nobody and takes nothing" : "does not take it")
                    + " over until it does, or until you say the same there.")
        case .notPersisted:
            return narrator.filled(
                "\(what) is \(on ? "on" : "off") here, but the state file on {me} does not "
                    + "take it: a reboot may forget it. Free space on the disk, or mend it.")
        default: return narrator.refusal(refusal)
        }
    }

    private static func accepted(_ request: Request) -> String {
        switch request {
        case .handover(let group):
            return "Handing over \(group ?? "every group"); \"picket history\" tells how it went."
        case .failback(let group):
            return "Returning \(group ?? "every group") to where it belongs; \"picket history\" "
                + "tells how it went."
        case .fence: return "{me} fences {peer} now; \"picket history\" tells how it went."
        case .confirmFence: return "Recorded: {peer} is off. {me} takes over what {peer} held."
        case .restore: return "{me} switches {peer} on; \"picket history\" tells how it went."
        case .maintenance(let on, let group?, _):
            let state = on ? "on: hands are off it" : "off"
            return "Maintenance of \(group) is \(state). {peer} knows it."
        case .maintenance(true, nil, _): return "\(Narrator.maintenanceIsOn). {peer} knows it."
        case .maintenance(false, nil, _):
            return "Maintenance is off: the pair is watched again. {peer} knows it."
        case .pause(let span):
            return "Asking {peer} for a pause of \(Text.span(span)); the agent on {me} then "
                + "ends, and its groups keep running."
        case .clearBudgets:
            return "Given back on {me}: what was spent of the budgets of fences and moves. {peer} "
                + "counts for itself."
        case .clear(let group): return "Cleared \(group ?? "every group"): it is tried again."
        case .take(let group, _):
            return "{me} takes over \(group ?? "every group that waits"); \"picket history\" tells "
                + "how it went."
        case .status, .watch, .history, .drill, .apply, .applyConfirm, .applyRevert:
            return "Accepted."
        }
    }
}

extension StatusReport {
    /// The fields of a status, into an object that is open.
    public func write(into json: inout JSONWriter) {
        json.field("version", version)
        json.field("pair", names.pair)
        json.field("node", names.node)
        json.field("peer", names.peer)
        json.field("session", Text.hex(session.value))
        json.field("uptime_ms", inMilliseconds(uptime))
        json.array("simulated") { json in
            for item in simulated { json.element(item) }
        }
        writeProtection(into: &json)
        writeSelf(into: &json)
        writePeer(into: &json)
        writeFence(into: &json)
        writeGroups(into: &json)
        writeSensors(into: &json)
        writeLinks(into: &json)
        json.object("key") { json in
            json.field("in_use", key.inUse)
            json.field("configured", key.configured)
        }
        writeProcess(into: &json)
        json.object("counters") { json in
            for counter in counters { json.field(counter.name, counter.value) }
        }
    }

    private func writeProtection(into json: inout JSONWriter) {
        let protection = Protection(self)
        json.object("protection") { json in
            json.field("verdict", protection.verdict.label)
            json.array("lines") { json in
                for line in protection.lines {
                    json.object { json in
                        json.field("failure", line.failure)
                        json.field("verdict", line.verdict.label)
                        json.field("text", line.text)
                    }
                }
            }
        }
    }

    private func writeSelf(into json: inout JSONWriter) {
        json.field("phase", status.phase.label)
        json.field("contact", status.contact.label)
        json.field("age_ms", status.age.map { inMilliseconds($0) })
        json.field("round_trip_ms", status.roundTrip.map { inMilliseconds($0) })
        json.field("armed", status.armed)
        json.field("maintenance", status.maintenance)
        json.field("drill", status.drill)
        json.field("drill_request", drill)
        if let apply {
            json.object("apply") { json in
                json.field("here", apply.isNewHere ? "new" : "old")
                json.field("peer", apply.isNewThere.map { $0 ? "new" : "old" })
                json.field("left_ms", apply.left.map { inMilliseconds($0) })
                json.field("text", apply.text(names))
            }
        }
        json.field("health", Int(status.health.score))
        json.field("health_simulated", status.health.simulated)
        json.array("health_reasons") { json in
            for reason in healthReasons {
                json.object { json in
                    json.field("text", reason.words(names))
                    // Nothing: it makes the node unfit, whatever else is well.
                    json.field("takes", reason.penalty)
                }
            }
        }
        json.field("configuration_agrees", status.configurationAgrees)
        json.field("receipt", status.receipt.map { $0.label })
        json.field("state_written", !status.diskTakesNothing)
        json.object("watchdog") { json in
            json.field("armed", status.watchdog > .zero)
            json.field("timeout_ms", inMilliseconds(status.watchdog))
            json.field("identity", watchdog.identity)
            json.field("fault", watchdog.fault)
            json.field("last_reset", watchdog.lastReset)
        }
        json.field("relay_test", status.relayTest.label)
    }

    private func writePeer(into json: inout JSONWriter) {
        json.object("peer_state") { json in
            json.field("phase", status.peerPhase.map { $0.label })
            json.field("health", status.peerHealth.map { Int($0) })
            json.field("session", status.peerSession.map { Text.hex($0.value) })
            json.field("maintenance", status.peerMaintenance)
            json.field("drill", status.peerDrill)
            json.field("simulated", status.peerSimulated)
            json.field("watchdog_ms", Int(status.peerWatchdogMilliseconds))
            json.field("relay_test", status.peerRelayTest.label)
            json.field("state_written", !status.peerDiskTakesNothing)
            if let gaps = status.peerGaps {
                json.array("gaps") { json in
                    for (gap, label) in Gaps.labels where gaps.contains(gap) {
                        json.element(label)
                    }
                }
            }
        }
    }

    private func writeFence(into json: inout JSONWriter) {
        json.object("fence") { json in
            json.field("state", status.fence.label)
            json.field("gap", status.protectionGap.map { $0.label })
            json.array("levels") { json in
                for level in policy.fenceLevels.indices { json.element(names.fenceLevel(level)) }
            }
            // In the order of the levels.
            json.array("cuts") { json in
                for cut in cuts {
                    json.object { json in
                        json.field("age_ms", cut.age.map { inMilliseconds($0) })
                        json.field("failed", cut.failed)
                    }
                }
            }
            json.field("ordered_in_window", status.fencesInWindow)
            json.field("budget", policy.fenceBudget.count)
            json.field("moves_in_window", status.movesInWindow)
            json.field("fences_refill_ms", status.fencesRefillIn.map { inMilliseconds($0) })
            json.field("moves_refill_ms", status.movesRefillIn.map { inMilliseconds($0) })
            json.field("move_budget", policy.moveBudget.count)
        }
    }

    private func writeGroups(into json: inout JSONWriter) {
        json.array("groups") { json in
            for (index, group) in status.groups.enumerated()
            where policy.groups[index].listing != .gone {
                json.object { json in
                    write(group, index, into: &json)
                }
            }
        }
    }

    private func name(of holder: GroupMemory.LastHolder) -> String? {
        switch holder {
        case .nobody: nil
        case .me: names.node
        case .peer: names.peer
        }
    }

    private func write(_ group: GroupStatus, _ index: GroupIndex, into json: inout JSONWriter) {
        json.field("name", names.group(index))
        json.field("role", group.role.label)
        json.field("running", group.running)
        json.field("eligible", group.eligible)
        json.field("term", group.term.value)
        json.field("sync", group.sync.label)
        json.field("peer_role", group.peerRole.map { $0.label })
        json.field("peer_running", group.peerRunning)
        json.field("peer_term", group.peerTerm.value)
        json.field("peer_sync", group.peerSync.label)
        if let obstacle = group.obstacle {
            json.field("obstacle", obstacle.label)
            json.field("obstacle_text", Narrator(names: names).why(obstacle))
        }
        json.field("failures", group.failures)
        json.field("blocked_ms", group.blockedFor.map { inMilliseconds($0) })
        json.field("ready", group.ready)
        if let ready = group.peerReady { json.field("peer_ready", ready) }
        if let eligible = group.peerEligible { json.field("peer_eligible", eligible) }
        json.field("last_holder", name(of: group.lastHolder))
        json.field("asked", group.asked)
        json.field("waits_for_copy", group.waitsForCopy)
        json.field("diverged", group.diverged)
        if let replication = group.replication {
            json.field("replication", replication.label)
            json.field("commits_wait", group.commitsWait)
            json.field("peer_cannot_note", group.peerCannotNote)
        }
        json.field("out_of_step", group.outOfStep)
        json.field("maintenance", group.maintained)
        json.array("differs_in") { json in
            for (difference, label) in GroupDifference.labels
            where group.difference.contains(difference) { json.element(label) }
        }
        guard policy.groups.indices.contains(index) else { return }
        let settings = policy.groups[index]
        json.field("prefer", names.name(of: settings.prefer))
        json.field("priority", Int(settings.priority))
        json.field("enabled", settings.enabled)
        json.field("takeover", settings.takeover == .ask ? "ask" : "auto")
        switch settings.failback {
        case .manual: json.field("failback", "manual")
        case .auto(let stableFor):
            json.field("failback", "auto")
            json.field("stable_for_ms", inMilliseconds(stableFor))
        }
    }

    private func writeSensors(into json: inout JSONWriter) {
        json.array("sensors") { json in
            for sensor in sensors {
                json.object { json in
                    json.field("name", sensor.name)
                    json.field("state", sensor.state.label)
                    json.field("value", sensor.value)
                    json.field("unit", sensor.unit)
                    json.field("age_ms", sensor.age.map { inMilliseconds($0) })
                    json.field("simulated", sensor.simulated)
                    json.field("fault", sensor.fault)
                }
            }
        }
    }

    private func writeLinks(into json: inout JSONWriter) {
        json.array("links") { json in
            for (index, link) in links.enumerated() {
                json.object { json in
                    json.field("link", index + 1)
                    json.field("local", link.local)
                    json.field("remote", link.remote)
                    json.field("up", link.up)
                    json.field("blocked", link.blocked)
                    json.field("sent", link.sent)
                    json.field("received", link.received)
                    json.field("silence_ms", link.silence.map { inMilliseconds($0) })
                }
            }
        }
    }

    private func writeProcess(into json: inout JSONWriter) {
        json.object("process") { json in
            json.field("pid", Int(process.identifier))
            json.field("real_time", process.realTimeRefused == nil)
            json.field("real_time_refused", process.realTimeRefused)
            json.field("locked_memory", process.lockedMemoryRefused == nil)
            json.field("locked_memory_refused", process.lockedMemoryRefused)
            json.field("worst_delay_ms", inMilliseconds(process.worstDelay))
            json.field("volatile_state", process.volatileState)
        }
    }
}
