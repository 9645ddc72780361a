/// Runs the agent of a simulated node and starts it again when it ends, as systemd would.
///
/// It is the leader of the node's session, and all that the agent leaves behind becomes its child.
/// It tells the rack, on its standard output, `agent PID` and `exit STATUS`. While the file given
/// by `--stopped` exists, an agent that ends stays down. When its standard input ends, the rack is
/// gone: it takes the whole node with it.
internal import CPicket

struct Supervisor {
    let delay: Int
    let stopped: String
    let program: String
    let arguments: [String]

    init?(_ arguments: [String]) {
        guard let separator = arguments.firstIndex(of: "--"), separator + 1 < arguments.count,
            let options = options(Array(arguments[..<separator])),
            let delay = Int(options["delay"] ?? "0"), let stopped = options["stopped"]
        else { return nil }
        self.delay = delay
        self.stopped = stopped
        program = arguments[separator + 1]
        self.arguments = Array(arguments[(separator + 2)...])
    }

    func run() -> Int32 {
        picket_become_subreaper()
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGCHLD)
        unsafe sigprocmask(SIG_BLOCK, &signals, nil)
        let children = unsafe signalfd(-1, &signals, 0)
        var agent = startAgent()
        var startAt: Int64 = 0
        while true {
            if agent == nil, startAt == 0 {
                startAt = monotonicNanoseconds() + Int64(delay) * 1_000_000
            }
            if agent == nil, monotonicNanoseconds() >= startAt, !exists(stopped) {
                agent = startAgent()
                startAt = 0
                continue
            }
            guard wait(children, milliseconds: agent == nil ? 5 : -1) else { break }
            if reap(agent) { agent = nil }
        }
        killAll()
        return 0
    }

    private func startAgent() -> pid_t? {
        let child = spawn(
            program, arguments, ownGroup: false, output: 2, standardError: 2)
        if let child { say("agent \(child)\n") }
        return child
    }

    /// Waits for a child to end; false when the rack is gone.
    private func wait(_ children: Int32, milliseconds: Int32) -> Bool {
        var polled = [
            pollfd(fd: children, events: Int16(POLLIN), revents: 0),
            pollfd(fd: 0, events: Int16(POLLIN), revents: 0),
        ]
        _ = unsafe poll(&polled, 2, milliseconds)
        if polled[0].revents != 0 {
            var information = signalfd_siginfo()
            _ = unsafe read(children, &information, MemoryLayout<signalfd_siginfo>.size)
        }
        return polled[1].revents == 0
    }

    /// Collects every child that has ended; true if the agent is among them.
    private func reap(_ agent: pid_t?) -> Bool {
        var status: Int32 = 0
        var ended = false
        while true {
            let child = unsafe waitpid(-1, &status, WNOHANG)
            guard child > 0 else { return ended }
            if child == agent {
                ended = true
                say("exit \(status)\n")
            }
        }
    }

    private func killAll() {
        // Each child that dies may leave us its own children.
        while true {
            for child in ownChildren() { kill(child, SIGKILL) }
            var status: Int32 = 0
            if unsafe waitpid(-1, &status, 0) < 0, picket_errno() == ECHILD { return }
        }
    }

    private func ownChildren() -> [pid_t] {
        let file = unsafe picket_open("/proc/self/task/\(getpid())/children", O_RDONLY, 0)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var buffer = [UInt8](repeating: 0, count: 8192)
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe read(file, $0.baseAddress, $0.count)
        }
        guard count > 0 else { return [] }
        return String(decoding: buffer[..<count], as: UTF8.self).split(separator: " ")
            .compactMap { pid_t(String($0)) }
    }

    private func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    private func say(_ text: String) {
        let bytes = Array(text.utf8)
        _ = unsafe bytes.withUnsafeBytes { unsafe write(1, $0.baseAddress, $0.count) }
    }
}
