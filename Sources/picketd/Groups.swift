/// The groups' runners, and what their actions are on this system: `ip`, `systemctl`, commands.
/// Everything is an argument vector; there is no shell.

import PicketConfig
import PicketControl
import PicketCore
import PicketLinux
import PicketText

struct Groups {
    var runners: [GroupRunner] = []
    private let settings: [GroupSettings]
    /// What runs of an address.
    private var addressRuns: [(run: RunID, action: ResourceAction, address: VirtualAddress)] = []
    /// Addresses to be announced, once or again.
    var announcements: [Announcement] = []
    /// By group: when its copy is probed next, and whether a probe runs.
    var probes: [Probe] = []

    struct Announcement {
        var address: VirtualAddress
        /// What brings it up; until that has ended well, nothing is announced.
        var run: RunID
        var at = Instant.distantFuture
        var left = 3
    }
    struct Probe {
        var due: Instant
        var running = false
    }

    /// - Parameter held: what the agent before this one ran in this boot.
    init(_ configuration: Configuration, held: [Holding]) {
        settings = configuration.groups
        for (index, group) in settings.enumerated() {
            runners.append(
                GroupRunner(
                    group: index, plan: Groups.plan(group),
                    term: held.first { $0.group == index }?.term ?? .never))
            probes.append(
                Probe(due: group.sync == nil ? .distantFuture : Instant(nanoseconds: 0)))
        }
    }

    var nextDeadline: Instant {
        var next = Instant.distantFuture
        for runner in runners { next = min(next, runner.nextDeadline) }
        for announcement in announcements { next = min(next, announcement.at) }
        for probe in probes where !probe.running { next = min(next, probe.due) }
        return next
    }

    func sync(_ group: GroupIndex) -> SyncSettings? { settings[group].sync }

    private static func plan(_ group: GroupSettings) -> GroupPlan {
        GroupPlan(
            resources: group.resources.map { resource in
                var plan = ResourcePlan(
                    start: resource.timeouts.start, stop: resource.timeouts.stop,
                    monitor: resource.timeouts.monitor, monitorInterval: group.monitorInterval)
                if case .command(let command) = resource.kind {
                    if command.monitor == nil { plan.monitor = nil }
                    if command.promote != nil { plan.promote = resource.timeouts.promote }
                    if command.demote != nil { plan.demote = resource.timeouts.demote }
                }
                return plan
            }, restarts: group.restarts)
    }

    // MARK: Actions

    func resource(_ run: ResourceRun) -> ResourceSettings {
        settings[run.group].resources[run.resource]
    }

    func environment(of group: GroupIndex) -> [String] {
        settings[group].environment.map { "\($0.name)=\($0.value)" }
    }

    /// `nil` for an action that the resource lacks: it succeeds.
    mutating func arguments(for run: ResourceRun) -> [String]? {
        switch resource(run).kind {
        case .ip(let address):
            note(run, of: address)
            return Groups.arguments(run.action, address)
        case .unit(let unit):
            switch run.action {
            case .start: return ["systemctl", "--no-ask-password", "start", unit]
            case .stop: return ["systemctl", "--no-ask-password", "stop", unit]
            case .monitor: return ["systemctl", "is-active", "--quiet", unit]
            case .promote, .demote: return nil
            }
        case .command(let command):
            switch run.action {
            case .start: return command.start
            case .stop: return command.stop
            case .monitor: return command.monitor
            case .promote: return command.promote
            case .demote: return command.demote
            }
        }
    }

    /// `replace` and `flush … to` succeed as well where the address is there, or gone, already.
    private static func arguments(
        _ action: ResourceAction, _ address: VirtualAddress
    ) -> [String]? {
        let family = address.isIPv6 ? "-6" : "-4"
        let host = "\(address.address)/\(address.isIPv6 ? 128 : 32)"
        switch action {
        case .start:
            let arguments = [
                "ip", family, "address", "replace", "\(address.address)/\(address.prefix)", "dev",
                address.device,
            ]
            return address.isIPv6 ? arguments + ["nodad"] : arguments
        case .stop: return ["ip", family, "address", "flush", "dev", address.device, "to", host]
        case .monitor:
            return [
                "ip", family, "-oneline", "address", "show", "dev", address.device, "to", host,
            ]
        case .promote, .demote: return nil
        }
    }

    private mutating func note(_ run: ResourceRun, of address: VirtualAddress) {
        addressRuns.append((run.id, run.action, address))
        guard run.action == .start || run.action == .stop else { return }
        announcements.removeAll { $0.address == address }
        if run.action == .start {
            announcements.append(Announcement(address: address, run: run.id))
        }
    }

    /// Whether a run's end is a success: a monitor of an address must show it as well, and where
    /// an interface is gone its addresses went with it.
    mutating func succeeded(_ run: RunID, _ end: ChildEnd, spoke: Bool, at now: Instant) -> Bool {
        let good = end == .exited(0)
        guard let index = addressRuns.firstIndex(where: { $0.run == run }) else { return good }
        let (_, action, address) = addressRuns.remove(at: index)
        switch action {
        case .monitor: return good && spoke
        case .stop: return good || NetworkInterface.isGone(address.device)
        case .start:
            announcements.removeAll { $0.run == run && !good }
            for index in announcements.indices where announcements[index].run == run {
                announcements[index].at = now
            }
            return good
        case .promote, .demote: return good
        }
    }

    /// How far a copy lags, as its probe's first line tells in seconds; a negative lag is none.
    static func lag(_ line: String) -> Duration? {
        guard let (seconds, _) = Text.quantity(line) else { return nil }
        return Duration(nanoseconds: Int64(max(0, min(seconds, 1e9)) * 1e9))
    }
}

/// Collects what a runner asks for.
struct ResourceEffects: ResourceSink {
    var items: [ResourceEffect] = []
    @inline(never)
    mutating func emit(_ effect: ResourceEffect) { items.append(effect) }
}
