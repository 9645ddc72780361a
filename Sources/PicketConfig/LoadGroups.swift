import PicketCore
import PicketText

/// `groups:`, and what two groups may not share.

struct LoadedGroup {
    var policy: GroupPolicy
    var settings: GroupSettings
    /// Where the file states `max_lag`.
    var maxLag: Found?
}

func readGroups(
    _ root: FoundMapping, _ pair: PairSection, _ running: [RunningGroup]
) -> [LoadedGroup] {
    guard let found = root["groups"] else {
        demand(running, of: [], at: root)
        root.found.warn("no groups: the pair watches, and has nothing to take over")
        return []
    }
    guard let entries = found.entries("a mapping of groups by name") else { return [] }
    if entries.count > Limits.groups {
        found.fail("found \(entries.count) groups, expected at most \(Limits.groups)")
        return []
    }
    var all: [LoadedGroup] = []
    var taken: [(what: String, path: String)] = []
    for link in pair.links {
        for end in [link.low, link.high] { taken.append(("ip " + end.plain, "pair.nodes")) }
    }
    for (name, value) in entries {
        all.append(readGroup(name, value, pair.names, &taken))
    }
    demand(running, of: all.map { $0.settings.name }, at: root)
    for (group, entry) in zip(all, entries) {
        let runs = running.first { $0.name == group.settings.name }
        guard let known = runs?.resources, known != group.settings.resourcesDigest else { continue }
        entry.value.fail(
            "found other resources (or another sync), expected those that run on this node"
                + (runs?.isMaintained == true
                    ? " in maintenance: put them back, and change them after its end"
                    : ": hand the group over before they are changed"))
    }
    return all
}

/// A group that runs must be in the file, or nobody would stop it.
private func demand(_ running: [RunningGroup], of names: [String], at root: FoundMapping) {
    for group in running where !names.contains(group.name) {
        root.fail(
            "groups",
            "found \(names.isEmpty ? "none" : Text.list(names)), expected \(group.name) as well:"
                + " it runs on this node"
                + (group.isMaintained
                    ? " in maintenance: put it back, and remove or rename it after its end"
                    : ", and must be handed over before it is removed or renamed"))
    }
}

private func readGroup(
    _ name: String, _ found: Found, _ names: PerNode<String>?,
    _ taken: inout [(what: String, path: String)]
) -> LoadedGroup {
    if name == "budgets" {
        found.fail(
            "found the name budgets, expected another: \"picket clear budgets\" means something"
                + " else")
    }
    let mapping = found.mapping([
        "prefer", "priority", "enabled", "standby", "resources", "start_within", "stop_within",
        "monitor_interval", "restart_limit", "failback", "sync", "environment", "takeover",
    ])
    var policy = GroupPolicy(prefer: .low)
    if let prefer = mapping.required("prefer", "the node that holds it when both are well"),
        let names
    {
        policy.prefer = prefer.word([(names.low, NodeID.low), (names.high, .high)]) ?? .low
    }
    policy.priority = UInt32(mapping["priority"]?.integer(in: 1...1_000_000) ?? 1)
    policy.enabled = mapping["enabled"]?.bool() ?? true
    policy.takeover =
        mapping["takeover"]?.word([("auto", GroupPolicy.Takeover.auto), ("ask", .ask)]) ?? .auto
    policy.failback = mapping["failback"].flatMap(readFailback) ?? .manual

    let longest = Duration.seconds(3600)
    let startWithin =
        mapping["start_within"]?.duration(in: .milliseconds(10)...longest) ?? .seconds(30)
    let stopWithin =
        mapping["stop_within"]?.duration(in: .milliseconds(10)...longest) ?? .seconds(30)
    let interval =
        mapping["monitor_interval"]?.duration(in: .milliseconds(100)...longest) ?? .seconds(10)
    let standby =
        mapping["standby"]?.word([
            ("cold", GroupSettings.Standby.cold), ("warm", .warm), ("hot", .hot),
        ]) ?? .cold
    var resources: [ResourceSettings] = []
    if let list = mapping.required("resources", "a list of ip, unit and command") {
        resources = ResourceReader(startWithin, stopWithin, interval).read(list, &taken)
    }
    var maxLag: Found?
    let sync = mapping["sync"].flatMap { readSync($0, &maxLag) }
    let settings = GroupSettings(
        name: name, standby: standby, resources: resources, startWithin: startWithin,
        stopWithin: stopWithin, monitorInterval: interval,
        restarts: mapping["restart_limit"].flatMap(readRestarts)
            ?? Budget(count: 2, window: .seconds(600)),
        sync: sync,
        environment: mapping["environment"]?.environment() ?? [])
    policy.forgetsAfter = settings.restarts.window
    policy.sync = settings.sync.map {
        GroupPolicy.Sync(
            maxLag: $0.maxLag, takesOverStale: $0.takesOverStale, waits: stopWithin,
            strict: $0.strict != nil)
    }
    return LoadedGroup(policy: policy, settings: settings, maxLag: maxLag)
}

