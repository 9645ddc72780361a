import Foundation
import PicketConfig
import PicketControl
import PicketCore
import PicketLinux
import PicketWire
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
        let peer = try Peer(fence: "[{ agent: { path: @/fence, off_within: 50ms, timeout: 20s } }]")
        {
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

/// The other end of an agent's only link.
private final class Peer {
    let agent: Agent
    var clock = Clock()
    private var channel: Channel
    private let socket: LinkSocket
    private let directory: String
    private var mask = sigset_t()

    /// - Parameters:
    ///   - fence: How the agent fences its peer; `@` is the directory.
    ///   - prepare: What is to lie in the directory before the agent starts.
    init(fence: String? = nil, prepare: (String) throws -> Void = { _ in }) throws {
        directory = "/tmp/picket-link.\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        let key = directory + "/pair.key"
        try #require(
            FileManager.default.createFile(
                atPath: key, contents: Data(repeating: 7, count: 32),
                attributes: [.posixPermissions: 0o600]))
        let free = try #require(SocketAddress(host: "127.0.0.1", port: 0))
        // Two ports that nobody has.
        let ports = try (0..<2).map { _ in
            try LinkSocket(binding: free, to: free, named: "").localAddress().port
        }
        var options = Options()
        options.configuration = directory + "/picket.yaml"
        try """
        node: east
        pair:
          name: rack7
          detect_within: 500ms
          key: \(key)
          nodes:
            east: { links: [127.0.0.1:\(ports[0])] }
            west: { links: [127.0.0.1:\(ports[1])] }
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
        let addresses = ports.map { SocketAddress(host: "127.0.0.1", port: $0)! }
        socket = try LinkSocket(binding: addresses[1], to: addresses[0], named: "peer")
        channel = Channel(
            keys: try Startup.keys([key]), me: agent.settings.me.peer, session: SessionID(99),
            at: clock.now())
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

    private func answer() {
        var datagram = [UInt8](repeating: 0, count: 1500)
        while case .datagram(let count) = socket.receive(into: &datagram) {
            let opened = channel.open(datagram, count: count, link: 0, at: clock.now())
            if case .hello(answer: true, _) = opened { send() }
        }
    }

    func say(_ message: Message) throws {
        let sealed = channel.seal(message)
        try #require(sealed == .sealed)
        send()
    }

    private func send() { _ = socket.send(channel.datagram, count: channel.datagram.count) }
}
