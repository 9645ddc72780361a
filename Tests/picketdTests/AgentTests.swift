import Foundation
import PicketConfig
import PicketControl
import PicketCore
import PicketLinux
import PicketWire
import Synchronization
import Testing

@testable import picketd

/// A whole agent in this process, and its peer played by the test.
struct AgentTests {
    @Test func `what comes between the look at the clock and the read is not heard before it came`()
        throws
    {
        let peer = try Peer()
        defer { peer.end() }
        let agent = peer.agent
        try peer.establish()

        try peer.say(Message(sequence: 1))
        try agent.wait()
        Worker.sleep(.milliseconds(2))
        let sentAt = peer.clock.now()
        #expect(agent.now < sentAt)
        try peer.say(Message(sequence: 2))
        agent.turn()

        let silence = try #require(agent.statusReport().links[0].silence)
        #expect(agent.now - silence >= sentAt)
    }

    @Test func `an agent that ends waits for its fence, and sleeps meanwhile`() throws {
        let peer = try Peer(fence: "[{ agent: { path: @/fence, off_within: 4s } }]") {
            directory in
            // The agent before this one was to switch the peer on again: a slow outlet.
            let files = FileManager.default
            try files.createDirectory(
                atPath: directory + "/state", withIntermediateDirectories: true)
            try FenceMark.text.write(
                toFile: directory + "/state/fence-1-off", atomically: true, encoding: .utf8)
            let script = directory + "/fence"
            try "#!/bin/sh\nsleep 2\n".write(toFile: script, atomically: true, encoding: .utf8)
            try files.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script)
        }
        defer { peer.end() }
        let agent = peer.agent
        try peer.establish()
        agent.leave()
        try peer.say(Message(sequence: 1))
        #expect(agent.fences.isBusy)

        let (began, used) = (peer.clock.now(), Peer.processorTime())
        _ = agent.end()
        #expect(!agent.fences.isBusy)
        #expect(peer.clock.now() - began > .seconds(1))
        #expect(Peer.processorTime() - used < .milliseconds(300))
    }

    @Test func `a flood on one link costs no contact on the other, and no look at a seal`() throws {
        let peer = try Peer(links: 2)
        defer { peer.end() }
        let agent = peer.agent
        try peer.establish()
        let flood = try peer.flood(from: "127.0.0.2")
        defer { flood.end() }
        let began = peer.clock.now()
        var lost = 0
        var met = false
        while peer.clock.now() - began < .milliseconds(1500) {
            try agent.wait()
            agent.turn()
            try peer.talk(on: 1)
            let contact = agent.statusReport().status.contact
            if met, contact != .established { lost += 1 }
            met = met || contact == .established
        }
        flood.end()
        #expect(met && lost == 0)
        let counters = agent.statusReport().counters
        func count(_ name: String) -> UInt64 { counters.first { $0.name == name }?.value ?? 0 }
        #expect(count("dropped_foreign_source") > 100)
        for name in ["not_authentic", "not_pickets", "unproven_session", "duplicate"] {
            #expect(count("dropped_" + name) == 0, "\(name)")
        }
    }

    /// The list is what turns, deadlines and descriptors follow from.
    @Test func `every part of an agent is in its list, once`() throws {
        let peer = try Peer()
        defer { peer.end() }
        let owned = Mirror(reflecting: peer.agent).children.compactMap { $0.value as? Part }
        #expect(owned.count > 10)
        #expect(
            Set(owned.map(ObjectIdentifier.init))
                == Set(peer.agent.parts.map(ObjectIdentifier.init)))
        #expect(owned.count == peer.agent.parts.count)
    }
}

/// Sends datagrams to one address as fast as it can, from another thread.
private final class Flood: @unchecked Sendable {
    private let ended = Mutex(false)
    private let socket: LinkSocket
    private let done = DispatchSemaphore(value: 0)

    init(_ datagram: [UInt8], by socket: LinkSocket) {
        self.socket = socket
        Thread.detachNewThread { [self] in
            while !self.ended.withLock({ $0 }) {
                _ = self.socket.send(datagram, count: datagram.count)
            }
            self.done.signal()
        }
    }

    func end() {
        let was = ended.withLock { flag in
            defer { flag = true }
            return flag
        }
        if !was { done.wait() }
    }
}

/// The other end of an agent's links.
private final class Peer {
    let agent: Agent
    var clock = Clock()
    private var channel: Channel
    private let sockets: [LinkSocket]
    private let directory: String
    private let addresses: [SocketAddress]
    private var mask = sigset_t()
    private var sequence: UInt64 = 0
    private var newest: UInt64 = 0

