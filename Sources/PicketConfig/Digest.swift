import PicketCore
import PicketHardware

/// The digest by which two nodes see that their files agree.
///
/// FNV-1a, 64 bits (draft-eastlake-fnv), over the settings themselves, not over the text. Comments,
/// the order of keys, `500ms` for `0.5s` and a default that is written out make no difference. The
/// order of groups, resources, links and fence levels is a setting. Settings that belong to one
/// node alone are left out: its name, the paths of keys, directories and control socket. The digest
/// detects mistakes; nothing relies on it against an attacker (the message that carries it is
/// sealed).
struct Digest {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(byte: UInt8) {
        value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
    }
    @inline(never)
    mutating func add(_ number: UInt64) {
        for shift in stride(from: UInt64(0), to: 64, by: 8) {
            add(byte: UInt8(truncatingIfNeeded: number >> shift))
        }
    }
    mutating func add(_ number: Int) { add(UInt64(bitPattern: Int64(number))) }
    mutating func add(_ flag: Bool) { add(byte: flag ? 1 : 0) }
    /// -0 and 0 are the same setting.
    mutating func add(_ number: Double) { add((number == 0 ? 0 : number).bitPattern) }
    mutating func add(_ duration: Duration) { add(UInt64(bitPattern: duration.nanoseconds)) }
    /// With its length, so that "ab" + "c" is not "a" + "bc".
    @inline(never)
    mutating func add(_ text: String) {
        add(text.utf8.count)
        for byte in text.utf8 { add(byte: byte) }
    }
    @inline(never)
    mutating func add(_ texts: [String]) {
        add(texts.count)
        for text in texts { add(text) }
    }
    mutating func add(_ texts: [String]?) {
        add(texts != nil)
        if let texts { add(texts) }
    }
    @inline(never)
    mutating func add(_ duration: Duration?) {
        add(duration != nil)
        if let duration { add(duration) }
    }
    mutating func add(_ settings: [Setting]) {
        add(settings.count)
        for setting in settings {
            add(setting.name)
            add(setting.value)
        }
    }
    mutating func add(_ budget: Budget) {
        add(budget.count)
        add(budget.window)
    }
}

extension Digest: SettingsDigest {}

extension Configuration {
    /// Over all that must agree between the nodes.
    var digest: UInt64 {
        var digest = Digest()
        digest.add(2)  // of this layout
        for section in Section.allCases { add(section, to: &digest) }
        digest.add(policy.timing.detectWithin)
        digest.add(policy.timing.longestPause)
        digest.add(policy.fenceBudget)
        digest.add(policy.moveBudget)
        addStartup(to: &digest)
        if policy.startup.fencesUnreachable { digest.add("fence_unreachable") }
        for policy in policy.groups { digest.add(policy) }
        addSlowestOff(to: &digest)
        if let stops = policy.resetAfterStops { digest.add(stops) }
        return digest.value
    }

    /// The default is what the feedback of each node can prove, so it differs between the nodes where only
    /// one can. 0.1.0 waited where nothing is stated, and knew no feedback that can.
    private func addStartup(to digest: inout Digest) {
        let proven = [cuts.low, cuts.high].count { $0.first?.provesOff ?? false }
        switch startup {
        case nil where proven == 1: digest.add("startup")
        case .wait: digest.add(0)
        case .aloneAfter, nil:
            switch policy.startup {
            case .wait: digest.add(0)
            case .aloneAfter(let duration, _): digest.add(duration)
            }
        }
    }

    /// 0.1.0 had no late turns of their own for a fence agent that is a second level.
    private func addSlowestOff(to digest: inout Digest) {
        guard policy.timing.slowestOff != policy.timing.offWithin else { return }
        digest.add(policy.timing.slowestOff)
    }

    /// Over what the turns of fencing go by (FencingTurns), and the order in which they come. Never
    /// 0, which stands for a peer that does not tell it.
    var turnsDigest: UInt64 {
        var digest = Digest()
        digest.add(1)  // of the order of turns
        digest.add(policy.timing.deadAfter)
        digest.add(policy.timing.headStart)
        digest.add(policy.timing.offWithin)
        addSlowestOff(to: &digest)
        return max(1, digest.value)
    }

    /// The settings that an agent binds to sockets, threads and files when it starts.
    public enum Section: CaseIterable, Sendable {
        case names, links, watchdog, sensors, fence, groups

        /// What the agent that started with it leaves under /run.
        public var label: String {
            switch self {
            case .names: "names"
            case .links: "links"
            case .watchdog: "watchdog"
            case .sensors: "sensors"
            case .fence: "fence"
            case .groups: "groups"
            }
        }

