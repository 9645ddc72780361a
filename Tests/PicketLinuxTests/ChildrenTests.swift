import CPicket
import PicketCore
import Testing

@testable import PicketLinux

struct ChildrenTests {
    private let scratch = Scratch()

    /// Turns until `id` has ended, at most ten seconds.
    static func run(
        _ children: Children, until id: UInt32, _ each: (Children.Event) -> Void = { _ in }
    ) -> (lines: [String], end: ChildEnd?) {
        var lines: [String] = []
        var end: ChildEnd?
        for _ in 0..<2000 where end == nil {
            children.turn(watch: { _ in }) { event in
                each(event)
                switch event {
                case .line(id, let line): lines.append(line)
                case .ended(id, let how): end = how
                default: break
                }
            }
            usleep(5000)
        }
        return (lines, end)
    }

    static func launch(
        _ script: String, input: [UInt8]? = nil, endsWithAgent: Bool = false,
        follows: Bool = false, pace: Duration = .zero
    ) -> Launch {
        Launch(
            arguments: ["sh", "-c", script], environment: ["PATH=/usr/bin:/bin", "PICKET_TERM=7"],
            input: input, endsWithAgent: endsWithAgent, follows: follows, pace: pace)
    }

    @Test func `a connection is this process's own, and is waited for where nobody listens yet`()
        throws
    {
        let children = try Children(notedIn: scratch.path, session: SessionID(1))
        let path = scratch.file("socket")
        var launch = ChildrenTests.launch("test -S /dev/stdin && echo hello")
        launch.connection = Launch.Connection(to: path, within: .seconds(9))
        children.launch(1, launch)
        usleep(100_000)
        let listener = try ControlListener(path: path)
        var caller: ControlConnection?
        while caller == nil {
            usleep(5000)
            caller = listener.accept()
        }
        #expect(caller?.process == getpid())
        #expect(ChildrenTests.run(children, until: 1) == (["hello"], .exited(0)))
        // Nobody comes: it is started all the same.
        launch = ChildrenTests.launch("test -S /dev/stdin || echo none")
        launch.connection = Launch.Connection(to: path + "-none", within: .milliseconds(60))
        children.launch(2, launch)
        #expect(ChildrenTests.run(children, until: 2) == (["none"], .exited(0)))
    }

    @Test func `of one that follows a turn takes the newest whole line, however much it says`()
        throws
    {
        let children = try Children(notedIn: scratch.path, session: SessionID(1))
        let flood = "seq -f 'a:%.0f' 200000; printf 'a:7'; sleep 0.3; echo 5; printf 9"
        children.launch(1, ChildrenTests.launch(flood, follows: true))
        var (turns, numbers, last, isOver) = (0, [Int](), "", false)
        while !isOver, turns < 5000 {
            turns += 1
            var inTurn = 0
            children.turn(watch: { _ in }) { event in
                if case .ended = event { isOver = true }
                guard case .line(_, let line) = event else { return }
                inTurn += 1
                if let number = Int(line.dropFirst(2)) { numbers.append(number) }
                last = line
            }
            // What an end leaves is read once more.
            #expect(inTurn <= (isOver ? 2 : 1))
            usleep(1000)
        }
        #expect(isOver && last == "a:75" && numbers.contains(200_000))
        #expect(numbers.dropLast() == numbers.dropLast().sorted()[...] && numbers.count > 2)
    }

    @Test func `one that floods is waited for and read no more often than its pace`() throws {
        let children = try Children(notedIn: scratch.path, session: SessionID(1))
        let pace = Duration.milliseconds(100)
        children.launch(1, ChildrenTests.launch("exec yes a:1", follows: true, pace: pace))
        var poller = try Poller()
        try poller.add(children.raw, token: 0)
        var clock = Clock()
        var (turns, reads) = (0, 0)
        let end = clock.now() + .seconds(1)
        while clock.now() < end {
            turns += 1
            children.turn(
                watch: { try? poller.add($0, token: 1) }, forget: { poller.remove($0) }
            ) { if case .line = $0 { reads += 1 } }
            var ready: [UInt64] = []
            try poller.wait(
                until: min(end, children.nextDeadline), now: clock.now(), into: &ready)
        }
        #expect((5...11).contains(reads))
        // Each reading ends one wait, and may begin one that ends at once.
        #expect(turns <= 3 * reads + 5, "\(turns)")
        children.kill(1)
        #expect(ChildrenTests.run(children, until: 1).end == .signalled(9))
    }

