/// The rack's hand inside a virtual machine of the lab.
///
/// It stands where systemd stands on a real node: it runs the agent and starts it again. With
/// `--unit NAME` systemd does that, and the courier stands beside it. It also carries, over one
/// virtio-serial port, the things for which the rack opens the files of a node that is processes:
/// the agent's status and history, and what scenarios do to it. It is no witness of anything: the
/// groups' own records go another way.
///
/// Lines to the rack, each whole:
///
///     ready BOOT                   this power-on's boot id; the agent is about to start
///     clock NANOSECONDS            the wall clock here
///     agent PID | exit STATUS      as `supervise`
///     status JSON | history JSON   lines of the agent's, as they are
///     reply ID TEXT … end ID STATUS
///
/// Lines from the rack:
///
///     agent kill|pause|resume|stop|start|reload
///     ask ID TEXT                  a request to the agent's control socket
///     run ID TEXT                  a shell command
///     put PATH HEX | remove PATH
internal import CPicket

struct Courier {
    private let delay: Int
    /// `nil`: the system's service manager runs the agent, as this unit.
    private let program: String?
    private let unit: String
    private let arguments: [String]
    private let control = "/run/picket/picketd.sock"
    private let history = "/var/lib/picket/history.jsonl"
    private let port: Int32
    private let children: Int32
    private var agent: pid_t?
    private var startAt: Int64 = 0
    private var stopped = false
    private var fromRack = Lines()
    private var streams = [
        Stream(kind: "status", request: "watch every 250ms"),
        // This also brings the entries that a full disk does not take.
        Stream(kind: "history", request: "history 0 follow"),
    ]
    private var historyFile: Int32 = -1
    private var historyText = Lines()
    private var errands: [Errand] = []
    private var clockAt: Int64 = 0
    private var keeper: DescriptorKeeper

    /// Lines that the agent sends as long as it lives.
    private struct Stream {
        var kind: String
        var request: String
        var descriptor: Int32 = -1
        var text = Lines()
    }

    /// Something that the rack asked for and waits for.
    private struct Errand {
        var id: String
        var descriptor: Int32
        /// Of a command; 0: a request to the agent.
        var process: pid_t
        var exit: Int32?
        var text = Lines()
        var atEnd = false
    }

