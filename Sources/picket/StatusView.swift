import Foundation
import PicketControl
import PicketCore
import PicketText

/// The status for a person: first the answer (would the pair survive a failure now?), then what it
/// rests on.
struct StatusView {
    let status: StatusModel

    func lines() -> [String] {
        var lines = banner() + verdict() + [""] + protection()
        lines += [""] + groups() + [""] + nodes() + [""] + links()
        if !status.sensors.isEmpty { lines += [""] + sensors() }
        return lines + [""] + agent()
    }

    private func banner() -> [String] {
        var lines: [String] = []
        if !status.simulated.isEmpty {
            let what = status.simulated.joined(separator: ", ")
            lines.append(Terminal.paint("SIMULATED: \(what). Nothing here is real.", .yellow))
        } else if status.peerState.simulated {
            lines.append(Terminal.paint("SIMULATED: the hardware of \(status.peer).", .yellow))
        }
        if status.drill {
            let what = status.drillRequest.map { ": \($0)" } ?? ""
            lines.append(Terminal.paint("DRILL on \(status.node)\(what)", .yellow))
        }
        if status.peerState.drill {
            lines.append(Terminal.paint("DRILL on \(status.peer)", .yellow))
        }
        if status.maintenance || status.peerState.maintenance {
            let unaware =
                !status.maintenance
                ? " \(status.node) has not heard of it."
                : status.peerState.maintenance ? "" : " \(status.peer) has not shown that it knows."
            lines.append(
                Terminal.paint(
                    "MAINTENANCE: the agents start, move and fence nothing.\(unaware)", .yellow))
        }
        if let apply = status.apply {
            lines.append(Terminal.paint("NOT SETTLED: \(apply.text)", .yellow))
        }
        return lines
    }

    private func verdict() -> [String] {
        let pair = "\(status.pair): \(status.node) (this node) and \(status.peer)"
        switch status.protection.verdict {
        case "protected":
            return [
                Terminal.paint("PROTECTED", .green) + "    \(pair): a failure now is survived."
            ]
        case "weakened":
            return [
                Terminal.paint("WEAKENED", .yellow)
                    + "     \(pair): a failure now is survived, but not everything is as it "
                    + "should be."
            ]
        default:
            return [
                Terminal.paint("UNPROTECTED", .red)
                    + "  \(pair): a failure now may end the service."
            ]
        }
    }

    private func protection() -> [String] {
        var table = Table()
        for line in status.protection.lines {
            let (word, colour): (String, Terminal.Colour) =
                switch line.verdict {
                case "protected": ("ok", .green)
                case "weakened": ("weak", .yellow)
                default: ("GAP", .red)
                }
            table.row([word, line.failure, line.text], colour: [0: colour])
        }
        return table.lines()
    }

    private func groups() -> [String] {
        var table = Table()
        table.row(
            ["GROUP", "HOLDER", "STATE", "TERM", "COPY", "PREFERS", "FAILBACK"],
            colour: Dictionary(uniqueKeysWithValues: (0..<7).map { ($0, .faint) }))
        for group in status.groups {
            let holder = status.holder(of: group)
            let copy = holder?.node == status.node ? group.peerSync : group.sync
            let (state, colour) = state(of: group, holder)
            table.row(
                [
                    group.name, holder?.node ?? "nobody", state,
                    String(max(group.term, group.peerTerm)), copy == "unknown" ? "-" : copy,
                    group.prefer ?? "-", group.failback ?? "-",
                ], colour: [2: colour])
        }
        return table.lines()
    }

    private func state(
        of group: StatusModel.Group, _ holder: (node: String, running: Bool)?
    ) -> (String, Terminal.Colour) {
        if group.enabled == false { return ("disabled", .faint) }
        if group.role == "releasing" || group.peerRole == "releasing" {
            return ("stopping", .yellow)
        }
        guard let holder else {
            if group.diverged == true { return ("diverged: name a copy", .red) }
            if group.waitsForCopy == true { return ("waits: its copy may be old", .red) }
            if group.asked == true { return ("stopped: waits for \"picket take\"", .red) }
            if group.obstacle == "self_ineligible", let wait = group.blockedMs {
                return ("failed, next try in \(span(wait))", .red)
            }
            guard group.role != "claiming", group.peerRole != "claiming" else {
                return ("claimed", .yellow)
            }
            return (group.lastHolder.map { "vacant, last on \($0)" } ?? "vacant", .red)
        }
        if holder.node == status.peer, !status.isPeerHeard {
            return (holder.running ? "active when last heard" : "starting when last heard", .red)
        }
        if group.maintenance == true {
            return holder.running ? ("in maintenance", .yellow) : ("down, in maintenance", .red)
        }
        if !holder.running, status.maintenance || status.peerState.maintenance {
            return ("down", .red)
        }
        if group.commitsWait == true { return ("its commits wait", .red) }
        if holder.running, group.replication == "degraded" { return ("active, alone", .yellow) }
        if holder.running, group.outOfStep == true { return ("active, not in step", .yellow) }
        return holder.running ? ("active", .green) : ("starting", .yellow)
    }

