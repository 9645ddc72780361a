import CPicket
import PicketCore
import Testing

@testable import PicketLinux

struct ClockTests {
    @Test func `it never falls`() {
        var clock = Clock()
        var last = clock.now()
        for _ in 0..<1000 {
            let now = clock.now()
            #expect(now >= last)
            last = now
        }
    }
}

struct PollerTests {
    @Test func `a deadline ends the wait, not before its time`() throws {
        var poller = try Poller()
        var clock = Clock()
        let begin = clock.now()
        var ready: [UInt64] = []
        try poller.wait(until: begin + .milliseconds(5), now: begin, into: &ready)
        #expect(ready.isEmpty && clock.now() - begin >= .milliseconds(5))
    }

    @Test func `what is readable comes by its token, and is gone once it is read`() throws {
        var poller = try Poller()
        let queue = try BoundedQueue<Int>(capacity: 4)
        try poller.add(queue.raw, token: 42)
        #expect(queue.push(1))
        var clock = Clock()
        var ready: [UInt64] = []
        try poller.wait(until: .distantFuture, now: clock.now(), into: &ready)
        #expect(ready == [42])
        queue.clear()
        #expect(queue.pop() == 1)
        ready = []
        try poller.wait(until: clock.now(), now: clock.now(), into: &ready)
        #expect(ready.isEmpty)
    }
}

struct BoundedQueueTests {
    @Test func `a full queue refuses, in order and without loss`() throws {
        let queue = try BoundedQueue<Int>(capacity: 2)
        #expect(queue.push(1) && queue.push(2) && !queue.push(3))
        #expect(queue.pop() == 1)
        #expect(queue.push(4))
        #expect(queue.pop() == 2)
        #expect(queue.pop() == 4)
        #expect(queue.pop() == nil)
    }

    @Test func `what workers say all arrives`() throws {
        let queue = try BoundedQueue<Int>(capacity: 8)
        let each = 2000
        for worker in 0..<3 {
            try Worker.start("test") {
                for number in 0..<each {
                    while !queue.push(worker * each + number) { usleep(10) }
                }
            }
        }
        var seen = Set<Int>()
        while seen.count < 3 * each, let number = queue.wait(atMost: .seconds(20)) {
            seen.insert(number)
        }
        #expect(seen.count == 3 * each)
    }

    @Test func `waiting ends when nothing comes`() throws {
        let queue = try BoundedQueue<Int>(capacity: 1)
        #expect(queue.wait(atMost: .milliseconds(3)) == nil)
    }
}

struct LinkSocketTests {
    static func pair(_ host: String) throws -> (LinkSocket, LinkSocket) {
        let any = try #require(SocketAddress(host: host, port: 0))
        let a = try LinkSocket(binding: any, to: any, named: "a")
        let b = try LinkSocket(binding: any, to: try a.localAddress(), named: "b")
        a.redirect(to: try b.localAddress())
        return (a, b)
    }

    /// What comes within some ten seconds.
    private func arrived(
        at socket: LinkSocket, into buffer: inout [UInt8]
    ) -> LinkSocket.Received {
        for _ in 0..<2000 {
            let received = socket.receive(into: &buffer)
            if received != .nothing { return received }
            usleep(5000)
        }
        return .nothing
    }

    @Test(arguments: ["127.0.0.1", "::1"])
    func `a datagram arrives whole`(host: String) throws {
        let (a, b) = try LinkSocketTests.pair(host)
        var buffer = [UInt8](repeating: 0, count: 1200)
        #expect(b.receive(into: &buffer) == .nothing)
        #expect(a.send([1, 2, 3, 4], count: 3) == nil)
        #expect(arrived(at: b, into: &buffer) == .datagram(count: 3))
        #expect(Array(buffer[..<3]) == [1, 2, 3])
        #expect(b.receive(into: &buffer) == .nothing)
    }

    @Test func `a datagram that is too long is seen to be`() throws {
        let (a, b) = try LinkSocketTests.pair("127.0.0.1")
        var buffer = [UInt8](repeating: 0, count: 10)
        #expect(a.send(Array(repeating: 7, count: 11), count: 11) == nil)
        #expect(arrived(at: b, into: &buffer) == .oversize(count: 11))
    }

    @Test func `what comes from another host is told from the peer's`() throws {
        let (a, b) = try LinkSocketTests.pair("127.0.0.1")
        let elsewhere = try #require(SocketAddress(host: "127.0.0.2", port: 0))
        let stranger = try LinkSocket(
            binding: elsewhere, to: try b.localAddress(), named: "stranger")
        var buffer = [UInt8](repeating: 0, count: 10)
        #expect(stranger.send([1, 2, 3], count: 3) == nil)
        #expect(arrived(at: b, into: &buffer) == .foreign)
        #expect(a.send([1, 2, 3], count: 3) == nil)
        #expect(arrived(at: b, into: &buffer) == .datagram(count: 3))
    }

    @Test func `a link whose address is not there yet can be opened`() throws {
        let local = try #require(SocketAddress(host: "192.0.2.77", port: 0))
        _ = try LinkSocket(binding: local, to: local, named: "192.0.2.77:0")
    }

    @Test(arguments: ["", "localhost", "10.0.0", "10.0.0.1.1", "::1%nosuchinterface", ":::"])
    func `what is no numeric address is refused`(host: String) {
        #expect(SocketAddress(host: host, port: 1) == nil)
    }