private func readFailback(_ found: Found) -> GroupPolicy.Failback? {
    if found.isWord("manual") { return .manual }
    let what = "manual, or { auto: { stable_for: 10m } }"
    guard found.isMapping else {
        if found.isWord("auto") {
            found.fail(
                "found \"auto\", expected the time for which all must be well: { auto: { stable_for: 10m } }"
            )
        } else {
            found.expected(what)
        }
        return nil
    }
    return found.mapping(["auto"]).required("auto", "{ stable_for: 10m }")?
        .mapping(["stable_for"]).required("stable_for", "a duration such as 10m")?
        .duration(in: .seconds(1) ... .seconds(7 * 86_400)).map { .auto(stableFor: $0) }
}

private func readRestarts(_ found: Found) -> Budget? {
    let mapping = found.mapping(["count", "within"])
    guard let count = mapping.required("count", "a number of restarts")?.integer(in: 0...100)
    else { return nil }
    let window = mapping["within"]?.duration(in: .seconds(1) ... .seconds(86_400)) ?? .seconds(600)
    return Budget(count: count, window: window)
}

private func readSync(_ found: Found, _ maxLag: inout Found?) -> SyncSettings? {
    let mapping = found.mapping([
        "probe", "follows", "max_lag", "interval", "timeout", "takeover", "strict", "degrade",
        "restore",
    ])
    let probe = mapping.required("probe", "a list of arguments, such as [/usr/bin/position]")?
        .arguments()
    let follows = mapping["follows"]?.bool() ?? false
    let shortest = Duration.milliseconds(100)
    // A third of it is at least the shortest interval.
    maxLag = mapping.required("max_lag", "a duration such as 5s")
    let lag = maxLag?.duration(in: shortest * 3 ... .seconds(86_400))
    let interval = mapping["interval"]?.duration(in: shortest ... .seconds(3600))
    let timeout = mapping["timeout"]?.duration(in: .milliseconds(10) ... .seconds(600))
    let stale =
        mapping["takeover"]?.word([("refuse", false), ("allow", true)]) ?? false
    let strict = readStrict(mapping)
    if strict != nil, stale {
        mapping.fail(
            "takeover",
            "found allow beside strict: true, expected refuse: a copy that is not in step lacks what"
                + " was acknowledged")
    }
    guard let probe, let lag else { return nil }
    let sync = SyncSettings(
        probe: probe, follows: follows, maxLag: lag, statedInterval: interval,
        statedTimeout: timeout, takesOverStale: stale, strict: strict)
    if sync.interval > lag / 3 {
        mapping.fail(
            "interval",
            "found \(sync.interval.asWritten), more than a third of max_lag (\(lag.asWritten)): a copy "
                + "that is looked at so seldom is never known to be current")
    }
    if sync.timeout > sync.interval {
        mapping.fail(
            "timeout",
            "found \(sync.timeout.asWritten), longer than the interval (\(sync.interval.asWritten))"
        )
    }
    return sync
}

private func readStrict(_ mapping: FoundMapping) -> SyncSettings.StrictCommands? {
    guard mapping["strict"]?.bool() == true else {
        for key in ["degrade", "restore"] where mapping[key] != nil {
            mapping.fail(
                key, "found without strict: true, expected that as well, or no \(key)")
        }
        return nil
    }
    let what = "with strict: true, a list of arguments such as [/usr/local/bin/db-"
    let degrade = mapping.required("degrade", what + "alone]")?.arguments()
    let restore = mapping.required("restore", what + "waits]")?.arguments()
    guard let degrade, let restore else { return nil }
    return SyncSettings.StrictCommands(degrade: degrade, restore: restore)
}

