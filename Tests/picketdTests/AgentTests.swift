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

    init() throws {
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
        fence: none
        directories: { state: \(directory)/state, run: \(directory)/run }

        """.write(toFile: options.configuration, atomically: true, encoding: .utf8)
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
