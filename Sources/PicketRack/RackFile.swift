/// A rack file: which configuration is rehearsed, and what the configuration cannot know.
///
///     configuration: pair.yaml        # the ordinary file; required
///     boot_time: 500ms                # from power on to the agent's start
///     restart_delay: 200ms            # from an agent's end to the next one's start
///     contact_delay: 3ms              # from a line's edge to its relay's contact
///     everywhere:                     # in place of the configuration's fields of these names
///       detect_within: 4s
///     nodes:                          # each of it optional
///       east:
///         board: raspberry-pi-4       # must be a file of the boards directory
///         boot_time: 2s
///         released_lines: fall        # or hold: a virtual machine's GPIO lines that nobody holds any more
///         sensors: { inlet: 38C, rail5v: 5.05V }     # what they read at first
///         supplies:                   # the wires, where they are not as the configuration says
///           - { line: RELAY_EAST, sense: EAST_PGOOD, wiring: normally_closed, delay: 3ms }
///
/// The supplies of a node feed it. Its peer's agent drives their lines.
import Foundation
package import PicketConfig
import PicketCore
import PicketHardware

package enum RackFile {
    /// The configurations of both nodes, and what their agents are given.
    typealias Pair = (configurations: PerNode<Configuration>, rehearsed: String)

    /// - Parameter configuration: in place of the one that the file names.
    /// - Throws: every mistake of the rack file, or of the configuration that it names.
    package static func load(
        path: String, configuration override: String? = nil
    ) throws(ConfigurationErrors) -> RackPlan {
        let bytes = try read(path, named: "rack file")
        return try parse(bytes, file: path, override: override) {
            configuration, everywhere throws(ConfigurationErrors) in
            let boards = BoardFiles(near: [path, configuration])
            let bytes = try read(configuration, named: "configuration file")
            return (try pair(bytes, file: configuration, everywhere, boards: boards), boards)
        }
    }

    /// - Parameter open: reads the configuration file of this name, with these fields replaced.
    static func parse(
        _ bytes: [UInt8], file: String, override: String? = nil,
        open: (_ configuration: String, _ everywhere: [(String, YamlNode)])
            throws(ConfigurationErrors) -> (Pair, BoardFiles)
    ) throws(ConfigurationErrors) -> RackPlan {
        let problems = Problems(file: file)
        let root = Found(try YamlNode.parse(bytes, file: file), problems)
        let top = root.mapping(
            [
                "description", "configuration", "boot_time", "restart_delay", "contact_delay",
                "everywhere", "nodes",
            ], "a rack")
        let named = top.required("configuration", "the configuration file to rehearse")?.line(
            "a path")
        guard let configuration = override ?? named.map({ beside(file, $0) }) else {
            try problems.throwIfAny()
            preconditionFailure("a rack file without a configuration has a mistake")
        }
        var everywhere: [(String, YamlNode)] = []
        for (name, found) in top["everywhere"]?.entries("a mapping of fields", atMost: 32) ?? [] {
            everywhere.append((name, found.node))
        }
        let (pair, boards) = try open(configuration, everywhere)
        let reader = NodeReader(
            boards: boards,
            bootTime: top["boot_time"]?.duration(in: .zero ... .seconds(600)) ?? .milliseconds(500),
            restartDelay: top["restart_delay"]?.duration(in: .zero ... .seconds(600))
                ?? .milliseconds(200),
            contactDelay: top["contact_delay"]?.duration(in: .zero ... .seconds(60))
                ?? .milliseconds(3))
        let names = pair.configurations.low.names
        let nodes = top["nodes"]?.mapping([names.low, names.high], "nodes")
        let plan = RackPlan(
            configurations: pair.configurations, rehearsed: pair.rehearsed,
            nodes: PerNode(
                low: reader.read(nodes?[names.low], .low, pair.configurations),
                high: reader.read(nodes?[names.high], .high, pair.configurations)))
        try problems.throwIfAny()
        return plan
    }

    static func pair(
        _ bytes: [UInt8], file path: String, _ everywhere: [(String, YamlNode)], boards: BoardFiles
    ) throws(ConfigurationErrors) -> Pair {
        var bytes = bytes
        if !everywhere.isEmpty {
            // What the file says must make sense by itself.
            _ = try Configuration.load(bytes, file: path, boards: boards.library)
            bytes = Array(
                Rehearsal.replacing(everywhere, in: try YamlNode.parse(bytes, file: path)).utf8)
        }
        let library = boards.library
        let own = try Configuration.load(bytes, file: path, boards: library)
        let low = try Configuration.load(bytes, file: path, node: own.names.low, boards: library)
        let high = try Configuration.load(bytes, file: path, node: own.names.high, boards: library)
        let rehearsed = Rehearsal.configuration(try YamlNode.parse(bytes, file: path))
        // The configuration that the agents are given must be as valid as the one it was made from.
        _ = try Configuration.load(
            Array(
                Rehearsal.completed(
                    rehearsed, node: own.node,
                    Processes.places(of: own.node, in: "/rack", workload: "/workload")
                ).utf8),
            file: "\(path) (as rehearsed)", boards: BoardLibrary())
        return (PerNode(low: low, high: high), rehearsed)
    }

    package static func read(_ path: String, named what: String) throws(ConfigurationErrors)
        -> [UInt8]
    {
        do { return Array(try Data(contentsOf: URL(fileURLWithPath: path))) } catch {
            throw ConfigurationErrors([
                ConfigurationError(
                    file: path, position: Position(line: 1, column: 1), path: "",
                    message: "the \(what) cannot be read: \(error.localizedDescription)")
            ])
        }
    }

    /// A path of a file is relative to that file.
    package static func beside(_ file: String, _ path: String) -> String {
        if path.hasPrefix("/") { return path }
        return URL(fileURLWithPath: file).deletingLastPathComponent().appendingPathComponent(path)
            .path
    }
}