    @Test func `no part of a line that is too long is a reading`() throws {
        let children = try Children(notedIn: scratch.path, session: SessionID(1))
        let long = "printf %01500d 1; sleep 0.2; echo; sleep 0.2; echo a:1; sleep 0.2"
        children.launch(1, ChildrenTests.launch(long, follows: true))
        let lines = ChildrenTests.run(children, until: 1).lines
        #expect(lines == ["a line that is too long", "a line that is too long", "a:1"])
    }

    @Test func `nothing of one that follows outlives it`() throws {
        let children = try Children(notedIn: scratch.path, session: SessionID(1))
        children.launch(1, ChildrenTests.launch("sleep 600 & echo $!", follows: true))
        let (lines, end) = ChildrenTests.run(children, until: 1)
        #expect(end == .exited(0))
        let left = try #require(lines.first.flatMap { Int32($0) })
        let status = (try? DurableFile.read("/proc/\(left)/status")) ?? nil
        #expect(status.map { String(decoding: $0, as: UTF8.self).contains("State:\tZ") } ?? true)
        for _ in 0..<2000 where !Directory.names(scratch.path).isEmpty { usleep(5000) }
        #expect(Directory.names(scratch.path) == [])
    }

    @Test func `a process has its arguments, its environment, its input and nothing else`() throws {
        let children = try Children(notedIn: scratch.path, session: SessionID(1))
        children.launch(
            1,
            ChildrenTests.launch(
                "read a; echo $a $PICKET_TERM; env | wc -l; exec ls /proc/self/fd",
                input: Array("hello\n".utf8)))
        var first: Children.Event?
        let (lines, end) = ChildrenTests.run(children, until: 1) { first = first ?? $0 }
        #expect(first == .began(id: 1))
        #expect(end == .exited(0))
        #expect(lines.first == "hello 7")
        // The last is the directory, which ls itself opened.
        #expect(lines.suffix(4) == ["0", "1", "2", "3"])
        #expect(children.isEmpty)
    }

    @Test(arguments: [0, 1, 127]) func `its exit code is told`(code: Int32) throws {
        let children = try Children(notedIn: scratch.path, session: SessionID(1))
        children.launch(1, ChildrenTests.launch("exit \(code)"))
        #expect(ChildrenTests.run(children, until: 1).end == .exited(code))
    }

    @Test func `a program that is not there is not started`() throws {
        let children = try Children(notedIn: scratch.path, session: SessionID(1))
        children.launch(9, Launch(arguments: ["/no/such/program"], environment: []))
        let end = ChildrenTests.run(children, until: 9).end
        #expect(end == .notStarted(ENOENT))
        #expect(end?.wasNotTried == false)
        #expect(ChildEnd.notStarted(EAGAIN).wasNotTried)
    }

    @Test func `killing reaches everything that it started`() throws {
        let aside = Scratch()
        let children = try Children(notedIn: scratch.path, session: SessionID(1))
        let (begun, over) = (aside.file("begun"), aside.file("over"))
        let deaf = "trap '' TERM; touch \(begun); sleep 2; touch \(over)"
        children.launch(1, ChildrenTests.launch("(\(deaf)) & sleep 100"))
        while unsafe access(begun, F_OK) != 0 {
            children.turn(watch: { _ in }, { _ in })
            usleep(2000)
        }
        children.kill(1)
        #expect(ChildrenTests.run(children, until: 1).end == .signalled(9))
        sleep(3)
        #expect(unsafe access(over, F_OK) != 0)
    }

    @Test func `a process that is killed before it was started dies too`() throws {
        let children = try Children(notedIn: scratch.path, session: SessionID(1))
        children.launch(1, ChildrenTests.launch("sleep 100"))
        children.kill(1)
        #expect(ChildrenTests.run(children, until: 1).end == .signalled(9))
    }

    @Test func `one that was killed has not ended while another of its group is there`() throws {
        let aside = Scratch()
        let children = try Children(notedIn: scratch.path, session: SessionID(1))
        let (begun, over) = (aside.file("begun"), aside.file("over"))
        // Perl leaves the group, and what it forked in it goes only with Perl itself.
        let holder = """
            if (fork) { setpgrp(0, 0); system("touch \(begun)"); sleep 1; system("touch \(over)") }
            else { sleep 60 }
            """
        children.launch(1, ChildrenTests.launch("perl -e '\(holder)' & sleep 60"))
        while unsafe access(begun, F_OK) != 0 {
            children.turn(watch: { _ in }, { _ in })
            usleep(2000)
        }
        children.kill(1)
        #expect(ChildrenTests.run(children, until: 1).end == .signalled(9))
        #expect(try DurableFile.read(over) != nil)
        #expect(children.nextDeadline == .distantFuture && children.isEmpty)
    }