extension Found {
    /// Names of environment variables and their values (POSIX, "Environment Variables"). picket
    /// itself sets those that begin with PICKET_.
    fileprivate func environment() -> [Setting]? {
        guard let all = settings("a mapping of environment variables") else { return nil }
        for setting in all {
            let plain = setting.name.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
                    || (0x61...0x7A).contains(byte) || byte == UInt8(ascii: "_")
            }
            if !plain || setting.name.hasPrefix("PICKET_") {
                fail(
                    "found the name \(Text.quoted(setting.name)), expected one of letters, digits and '_' "
                        + "that does not begin with PICKET_")
            }
        }
        return all
    }
}

// MARK: - Resources

/// The resources of one group. Their timeouts add up to no more than the group's bound. Timeouts
/// that are not stated get equal shares of the time that is left (an address needs little, so it
/// gets no more than 2 s of it).
private struct ResourceReader {
    var startWithin: Duration
    var stopWithin: Duration
    var interval: Duration

    init(_ startWithin: Duration, _ stopWithin: Duration, _ interval: Duration) {
        self.startWithin = startWithin
        self.stopWithin = stopWithin
        self.interval = interval
    }

    struct Stated {
        var kind: ResourceSettings.Kind
        var name: String
        var start: Duration?
        var stop: Duration?
        var monitor: Duration?
        var promote: Duration?
        var demote: Duration?
    }

    func read(_ found: Found, _ taken: inout [(what: String, path: String)]) -> [ResourceSettings] {
        guard let items = found.list("a list of ip, unit and command", atMost: 64) else {
            return []
        }
        if items.isEmpty { found.fail("found an empty list, expected at least one resource") }
        var stated: [Stated] = []
        for (index, item) in items.enumerated() {
            guard let one = resource(item, index, &taken) else { continue }
            if stated.contains(where: { $0.name == one.name }) {
                item.fail("another resource of this group is called \(one.name) already")
            }
            stated.append(one)
        }
        let starts = shares(
            stated, stated.map { $0.start }, startWithin, "start", "start_within", found)
        let stops = shares(stated, stated.map { $0.stop }, stopWithin, "stop", "stop_within", found)
        var all: [ResourceSettings] = []
        for (index, one) in stated.enumerated() {
            all.append(
                ResourceSettings(
                    name: one.name, kind: one.kind,
                    timeouts: .init(
                        start: starts[index], stop: stops[index],
                        monitor: one.monitor ?? min(interval, .seconds(10)),
                        promote: one.promote ?? starts[index], demote: one.demote ?? stops[index])))
        }
        return all
    }

    private func resource(
        _ found: Found, _ index: Int, _ taken: inout [(what: String, path: String)]
    ) -> Stated? {
        let what = "a resource: ip, unit or command"
        guard found.isMapping else {
            found.expected(what)
            return nil
        }
        let mapping = found.mapping(["ip", "unit", "command", "name", "timeouts"])
        let kinds = mapping.present.filter { ["ip", "unit", "command"].contains($0) }
        guard kinds.count == 1 else {
            if kinds.count > 1 {
                found.fail("\(Text.list(kinds)) in one resource; write each with its own \"-\"")
            } else if !found.problems.noted(at: found) {
                found.expected(what)
            }
            return nil
        }
        guard let value = mapping.required(kinds[0], what) else { return nil }
        let kind: ResourceSettings.Kind
        var name: String
        switch kinds[0] {
        case "ip":
            guard let address = value.virtualAddress() else { return nil }
            claim("ip " + address.plain, value, &taken)
            (kind, name) = (.ip(address), "ip-\(address.address)")
        case "unit":
            guard let unit = value.unit() else { return nil }
            claim("unit " + unit, value, &taken)
            (kind, name) = (.unit(unit), unit)
        default:
            guard let command = value.command() else { return nil }
            (kind, name) = (.command(command), "command-\(index + 1)")
        }
        if let stated = mapping["name"]?.name() { name = stated }
        return withTimeouts(Stated(kind: kind, name: name), mapping["timeouts"])
    }

