/// Stands in for a real service while a pair is rehearsed on a simulated rack.
///
///     picket-workload start|stop|monitor|position|degrade|restore --name GROUP --log FILE --run DIRECTORY [--faults DIRECTORY]
///     picket-workload supervise --delay MILLISECONDS --stopped FILE -- PROGRAM ARGUMENT…
///     picket-workload courier --port DEVICE --delay MILLISECONDS -- PROGRAM ARGUMENT…
///     picket-workload                          a fence agent, for an outlet of the rack
///
/// A started workload appends a record to the log every 2 ms for as long as it runs: the rack's
/// evidence of which node was active when, which owes nothing to the agents' words. `supervise`
/// runs an agent on a simulated node, as systemd would; `courier` does the same inside a virtual
/// machine. There `--log udp:HOST:PORT` sends the records to the rack.
internal import CPicket

@main
struct Main {
    static func main() {
        let arguments = commandLine()
        let rest = Array(arguments.dropFirst())
        switch arguments.first {
        case "start": finish(Workload(rest)?.start())
        case "stop": finish(Workload(rest)?.stop())
        case "monitor": finish(Workload(rest)?.monitor())
        case "position": finish(Workload(rest)?.position())
        case "degrade": finish(Workload(rest)?.goAlone(true))
        case "restore": finish(Workload(rest)?.goAlone(false))
        case "run": finish(Workload(rest)?.run())
        case "supervise": finish(Supervisor(rest)?.run())
        case "courier":
            var courier = Courier(rest)
            finish(courier?.run())
        case nil: finish(Outlet(standardInput())?.run())
        default: finish(nil)
        }
    }

    /// Ends with the status; `nil` stands for arguments that make no sense.
    static func finish(_ status: Int32?) {
        guard let status else {
            complain(
                """
                usage: picket-workload start|stop|monitor|position|degrade|restore --name GROUP --log FILE --run DIRECTORY \
                [--faults DIRECTORY] [--node NODE]
                       picket-workload supervise --delay MILLISECONDS --stopped FILE -- PROGRAM …
                       picket-workload courier --port DEVICE --delay MILLISECONDS -- PROGRAM …
                       picket-workload courier --port DEVICE --unit NAME
                """)
            _exit(2)
        }
        _exit(status)
    }
}

/// Without the program's own name. (Embedded Swift has no `CommandLine`.)
func commandLine() -> [String] {
    var arguments: [String] = []
    while let argument = unsafe picket_argument(Int32(arguments.count + 1)) {
        unsafe arguments.append(String(cString: argument))
    }
    return arguments
}

func complain(_ text: String) {
    let bytes = Array("\(text)\n".utf8)
    _ = unsafe bytes.withUnsafeBytes { unsafe write(2, $0.baseAddress, $0.count) }
}

/// The values of `--name value` options; `nil` for anything else.
func options(_ arguments: [String]) -> [String: String]? {
    var options: [String: String] = [:]
    var index = 0
    while index < arguments.count {
        guard arguments[index].hasPrefix("--"), index + 1 < arguments.count else { return nil }
        options[String(arguments[index].dropFirst(2))] = arguments[index + 1]
        index += 2
    }
    return options
}

func environment(_ name: String) -> String? {
    unsafe name.withCString { name in
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }
}

/// Nanoseconds of CLOCK_MONOTONIC.
func monotonicNanoseconds() -> Int64 {
    var time = timespec()
    unsafe clock_gettime(clockid_t(picket_clock_monotonic), &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

func sleep(milliseconds: Int) {
    var time = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
    _ = unsafe nanosleep(&time, nil)
}

/// Starts this program's own image, or another, with no descriptors but these; `nil` and a
/// complaint if that fails. `passed` become 3 and up.
func spawn(
    _ program: String, _ arguments: [String], ownGroup: Bool, output: Int32?, standardError: Int32?,
    passed: [Int32] = []
) -> pid_t? {
    var actions = unsafe posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    unsafe posix_spawn_file_actions_init(&actions)
    unsafe posix_spawnattr_init(&attributes)
    defer {
        unsafe posix_spawn_file_actions_destroy(&actions)
        unsafe posix_spawnattr_destroy(&attributes)
    }
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    if let output {
        unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
    } else {
        unsafe posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    }
    if let standardError {
        unsafe posix_spawn_file_actions_adddup2(&actions, standardError, 2)
    } else {
        unsafe posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    }
    for (index, descriptor) in passed.enumerated() {
        unsafe posix_spawn_file_actions_adddup2(&actions, descriptor, 3 + Int32(index))
    }
    unsafe picket_spawn_close_from(&actions, 3 + Int32(passed.count))
    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    let flags = POSIX_SPAWN_SETSIGMASK | (ownGroup ? POSIX_SPAWN_SETPGROUP : 0)
    unsafe posix_spawnattr_setflags(&attributes, Int16(truncatingIfNeeded: Int(flags)))

    var pointers: [UnsafeMutablePointer<CChar>?] = unsafe []
    for argument in [program] + arguments { unsafe pointers.append(strdup(argument)) }
    unsafe pointers.append(nil)
    defer { unsafe pointers.forEach { unsafe free($0) } }
    var child: pid_t = 0
    let result = unsafe posix_spawnp(
        &child, program, &actions, &attributes, pointers, picket_environment())
    guard result == 0 else {
        complain("picket-workload: cannot start \(program): errno \(result)")
        return nil
    }
    return child
}