    @Test func `an address in use is named in the error`() throws {
        let any = try #require(SocketAddress(host: "127.0.0.1", port: 0))
        let first = try LinkSocket(binding: any, to: any, named: "x")
        let taken = try first.localAddress()
        let error = #expect(throws: SystemError.self) {
            try LinkSocket(binding: taken, to: any, named: "127.0.0.1:\(taken.port)")
        }
        #expect(
            error?.description == "bind 127.0.0.1:\(taken.port): Address already in use")
    }
}

struct ControlListenerTests {
    @Test func `a second agent is refused and told who has the socket`() throws {
        let scratch = Scratch()
        let path = scratch.file("sock")
        let first = try ControlListener(path: path)
        var status = stat()
        unsafe stat(path, &status)
        #expect(status.st_mode & 0o777 == 0o660)
        do throws(ControlListener.Refusal) {
            _ = try ControlListener(path: path)
            Issue.record("the second listener was not refused")
        } catch {
            #expect(error.description.contains("process \(getpid()) has \(path)"))
        }
        first.withdraw()
    }

    @Test func `a group that the agent may not give the socket to is a warning`() throws {
        let scratch = Scratch()
        let path = scratch.file("sock")
        do {
            let listener = try ControlListener(path: path, group: "daemon") { _, _ in EPERM }
            #expect(listener.warning?.contains("SupplementaryGroups=daemon") == true)
            #expect(unsafe access(path, F_OK) == 0)
        }
        do {
            let listener = try ControlListener(path: path, group: "daemon") { _, _ in 0 }
            #expect(listener.warning == nil)
        }
        do throws(ControlListener.Refusal) {
            _ = try ControlListener(path: path, group: "daemon") { _, _ in EROFS }
            Issue.record("a file system that takes no change was no reason to end")
        } catch { #expect(error.description.hasPrefix("chown")) }
    }

    @Test func `a socket that a dead agent left is replaced`() throws {
        let scratch = Scratch()
        let path = scratch.file("sock")
        do { _ = try ControlListener(path: path) }
        #expect(unsafe access(path, F_OK) == 0)
        _ = try ControlListener(path: path)
    }

    @Test func `what a caller says arrives, and answers go back`() throws {
        let scratch = Scratch()
        let listener = try ControlListener(path: scratch.file("sock"))
        let caller = Descriptor(owning: unsafe picket_control_connect(listener.path))
        let accepted = listener.accept()
        let connection = try #require(accepted)
        #expect(connection.user == getuid())
        var buffer = [UInt8](repeating: 0, count: 16)
        #expect(connection.receive(into: &buffer) == .nothing)
        try caller.writeAll(Array("status\n".utf8), named: "")
        #expect(connection.receive(into: &buffer) == .bytes(count: 7))
        #expect(connection.send(Array("{}\n".utf8)))
        let count = caller.read(into: &buffer)
        #expect(count == 3)
    }

    @Test func `a caller that does not take its answers is given up, and waited for by nobody`()
        throws
    {
        let scratch = Scratch()
        let listener = try ControlListener(path: scratch.file("sock"))
        let caller = Descriptor(owning: unsafe picket_control_connect(listener.path))
        let accepted = listener.accept()
        let connection = try #require(accepted)
        let answer = [UInt8](repeating: 65, count: 100_000)
        var taken = 0
        while taken < 100, connection.send(answer) { taken += 1 }
        #expect(taken > 5 && taken < 100)
        #expect(connection.hasOutput)
        _ = caller.raw
    }

    @Test func `a caller that hung up is noticed`() throws {
        let scratch = Scratch()
        let listener = try ControlListener(path: scratch.file("sock"))
        do { _ = Descriptor(owning: unsafe picket_control_connect(listener.path)) }
        let accepted = listener.accept()
        let connection = try #require(accepted)
        var buffer = [UInt8](repeating: 0, count: 16)
        // What another test is just starting has the caller's descriptor until it closes it.
        for _ in 0..<2000 where connection.receive(into: &buffer) == .nothing { usleep(5000) }
        #expect(connection.receive(into: &buffer) == .ended)
    }
}

struct LoggerTests {
    @Test func `what nobody reads is dropped, counted and said`() throws {
        var ends: [Int32] = [-1, -1]
        unsafe picket_output_pipe(&ends)
        let reader = Descriptor(owning: ends[0])
        let writer = Descriptor(owning: ends[1])
        var logger = Logger(output: writer.raw)
        logger.log(.debug, "not at this level")
        logger.log(.warning, "first\nline")
        var buffer = [UInt8](repeating: 0, count: 1 << 17)
        var count = reader.read(into: &buffer) ?? 0
        #expect(String(decoding: buffer[..<count], as: UTF8.self) == "<4>first line\n")
        for _ in 0..<200 { logger.log(.info, String(repeating: "x", count: 1000)) }
        #expect(logger.dropped > 0)
        let dropped = logger.dropped
        while let more = reader.read(into: &buffer), more == buffer.count {}
        logger.log(.info, "after")
        count = reader.read(into: &buffer) ?? 0
        #expect(
            String(decoding: buffer[..<count], as: UTF8.self)
                == "<4>\(dropped) log lines were dropped: nobody took them\n<6>after\n")
        #expect(logger.dropped == 0)
    }
}