        /// Where the file states it.
        public var key: String {
            switch self {
            case .names, .links: "pair"
            case .watchdog, .sensors, .fence, .groups: label
            }
        }

        public var text: String {
            switch self {
            case .names: "the names of pair and nodes"
            case .links: "the links"
            case .watchdog: "the watchdog"
            case .sensors: "the sensors"
            case .fence: "the fence levels"
            case .groups: "the groups and their resources"
            }
        }
    }

    /// Whether an agent that goes by the other configuration would have to start anew for what this
    /// one has in the section.
    public func isBound(_ section: Section, otherwiseThan other: Configuration) -> Bool {
        switch section {
        case .groups, .sensors, .links, .fence: false
        case .names, .watchdog: digest(of: section) != other.digest(of: section)
        }
    }

    /// Equal for two configurations that agree in a section.
    public func digest(of section: Section) -> UInt64 {
        var digest = Digest()
        add(section, to: &digest)
        return digest.value
    }

    private func add(_ section: Section, to digest: inout Digest) {
        switch section {
        case .names:
            digest.add(pair)
            digest.add([names.low, names.high])
        case .links:
            digest.add(links.count)
            for link in links { digest.add([link.low.text, link.high.text]) }
        case .watchdog:
            digest.add(watchdog?.timeout)
            digest.add(watchdog?.pretimeout)
            digest.add(watchdog?.devices)
        case .sensors:
            digest.add(board?.name ?? "")
            digest.add(sensors.count)
            var inOrder = sensors
            inOrder.sortShort {
                Array($0.name.utf8).lexicographicallyPrecedes(Array($1.name.utf8))
            }
            for sensor in inOrder { digest.add(sensor) }
        case .fence:
            for levels in [cuts.low, cuts.high] {
                digest.add(levels.count)
                for level in levels { digest.add(level) }
            }
        case .groups:
            digest.add(groups.count)
            for group in groups { digest.add(group) }
        }
    }
}

// MARK: - Sensors

extension Digest {
    mutating func add(_ sensor: SensorDescription) {
        add(sensor.name)
        sensor.driver.add(to: &self)
        add(sensor.bus)
        add(byte: sensor.address)
        let watch = sensor.watch
        add(watch.warn)
        add(watch.critical)
        add(watch.hysteresis)
        add(watch.debounce)
        add(watch.interval)
        add(watch.staleAfter)
        add(watch.stuckAfter)
        add(watch.plausible?.lowerBound ?? -.infinity)
        add(watch.plausible?.upperBound ?? .infinity)
        add(watch.rateLimit ?? .infinity)
        add(byte: watch.onFail.rawValue)
    }

    mutating func add(_ thresholds: [Threshold]) {
        // The order in which they stand means nothing.
        var above = Double.infinity
        var below = -Double.infinity
        for threshold in thresholds {
            switch threshold {
            case .above(let limit): above = limit
            case .below(let limit): below = limit
            }
        }
        add(above)
        add(below)
    }
}

// MARK: - Fence

extension FenceSettings {
    /// Equal for two levels that are set up alike.
    public var digest: UInt64 {
        var digest = Digest()
        digest.add(self)
        return digest.value
    }
}

extension Digest {
    mutating func add(_ level: FenceSettings) {
        switch level {
        case .relay(let relay):
            add(byte: 1)
            add(relay.supplies.count)
            for supply in relay.supplies { add(supply) }
            add(relay.offWithin)
            add(relay.offTime)
            add(relay.onWithin)
            add(byte: relay.policy.rawValue)
        case .agent(let agent):
            add(byte: 2)
            add(agent.path)
            add(agent.options)
            add(byte: agent.policy.rawValue)
            add(agent.offWithin)
            add(agent.timeout)
        }
    }

    mutating func add(_ supply: SupplyDescription) {
        add(supply.line)
        add(byte: supply.wiring.rawValue)
        switch supply.feedback {
        case .none: add(byte: 0)
        case .line(let line):
            add(byte: 1)
            add(line)
        case .sensor(let name, let offBelow, let onAbove):
            add(byte: 2)
            add(name)
            add(offBelow)
            add(onAbove)
        case .contacts(let on, let off):
            add(byte: 3)
            add(on)
            add(off)
        }
        if supply.partedReadsOn { add(byte: 1) }
        if supply.plug != .unstated { add(byte: supply.plug == .link ? 2 : 3) }
    }

    mutating func add(_ line: LineDescription) {
        add(line.name)
        add(line.chip ?? "")
        add(Int(line.offset ?? .max))
        add(byte: line.active.rawValue)
        let electrics = line.bias.rawValue << 4 | line.drive.rawValue
        if electrics != 0 { add(byte: electrics) }
        if let pin = line.pin {
            add(byte: pin.kind.rawValue)
            add(pin.bus)
            add(byte: pin.address)
            add(byte: pin.number)
        }
    }
}