    /// - Parameters:
    ///   - fence: How the agent fences its peer; `@` is the directory.
    ///   - prepare: What is to lie in the directory before the agent starts.
    init(links: Int = 1, fence: String? = nil, prepare: (String) throws -> Void = { _ in }) throws {
        directory = "/tmp/picket-link.\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        let key = directory + "/pair.key"
        try #require(
            FileManager.default.createFile(
                atPath: key, contents: Data(repeating: 7, count: 32),
                attributes: [.posixPermissions: 0o600]))
        let free = try #require(SocketAddress(host: "127.0.0.1", port: 0))
        // Ports that nobody has: the agent's, then the peer's.
        let ports = try (0..<2 * links).map { _ in
            try LinkSocket(binding: free, to: free, named: "").localAddress().port
        }
        var options = Options()
        options.configuration = directory + "/picket.yaml"
        try """
        node: east
        pair:
          name: rack7
          detect_within: \(fence == nil ? "500ms" : "6s")
          key: \(key)
          nodes:
            east: { links: [\(Peer.list(ports.prefix(links)))] }
            west: { links: [\(Peer.list(ports.suffix(links)))] }
        watchdog: none
        fence: \(fence.map { "{ east: none, west: \($0) }" } ?? "none")
        directories: { state: \(directory)/state, run: \(directory)/run }

        """.replacingOccurrences(of: "@", with: directory)
            .write(toFile: options.configuration, atomically: true, encoding: .utf8)
        try prepare(directory)
        // The agent blocks signals for all threads that follow; here they are others'.
        unsafe pthread_sigmask(SIG_BLOCK, nil, &mask)
        let hardware = Hardware()
        let settings = try Startup.load(options, hardware)
        agent = Startup.assemble(options, hardware, settings)
        try agent.open()
        unsafe pthread_sigmask(SIG_SETMASK, &mask, nil)
        addresses = ports.map { SocketAddress(host: "127.0.0.1", port: $0)! }
        let known = addresses
        sockets = try (0..<links).map { link in
            try LinkSocket(binding: known[links + link], to: known[link], named: "peer")
        }
        channel = Channel(
            keys: try Startup.keys([key]), me: agent.settings.me.peer, session: SessionID(99),
            at: clock.now())
    }

    private static func list(_ ports: some Sequence<UInt16>) -> String {
        ports.map { "127.0.0.1:\($0)" }.joined(separator: ", ")
    }

    /// Of recorded datagrams, to the agent's first link.
    func flood(from host: String) throws -> Flood {
        _ = channel.hello(at: clock.now() + .seconds(10))
        let elsewhere = try #require(SocketAddress(host: host, port: 0))
        return Flood(
            channel.datagram,
            by: try LinkSocket(binding: elsewhere, to: addresses[0], named: "flood"))
    }

    /// Answers what came, by this link alone.
    func talk(on link: Int) throws {
        answer(on: link)
        sequence += 1
        var message = Message(sequence: sequence, acknowledged: newest, phase: .paired)
        message.sentAt = clock.now()
        try say(message, on: link)
    }

    /// Of this thread.
    static func processorTime() -> PicketCore.Duration {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .nanoseconds(Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    func end() { try? FileManager.default.removeItem(atPath: directory) }

    func establish() throws {
        _ = channel.hello(at: clock.now())
        send()
        for _ in 0..<100 where channel.peerSession == nil {
            try agent.wait()
            agent.turn()
            answer()
        }
        try #require(channel.peerSession == agent.session)
    }

    private func answer(on link: Int = 0) {
        var datagram = [UInt8](repeating: 0, count: 1500)
        while case .datagram(let count) = sockets[link].receive(into: &datagram) {
            switch channel.open(datagram, count: count, link: link, at: clock.now()) {
            case .parcel: break
            case .hello(answer: true, _): send(on: link)
            case .message(let message, _): newest = max(newest, message.sequence)
            case .hello, .copy, .dropped: break
            }
        }
    }

    func say(_ message: Message, on link: Int = 0) throws {
        let sealed = channel.seal(message)
        try #require(sealed == .sealed)
        send(on: link)
    }

    private func send(on link: Int = 0) {
        _ = sockets[link].send(channel.datagram, count: channel.datagram.count)
    }
}

struct FailedStartsTests {
    @Test func `a start that fails is tried at once, then ever later, and never given up`() {
        let pauses = [0, 4, 5, 6, 7, 8, 9, 10, 1_000_000].map { FailedStarts.pause(after: $0) }
        #expect(pauses == [0, 0, 1, 2, 4, 8, 16, 30, 30].map { .seconds($0) })
    }
}
