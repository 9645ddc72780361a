/// A service that does nothing but prove that it runs.
///
/// The running process holds a lock on its pid file; so `monitor` and `stop` know it without a
/// doubt, whatever pids have been used since. Its records all have the same size and each is one
/// O_APPEND write, so that two nodes that write at once can be told apart, which is the point:
///
///     NANOSECONDS(20) NODE(32) GROUP(32) TERM(20) PID(10) KIND␤          128 bytes
///
/// with CLOCK_MONOTONIC nanoseconds and KIND `b` for the first record of a process, `e` for the
/// last, `a` for those between. From a virtual machine they go as datagrams, and the rack dates
/// them.
///
/// It also has data, RUN/NODE.GROUP.data: `TERM:NUMBER`, where the number grows with time. The rack
/// copies them to the other node. `position` prints them, as a probe does. RUN/NODE.GROUP.began has the
/// number with which it started, and RUN/NODE.GROUP.alone is there from `degrade` to `restore`: what is
/// acknowledged the rack sees by these.
///
/// A file FAULTS/NODE.GROUP.start (or .stop, .monitor) makes that verb misbehave: `slow
/// MILLISECONDS`, `hang` or `fail`. A stop that is slow goes on as a unit's does, whether or not who
/// asked for it still waits. A file FAULTS/NODE.GROUP.run ends what runs, once, as a hand does.
internal import CPicket

struct Workload {
    let name: String
    let node: String
    let term: UInt64
    let log: String
    let pidFile: String
    let faults: String?
    let arguments: [String]
    /// Tells this process from all others in the records.
    private let identity: Int32

    init?(_ arguments: [String]) {
        guard let options = options(arguments), let name = options["name"],
            let log = options["log"], let run = options["run"],
            let node = options["node"] ?? environment("PICKET_NODE")
        else { return nil }
        self.name = name
        self.node = node
        self.log = log
        self.arguments = arguments
        term = UInt64(environment("PICKET_TERM") ?? "0") ?? 0
        // In virtual machines that boot again and again, process numbers come back.
        identity =
            log.hasPrefix("udp:") ? Int32(truncatingIfNeeded: arc4random() >> 1) : getpid()
        pidFile = "\(run)/\(node).\(name).pid"
        faults = options["faults"]
    }

    // MARK: - Verbs: each returns its exit status

    func start() -> Int32 {
        guard misbehave("start") else { return 1 }
        if isRunning { return 0 }
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { return 1 }
        let child = spawn(
            "/proc/self/exe", ["run"] + arguments, ownGroup: true, output: ends[1],
            standardError: 2)
        close(ends[1])
        guard child != nil else { return 1 }
        // The child writes one byte once it is active; the end of the pipe means that it failed.
        var byte: UInt8 = 0
        return unsafe read(ends[0], &byte, 1) == 1 ? 0 : 1
    }

    func stop() -> Int32 {
        guard misbehave("stop") else { return 1 }
        while isRunning {
            if let pid = pid() { kill(pid, SIGTERM) }
            sleep(milliseconds: 2)
        }
        return 0
    }

    func monitor() -> Int32 {
        guard misbehave("monitor") else { return 1 }
        return isRunning ? 0 : 1
    }

    /// Where its copy of the data stands; fails if there is none.
    func position() -> Int32 {
        guard misbehave("position"), let text = contents(dataFile), put(text + "\n", to: 1)
        else { return 1 }
        return 0
    }

    /// Whether it acknowledges what the other node's copy lacks.
    func goAlone(_ alone: Bool) -> Int32 {
        guard misbehave(alone ? "degrade" : "restore") else { return 1 }
        let file = "\(pidFile.dropLast(4)).alone"
        guard alone else { return unsafe unlink(file) == 0 || picket_errno() == ENOENT ? 0 : 1 }
        let descriptor = unsafe picket_open(file, O_RDWR | O_CREAT, 0o644)
        return descriptor >= 0 && close(descriptor) == 0 ? 0 : 1
    }

