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
            try FileManager.default.createDirectory(
                atPath: directory + "/state", withIntermediateDirectories: true)
            try FenceMark.text.write(
                toFile: directory + "/state/fence-1-off", atomically: true, encoding: .utf8)
            try Peer.script("#!/bin/sh\nsleep 2\n", at: directory + "/fence")
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

    @Test func `a reload changes links, and what is known of one that stays goes with it`() throws {
        let peer = try Peer(links: 3)
        defer { peer.end() }
        let agent = peer.agent
        func up() -> [Bool] { agent.statusReport().links.map { $0.up } }
        try peer.establish()
        #expect(try peer.turn { up() == [true, false, false] })

        // Out, in again and in another order: at no time is the first one not known to be up.
        try peer.reload(links: [0])
        #expect(up() == [true])
        try peer.reload(links: [2, 0])
        #expect(up() == [false, true])
        let received = agent.statusReport().links[1].received
        #expect(received > 0)
        #expect(try peer.turn { agent.statusReport().links[1].received > received + 3 })
        #expect(up() == [false, true])
        #expect(try peer.turn(on: 2) { up() == [true, true] })

        // A file that keeps only a link that is not heard, or none.
        try peer.reload(links: [0, 1])
        #expect(throws: Refused.self) { try peer.reload(links: [1]) }
        #expect(throws: Refused.self) { try peer.reload(links: [1, 2]) }
        #expect(up() == [true, false])
        // The end of one cannot be bound, so that all stays as it was.
        let taken = try LinkSocket(
            binding: peer.addresses[2], to: peer.addresses[5], named: "taken")
        #expect {
            try peer.reload(links: [2, 0])
        } throws: { error in
            (error as? StartupError)?.lines[0].contains("Address already in use") == true
                && (error as? StartupError)?.lines[0].contains("link 1: bind 127.0.0.1") == true
        }
        #expect(up() == [true, false])
        #expect(try peer.turn { up() == [true, false] && agent.links.count == 2 })
        withExtendedLifetime(taken) {}
        // The own end goes on to another end of the peer's.
        try peer.reload(links: [0, 1], to: [0, 2])
        #expect(up() == [true, false])
        #expect(try peer.turn(on: 2, to: 1) { up() == [true, true] })
        // It is heard on that one alone for a while; then the other may go.
        #expect(try peer.turn(on: 2, to: 1) { up() == [false, true] })
        try peer.reload(links: [1], to: [2])
        #expect(up() == [true])
        #expect(agent.status.contact == .established)
    }

    @Test func `a reload gives a level another place, and refuses others in a fence`() throws {
        func levels(_ scripts: String...) -> String {
            let list = scripts.map { "{ agent: { path: @/\($0), off_within: 4s } }" }
            return "[\(list.joined(separator: ", "))]"
        }
        let peer = try Peer(fence: levels("first")) { directory in
            for name in ["first", "second", "third"] {
                try Peer.script(
                    "#!/bin/sh\ngrep -q action=off || exit 0\nsleep 0.5\nexit 1\n",
                    at: "\(directory)/\(name)")
            }
        }
        defer { peer.end() }
        let agent = peer.agent
        func test() -> Message.RelayTest { agent.status.relayTest }
        func failed() -> [Bool] { agent.fences.cuts(at: agent.now).map { $0.failed } }
        func files(_ suffix: String) -> [Int] {
            (1...3).filter {
                FileManager.default.fileExists(
                    atPath: "\(peer.directory)/state/fence-\($0)-\(suffix)")
            }
        }
        func reload(_ from: String, _ to: String) throws {
            func text(_ levels: String) -> String {
                levels.replacingOccurrences(of: "@", with: peer.directory)
            }
            try peer.reload { all in
                #expect(all.contains(text(from)))
                return all.replacingOccurrences(of: text(from), with: text(to))
            }
        }
        try peer.establish()
        #expect(try peer.turn { test() == .passed && files("off") == [1] })

        // A fence, which fails in the end.
        agent.handle(.command(.fence, id: 1))
        #expect(throws: Refused.self) { try reload(levels("first"), levels("third")) }
        let refusal = agent.fences.refusal(of: try peer.read(), [nil], agent)
        #expect(refusal?.contains("fence: a fence of west is under way") == true)
        #expect(try peer.turn { agent.mayFenceAnew && test() == .failed })
        #expect(try peer.turn { agent.fences.methods[0].mayGo(agent) })

        // The level is the same one at another place, with what is known of it.
        try reload(levels("third"), levels("second", "first"))
        #expect(failed() == [false, true] && test() == .failed)
        #expect(try peer.turn { files("off") == [1, 2] && files("cut").contains(2) })
        try reload(levels("second", "first"), levels("first", "third"))
        #expect(failed() == [true, false] && test() == .failed)

        // One that is new begins untested and without a record, and the peer is told at once.
        #expect(try peer.turn { peer.heard?.relayTest == .failed })
        try reload(levels("first", "third"), levels("second"))
        #expect(failed() == [false] && test() == .unknown)
        #expect(try peer.turn { test() == .passed && peer.heard?.relayTest == .passed })
        #expect(try peer.turn { files("off") == [1] && files("cut") == [1] })
        try reload(levels("second"), "none")
        #expect(test() == .absent)
        #expect(try peer.turn { peer.heard?.relayTest == .absent })
        #expect(try peer.turn { files("off") == [] && files("cut") == [] })
        _ = agent.end()
    }

    @Test func `what a level that is gone still says counts for none`() throws {
        func level(_ name: String) -> String { "[{ agent: { path: @/\(name), off_within: 4s } }]" }
        let peer = try Peer(fence: level("former")) { directory in
            for (name, seconds, status) in [("former", "0.7", 1), ("present", "1.4", 0)] {
                try Peer.script(
                    "#!/bin/sh\nsleep \(seconds)\nexit \(status)\n", at: "\(directory)/\(name)")
            }
        }
        defer { peer.end() }
        let agent = peer.agent
        func test() -> Message.RelayTest { agent.status.relayTest }
        try peer.establish()
        // Both self-tests are under way.
        try peer.reload { $0.replacingOccurrences(of: "/former", with: "/present") }
        #expect(test() == .unknown)
        #expect(try peer.turn { test() != .unknown })
        #expect(test() == .passed)
        _ = agent.end()
    }

    @Test func `a fence that failed is known to the agent that follows`() throws {
        let peer = try Peer(fence: "[{ agent: { path: @/fence, off_within: 4s } }]") { directory in
            try Peer.script("#!/bin/sh\nsleep 30\n", at: directory + "/fence")
            var options = Options()
            options.configuration = directory + "/picket.yaml"
            let settings = try Startup.load(options, Hardware())
            var (record, clock) = (FenceRecord(), Clock())
            record.fenced(false, at: clock.now())
            let state = directory + "/state"
            try FileManager.default.createDirectory(
                atPath: state, withIntermediateDirectories: true)
            let stamp = Stamp(boot: "a", at: clock.now(), wall: 0, isSynchronised: false)
            try record.text(level: settings.fence[0].digest, stamp).write(
                toFile: FenceRecord.path(state, level: 0), atomically: true, encoding: .utf8)
        }
        defer { peer.end() }
        #expect(try peer.turn(silently: true) { peer.agent.status.relayTest == .failed })
        _ = peer.agent.end()
    }

    @Test func `a level that has left the peer off stays in the file until the power is on`() throws
    {
        // The agent before this one has cut it.
        let peer = try Peer(fence: "[{ agent: { path: @/fence, policy: off, off_within: 4s } }]") {
            directory in
            try Peer.script(
                """
                #!/bin/sh
                read action
                case $action in
                    action=on) rm -f \(directory)/off ;;
                    action=status) [ ! -e \(directory)/off ] || exit 2 ;;
                esac
                """, at: directory + "/fence")
            try #require(
                FileManager.default.createFile(atPath: directory + "/off", contents: nil))
        }
        defer { peer.end() }
        let agent = peer.agent
        let without = try peer.read { text in
            text.split(separator: "\n", omittingEmptySubsequences: false)
                .map { $0.hasPrefix("fence:") ? "fence: none" : $0 }.joined(separator: "\n")
        }
        func refusal() -> String? { agent.fences.refusal(of: without, [], agent) }
        #expect(try peer.turn(silently: true) { agent.status.relayTest == .failed })
        #expect(
            refusal()?.contains(
                "agent fence has still to give west its power back, and the file removes or changes"
                    + " it") == true, "\(refusal() ?? "taken up")")
        agent.fences.switchOn(agent)
        #expect(try peer.turn(silently: true) { refusal() == nil })
        _ = agent.end()
    }

    @Test func `a key that the peer speaks with stays until it has the new one`() throws {
        let peer = try Peer()
        defer { peer.end() }
        let agent = peer.agent
        let old = try #require(Key([UInt8](repeating: 7, count: 32)))
        let new = try #require(Key([UInt8](repeating: 8, count: 32)))
        func refusal(_ keys: Key...) -> String? {
            agent.links.refusal(of: keys, agent.settings, agent)
        }
        func goOn(for turns: Int) throws -> Bool {
            var left = turns
            return try peer.turn {
                left -= 1
                return left < 0
            }
        }
        // Where there is no contact there is none to lose.
        #expect(refusal(new) == nil)
        try peer.establish()
        #expect(try peer.turn { agent.status.contact == .established })

        // The peer has only the old one.
        #expect(refusal(new)?.contains("key: found") == true)
        #expect(refusal(new)?.contains("expected a key that west has too") == true)
        #expect(refusal(new, old) == nil && refusal(old) == nil)
        agent.links.replace([new, old], agent.settings)
        #expect(try goOn(for: 20) && refusal(new) != nil)
        // It has both, and has not said so yet.
        peer.replace([new, old])
        #expect(refusal(new) != nil)
        #expect(try goOn(for: 20) && refusal(new) == nil && refusal(old) == nil)
        // It has dropped the old one.
        peer.replace([new])
        #expect(try goOn(for: 20) && refusal(new) == nil && refusal(old) != nil)
        #expect(agent.status.contact == .established)
        // It has lost the contact that it would lose by that.
        #expect(try peer.turn(silently: true) { agent.status.contact == .lost })
        #expect(refusal(old) == nil)
        _ = agent.end()
    }

    static let memory = "/dev/shm"

    @Test(.enabled(if: StatePlace.whyVolatile(memory) == "a tmpfs", "nothing is kept in memory"))
    func `an agent whose state lies in memory says so, and tells its peer`() throws {
        let peer = try Peer(in: Self.memory)
        defer { peer.end() }
        #expect(peer.agent.statusReport().process.volatileState == "a tmpfs")
        try peer.establish()
        #expect(try peer.turn { peer.heard?.gaps?.contains(.volatileState) == true })
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

/// A file that is not taken up.
private struct Refused: Error {}

/// The other end of an agent's links.
private final class Peer {
    let agent: Agent
    var clock = Clock()
    private var channel: Channel
    private let sockets: [LinkSocket]
    let directory: String
    private let options: Options
    /// The newest that the agent has said.
    private(set) var heard: Message?
    /// The agent's ends, then the peer's.
    let addresses: [SocketAddress]
    private let ports: [UInt16]
    private var mask = sigset_t()
    private var sequence: UInt64 = 0
    private var newest: UInt64 = 0

    /// - Parameters:
    ///   - fence: How the agent fences its peer; `@` is the directory.
    ///   - groups: The agent's, as the file has them; `@` is the directory.
    ///   - place: Where the directory is.
    ///   - prepare: What is to lie in the directory before the agent starts.
    init(
        links: Int = 1, fence: String? = nil, groups: String = "", in place: String = "/tmp",
        prepare: (String) throws -> Void = { _ in }
    ) throws {
        directory = "\(place)/picket-link.\(UInt32.random(in: 0...UInt32.max))"
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
        \(groups)

        """.replacingOccurrences(of: "@", with: directory)
            .write(toFile: options.configuration, atomically: true, encoding: .utf8)
        self.options = options
        try prepare(directory)
        // The agent blocks signals for all threads that follow; here they are others'.
        unsafe pthread_sigmask(SIG_BLOCK, nil, &mask)
        let hardware = Hardware()
        let settings = try Startup.load(options, hardware)
        agent = Startup.assemble(options, hardware, settings)
        try agent.open()
        unsafe pthread_sigmask(SIG_SETMASK, &mask, nil)
        self.ports = ports
        addresses = ports.map { SocketAddress(host: "127.0.0.1", port: $0)! }
        let known = addresses
        sockets = try (0..<links).map { link in
            try LinkSocket(binding: known[links + link], to: known[link], named: "peer")
        }
        channel = Channel(
            keys: try Startup.keys([key]), me: agent.settings.me.peer, session: SessionID(99),
            at: clock.now())
    }

    /// Turns until it is so, at most ten seconds.
    func turn(
        on link: Int = 0, to end: Int? = nil, silently: Bool = false, until isSo: () throws -> Bool
    ) throws -> Bool {
        let limit = clock.now() + .seconds(10)
        while clock.now() < limit {
            if try isSo() { return true }
            try agent.wait()
            // Another agent in this process may have had the signal.
            agent.processes.noteEnd()
            agent.turn()
            if !silently { try talk(on: link, to: end) }
        }
        return false
    }

    /// The agent takes up a file with links from these of its ends to these of the peer's.
    func reload(links: [Int], to ends: [Int]? = nil) throws {
        let count = ports.count / 2
        let theirs = (ends ?? links).map { ports[count + $0] }
        try reload { text in
            text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
                if line.contains("east: { links:") {
                    return "    east: { links: [\(Peer.list(links.map { ports[$0] }))] }"
                }
                if line.contains("west: { links:") {
                    return "    west: { links: [\(Peer.list(theirs))] }"
                }
                return String(line)
            }.joined(separator: "\n")
        }
    }

    /// The agent takes up its file, as it is after this change of its text.
    func reload(_ change: (String) -> String) throws {
        let text = try String(contentsOfFile: options.configuration, encoding: .utf8)
        try change(text).write(toFile: options.configuration, atomically: true, encoding: .utf8)
        let new = try read()
        new.keepPlaces(of: agent.settings)
        guard try agent.takeUp(new) else { throw Refused() }
    }

    func read() throws -> Configuration { try Startup.load(options, Hardware()) }

    /// The agent's file as it would be after this change of its text.
    func read(_ change: (String) -> String) throws -> Configuration {
        let text = try String(contentsOfFile: options.configuration, encoding: .utf8)
        var options = options
        options.configuration += ".changed"
        try change(text).write(toFile: options.configuration, atomically: true, encoding: .utf8)
        return try Startup.load(options, Hardware())
    }

    func replace(_ keys: [Key]) { channel.replace(keys: keys) }

    static func script(_ text: String, at path: String) throws {
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
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
    ///
    /// - Parameter end: of the agent, where that is another one than the link's.
    func talk(on link: Int, to end: Int? = nil) throws {
        sockets[link].redirect(to: addresses[end ?? link])
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
            case .hello(answer: true, _, _): send(on: link)
            case .message(let message, _):
                newest = max(newest, message.sequence)
                heard = message
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

/// A probe that stays, of a real agent: it prints what is appended to a file.
struct FollowerTests {
    private let peer: Peer
    private var lines: String { peer.directory + "/lines" }

    init() throws {
        peer = try Peer(
            groups: """
                groups:
                  data:
                    prefer: west
                    resources: [{ command: { start: [/bin/true], stop: [/bin/true] } }]
                    sync: { probe: [@/follow, "-n", "1"], follows: true, max_lag: 3s, interval: 1s, timeout: 900ms }
                """
        ) { directory in
            try "a:1\n".write(
                toFile: directory + "/lines", atomically: true, encoding: .utf8)
            try Peer.script(
                """
                #!/bin/sh
                sleep 600 &
                echo $$ $! >> \(directory)/processes
                exec tail $1 $2 -f \(directory)/lines
                """, at: directory + "/follow")
        }
        try peer.establish()
        try #require(try peer.turn { told == 1 })
    }

    private func say(_ text: String) throws {
        let file = try #require(FileHandle(forWritingAtPath: lines))
        try file.seekToEnd()
        try file.write(contentsOf: Data(text.utf8))
        try file.close()
    }

    /// What the peer hears of the copy: none (0) once the probe has failed.
    private var told: UInt64? { peer.heard?.groups.first?.data?.position.number }

    /// Those that have been started, each with the process that it started.
    private func started() throws -> [[Int32]] {
        try String(contentsOfFile: peer.directory + "/processes", encoding: .utf8)
            .split(separator: "\n")
            .map { $0.split(separator: " ").compactMap { Int32($0) } }
    }

    /// What the agent has ended and not waited for keeps the testing library's look for ended
    /// processes busy to the end.
    private func end() {
        for process in ((try? started()) ?? []).compactMap(\.first)
        where waitpid(process, nil, WNOHANG) == 0 {
            kill(process, SIGKILL)
            waitpid(process, nil, 0)
        }
        peer.end()
    }

    /// Neither gone nor a zombie.
    private func lives(_ process: Int32) -> Bool {
        guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        else { return false }
        return text.split(separator: ")").last?.dropFirst().first != "Z"
    }

    /// All of the first one are gone, and another one was started.
    private func isRenewed() throws -> Bool {
        let all = try started()
        return all.count >= 2 && !all[0].contains(where: lives)
    }

    @Test func `each line is a reading, and of many the newest`() throws {
        defer { end() }
        try say("a:2\n")
        #expect(try peer.turn { told == 2 })
        try say((3...60_000).map { "a:\($0)\n" }.joined() + "a:7")
        #expect(try peer.turn { told == 60_000 })
        try say("0000\n")
        #expect(try peer.turn { told == 70_000 })
        #expect(try started().count == 1)
        _ = peer.agent.end()
        #expect(try !started()[0].contains(where: lives))
        // Where nobody has reaped what it started yet, its note is left to the next agent.
        let notes = peer.directory + "/run/actions"
        #expect(LeftBehind.end(notedIn: notes, within: .seconds(1)) == .init())
        #expect(Directory.names(notes) == [])
    }

    @Test func `one that is silent has failed, and is started again after an interval`() throws {
        defer { end() }
        #expect(try peer.turn { told == 0 })
        #expect(try peer.turn { try isRenewed() && told == 1 })
        _ = peer.agent.end()
    }

    @Test(arguments: ["nothing\n", "a:\n", String(repeating: "9", count: 1500) + "\n"])
    func `one whose line is no reading has failed`(line: String) throws {
        defer { end() }
        try say(line)
        #expect(try peer.turn { told == 0 })
        #expect(try peer.turn { try isRenewed() })
        _ = peer.agent.end()
    }

    @Test func `one that ends has failed, and nothing of it goes on`() throws {
        defer { end() }
        let first = try started()[0]
        kill(first[0], SIGTERM)
        #expect(try peer.turn { told == 0 })
        #expect(try peer.turn { try isRenewed() && told == 1 })
        _ = peer.agent.end()
    }

    @Test func `another one in the file replaces it, and none ends it`() throws {
        defer { end() }
        try peer.reload { $0.replacingOccurrences(of: "interval: 1s", with: "interval: 900ms") }
        #expect(try peer.turn { try isRenewed() })
        try peer.reload { $0.replacingOccurrences(of: ", follows: true", with: "") }
        let second = try started()[1]
        #expect(try peer.turn { !second.contains(where: lives) })
        try peer.reload { String($0[..<$0.range(of: "groups:")!.lowerBound]) }
        #expect(try peer.turn { try !started().joined().contains(where: lives) })
        _ = peer.agent.end()
    }

    @Test func `one that hangs is ended by a file that changes how it is judged`() throws {
        defer { end() }
        var number = 0
        func renewed(_ changes: (String, String)...) throws {
            try peer.reload { text in
                changes.reduce(text) { text, change in
                    #expect(text.contains(change.0))
                    return text.replacingOccurrences(of: change.0, with: change.1)
                }
            }
            number += 1
            let before = try started()[number - 1]
            // Long before its time is up.
            let limit = Date() + 5
            #expect(
                try peer.turn {
                    try Date() > limit
                        || started().count == number + 1 && !before.contains(where: lives)
                })
            #expect(Date() < limit)
        }
        // Without the word it is to end by itself, and does not.
        try renewed(
            (", follows: true", ""), ("max_lag: 3s", "max_lag: 30s"),
            ("interval: 1s", "interval: 10s"), ("timeout: 900ms", "timeout: 9s"))
        try renewed(("max_lag: 30s", "max_lag: 40s"))
        try renewed(("interval: 10s", "interval: 11s"))
        _ = peer.agent.end()
    }
}

struct FailedStartsTests {
    @Test func `a start that fails is tried at once, then ever later, and never given up`() {
        let pauses = [0, 4, 5, 6, 7, 8, 9, 10, 1_000_000].map { FailedStarts.pause(after: $0) }
        #expect(pauses == [0, 0, 1, 2, 4, 8, 16, 30, 30].map { .seconds($0) })
    }
}