    private func withTimeouts(_ resource: Stated, _ found: Found?) -> Stated {
        guard let mapping = found?.mapping(["start", "stop", "monitor", "promote", "demote"])
        else { return resource }
        let range = Duration.milliseconds(10)...Duration.seconds(3600)
        var resource = resource
        resource.start = mapping["start"]?.duration(in: range)
        resource.stop = mapping["stop"]?.duration(in: range)
        resource.monitor = mapping["monitor"]?.duration(in: range)
        resource.promote = mapping["promote"]?.duration(in: range)
        resource.demote = mapping["demote"]?.duration(in: range)
        for (key, timeout, bound, name) in [
            ("promote", resource.promote, startWithin, "start_within"),
            ("demote", resource.demote, stopWithin, "stop_within"),
        ] {
            if let timeout, timeout > bound {
                mapping.fail(
                    key, "found \(timeout.asWritten), longer than \(name) (\(bound.asWritten))")
            }
        }
        return resource
    }

    /// Two groups, or a group and a link, cannot have the same address or unit.
    private func claim(
        _ what: String, _ found: Found, _ taken: inout [(what: String, path: String)]
    ) {
        if let other = taken.first(where: { $0.what == what }) {
            found.fail("\(found.description) stands already at \(other.path)")
        } else {
            taken.append((what, found.path))
        }
    }

    /// One timeout for each resource; their sum is at most `bound`.
    @inline(never)
    private func shares(
        _ resources: [Stated], _ stated: [Duration?], _ bound: Duration,
        _ verb: String, _ setting: String, _ found: Found
    ) -> [Duration] {
        var left = bound
        var open = 0
        var sum = ""
        for (resource, timeout) in zip(resources, stated) {
            guard let timeout else {
                open += 1
                continue
            }
            left = left - timeout
            sum += (sum.isEmpty ? "" : " + ") + "\(timeout.asWritten) (\(resource.name))"
        }
        let least = Duration.milliseconds(5) * Int64(open)
        if left < least {
            let rest = open > 0 ? ", and nothing is left for the other resources" : ""
            found.fail(
                "the \(verb) timeouts \(sum) are more than \(setting) (\(bound.asWritten)) holds\(rest)"
            )
            return Array(repeating: bound, count: resources.count)
        }
        var all: [Duration] = []
        var addresses = 0
        for (resource, timeout) in zip(resources, stated) where timeout == nil {
            if case .ip = resource.kind { addresses += 1 }
        }
        let equal = left / Int64(max(open, 1))
        let address = open > addresses ? min(equal, .seconds(2)) : equal
        let others = (left - address * Int64(addresses)) / Int64(max(open - addresses, 1))
        for (resource, timeout) in zip(resources, stated) {
            if let timeout {
                all.append(timeout)
            } else if case .ip = resource.kind {
                all.append(address)
            } else {
                all.append(others)
            }
        }
        return all
    }
}

private let unitSuffixes = [
    "service", "target", "socket", "mount", "automount", "timer", "path", "slice", "scope", "swap",
]

extension Found {
    /// The name of a systemd unit with its suffix (systemd.unit(5)).
    fileprivate func unit() -> String? {
        let what = "a systemd unit with its suffix, such as gateway.service"
        guard let text = text(what) else { return nil }
        let plain = text.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
                || (0x61...0x7A).contains(byte) || ":-_.\\@".utf8.contains(byte)
        }
        let suffix = text.parts(between: ".").last ?? ""
        guard plain, text.utf8.count <= 255, text.utf8.first != UInt8(ascii: "-"),
            text.utf8.first != UInt8(ascii: "."), text.utf8.contains(UInt8(ascii: ".")),
            unitSuffixes.contains(suffix)
        else {
            expected(what)
            return nil
        }
        return text
    }

    fileprivate func command() -> CommandSettings? {
        guard isMapping else {
            expected("a mapping of start, stop and, if there are, monitor, promote, demote")
            return nil
        }
        let mapping = mapping(["start", "stop", "monitor", "promote", "demote"])
        let start = mapping.required("start", "a list of arguments")?.arguments()
        let stop = mapping.required("stop", "a list of arguments")?.arguments()
        let monitor = mapping["monitor"]?.arguments()
        let promote = mapping["promote"]?.arguments()
        let demote = mapping["demote"]?.arguments()
        if (mapping["promote"] == nil) != (mapping["demote"] == nil) {
            let there = mapping["promote"] == nil ? "demote" : "promote"
            let missing = there == "demote" ? "promote" : "demote"
            mapping.fail(there, "stands without \(missing); a command has both or neither")
        }
        guard let start, let stop else { return nil }
        return CommandSettings(
            start: start, stop: stop, monitor: monitor, promote: promote, demote: demote)
    }
}
