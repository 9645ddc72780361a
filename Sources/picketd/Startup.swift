/// From a command line to an agent that is ready to run, or to a plain reason why not.

import CPicket
import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux
import PicketWire
import PicketText

/// Why the agent does not start.
struct StartupError: Error {
    var lines: [String]
    var code: Int32

    /// By what the file says. It will say the same at the next start, so there is none.
    static func wrong(_ lines: [String]) -> StartupError {
        StartupError(lines: lines, code: ExitCode.wrong)
    }
    /// By anything else: a file system that is mounted late, a key that is not there yet, a group of
    /// users that another package is about to make. It is tried again.
    static func failed(_ lines: [String]) -> StartupError {
        StartupError(lines: lines, code: ExitCode.failed)
    }
    static func failed(_ line: String) -> StartupError { failed([line]) }
}

enum Startup {
    /// Reads and checks the configuration: all that is wrong with it, at once.
    ///
    /// - Parameter running: groups that run here, which it must have.
    static func load(
        _ options: Options, _ hardware: Hardware, running: [RunningGroup] = []
    ) throws(StartupError) -> Configuration {
        let path = options.configuration
        let found: [UInt8]?
        do throws(SystemError) { found = try DurableFile.read(path) } catch {
            throw .failed(error.description)
        }
        guard let bytes = found else { throw .failed("there is no configuration \(path)") }
        return try read(bytes, named: path, options, hardware, running: running)
    }

    /// The configuration of an agent of this boot that has not left: its groups run, its watchdog is
    /// armed, and its peer counts on it, so that a mistake in the file must not keep the next agent
    /// from starting. It is looked for in the usual place, because the file cannot say where.
    static func former(_ options: Options, _ hardware: Hardware) -> Configuration? {
        guard let (directory, boot) = hardware.usualRunDirectory,
            let runs = try? WhatRuns(in: directory, boot: boot, damaged: true),
            runs.isLeftBehind,
            let bytes = runs.configuration
        else { return nil }
        return try? read(bytes, named: directory + "/configuration", options, hardware)
    }

    /// - Parameter path: what its mistakes name it.
    static func read(
        _ bytes: [UInt8], named path: String, _ options: Options, _ hardware: Hardware,
        running: [RunningGroup] = []
    ) throws(StartupError) -> Configuration {
        var unread: [String] = []
        do throws(ConfigurationErrors) {
            return try Configuration.load(
                bytes, file: path, node: options.node, boards: boards(options, unread: &unread),
                simulated: hardware.isSimulated, running: running)
        } catch {
            var lines = unread
            for one in error.list { lines.append(one.text) }
            throw unread.isEmpty ? .wrong(lines) : .failed(lines)
        }
    }

    private static func boards(_ options: Options) -> BoardLibrary {
        var unread: [String] = []
        return boards(options, unread: &unread)
    }

    /// - Parameter unread: why board files could not be read: the one that is named may be among them.
    private static func boards(_ options: Options, unread: inout [String]) -> BoardLibrary {
        var files: [BoardFile] = []
        for directory in options.boards {
            for name in Directory.names(directory) where name.hasSuffix(".yaml") {
                let path = "\(directory)/\(name)"
                do throws(SystemError) {
                    guard let bytes = try DurableFile.read(path) else { continue }
                    files.append(
                        BoardFile(name: name.dropping(last: 5), path: path, bytes: bytes))
                } catch { unread.append(error.description) }
            }
        }
        return BoardLibrary(files)
    }

    /// What on this computer would keep an agent with these settings from starting. Drives nothing.
    static func verify(
        _ settings: Configuration, _ hardware: Hardware
    ) throws(StartupError) -> [Key] {
        let wrong = hardware.contradictions(settings)
        if !wrong.isEmpty { throw .failed(wrong) }
        if let group = settings.paths.controlGroup, !ControlListener.knows(group: group) {
            throw .failed(ControlListener.Refusal.noSuchGroup(group).description)
        }
        return try keys(settings.keys)
    }