    func run() -> Int32 {
        var stopping = sigset_t()
        unsafe sigemptyset(&stopping)
        unsafe sigaddset(&stopping, SIGTERM)
        unsafe sigprocmask(SIG_BLOCK, &stopping, nil)
        let log = openLog()
        let lock = unsafe picket_open(pidFile, picket_o_pid, 0o644)
        guard log >= 0, lock >= 0, flock(lock, LOCK_EX | LOCK_NB) == 0, ftruncate(lock, 0) == 0,
            put("\(getpid())", to: lock), put(record("b"), to: log), put("+", to: 1)
        else {
            complain("picket-workload: \(name) cannot start: errno \(picket_errno())")
            return 1
        }
        close(1)
        let data = unsafe picket_open(dataFile, O_RDWR | O_CREAT, 0o644)
        var number = contents(dataFile).flatMap { UInt64($0.split(separator: ":").last ?? "") } ?? 0
        let began = unsafe picket_open("\(pidFile.dropLast(4)).began", O_RDWR | O_CREAT, 0o644)
        overwrite("\(padded("\(term):\(number)", 41))\n", in: began)
        close(began)
        var interval = timespec(tv_sec: 0, tv_nsec: 2_000_000)
        var stopsIn: Int?
        while true {
            if unsafe sigtimedwait(&stopping, nil, &interval) == SIGTERM, stopsIn == nil {
                stopsIn = slowness(of: "stop")
            }
            if let left = stopsIn {
                if left <= 0 { break }
                stopsIn = left - 2
            }
            guard put(record("a"), to: log) else { return 1 }
            number += 1
            if number % 10 > 0 { continue }
            if let faults, unsafe unlink("\(faults)/\(node).\(name).run") == 0 { break }
            overwrite("\(padded("\(term):\(number)", 41))\n", in: data)
        }
        return put(record("e"), to: log) ? 0 : 1
    }

    // MARK: -

    /// A file; or the rack, beyond a network that loses nothing until the plug is pulled.
    private func openLog() -> Int32 {
        let parts = log.split(separator: ":").map { String($0) }
        guard parts.count == 3, parts[0] == "udp", let port = UInt16(parts[2])
        else { return unsafe picket_open(log, picket_o_append, 0o644) }
        var address = picket_address()
        guard unsafe picket_address_parse(parts[1], port, &address) else { return -1 }
        return unsafe picket_udp_connect(&address)
    }

    private func record(_ kind: String) -> String {
        let time = padded("\(monotonicNanoseconds())", 20)
        let who = "\(padded(node, 32)) \(padded(name, 32))"
        return
            "\(time) \(who) \(padded("\(term)", 20)) \(padded("\(identity)", 10))   \(kind)     \n"
    }

    private func padded(_ text: String, _ width: Int) -> String {
        var bytes = Array(text.utf8.prefix(width))
        while bytes.count < width { bytes.append(UInt8(ascii: " ")) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func put(_ text: String, to descriptor: Int32) -> Bool {
        let bytes = Array(text.utf8)
        let count = unsafe bytes.withUnsafeBytes {
            unsafe write(descriptor, $0.baseAddress, $0.count)
        }
        return count == bytes.count
    }

    private func overwrite(_ text: String, in descriptor: Int32) {
        let bytes = Array(text.utf8)
        _ = unsafe bytes.withUnsafeBytes {
            unsafe pwrite(descriptor, $0.baseAddress, $0.count, 0)
        }
    }

    private var isRunning: Bool {
        let file = unsafe picket_open(pidFile, O_RDWR, 0)
        guard file >= 0 else { return false }
        defer { close(file) }
        return flock(file, LOCK_SH | LOCK_NB) != 0
    }

    private func pid() -> pid_t? {
        guard let text = contents(pidFile), let pid = pid_t(text), pid > 1 else { return nil }
        return pid
    }

    /// Does what the fault says; false if the verb must fail.
    private func misbehave(_ verb: String) -> Bool {
        guard let words = fault(of: verb) else { return true }
        switch words.first {
        case "slow":
            if verb != "stop" { sleep(milliseconds: slowness(of: verb)) }
            return true
        case "hang":
            while true { pause() }
        default: return false
        }
    }

    private func fault(of verb: String) -> [String]? {
        guard let faults, let fault = contents("\(faults)/\(node).\(name).\(verb)")
        else { return nil }
        return fault.split(separator: " ").map { String($0) }
    }

    /// Milliseconds that it takes longer.
    private func slowness(of verb: String) -> Int {
        guard let words = fault(of: verb), words.count > 1, words[0] == "slow" else { return 0 }
        return Int(words[1]) ?? 0
    }

    private var dataFile: String { "\(pidFile.dropLast(4)).data" }

    private func contents(_ path: String) -> String? {
        let file = unsafe picket_open(path, O_RDONLY, 0)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe read(file, $0.baseAddress, $0.count)
        }
        guard count >= 0 else { return nil }
        var text = buffer[..<count]
        while let last = text.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: " ") {
            text.removeLast()
        }
        return String(decoding: text, as: UTF8.self)
    }
}