    private func nodes() -> [String] {
        let peer = status.peerState
        var table = Table()
        table.row(["", status.node, status.peer], colour: [1: .bold, 2: .bold])
        let isHeard = status.isPeerHeard
        table.row(["phase", status.phase, peerPhase(peer)])
        table.row([
            "health", "\(status.health)\(status.healthSimulated ? " (simulated)" : "")",
            isHeard ? peer.health.map { String($0) } ?? "unknown" : "-",
        ])
        table.row([
            "watchdog", watchdog(status.watchdog),
            !isHeard ? "-" : peer.watchdogMs > 0 ? span(Double(peer.watchdogMs)) : "not armed",
        ])
        table.row(["relay test", status.relayTest, isHeard ? peer.relayTest : "-"])
        var contact = status.contact
        if let age = status.ageMs { contact += ", last answer \(span(age)) ago" }
        if let roundTrip = status.roundTripMs { contact += ", round trip \(span(roundTrip))" }
        table.row(["contact", contact])
        table.row(["fence", fence()])
        return table.lines() + health()
    }

    /// What the peer said last of itself is not said of one that is not heard.
    private func peerPhase(_ peer: StatusModel.Peer) -> String {
        if status.isPeerHeard { return peer.phase ?? "unknown" }
        switch status.receipt {
        case "verified_off": return "verified off"
        case "operators_word": return "off, by the operator's word"
        case "left": return "has left"
        default: return peer.phase.map { "not heard, last \($0)" } ?? "not heard"
        }
    }

    /// When what is spent comes back, and how to have it at once.
    private func refill() -> String {
        let waits = [
            status.fence.fencesRefillMs.map { "a fence in \(span($0))" },
            status.fence.movesRefillMs.map { "a move in \(span($0))" },
        ].compactMap { $0 }
        guard !waits.isEmpty else { return "" }
        return " (\(waits.joined(separator: ", ")), or after picket clear budgets here)"
    }

    /// Why this node's health is not 100.
    private func health() -> [String] {
        guard status.health < 100, let reasons = status.healthReasons else { return [] }
        var clauses = reasons.map { reason in
            reason.text + (reason.takes.map { " (\($0) less)" } ?? " (unfit)")
        }
        // An earlier reason still counts, because health rises only when all has been well for a
        // while.
        let due =
            reasons.contains { $0.takes == nil }
            ? 0 : 100 - reasons.reduce(0) { $0 + ($1.takes ?? 0) }
        if status.health < due { clauses.append("it rises after 10 s without trouble") }
        return ["  health \(status.health): \(clauses.joined(separator: "; "))"]
    }

    private func watchdog(_ watchdog: StatusModel.Watchdog) -> String {
        if watchdog.armed {
            return span(watchdog.timeoutMs) + (watchdog.identity.map { " (\($0))" } ?? "")
        }
        return "not armed" + (watchdog.fault.map { " (\($0))" } ?? "")
    }

    private func fence() -> String {
        let fence = status.fence
        var text = fence.levels.isEmpty ? "none" : fence.levels.joined(separator: ", then ")
        if fence.state != "idle" { text += "; \(fence.state)" }
        text += "; \(fence.orderedInWindow) of \(fence.budget) fences"
        return text + " and \(fence.movesInWindow) of \(fence.moveBudget) moves spent" + refill()
    }

    private func links() -> [String] {
        var table = Table()
        for link in status.links {
            let silence = link.silenceMs.map { "heard \(span($0)) ago" } ?? "never heard"
            let state = link.blocked ? "cut by a drill" : link.up ? "up" : "DOWN"
            table.row(
                ["link \(link.link)", state, "\(link.local) to \(link.remote)", silence],
                colour: [1: link.up && !link.blocked ? .green : .red])
        }
        return table.lines()
    }

    private func sensors() -> [String] {
        var table = Table()
        for sensor in status.sensors {
            let value =
                sensor.value.map { "\(Text.number($0)) \(sensor.unit)" } ?? "no value"
            let colour: Terminal.Colour =
                switch sensor.state {
                case "normal": .green
                case "critical": .red
                case "unknown": .faint
                default: .yellow
                }
            var remark = sensor.fault ?? ""
            if sensor.simulated { remark += remark.isEmpty ? "simulated" : ", simulated" }
            table.row([sensor.name, sensor.state, value, remark], colour: [1: colour])
        }
        return table.lines()
    }

    private func agent() -> [String] {
        let process = status.process
        var text = "picketd \(status.version), process \(process.pid), up \(span(status.uptimeMs))"
        text += process.realTime ? ", real-time" : ", not real-time"
        text += process.lockedMemory ? ", memory locked" : ", memory not locked"
        text += ", longest delay \(span(process.worstDelayMs))"
        var lines = ["  " + Terminal.paint(text, .faint)]
        if let key = status.key, key.configured > 1 {
            lines.append("  key in use: \(key.inUse ?? "none, there is no session"), of two")
        }
        if let reset = status.watchdog.lastReset { lines.append("  last reset: \(reset)") }
        return lines
    }

    private func span(_ milliseconds: Double) -> String {
        Text.span(
            PicketCore.Duration(nanoseconds: Int64(min(milliseconds, 1e12) * 1e6)))
    }
}