    init?(_ arguments: [String]) {
        let end = arguments.firstIndex(of: "--") ?? arguments.count
        guard let options = options(Array(arguments[..<end])),
            let delay = Int(options["delay"] ?? "200"), let path = options["port"],
            (end + 1 < arguments.count) != (options["unit"] != nil)
        else { return nil }
        self.delay = delay
        unit = options["unit"] ?? ""
        program = end + 1 < arguments.count ? arguments[end + 1] : nil
        self.arguments = Array(arguments.dropFirst(end + 2))
        port = unsafe picket_open(path, O_RDWR, 0)
        guard port >= 0, let keeper = DescriptorKeeper() else { return nil }
        self.keeper = keeper
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGCHLD)
        unsafe sigprocmask(SIG_BLOCK, &signals, nil)
        children = unsafe signalfd(-1, &signals, 0)
        _ = picket_close_on_exec(port)
        _ = picket_close_on_exec(children)
    }

    mutating func run() -> Int32 {
        picket_become_subreaper()
        say("")
        say("ready \(bootID)")
        while true {
            turn()
        }
    }

    private var bootID: String {
        let file = unsafe picket_open("/proc/sys/kernel/random/boot_id", O_RDONLY, 0)
        defer { close(file) }
        return text(read(file).bytes.dropLast())
    }

    // MARK: - One turn

    private mutating func turn() {
        let now = monotonicNanoseconds()
        if now >= clockAt {
            clockAt = now + 500_000_000
            say("clock \(picket_wall_time())")
        }
        if let program, agent == nil, !stopped, now >= startAt { startAgent(program) }
        connectStreams()
        followHistory()
        var polled = [
            pollfd(fd: port, events: Int16(POLLIN), revents: 0),
            pollfd(fd: children, events: Int16(POLLIN), revents: 0),
        ]
        polled.append(pollfd(fd: keeper.socket, events: Int16(POLLIN), revents: 0))
        for stream in streams where stream.descriptor >= 0 {
            polled.append(pollfd(fd: stream.descriptor, events: Int16(POLLIN), revents: 0))
        }
        for errand in errands where !errand.atEnd {
            polled.append(pollfd(fd: errand.descriptor, events: Int16(POLLIN), revents: 0))
        }
        _ = unsafe poll(&polled, nfds_t(polled.count), 40)
        for each in polled where each.revents != 0 { serve(each.fd) }
    }

    private mutating func serve(_ descriptor: Int32) {
        if descriptor == port {
            for line in fromRack.add(read(port).bytes) { obey(text(line[...])) }
        } else if descriptor == keeper.socket {
            keeper.receive()
        } else if descriptor == children {
            var information = signalfd_siginfo()
            _ = unsafe CPicket.read(children, &information, MemoryLayout<signalfd_siginfo>.size)
            reap()
        } else if let index = streams.firstIndex(where: { $0.descriptor == descriptor }) {
            let (bytes, atEnd) = read(descriptor)
            for line in streams[index].text.add(bytes) {
                say("\(streams[index].kind) \(text(line[...]))")
            }
            if atEnd {
                close(descriptor)
                streams[index].descriptor = -1
                streams[index].text = Lines()
                if program == nil, agent != nil {
                    agent = nil
                    say("exit 0")
                }
            }
        } else {
            for index in errands.indices where errands[index].descriptor == descriptor {
                let (bytes, atEnd) = read(descriptor)
                for line in errands[index].text.add(bytes) {
                    say("reply \(errands[index].id) \(text(line[...]))")
                }
                if atEnd {
                    close(descriptor)
                    errands[index].descriptor = -1
                    errands[index].atEnd = true
                }
            }
            finishErrands()
        }
    }

    private mutating func finishErrands() {
        for errand in errands where errand.atEnd && errand.exit != nil {
            if let rest = errand.text.rest { say("reply \(errand.id) \(text(rest[...]))") }
            say("end \(errand.id) \(errand.exit ?? 0)")
        }
        errands.removeAll { $0.atEnd && $0.exit != nil }
    }

    // MARK: - The agent

    private mutating func startAgent(_ program: String) {
        let log = unsafe picket_open("/run/picketd.log", picket_o_append, 0o644)
        keeper.receive()
        let (starter, all) = keeper.command(program, arguments)
        agent = spawn(
            starter, all, ownGroup: false, output: log, standardError: log, passed: keeper.kept)
        close(log)
        if let agent {
            say("agent \(agent)")
        } else {
            startAt = monotonicNanoseconds() + 1_000_000_000
        }
    }

    private mutating func reap() {
        var state: Int32 = 0
        while true {
            let child = unsafe waitpid(-1, &state, WNOHANG)
            guard child > 0 else { break }
            if child == agent {
                agent = nil
                startAt = monotonicNanoseconds() + Int64(delay) * 1_000_000
                say("exit \(state)")
                // A planned stop ends the service, and with it everything that is kept for it.
                if stopped { keeper.drop() }
            }
            for index in errands.indices where errands[index].process == child {
                errands[index].exit = state & 0x7F == 0 ? state >> 8 & 0xFF : 128 + state & 0x7F
            }
        }
        finishErrands()
    }

    private mutating func connectStreams() {
        guard agent != nil || program == nil else { return }
        for index in streams.indices where streams[index].descriptor < 0 {
            streams[index].descriptor = connect(streams[index].request + "\n")
        }
        guard program == nil, agent == nil, streams[0].descriptor >= 0 else { return }
        // The process that answers at the agent's socket is the agent.
        agent = picket_peer_process(streams[0].descriptor)
        if let agent { say("agent \(agent)") }
    }

    /// A connection to the agent that has been asked this; -1 if it does not answer.
    private func connect(_ request: String) -> Int32 {
        let descriptor = picket_unix_stream()
        guard descriptor >= 0 else { return -1 }
        _ = picket_close_on_exec(descriptor)
        guard unsafe picket_unix_connect(descriptor, control) == 0, put(request, descriptor)
        else {
            close(descriptor)
            return -1
        }
        return descriptor
    }

    /// From its beginning, over all boots: the rack knows what it has seen.
    private mutating func followHistory() {
        if historyFile < 0 {
            historyFile = unsafe picket_open(history, O_RDONLY, 0)
            guard historyFile >= 0 else { return }
            _ = picket_close_on_exec(historyFile)
        }
        let (bytes, _) = read(historyFile)
        for line in historyText.add(bytes) { say("history \(text(line[...]))") }
        var (mine, named) = (stat(), stat())
        if bytes.isEmpty, unsafe fstat(historyFile, &mine) == 0, unsafe stat(history, &named) == 0,
            mine.st_ino != named.st_ino
        {
            // It was rotated.
            close(historyFile)
            historyFile = -1
        }
    }

    // MARK: - What the rack says

    private mutating func obey(_ line: String) {
        let words = line.split(separator: " ", maxSplits: 2).map { String($0) }
        guard words.count >= 2 else { return }
        let rest = words.count > 2 ? words[2] : ""
        switch words[0] {
        case "agent": agentVerb(words[1])
        case "ask": ask(words[1], rest)
        case "run": command(words[1], rest)
        case "put":
            let file = unsafe picket_open(words[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
            _ = put(bytes(hexadecimal: rest), file)
            close(file)
        case "remove": _ = unsafe unlink(words[1])
        default: break
        }
    }

    private mutating func agentVerb(_ verb: String) {
        switch verb {
        case "stop", "start":
            stopped = verb == "stop"
            if program == nil { return command("0", "systemctl --no-block \(verb) \(unit)") }
        default: break
        }
        guard let agent else { return }
        switch verb {
        case "kill": kill(agent, SIGKILL)
        case "pause": kill(agent, SIGSTOP)
        case "resume": kill(agent, SIGCONT)
        case "stop": kill(agent, SIGTERM)
        case "reload": kill(agent, SIGHUP)
        default: break
        }
    }

    private mutating func ask(_ id: String, _ request: String) {
        let descriptor = connect(request + "\n")
        guard descriptor >= 0 else { return say("end \(id) 1") }
        errands.append(Errand(id: id, descriptor: descriptor, process: 0, exit: 0))
    }

    private mutating func command(_ id: String, _ text: String) {
        var ends: [Int32] = [-1, -1]
        guard unsafe picket_pipe(&ends) == 0 else { return say("end \(id) 1") }
        let child = spawn(
            "/bin/sh", ["-c", text], ownGroup: true, output: ends[1], standardError: ends[1])
        close(ends[1])
        guard let child else {
            close(ends[0])
            return say("end \(id) 127")
        }
        errands.append(Errand(id: id, descriptor: ends[0], process: child, exit: nil))
    }

    // MARK: - Bytes

    private func read(_ descriptor: Int32) -> (bytes: [UInt8], atEnd: Bool) {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe CPicket.read(descriptor, $0.baseAddress, $0.count)
        }
        if count < 0 { return ([], picket_errno() != EAGAIN && picket_errno() != EINTR) }
        return (Array(buffer[..<count]), count == 0)
    }

    private func say(_ line: String) { _ = put(line + "\n", port) }

    private func put(_ text: String, _ descriptor: Int32) -> Bool {
        put(Array(text.utf8), descriptor)
    }

    private func put(_ bytes: [UInt8], _ descriptor: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes[sent...].withUnsafeBytes {
                unsafe write(descriptor, $0.baseAddress, $0.count)
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    private func text(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes, as: UTF8.self)
    }

    private func bytes(hexadecimal text: String) -> [UInt8] {
        var all: [UInt8] = []
        var high: UInt8?
        for digit in text.utf8 {
            let value = digit <= 0x39 ? digit &- 0x30 : digit &- 0x57
            if let first = high {
                all.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return all
    }
}

/// Bytes as they come, and the whole lines of them.
struct Lines {
    private var partial: [UInt8] = []

    var rest: [UInt8]? { partial.isEmpty ? nil : partial }

    mutating func add(_ bytes: [UInt8]) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        partial += bytes
        var start = 0
        for index in 0..<partial.count where partial[index] == UInt8(ascii: "\n") {
            lines.append(Array(partial[start..<index]))
            start = index + 1
        }
        partial.removeFirst(start)
        return lines
    }
}
