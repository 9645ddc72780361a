/// From a command line to an agent that is ready to run, or to a plain reason why not.

import CPicket
import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux
import PicketRackClient
import PicketWire
import PicketText

/// Why the agent does not start.
struct StartupError: Error {
    var lines: [String]
    var code: Int32

    static func wrong(_ lines: [String]) -> StartupError {
        StartupError(lines: lines, code: ExitCode.wrong)
    }
    static func failed(_ line: String) -> StartupError {
        StartupError(lines: [line], code: ExitCode.failed)
    }
}

enum Startup {
    /// Reads and checks the configuration: all that is wrong with it, at once.
    ///
    /// - Parameter running: groups that run here, which it must have.
    static func load(
        _ options: Options, running: [String] = []
    ) throws(StartupError) -> Configuration {
        let path = options.configuration
        let found: [UInt8]?
        do throws(SystemError) { found = try DurableFile.read(path) } catch {
            throw .wrong([error.description])
        }
        guard let bytes = found else { throw .wrong(["there is no configuration \(path)"]) }
        let settings: Configuration
        do throws(ConfigurationErrors) {
            settings = try Configuration.load(
                bytes, file: path, node: options.node, boards: boards(options),
                simulated: options.rack != nil, running: running)
        } catch {
            var lines: [String] = []
            for one in error.list { lines.append(one.text) }
            throw .wrong(lines)
        }
        return settings
    }

    private static func boards(_ options: Options) -> BoardLibrary {
        var files: [BoardFile] = []
        for directory in options.boards {
            for name in Directory.names(directory) where name.hasSuffix(".yaml") {
                let path = "\(directory)/\(name)"
                do throws(SystemError) {
                    guard let bytes = try DurableFile.read(path) else { continue }
                    files.append(
                        BoardFile(name: name.dropping(last: 5), path: path, bytes: bytes))
                } catch { continue }
            }
        }
        return BoardLibrary(files)
    }

    /// What the configuration or its board's file says and this machine contradicts: refused before
    /// anything is driven. What is merely missing may come yet, and is alarmed.
    private static func compare(_ settings: Configuration) throws(StartupError) {
        var wrong: [String] = []
        if let board = settings.board, !board.models.isEmpty, let model = ThisMachine.model,
            !board.models.contains(where: { model.hasPrefix($0) })
        {
            wrong.append("board \(board.name) is not this machine, which calls itself \(model)")
        }
        for case .relay(let relay) in settings.fence {
            for supply in relay.supplies {
                var lines = [supply.line]
                if case .line(let line) = supply.feedback { lines.append(line) }
                for line in lines where line.pin == nil {
                    if let error = GPIOLine.look(line), error.contradiction {
                        wrong.append(error.description)
                    }
                }
            }
        }
        if !wrong.isEmpty { throw .wrong(wrong) }
    }

    /// What of this machine would keep an agent with these settings from starting. Drives nothing.
    static func verify(
        _ settings: Configuration, _ options: Options
    ) throws(StartupError) -> [Key] {
        if options.rack == nil { try compare(settings) }
        return try keys(settings.keys)
    }

    static func names(_ settings: Configuration) -> Names {
        var links: [String] = []
        for link in settings.links {
            links.append("\(link[settings.me].text) to \(link[settings.me.peer].text)")
        }
        var levels: [String] = []
        for level in settings.fence {
            switch level {
            case .relay(let relay):
                levels.append("relay " + Text.list(relay.supplies.map { $0.line.name }))
            case .agent(let agent):
                let file = agent.path.parts(between: "/").last ?? agent.path
                levels.append("agent \(file)")
            }
        }
        return Names(
            pair: settings.pair, me: settings.me,
            nodes: [settings.names.low, settings.names.high],
            groups: settings.groups.map { $0.name }, links: links,
            sensors: settings.sensors.map { $0.name }, fenceLevels: levels)
    }

    static func keys(_ paths: [String]) throws(StartupError) -> [Key] {
        var keys: [Key] = []
        for path in paths {
            var bytes: [UInt8]
            do throws(FileError) { bytes = try KeyFile.load(path) } catch {
                throw .wrong(["key \(error.description)"])
            }
            guard let key = Key(bytes) else { throw .wrong(["key \(path): not 32 bytes"]) }
            Key.wipe(&bytes)
            keys.append(key)
        }
        return keys
    }

    /// Where this node's life is kept, by which boot and clock it goes, and its links.
    struct Ground {
        var boot: String
        var paths: Paths
        /// By how many nanoseconds the node's wall clock is off the machine's (on a rack).
        var wallOffset: Int64 = 0
        /// On a rack: bind here, send there.
        var rackLinks: [RackLink] = []
        /// What ended the node's life before this boot, where that is known.
        var lastReset: String?
    }

