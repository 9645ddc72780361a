/// The processes that the agent starts: resources' commands and fence agents.
///
/// A process is an argument vector, never a shell's line, in a process group of its own, so that it
/// can be killed with all that it started. The kernel reads the program's file before the call that
/// starts it returns, and a dead disk would hold the loop: so a worker makes that call. A process's
/// standard output and error come out as lines, bounded in length and number. A process that goes
/// on in the background should have its output redirected, because the pipe ends with the agent.
///
/// A process that was killed has ended when nothing of its group is there any more, because what it
/// started may hang in the kernel, and do its work later. The number of a group is not given to
/// another process while one of its members lives, also when its leader was reaped.

import CPicket
public import PicketCore

/// What to run.
public struct Launch: Sendable {
    public var arguments: [String]
    /// `NAME=value`: the whole environment.
    public var environment: [String]
    /// Written to its standard input, which is then closed; at most 4096 bytes. Without it the
    /// standard input is /dev/null.
    public var input: [UInt8]?
    /// Past this instant it is not started: the clock is looked at last.
    public var notAfter: Instant
    /// What it does must not be done once its agent is gone: the next agent ends it
    /// (Actions.swift).
    public var endsWithAgent: Bool
    /// The group that it starts, for the next agent; empty for none.
    public var starts: String
    /// Of what it says no more lines are taken.
    public var mostLines: Int
    /// It stays, and of what it has said since the last turn its newest whole line is taken. Nothing
    /// of it is to outlive it or its agent; what hangs of it keeps no agent from starting.
    public var follows: Bool
    /// Its output is read at most once in so long, so that what floods costs few turns of the loop.
    public var pace: Duration
    /// Its standard input is a connection to this socket, which this process has made: so whoever
    /// listens there knows who asks. Where nobody does, it is tried for a while.
    public var connection: Connection?

    public struct Connection: Sendable {
        let path: String
        let within: Duration
        fileprivate var raw: Int32 = -1

        public init(to path: String, within: Duration) {
            self.path = path
            self.within = within
        }
    }

    public init(
        arguments: [String], environment: [String], input: [UInt8]? = nil,
        notAfter: Instant = .distantFuture, endsWithAgent: Bool = false,
        starts: String = "", mostLines: Int = Children.mostLines, follows: Bool = false,
        pace: Duration = .zero, connection: Connection? = nil
    ) {
        precondition(!arguments.isEmpty && (input?.count ?? 0) <= 4096)
        self.mostLines = mostLines
        self.follows = follows
        self.pace = pace
        self.connection = connection
        self.notAfter = notAfter
        self.endsWithAgent = endsWithAgent
        self.starts = starts
        self.arguments = arguments
        self.environment = environment
        self.input = input
    }
}

public enum ChildEnd: Equatable, Sendable {
    case exited(Int32)
    case signalled(Int32)
    /// errno.
    case notStarted(Int32)
    /// Its `notAfter` had passed, and nothing was done.
    case late

    /// It could not be started for want of processes, of memory or of a disk, which may be there
    /// again in a moment. A program that is not there, or no program, is another matter.
    public var wasNotTried: Bool {
        guard case .notStarted(let error) = self else { return false }
        switch error {
        case EAGAIN, ENOMEM, ENFILE, EMFILE, EIO: return true
        default: return false
        }
    }
}

private struct Launched: Sendable {
    var id: UInt32
    var process: Int32
    var output: Int32
    var error: Int32
}

private struct Child {
    let mostLines: Int
    let follows: Bool
    let pace: Duration
    var process: Int32 = 0
    var killed = false
    /// It was killed and has ended, and others of its group are still there.
    var end: ChildEnd?
}

private final class Output {
    let id: UInt32
    let descriptor: Descriptor
    let mostLines: Int
    let follows: Bool
    let pace: Duration
    /// It is not waited for before; `nil` while it is.
    var nextRead: Instant?
    var partial: [UInt8] = []
    var lines = 0
    /// Of one that follows: the newest whole line; and whether what comes now belongs to a line that
    /// is too long.
    var newest: [UInt8]?
    var isCut = false
    init(_ child: Child, id: UInt32, raw: Int32) {
        self.id = id
        mostLines = child.mostLines
        follows = child.follows
        pace = child.pace
        descriptor = Descriptor(owning: raw)
    }
}

