import PicketCore
import PicketHardware
import PicketText

/// Board files tell what a board's hardware is called and what it can do. So a configuration speaks
/// of lines by name, and is refused if it asks for more than the board can do.
///
/// This module reads no directories: the caller hands over the files that it found. The board
/// `simulated` is always known.
public struct BoardLibrary: Sendable {
    public private(set) var files: [BoardFile]

    public init(_ files: [BoardFile] = []) {
        self.files = files
        if !files.contains(where: { $0.name == "simulated" }) {
            self.files.append(
                BoardFile(
                    name: "simulated", path: "simulated.yaml", bytes: Array(simulatedBoard.utf8)))
        }
    }
}

public struct BoardFile: Sendable {
    /// The file's name without `.yaml`: what `board:` says.
    public var name: String
    /// Its path, for errors.
    public var path: String
    public var bytes: [UInt8]

    public init(name: String, path: String, bytes: [UInt8]) {
        self.name = name
        self.path = path
        self.bytes = bytes
    }
}

/// The same as boards/simulated.yaml, without its comments.
private let simulatedBoard = """
    description: A rack that exists as a program only
    simulated: true
    chips: {}
    buses: [0, 1, 2, 3]
    watchdog: { identity: picket rack, minimum: 100ms, maximum: 1h }
    """

extension Found {
    /// The board that this names.
    func board(from library: BoardLibrary) -> Board? {
        guard let name = name() else { return nil }
        guard let file = library.files.first(where: { $0.name == name }) else {
            var known: [String] = []
            for file in library.files { known.append(file.name) }
            known.sortShort { $0 < $1 }
            fail(
                "found \(description), expected a known board: \(Text.list(known, "or"))"
                    + Text.suggestion(name, known))
            return nil
        }
        do throws(ConfigurationErrors) {
            return try Board.load(file)
        } catch {
            problems.take(error)
            return nil
        }
    }
}

extension Board {
    /// Reads a board file.
    ///
    /// - Throws: every mistake of the file at once.
    public static func load(_ file: BoardFile) throws(ConfigurationErrors) -> Board {
        let problems = Problems(file: file.path)
        let root = Found(try YamlNode.parse(file.bytes, file: file.path), problems)
            .mapping([
                "description", "models", "simulated", "chips", "buses", "connectors", "watchdog",
                "caveats",
            ])
        var board = Board(
            name: file.name,
            description: root.required("description", "a line that says what the board is")?.line()
                ?? "",
            simulated: root["simulated"]?.bool() ?? false, chips: [], buses: [],
            watchdog: root["watchdog"].flatMap(watchdog), caveats: [], models: [])
        for (name, chip) in root["chips"]?.entries("a mapping of chips", atMost: 64) ?? [] {
            board.chips.append(Chip(name: name, lines: lines(chip)))
        }
        for bus in root["buses"]?.list("a list of bus numbers", atMost: 256) ?? [] {
            if let number = bus.integer(in: 0...255) { board.buses.append(number) }
        }
        for (name, carried) in root["connectors"]?.entries("a mapping of connectors", atMost: 64)
            ?? []
        {
            var connector = Connector(name: name, carries: [])
            for item in carried.list("a list of lines, and link", atMost: 256) ?? [] {
                guard let line = item.gpioLine() else { continue }
                if line != "link", board.line(line) == nil {
                    item.fail("there is no line \(Text.quoted(line)) under chips")
                }
                connector.carries.append(line)
            }
            board.connectors.append(connector)
        }
        for caveat in root["caveats"]?.list("a list of sentences") ?? [] {
            if let text = caveat.line("a sentence") { board.caveats.append(text) }
        }
        for model in root["models"]?.list("a list of names") ?? [] {
            if let text = model.line("the beginning of its name") { board.models.append(text) }
        }
        try problems.throwIfAny()
        return board
    }

    private static func lines(_ chip: Found) -> [Line] {
        var all: [Line] = []
        for (name, found) in chip.entries("a mapping of lines to offsets") ?? [] {
            if !found.isMapping {
                if let number = found.integer(in: 0...65535) {
                    all.append(Line(name: name, offset: UInt32(number)))
                }
                continue
            }
            let mapping = found.mapping(["offset", "active", "bias", "drive", "unplugged"])
            let offset = mapping.required("offset", "the line's number on the chip")?
                .integer(in: 0...65535)
            var line = Line(name: name, offset: UInt32(offset ?? 0))
            line.active = mapping["active"]?.level()
            line.bias = mapping["bias"]?.bias() ?? .asIs
            line.drive = mapping["drive"]?.drive() ?? .pushPull
            line.partedReadsOn =
                mapping["unplugged"]?.word([("on", true), ("off", false)]) ?? false
            if offset != nil { all.append(line) }
        }
        return all
    }

    private static func watchdog(_ found: Found) -> Watchdog? {
        let mapping = found.mapping(["identity", "minimum", "maximum"])
        let identity = mapping["identity"]?.line()
        let minimum = mapping["minimum"].map { $0.duration() } ?? .zero
        let maximum = mapping["maximum"].map { $0.duration() } ?? .seconds(86_400)
        guard let minimum, let maximum else { return nil }
        if maximum < minimum {
            mapping.fail("maximum", "is shorter than minimum")
            return nil
        }
        return Watchdog(identity: identity, minimum: minimum, maximum: maximum)
    }

    /// The connector that carries this line and a link of the pair.
    func connector(withLinkAnd line: String) -> String? {
        connectors.first { $0.carries.contains("link") && $0.carries.contains(line) }?.name
    }

    /// What the file says of the plugs by which this line leaves the board.
    func plug(of line: String) -> SupplyDescription.Plug? {
        if connector(withLinkAnd: line) != nil { return .link }
        return connectors.contains { $0.carries.contains(line) } ? .own : nil
    }

    /// A line whose place the board knows.
    func line(_ name: String) -> (chip: String, line: Line)? {
        for chip in chips {
            for line in chip.lines where line.name == name { return (chip.name, line) }
        }
        return nil
    }
}

extension Found {
    func level() -> LineDescription.Active? { word([("high", .high), ("low", .low)]) }
    func bias() -> LineDescription.Bias? {
        word([("none", .none), ("pull_up", .pullUp), ("pull_down", .pullDown)])
    }
    func drive() -> LineDescription.Drive? {
        word([("push_pull", .pushPull), ("open_drain", .openDrain), ("open_source", .openSource)])
    }
}