    static func assemble(
        _ options: Options, _ settings: Configuration
    ) -> Agent {
        RealTime.keepHeapSmall()
        if options.rack == nil {
            do throws(StartupError) { try compare(settings) } catch { end(error) }
        }
        guard Sodium.initialise() else { end(.failed("the system gives no randomness")) }
        let secrets: [Key]
        do throws(StartupError) { secrets = try keys(settings.keys) } catch { end(error) }
        // Before any thread: they inherit the blocked signals.
        let signals = system(try Signals())
        let ground = ground(options, settings)
        system(try DurableFile.makeDirectory(ground.paths.runDirectory))
        system(try DurableFile.makeDirectory(ground.paths.stateDirectory, mode: 0o750))
        let listener = listen(ground.paths)
        let actions = ground.paths.runDirectory + "/actions"
        system(try DurableFile.makeDirectory(actions, mode: 0o750))
        let left = LeftBehind.end(notedIn: actions, within: .seconds(2))
        guard left.isEmpty else {
            end(
                .failed(
                    "\(actions): what the agent before this one started does not end: "
                        + Text.list(left)))
        }
        var clock = Clock()
        let now = clock.now()
        let groups = settings.groups.map { $0.name }
        var memoryFile = MemoryFile(
            path: ground.paths.stateDirectory + "/memory", groups: groups)
        let noteFile = RunNoteFile(
            path: ground.paths.runDirectory + "/note", boot: ground.boot, groups: groups)
        let memory: Memory?
        let loaded: RunNoteFile.Loaded
        do throws(FileError) {
            memory = try memoryFile.load(now: now, wall: WallClock.now() + ground.wallOffset)
            loaded = try noteFile.load()
        } catch { end(.failed(error.description)) }
        guard loaded.unknown.isEmpty else {
            end(
                .failed(
                    "\(noteFile.path): this node still runs \(Text.list(loaded.unknown)), which the"
                        + " configuration no longer has: put it back, hand it over, then remove it")
            )
        }
        let session = Channel.randomSession()
        let parts = Agent.Parts(
            options: options, settings: settings, ground: ground, names: names(settings),
            session: session, now: now, noteFile: noteFile, note: loaded.note,
            links: links(settings, ground),
            storage: system(
                try Storage(
                    memoryFile, history: ground.paths.stateDirectory + "/history.jsonl",
                    rack: options.rack)),
            children: system(try Children(notedIn: actions, session: session)),
            fencing: system(
                try Fencing(
                    settings.fence, sensors: settings.sensors,
                    stateDirectory: ground.paths.stateDirectory, rack: options.rack)),
            sensing: system(try Sensing(settings.sensors, rack: options.rack, at: now)),
            channel: Channel(keys: secrets, me: settings.me, session: session, at: now),
            reader: system(try ConfigurationReader { Startup.read(options, for: $0) }))
        let machine = Machine(
            policy: settings.policy, memory: memory ?? .blank(groups: groups.count),
            session: session, note: loaded.note, at: now)
        let poller = system(try Poller())
        return Agent(parts, machine: machine, poller: poller, signals: signals, listener: listener)
    }

    private static func ground(
        _ options: Options, _ settings: Configuration
    ) -> Ground {
        guard let rack = options.rack else {
            return Ground(boot: system(try BootID.read()), paths: settings.paths)
        }
        do throws(RackError) {
            let client = try RackClient(path: rack)
            let node = try client.node()
            var paths = settings.paths
            paths.runDirectory = node.runDirectory
            paths.stateDirectory = node.stateDirectory
            paths.controlSocket = node.runDirectory + "/picketd.sock"
            return Ground(
                boot: node.bootID, paths: paths,
                wallOffset: try client.wallClockOffset() * 1_000_000_000,
                rackLinks: try client.links(), lastReset: node.resetCause)
        } catch { end(.failed("rack \(rack): \(error.text)")) }
    }

    private static func listen(_ paths: Paths) -> ControlListener {
        system(
            try DurableFile.makeDirectory(DurableFile.parent(of: paths.controlSocket)))
        do throws(ControlListener.Refusal) {
            let listener = try ControlListener(
                path: paths.controlSocket, group: paths.controlGroup)
            if let warning = listener.warning {
                var logger = Logger(threshold: .info)
                logger.log(.warning, warning)
            }
            return listener
        } catch { end(.failed(error.description)) }
    }

    private static func links(
        _ settings: Configuration, _ ground: Ground
    ) -> [Link] {
        guard ground.rackLinks.isEmpty || ground.rackLinks.count == settings.links.count else {
            end(.failed("the rack has another number of links than the configuration"))
        }
        var links: [Link] = []
        for (index, link) in settings.links.enumerated() {
            let (mine, theirs) = (link[settings.me], link[settings.me.peer])
            var bind = (host: mine.host, port: mine.port)
            var peer = (host: theirs.host, port: theirs.port)
            if !ground.rackLinks.isEmpty {
                let rack = ground.rackLinks[index]
                bind = (rack.bind.host, rack.bind.port)
                peer = (rack.peer.host, rack.peer.port)
            }
            guard let local = SocketAddress(host: bind.host, port: bind.port),
                let remote = SocketAddress(host: peer.host, port: peer.port)
            else {
                end(
                    .failed(
                        "link \(index + 1): \(mine.text) or \(theirs.text) is no address of this"
                            + " system"))
            }
            let socket = system(
                try LinkSocket(binding: local, to: remote, named: "\(bind.host):\(bind.port)"))
            links.append(Link(socket: socket, local: mine.text, remote: theirs.text))
        }
        return links
    }

    /// A system call's refusal is a reason not to start.
    private static func system<Value: ~Copyable>(
        _ body: @autoclosure () throws(SystemError) -> Value
    ) -> Value {
        do throws(SystemError) { return try body() } catch { end(.failed(error.description)) }
    }

    /// Says why the agent does not start, and ends the process: nothing was driven yet, and what is
    /// open closes with it.
    static func end(_ error: StartupError) -> Never {
        var logger = Logger(threshold: .info)
        for line in error.lines { logger.log(.error, line) }
        _exit(error.code)
    }
}