public final class Children {
    public enum Event: Equatable, Sendable {
        /// It runs.
        case began(id: UInt32)
        case line(id: UInt32, String)
        case ended(id: UInt32, ChildEnd)
    }

    private enum Order: Sendable {
        case start(UInt32, Launch)
        /// It has ended.
        case forget(UInt32, follows: Bool)
    }

    private let orders: BoundedQueue<Order>
    private let results: BoundedQueue<Launched>
    private let notes: ActionNotes
    private var children: [(id: UInt32, child: Child)] = []
    private var outputs: [Output] = []
    /// What the launcher has no room for yet.
    private var waiting: [Order] = []
    /// Handed to the launcher, and not heard of since.
    private var starting = 0
    private var clock = Clock()
    private var pause = Children.shortestPause
    private var buffer = [UInt8](repeating: 0, count: 4096)

    /// No errno.
    private static let late: Int32 = -1
    static let mostStarting = 64
    /// Of one output in a turn, each as much as the buffer takes.
    private static let mostRounds = 16
    static let longestLine = 1024
    public static let mostLines = 200
    /// Pipes that outlive their process because something went on in the background.
    static let mostOutputs = 64
    static let shortestPause = Duration.milliseconds(1)
    static let longestPause = Duration.milliseconds(250)

    /// - Parameters:
    ///   - directory: where what is under way is noted (Actions.swift); it must be there.
    ///   - session: the agent's.
    public init(notedIn directory: String, session: SessionID) throws(SystemError) {
        let notes = ActionNotes(directory: directory, session: String(session.value, radix: 16))
        // Processes that have ended are forgotten beside those that are started.
        let orders = try BoundedQueue<Order>(capacity: 3 * Children.mostStarting)
        let results = try BoundedQueue<Launched>(capacity: Children.mostStarting)
        self.orders = orders
        self.results = results
        self.notes = notes
        try Worker.start("launcher") {
            while true {
                switch orders.wait() {
                case .start(let id, let launch)?:
                    // No more are started at a time than the queue of results holds.
                    _ = results.push(Children.start(id, launch, notes))
                case .forget(let id, let follows)?: notes.end(notes.name(id, follows: follows))
                case nil: continue
                }
            }
        }
    }

    /// Readable when a process was started (or could not be).
    public var raw: Int32 { results.raw }
    public var isEmpty: Bool { children.isEmpty }
    /// When `turn` is to look again, though nothing has become readable.
    public var nextDeadline: Instant {
        var next = nextLook
        for output in outputs { next = min(next, output.nextRead ?? next) }
        return next
    }
    private var nextLook = Instant.distantFuture

    /// `id` names it in all that is said of it; unique among those that run.
    public func launch(_ id: UInt32, _ launch: Launch) {
        precondition(!children.contains { $0.id == id }, "two processes of one id")
        children.append(
            (
                id,
                Child(
                    mostLines: launch.mostLines, follows: launch.follows, pace: launch.pace)
            ))
        give(.start(id, launch))
    }

    private func give(_ order: Order) {
        waiting.append(order)
        handOver()
    }

    private func handOver() {
        while let order = waiting.first {
            if case .start = order, starting == Children.mostStarting { return }
            guard connects(order) || orders.push(order) else { return }
            waiting.removeFirst()
            if case .start = order { starting += 1 }
        }
    }

    /// It may have to wait, and holds up no other. Where no thread can be had, it is started without a
    /// connection, and says that nobody answers.
    private func connects(_ order: Order) -> Bool {
        guard case .start(let id, let launch) = order, let connection = launch.connection else {
            return false
        }
        let (results, notes) = (results, notes)
        do throws(SystemError) {
            try Worker.start("connector") {
                var clock = Clock()
                let until = clock.now() + connection.within
                var raw = unsafe picket_control_try(connection.path)
                while raw < 0, clock.now() < until {
                    Worker.sleep(.milliseconds(50))
                    raw = unsafe picket_control_try(connection.path)
                }
                var connected = launch
                connected.connection?.raw = raw
                _ = results.push(Children.start(id, connected, notes))
            }
            return true
        } catch { return false }
    }

