/// What the groups' actions are on this system (`ip`, `picket-units`, commands), and what their ends
/// mean. Everything is an argument vector; there is no shell.
///
/// The agent may not start or stop a unit. It asks root's helper (picket-units), which waits for the
/// unit as systemctl does. Where the helper is gone, hangs or refuses, or who asks it is killed by
/// others than the runner, nobody knows what became of the unit: that is no failure of the unit's.

import PicketConfig
import PicketCore
import PicketLinux

struct ResourceActions {
    private var settings: [GroupSettings]
    /// What runs of an address.
    private var addressRuns: [(run: RunID, action: ResourceAction, address: VirtualAddress)] = []
    /// What the helper is asked for.
    private var asked: [RunID] = []
    /// Of that, what took too long.
    private var killed: [RunID] = []
    /// Addresses to be announced, once or again.
    private(set) var announcements: [Announcement] = []

    init(_ settings: [GroupSettings]) { self.settings = settings }

    mutating func takeUp(_ settings: [GroupSettings]) { self.settings = settings }

    struct Announcement {
        var address: VirtualAddress
        /// The process that brings it up; until that has ended well, nothing is announced.
        var run: RunID
        var at = Instant.distantFuture
        var left = 3
    }

    // MARK: What to run

    /// `nil` for an action that the resource lacks: it succeeds.
    mutating func arguments(for run: ResourceRun) -> [String]? {
        switch settings[run.group].resources[run.resource].kind {
        case .ip(let address):
            note(run, of: address)
            return ResourceActions.arguments(run.action, address)
        case .unit(let unit):
            switch run.action {
            case .start, .stop:
                asked.append(run.id)
                // It gives a helper up that is gone, or hangs, before its own time is up.
                let patience = ResourceActions.patience(run).milliseconds
                return ["picket-units"] + HelperPlace.connected
                    + ["--patience", "\(patience)", run.action.text, unit]
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

    private static func patience(_ run: ResourceRun) -> Duration {
        min(run.timeout / 4 * 3, .seconds(10))
    }

    /// The helper obeys this process alone. To be asked after `arguments`.
    func connection(for run: ResourceRun, to helper: String) -> Launch.Connection? {
        guard asked.contains(run.id) else { return nil }
        return Launch.Connection(to: helper, within: ResourceActions.patience(run))
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

    /// Whether a run's end says nothing of the resource.
    mutating func isUnknown(_ run: RunID, _ end: ChildEnd) -> Bool {
        guard let index = asked.firstIndex(of: run) else { return end.wasNotTried }
        asked.remove(at: index)
        let wasKilled = killed.contains(run)
        killed.removeAll { $0 == run }
        switch end {
        case .notStarted: return true
        case .exited(let code): return HelperExit.isUnknown(code)
        case .signalled: return !wasKilled
        case .late: return false
        }
    }

    /// Neither an address nor a unit, whose programs have exit codes of their own. To be asked before
    /// `succeeded` and `isUnknown`.
    func isCommand(_ run: RunID) -> Bool {
        !asked.contains(run) && !addressRuns.contains { $0.run == run }
    }

    /// The runner has waited long enough.
    mutating func kill(_ run: RunID) { if asked.contains(run) { killed.append(run) } }

    // MARK: Announcements

    /// When an address is to be announced.
    var nextAnnouncement: Instant {
        var next = Instant.distantFuture
        for announcement in announcements { next = min(next, announcement.at) }
        return next
    }

    /// Addresses to be announced now: each three times, a second apart.
    mutating func takeAnnouncements(at now: Instant) -> [VirtualAddress] {
        var due: [VirtualAddress] = []
        for index in announcements.indices where now >= announcements[index].at {
            due.append(announcements[index].address)
            announcements[index].left -= 1
            announcements[index].at = now + .seconds(1)
        }
        announcements.removeAll { $0.left <= 0 }
        return due
    }
}