private struct NodeReader {
    let boards: BoardFiles
    let bootTime: Duration
    let restartDelay: Duration
    let contactDelay: Duration

    func read(_ found: Found?, _ id: NodeID, _ pair: PerNode<Configuration>) -> NodePlan {
        let keys = ["board", "boot_time", "restart_delay", "released_lines", "sensors", "supplies"]
        let map = found?.mapping(keys, "a node")
        if let board = map?["board"], let name = board.text("a board's name"), !boards.has(name) {
            board.fail("there is no board \"\(name)\"; known are \(boards.known)")
        }
        return NodePlan(
            bootTime: map?["boot_time"]?.duration(in: .zero ... .seconds(600)) ?? bootTime,
            restartDelay: map?["restart_delay"]?.duration(in: .zero ... .seconds(600))
                ?? restartDelay,
            holdsLines: map?["released_lines"]?.word([("hold", true), ("fall", false)]) ?? true,
            sensors: sensors(map?["sensors"], pair[id]),
            supplies: map?["supplies"].map { supplies($0) }
                ?? supplies(of: id, pair[id]),
            outlets: outlets(of: id, pair[id]))
    }

    private func sensors(_ found: Found?, _ configuration: Configuration) -> [SensorPlan] {
        let settings = configuration.sensors
        let values = found?.mapping(settings.map(\.name), "sensors")
        let rails = configuration.fence.flatMap { level -> [String] in
            guard case .relay(let relay) = level else { return [] }
            return relay.supplies.compactMap {
                if case .sensor(let name, _, _) = $0.feedback { name } else { nil }
            }
        }
        return settings.map { sensor in
            let unit = sensor.driver.unit.symbol
            let value = values?[sensor.name]?.quantity(unit.isEmpty ? .none : .named(unit))
            return SensorPlan(
                settings: sensor, value: value ?? Self.comfortable(sensor),
                sensesPeer: rails.contains(sensor.name))
        }
    }

    /// A value that no threshold minds.
    private static func comfortable(_ sensor: SensorDescription) -> Double {
        var above: Double?
        var below: Double?
        for threshold in sensor.watch.critical + sensor.watch.warn {
            switch threshold {
            case .above(let limit): above = min(above ?? limit, limit)
            case .below(let limit): below = max(below ?? limit, limit)
            }
        }
        switch (above, below) {
        case (let high?, let low?): return (high + low) / 2
        case (let high?, nil): return high > 0 ? high * 0.6 : high * 1.4
        case (nil, let low?): return low > 0 ? low * 1.08 : low * 0.6
        case (nil, nil):
            let plausible = sensor.watch.plausible
            return plausible.map { ($0.lowerBound + $0.upperBound) / 2 } ?? 25
        }
    }

    private func supplies(_ found: Found) -> [SupplyPlan] {
        (found.list("a list of supplies") ?? []).compactMap { item in
            let map = item.mapping(["line", "sense", "wiring", "delay"], "a supply")
            guard let line = map.required("line", "the line that drives it")?.gpioLine()
            else { return nil }
            let wiring: Bool? = map["wiring"]?.word([
                ("normally_closed", true), ("normally_open", false),
            ])
            return SupplyPlan(
                line: line, sense: map["sense"]?.gpioLine(), normallyClosed: wiring ?? true,
                delay: map["delay"]?.duration(in: .zero ... .seconds(60)) ?? contactDelay)
        }
    }

    private func outlets(of id: NodeID, _ pair: Configuration) -> [SupplyPlan] {
        var count = 0
        return pair.cuts[id].compactMap { level in
            guard case .agent = level else { return nil }
            count += 1
            let line = Rehearsal.outlet(count, of: pair.names[id])
            return SupplyPlan(
                line: line, sense: Rehearsal.state(of: line), normallyClosed: true,
                delay: contactDelay)
        }
    }

    private func supplies(of id: NodeID, _ pair: Configuration) -> [SupplyPlan] {
        var supplies: [SupplyPlan] = []
        for level in pair.cuts[id] {
            guard case .relay(let relay) = level else { continue }
            for supply in relay.supplies {
                var plan = SupplyPlan(
                    line: supply.line.name, sense: nil,
                    normallyClosed: supply.wiring == .normallyClosed, delay: contactDelay,
                    activeHigh: supply.line.active == .high)
                let lines = supply.feedback.lines
                plan.sense = lines.first?.name
                plan.senseActiveHigh = lines.first?.active != .low
                plan.opposite = lines.dropFirst().first?.name
                plan.partedReadsOn = supply.partedReadsOn
                supplies.append(plan)
            }
        }
        return supplies
    }
}