    /// Kills the process's whole group, at once. Its end comes as an event.
    public func kill(_ id: UInt32, signal: Int32 = 9) {
        guard let index = children.firstIndex(where: { $0.id == id }),
            children[index].child.end == nil
        else { return }
        if signal == 9 { children[index].child.killed = true }
        let process = children[index].child.process
        if process > 0 { _ = CPicket.kill(-process, signal) }
    }

    /// Moves on: takes in starts, output and ends. Call it when `raw` or an output's descriptor is
    /// readable, on SIGCHLD, and at `nextDeadline`. An output that is waited for is handed to `watch`,
    /// and to `forget` where it is not for a while.
    public func turn(
        watch: (Int32) -> Void, forget: (Int32) -> Void = { _ in }, _ handle: (Event) -> Void
    ) {
        results.clear()
        while let launched = results.pop() { take(launched, watch: watch, handle) }
        handOver()
        for output in outputs { readInTime(output, watch, forget, handle) }
        for (id, child) in children where child.process > 0 {
            guard let end = child.end ?? Children.reap(child.process) else { continue }
            if child.follows { _ = CPicket.kill(-child.process, 9) }
            if child.killed || child.follows, !picket_group_gone(child.process) {
                let index = children.firstIndex { $0.id == id }
                if let index { children[index].child.end = end }
                continue
            }
            children.removeAll { $0.id == id }
            give(.forget(id, follows: child.follows))
            for output in outputs where output.id == id { read(output, handle) }
            handle(.ended(id: id, end))
        }
        outputs.removeAll { $0.lines < 0 }
        lookAgain()
    }

    private static func reap(_ process: Int32) -> ChildEnd? {
        var status: Int32 = 0
        guard unsafe picket_reap(process, &status) == 1 else { return nil }
        return status < 0 ? .signalled(-status) : .exited(status)
    }

    /// Nobody tells when the last of a group is gone, or a note is forgotten. So both are looked
    /// for, ever less often.
    private func lookAgain() {
        guard !waiting.isEmpty || children.contains(where: { $0.child.end != nil }) else {
            nextLook = .distantFuture
            pause = Children.shortestPause
            return
        }
        let now = clock.now()
        guard nextLook == .distantFuture || now >= nextLook else { return }
        nextLook = now + pause
        pause = min(pause * 2, Children.longestPause)
    }

    private func take(_ launched: Launched, watch: (Int32) -> Void, _ handle: (Event) -> Void) {
        starting -= 1
        guard let index = children.firstIndex(where: { $0.id == launched.id }) else { return }
        if launched.error != 0 {
            children.remove(at: index)
            let end: ChildEnd =
                launched.error == Children.late
                ? .late : .notStarted(launched.error)
            handle(.ended(id: launched.id, end))
            return
        }
        children[index].child.process = launched.process
        if children[index].child.killed { _ = CPicket.kill(-launched.process, 9) }
        // A process that runs is listened to.
        if outputs.count >= Children.mostOutputs,
            let left = outputs.firstIndex(where: { output in
                !children.contains { $0.id == output.id }
            })
        {
            outputs.remove(at: left)
        }
        outputs.append(
            Output(children[index].child, id: launched.id, raw: launched.output))
        watch(launched.output)
        handle(.began(id: launched.id))
    }

    private func readInTime(
        _ output: Output, _ watch: (Int32) -> Void, _ forget: (Int32) -> Void,
        _ handle: (Event) -> Void
    ) {
        guard output.pace > .zero else {
            read(output, handle)
            return
        }
        let now = clock.now()
        if let next = output.nextRead {
            guard now >= next else { return }
            output.nextRead = nil
            watch(output.descriptor.raw)
        }
        guard read(output, handle), output.lines >= 0 else { return }
        output.nextRead = now + output.pace
        forget(output.descriptor.raw)
    }