    @Test func `all of a flood are started, heard and ended`() throws {
        let children = try Children(notedIn: scratch.path, session: SessionID(1))
        let flood: ClosedRange<UInt32> = 1...200
        for id in flood { children.launch(id, ChildrenTests.launch("sleep 0.2; echo \(id)")) }
        var heard: Set<String> = []
        var ended: Set<UInt32> = []
        for _ in 0..<4000 where ended.count < flood.count {
            children.turn(watch: { _ in }) { event in
                switch event {
                case .began: break
                case .line(_, let line): heard.insert(line)
                case .ended(let id, let end):
                    #expect(end == .exited(0))
                    ended.insert(id)
                }
            }
            usleep(5000)
        }
        #expect(ended == Set(flood))
        #expect(heard == Set(flood.map { "\($0)" }))
    }

    @Test func `what is started is not spared when memory runs out, as the agent is`() throws {
        let own = "/proc/self/oom_score_adj"
        let file = try Descriptor.open(own, O_WRONLY)
        try file.writeAll(Array("150".utf8), named: own)
        let children = try Children(notedIn: scratch.path, session: SessionID(1))
        // It is given its own a moment after its start.
        let wait = "for i in $(seq 100); do [ $(cat \(own)) = 150 ] || break; sleep 0.1; done"
        children.launch(1, ChildrenTests.launch("\(wait); cat \(own)"))
        #expect(ChildrenTests.run(children, until: 1).lines == ["0"])
        try file.writeAll(Array("0".utf8), named: own)
    }

    @Test func `one whose time has passed is not started`() throws {
        let children = try Children(notedIn: scratch.path, session: SessionID(1))
        var clock = Clock()
        var launch = ChildrenTests.launch("exit 3")
        launch.notAfter = clock.now() - .milliseconds(1)
        children.launch(1, launch)
        #expect(ChildrenTests.run(children, until: 1).end == .late)
        launch.notAfter = clock.now() + .seconds(30)
        children.launch(2, launch)
        #expect(ChildrenTests.run(children, until: 2).end == .exited(3))
    }

    @Test func `signals that the agent blocks are not blocked in its children`() throws {
        _ = try Signals()
        let children = try Children(notedIn: scratch.path, session: SessionID(1))
        children.launch(1, ChildrenTests.launch("kill -TERM $$; sleep 5"))
        #expect(ChildrenTests.run(children, until: 1).end == .signalled(15))
    }

    @Test func `one that talks without end is bounded`() throws {
        let children = try Children(notedIn: scratch.path, session: SessionID(1))
        children.launch(1, ChildrenTests.launch("yes | head -c 300000; printf rest"))
        let (lines, end) = ChildrenTests.run(children, until: 1)
        #expect(end == .exited(0))
        #expect(lines.count == Children.mostLines)
        #expect(lines.last == "… says more, which is not logged")
    }
}

struct ServiceManagerTests {
    @Test func `it is told over a path and over an abstract name`() throws {
        // The tests of one process share an environment: both in one test.
        let scratch = Scratch()
        for name in [scratch.file("notify"), "@picket-test-\(getpid())"] {
            let socket = Descriptor(owning: unsafe picket_notify_receiver(name))
            let raw = socket.raw
            try #require(raw >= 0)
            unsafe setenv("NOTIFY_SOCKET", name, 1)
            unsafe setenv("WATCHDOG_USEC", "2000000", 1)
            unsafe setenv("WATCHDOG_PID", "\(getpid())", 1)
            let manager = try #require(ServiceManager())
            #expect(manager.watchdog == .seconds(2))
            manager.ready(status: "paired")
            var buffer = [UInt8](repeating: 0, count: 64)
            let count = socket.read(into: &buffer) ?? 0
            #expect(String(decoding: buffer[..<count], as: UTF8.self) == "READY=1\nSTATUS=paired")
            for nonsense in ["0", "-1", "9223372036854775807", "soon"] {
                unsafe setenv("WATCHDOG_USEC", nonsense, 1)
                #expect(ServiceManager()?.watchdog == nil)
            }
            unsafe setenv("WATCHDOG_USEC", "2000000", 1)
            unsafe setenv("WATCHDOG_PID", "1", 1)
            #expect(ServiceManager()?.watchdog == nil)
        }
        Environment.remove("NOTIFY_SOCKET")
        #expect(ServiceManager() == nil)
    }
}

struct LeftBehindTests {
    private let scratch = Scratch()