// MARK: - Groups

extension GroupSettings {
    /// What the nodes tell each other of a group's settings. A key at its default adds nothing, so
    /// that two versions agree until a file has a setting that only one of them knows.
    func identify(_ policy: inout GroupPolicy) {
        var digest = Digest()
        digest.add(name)
        policy.name = max(1, digest.value)
        policy.resources = resourcesDigest
        policy.settings = settingsDigest(policy)
    }

    /// Over what is started, in its order, and how its data are copied.
    var resourcesDigest: UInt32 {
        var digest = Digest()
        for resource in resources { digest.add(resource.name, resource.kind) }
        if let sync {
            digest.add("sync")
            digest.add(sync.probe)
            digest.add(sync.maxLag)
            digest.add("interval", sync.formerInterval, unless: .seconds(10))
            digest.add("timeout", sync.formerTimeout, unless: min(sync.formerInterval, .seconds(5)))
            digest.addKeys(of: sync)
        }
        return digest.folded
    }

    /// Over all else but its priority, which is told by itself.
    private func settingsDigest(_ policy: GroupPolicy) -> UInt32 {
        var digest = Digest()
        digest.add(byte: policy.prefer.rawValue)
        if !policy.enabled { digest.add("disabled") }
        if policy.takeover == .ask { digest.add("ask") }
        if case .auto(let stableFor) = policy.failback {
            digest.add("failback")
            digest.add(stableFor)
        }
        if standby != .cold {
            digest.add("standby")
            digest.add(byte: standby.rawValue)
        }
        digest.add("start_within", startWithin, unless: .seconds(30))
        digest.add("stop_within", stopWithin, unless: .seconds(30))
        digest.add("monitor_interval", monitorInterval, unless: .seconds(10))
        if restarts != Budget(count: 2, window: .seconds(600)) {
            digest.add("restart_limit")
            digest.add(restarts)
        }
        if !environment.isEmpty {
            digest.add("environment")
            digest.add(environment)
        }
        for resource in resources { digest.add(resource.timeouts) }
        return digest.folded
    }
}

extension Digest {
    var folded: UInt32 { UInt32(truncatingIfNeeded: value ^ value >> 32) }

    mutating func add(_ key: String, _ duration: Duration, unless usual: Duration) {
        guard duration != usual else { return }
        add(key)
        add(duration)
    }

    mutating func add(_ timeouts: ResourceSettings.Timeouts) {
        for timeout in [
            timeouts.start, timeouts.stop, timeouts.monitor, timeouts.promote, timeouts.demote,
        ] { add(timeout) }
    }

    mutating func add(_ policy: GroupPolicy) {
        add(byte: policy.prefer.rawValue)
        add(Int(policy.priority))
        add(policy.enabled)
        switch policy.failback {
        case .manual: add(byte: 0)
        case .auto(let stableFor):
            add(byte: 1)
            add(stableFor)
        }
        // At its default it adds nothing, so that older versions agree.
        if policy.takeover == .ask { add(byte: 2) }
    }

    mutating func add(_ group: GroupSettings) {
        add(group.name)
        add(byte: group.standby.rawValue)
        add(group.startWithin)
        add(group.stopWithin)
        add(group.monitorInterval)
        add(group.restarts)
        add(group.environment)
        add(group.sync != nil)
        if let sync = group.sync {
            add(sync.probe)
            add(sync.maxLag)
            add(sync.formerInterval)
            add(sync.formerTimeout)
            addKeys(of: sync)
        }
        add(group.resources.count)
        for resource in group.resources { add(resource) }
    }

    /// Those that add nothing where they are at their default.
    mutating func addKeys(of sync: SyncSettings) {
        if sync.takesOverStale { add("allow") }
        if sync.follows { add("follows") }
        guard let strict = sync.strict else { return }
        add("strict")
        add(strict.degrade)
        add(strict.restore)
    }

    mutating func add(_ resource: ResourceSettings) {
        add(resource.name)
        add(resource.timeouts)
        add(resource.kind)
    }

    mutating func add(_ name: String, _ kind: ResourceSettings.Kind) {
        add(name)
        add(kind)
    }

    mutating func add(_ kind: ResourceSettings.Kind) {
        switch kind {
        case .ip(let address):
            add(byte: 1)
            add(address.text)
        case .unit(let unit):
            add(byte: 2)
            add(unit)
        case .command(let command):
            add(byte: 3)
            add(command.start)
            add(command.stop)
            add(command.monitor)
            add(command.promote)
            add(command.demote)
        }
    }
}