    /// As `verify`; and the file must have what runs here, as the agent left it under /run.
    static func verifyWhatRuns(
        _ options: Options, _ settings: Configuration, _ hardware: Hardware
    ) throws(StartupError) {
        _ = try verify(settings, hardware)
        let ground = try hardware.ground(settings)
        let runs: WhatRuns
        do throws(FileError) {
            runs = try WhatRuns(in: ground.paths.runDirectory, boot: ground.boot)
        } catch { throw .failed(error.description) }
        if !runs.groups.isEmpty { _ = try load(options, hardware, running: runs.groups) }
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
                throw .failed("key \(error.description)")
            }
            guard let key = Key(bytes) else { throw .failed("key \(path): not 32 bytes") }
            Key.wipe(&bytes)
            keys.append(key)
        }
        return keys
    }

    /// An agent that is ready to run. Where there is a reason against it the process ends here.
    /// Nothing has to be undone then, and there is no code that would undo it.
    static func assemble(
        _ options: Options, _ hardware: Hardware, _ file: Configuration
    ) -> Agent {
        RealTime.keepHeapSmall()
        guard Sodium.initialise() else { end(.failed("the system gives no randomness")) }
        var keys: [Key]
        do throws(StartupError) { keys = try verify(file, hardware) } catch { end(error) }
        // Before any thread: they inherit the blocked signals.
        let signals = SignalDesk(system(try Signals()))
        var ground: Hardware.Ground
        do throws(StartupError) { ground = try hardware.ground(file) } catch { end(error) }
        let paths = ground.paths
        system(try DurableFile.makeDirectory(paths.runDirectory))
        system(try DurableFile.makeDirectory(paths.stateDirectory, mode: 0o750))
        let control = Control(listen(paths))
        let actions = paths.runDirectory + "/actions"
        system(try DurableFile.makeDirectory(actions, mode: 0o750))
        let before = LeftBehind.end(notedIn: actions, within: .seconds(2))
        guard before.left.isEmpty else {
            end(
                .failed(
                    "\(actions): processes that the agent before this one started do not end: "
                        + Text.list(before.left)))
        }
        var clock = Clock()
        let (settings, untaken) = goOn(
            options, file, hardware, in: paths.runDirectory, boot: ground.boot)
        if settings !== file {
            do throws(StartupError) {
                keys = try verify(settings, hardware)
                ground = try hardware.ground(settings)
            } catch { end(error) }
        }
        let groups = settings.groups.map { $0.name }
        var memoryFile = MemoryFile(
            path: paths.stateDirectory + "/memory", groups: groups, boot: ground.boot)
        let noteFile = RunNoteFile(
            path: paths.runDirectory + "/note", boot: ground.boot, groups: groups)
        let memory: Memory?
        var loaded: RunNoteFile.Loaded
        do throws(FileError) {
            memory = try memoryFile.load(
                now: clock.now(), wall: WallClock.now() + ground.wallOffset,
                isSynchronised: WallClock.isSynchronised)
            loaded = try noteFile.load(started: started(in: paths.runDirectory, ground.boot))
        } catch { end(.failed(error.description)) }
        if !before.interrupted.isEmpty {
            loaded.note.interrupt(groups.indices.filter { before.interrupted.contains(groups[$0]) })
            // The agent after this one finds no such starts any more.
            system(try noteFile.store(loaded.note))
        }
        note(
            settings, running: loaded.note, isChanged: untaken != nil, in: paths.runDirectory,
            boot: ground.boot)
        return Agent(
            Agent.Start(
                options: options, settings: settings, untaken: untaken, hardware: hardware,
                ground: ground,
                keys: keys, signals: signals, control: control, links: links(settings, ground),
                memoryFile: memoryFile, memory: memory, noteFile: noteFile, note: loaded.note,
                noteDamage: loaded.damage,
                actions: actions))
    }

    private static func started(in directory: String, _ boot: String) -> [StartedFile.Group] {
        StartedFile(path: directory + "/started", boot: boot).load()
    }

    /// What runs and the file has otherwise goes on as the agent that started it read it; what the
    /// file no longer has is stopped so. Where that is in maintenance a person may be at work there, and
    /// what gains or loses data of its own is no such change: then all goes on by the configuration of
    /// the agent before. So it does where the note is damaged, and anything of that may run.
    ///
    /// - Returns: what the agent goes by; and the file as it is, where that is something else: to be
    ///   taken up as a change.
    private static func goOn(
        _ options: Options, _ settings: Configuration, _ hardware: Hardware, in directory: String,
        boot: String
    ) -> (settings: Configuration, untaken: Configuration?) {
        let note = RunNoteFile(
            path: directory + "/note", boot: boot, groups: settings.groups.map { $0.name })
        var unknown: [String]
        var changed: [String] = []
        let runs: WhatRuns
        let isDamaged: Bool
        do throws(FileError) {
            let loaded = try note.load(started: started(in: directory, boot))
            isDamaged = loaded.damage != nil
            unknown = loaded.unknown
            runs = try WhatRuns(in: directory, boot: boot, damaged: true)
            let mayRun =
                isDamaged
                ? Array(settings.groups.indices)
                : loaded.note.holdings.filter { $0.isByRight }.map { $0.group }
            for group in mayRun {
                let (name, resources) = (
                    settings.groups[group].name, settings.policy.groups[group].resources
                )
                let known = runs.started.first { $0.name == name }
                if let known, known.resources != resources { changed.append(name) }
            }
        } catch { end(.failed(error.description)) }
        guard !unknown.isEmpty || !changed.isEmpty else { return (settings, nil) }
        var file: Configuration?
        if let left = runs.configuration {
            do throws(ConfigurationErrors) {
                let started = try Configuration.load(
                    left, file: directory + "/configuration", node: options.node,
                    boards: boards(options), simulated: hardware.isSimulated)
                let names = started.groups.map { $0.name }
                if unknown.allSatisfy(names.contains),
                    // What it moves out of such a group may start on the peer.
                    isDamaged
                        || runs.groups.contains(where: {
                            $0.isMaintained && (unknown + changed).contains($0.name)
                        })
                        || changed.contains(where: { settings.changesData(of: $0, from: started) })
                {
                    return (started, settings)
                }
                unknown = settings.retire(unknown, of: started)
                if settings.keep(changed, of: started) {
                    file = try Configuration.load(
                        settings.text, file: options.configuration, node: options.node,
                        boards: boards(options), simulated: hardware.isSimulated)
                }
            } catch {}
        }
        if isDamaged { unknown += changed }
        guard unknown.isEmpty else {
            end(
                .failed(
                    "\(note.path): this node still runs \(Text.list(unknown)), which the"
                        + " configuration no longer has so: put it back, hand it over, then remove it"
                )
            )
        }
        return (settings, file)
    }

    /// Leaves for the next agent what this one starts. A group that runs must be the same to both:
    /// what of it is gone from the file would run on, and nobody would stop it.
    private static func note(
        _ settings: Configuration, running: RunNote, isChanged: Bool, in directory: String,
        boot: String
    ) {
        let file = StartedFile(path: directory + "/started", boot: boot)
        let before = file.load()
        var now: [StartedFile.Group] = []
        for (group, policy) in zip(settings.groups, settings.policy.groups) {
            now.append(StartedFile.Group(name: group.name, resources: policy.resources))
        }
        var changed: [String] = []
        for holding in running.holdings where holding.isByRight {
            let group = now[holding.group]
            let known = before.first { $0.name == group.name }
            if let known, known != group { changed.append(group.name) }
        }
        guard changed.isEmpty else {
            end(
                .failed(
                    "\(file.path): this node still runs \(Text.list(changed)) with other resources"
                        + " than the configuration has: put them back, hand it over, then change"
                        + " them"))
        }
        system(try file.store(now))
        // What is retired, or is to be changed, stands only in the file by which it was started.
        if !isChanged, !settings.policy.groups.contains(where: { $0.listing == .retiring }) {
            system(try WhatRuns.leave(settings.text, in: directory))
        }
    }

    /// The same, once nothing is retired any more.
    static func leave(
        _ settings: Configuration, in ground: Hardware.Ground
    ) throws(SystemError) {
        var now: [StartedFile.Group] = []
        for (group, policy) in zip(settings.groups, settings.policy.groups)
        where policy.listing == .listed {
            now.append(StartedFile.Group(name: group.name, resources: policy.resources))
        }
        let directory = ground.paths.runDirectory
        try StartedFile(path: directory + "/started", boot: ground.boot).store(now)
        try WhatRuns.leave(settings.text, in: directory)
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

    private static func links(_ settings: Configuration, _ ground: Hardware.Ground) -> [Link] {
        var links: [Link] = []
        for index in settings.links.indices {
            do throws(StartupError) { links.append(try link(index, settings, ground)) } catch {
                end(error)
            }
        }
        return links
    }

    /// - Parameter socket: one that is bound to the link's own end already.
    static func link(
        _ index: Int, _ settings: Configuration, _ ground: Hardware.Ground,
        on socket: LinkSocket? = nil
    ) throws(StartupError) -> Link {
        let (mine, theirs) = (
            settings.links[index][settings.me], settings.links[index][settings.me.peer]
        )
        let (bind, peer) = (ground.links[index].bind, ground.links[index].peer)
        guard let local = SocketAddress(host: bind.host, port: bind.port),
            let remote = SocketAddress(host: peer.host, port: peer.port)
        else {
            throw .failed(
                "link \(index + 1): \(mine.text) or \(theirs.text) is no address of this system")
        }
        func link(_ socket: LinkSocket) -> Link {
            Link(socket: socket, to: remote, local: mine.text, remote: theirs.text)
        }
        if let socket { return link(socket) }
        do throws(SystemError) {
            return link(
                try LinkSocket(binding: local, to: remote, named: "\(bind.host):\(bind.port)"))
        } catch { throw .failed("link \(index + 1): \(error.description)") }
    }

    /// A system call's refusal is a reason not to start.
    static func system<Value: ~Copyable>(
        _ body: @autoclosure () throws(SystemError) -> Value
    ) -> Value {
        do throws(SystemError) { return try body() } catch { end(.failed(error.description)) }
    }

    /// Says why the agent does not start, and ends the process: nothing was driven yet, and
    /// everything open closes with it.
    static func end(_ error: StartupError) -> Never {
        var logger = Logger(threshold: .info)
        for line in error.lines { logger.log(.error, line) }
        if error.code == ExitCode.failed { FailedStarts.wait() }
        _exit(error.code)
    }
}