    @Test func `what an agent leaves behind is ended by the next, and what it brought up is not`()
        throws
    {
        let children = try Children(notedIn: scratch.path, session: SessionID(0xA))
        let aside = Scratch()
        let service = aside.file("service")
        // It tells its number once its session is its own.
        let start = "setsid sh -c 'echo $$ > \(service); exec sleep 600' & sleep 600"
        children.launch(1, ChildrenTests.launch(start, endsWithAgent: true))
        children.launch(2, ChildrenTests.launch("true", endsWithAgent: true))
        children.launch(3, ChildrenTests.launch("sleep 60"))
        _ = ChildrenTests.run(children, until: 2)
        for _ in 0..<2000 where Directory.names(scratch.path).contains("a-2") { usleep(5000) }
        while try DurableFile.read(service)?.last != UInt8(ascii: "\n") { usleep(5000) }
        #expect(Directory.names(scratch.path).contains("a-1"))
        #expect(LeftBehind.end(notedIn: scratch.path, within: .seconds(5)) == .init())
        // It is reaped by whoever is its parent, here by this process.
        #expect(ChildrenTests.run(children, until: 1).end == .signalled(9))
        #expect(!Directory.names(scratch.path).contains("a-1"))
        let line = String(decoding: try #require(try DurableFile.read(service)), as: UTF8.self)
        let process = try #require(Int32(line.split(separator: "\n")[0]))
        #expect(kill(process, 9) == 0, "the service lives")
        children.kill(3)
        #expect(ChildrenTests.run(children, until: 3).end == .signalled(9))
    }

    @Test func `whose start nobody heard the end of is told`() throws {
        let children = try Children(notedIn: scratch.path, session: SessionID(0xD))
        var launch = ChildrenTests.launch("sleep 600", endsWithAgent: true)
        launch.starts = "gateway"
        children.launch(1, launch)
        launch = ChildrenTests.launch("true", endsWithAgent: true)
        launch.starts = "base"
        children.launch(2, launch)
        _ = ChildrenTests.run(children, until: 2)
        for _ in 0..<2000 where Directory.names(scratch.path).contains("d-2") { usleep(5000) }
        let note = scratch.file("d-1")
        while try DurableFile.read(note)?.count(where: { $0 == 10 }) != 2 { usleep(5000) }
        #expect(
            LeftBehind.end(notedIn: scratch.path, within: .seconds(5))
                == .init(interrupted: ["gateway"]))
        #expect(ChildrenTests.run(children, until: 1).end == .signalled(9))
        #expect(LeftBehind.end(notedIn: scratch.path, within: .seconds(5)) == .init())
    }

    @Test func `a probe that a dead agent leaves is ended too`() throws {
        let children = try Children(notedIn: scratch.path, session: SessionID(0xC))
        children.launch(1, ChildrenTests.launch("sleep 600", follows: true))
        let note = scratch.file("follower-c-1")
        for _ in 0..<2000 where (try? DurableFile.read(note))??.isEmpty ?? true { usleep(5000) }
        #expect(LeftBehind.end(notedIn: scratch.path, within: .seconds(5)) == .init())
        #expect(ChildrenTests.run(children, until: 1).end == .signalled(9))
    }

    @Test func `what a leader that is gone had started is ended by the next agent too`() throws {
        let children = try Children(notedIn: scratch.path, session: SessionID(0xB))
        let aside = Scratch()
        let file = aside.file("processes")
        let script = "sleep 600 & echo $$ $! > \(file); exit 0"
        children.launch(1, ChildrenTests.launch(script, endsWithAgent: true))
        let note = scratch.file("b-1")
        while try DurableFile.read(file)?.last != UInt8(ascii: "\n") { usleep(5000) }
        while try DurableFile.read(note)?.last != 10 { usleep(5000) }
        let line = String(decoding: try #require(try DurableFile.read(file)), as: UTF8.self)
        let processes = line.split { $0 == " " || $0 == "\n" }.compactMap { Int32($0) }
        let (leader, member) = (processes[0], processes[1])
        // This agent is taken for dead, and has not heard of its end.
        while try lives(leader) { usleep(5000) }
        #expect(try lives(member))
        #expect(LeftBehind.end(notedIn: scratch.path, within: .seconds(5)) == .init())
        for _ in 0..<1000 where try lives(member) { usleep(5000) }
        #expect(try !lives(member))
        #expect(ChildrenTests.run(children, until: 1).end == .exited(0))
    }

    /// Neither gone nor a zombie.
    private func lives(_ process: Int32) throws -> Bool {
        guard let bytes = try? DurableFile.read("/proc/\(process)/stat") else { return false }
        let status = String(decoding: bytes, as: UTF8.self)
        let state = try #require(status.split(separator: ")").last).dropFirst().first
        return state != "Z" && state != "X"
    }
}