    /// Takes all that is there; marks the output as ended (`lines` below zero) at its end.
    ///
    /// - Returns: whether there was any.
    @discardableResult
    private func read(_ output: Output, _ handle: (Event) -> Void) -> Bool {
        guard output.lines >= 0 else { return false }
        defer {
            if let newest = output.newest {
                output.newest = nil
                handle(.line(id: output.id, String(decoding: newest, as: UTF8.self)))
            }
        }
        var rounds = Children.mostRounds
        while rounds > 0, let count = output.descriptor.read(into: &buffer) {
            rounds -= 1
            if count == 0 {
                if !output.partial.isEmpty, !output.follows { say(output, cut: false, handle) }
                output.lines = -1
                return true
            }
            for byte in buffer[..<count] {
                if byte == 10 || output.partial.count >= Children.longestLine {
                    say(output, cut: byte != 10, handle)
                }
                if byte != 10 { output.partial.append(byte) }
            }
        }
        return rounds < Children.mostRounds
    }

    private func say(_ output: Output, cut: Bool, _ handle: (Event) -> Void) {
        defer { output.partial.removeAll(keepingCapacity: true) }
        if output.follows {
            // A part of a line could read as another number.
            output.newest =
                cut || output.isCut ? Array("a line that is too long".utf8) : output.partial
            output.isCut = cut
            return
        }
        output.lines += 1
        if output.lines < output.mostLines {
            handle(.line(id: output.id, String(decoding: output.partial, as: UTF8.self)))
        } else if output.lines == output.mostLines {
            handle(.line(id: output.id, "… says more, which is not logged"))
        }
    }

    /// In the launcher's thread.
    private static func start(_ id: UInt32, _ launch: Launch, _ notes: ActionNotes) -> Launched {
        guard launch.endsWithAgent || launch.follows else { return start(id, launch, named: "") }
        let name = notes.name(id, follows: launch.follows)
        notes.begin(name, starting: launch.starts)
        let result = start(id, launch, named: name)
        if result.error == 0 { notes.began(name, group: result.process) } else { notes.end(name) }
        return result
    }

    private static func start(_ id: UInt32, _ launch: Launch, named name: String) -> Launched {
        var result = Launched(id: id, process: 0, output: -1, error: 0)
        var output: [Int32] = [-1, -1]
        guard unsafe picket_output_pipe(&output) == 0 else {
            result.error = picket_errno()
            return result
        }
        let writeEnd = Descriptor(owning: output[1])
        result.output = output[0]
        if let bytes = launch.input {
            var input: [Int32] = [-1, -1]
            guard unsafe picket_output_pipe(&input) == 0 else {
                result.error = picket_errno()
                close(output[0])
                return result
            }
            let inputRead = Descriptor(owning: input[0])
            let inputWrite = Descriptor(owning: input[1])
            picket_blocking(inputRead.raw)
            _ = unsafe write(inputWrite.raw, bytes, bytes.count)
            result.error = spawn(launch, name, inputRead.raw, writeEnd.raw, &result.process)
        } else if let raw = launch.connection?.raw, raw >= 0 {
            let input = Descriptor(owning: raw)
            result.error = spawn(launch, name, input.raw, writeEnd.raw, &result.process)
        } else {
            result.error = spawn(launch, name, -1, writeEnd.raw, &result.process)
        }
        if result.error != 0 { close(output[0]) }
        return result
    }

    private static func spawn(
        _ launch: Launch, _ name: String, _ input: Int32, _ output: Int32, _ process: inout Int32
    ) -> Int32 {
        let arguments = CStrings(launch.arguments)
        let environment = CStrings(
            name.isEmpty
                ? launch.environment : [ActionNotes.variable + name] + launch.environment)
        var clock = Clock()
        if clock.now() > launch.notAfter { return late }
        return unsafe picket_spawn(
            arguments.base, environment.base, input, output, &process)
    }
}

/// A NULL-terminated vector of C strings.
@safe private final class CStrings {
    fileprivate let base: UnsafeMutablePointer<UnsafePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        unsafe base = .allocate(capacity: count + 1)
        for (index, string) in strings.enumerated() {
            unsafe base[index] = UnsafePointer(strdup(string))
        }
        unsafe base[count] = nil
    }

    deinit {
        for index in 0..<count { unsafe free(UnsafeMutablePointer(mutating: base[index])) }
        unsafe base.deallocate()
    }
}
