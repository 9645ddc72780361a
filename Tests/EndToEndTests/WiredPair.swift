import Foundation
import PicketRack
import Testing

/// Two agents, each in a network namespace of its own, with cables between them, and two outlets.
final class WiredPair {
    static let refusal: Comment = "no network namespaces here: ip netns add is refused"

    private let cables: Int
    private let base = "/tmp/picket-wired.\(UInt32.random(in: 0...UInt32.max))"
    private let tag = "picket-\(UInt32.random(in: 0...UInt32.max))"
    private var agents: [Process] = []

    static let nodes = ["east", "west"]

    static let isAllowed: Bool = {
        let name = "picket-\(getpid())-probe"
        let isAllowed = shell("ip netns add \(name)") == 0
        if isAllowed { _ = shell("ip netns del \(name)") }
        return isAllowed
    }()

    /// - Parameter outletAfter: in seconds.
    init(
        cables: Int = 1, outletAfter: Int, offWithin: String, detectWithin: String
    ) throws {
        self.cables = cables
        let files = FileManager.default
        for node in Self.nodes {
            try files.createDirectory(
                atPath: "\(base)/\(node)/state", withIntermediateDirectories: true)
            try write("\(node).power", "on\n")
        }
        let key = "\(base)/pair.key"
        let bytes = Data((0..<32).map { UInt8($0) })
        try #require(
            files.createFile(
                atPath: key, contents: bytes, attributes: [.posixPermissions: 0o600]))
        try program(
            "outlet", Self.outlet.replacingOccurrences(of: "AFTER", with: "\(outletAfter)"))
        try program("work", Self.work)
        for node in Self.nodes {
            try write("\(node).yaml", configuration(node, offWithin, detectWithin))
        }
        try lay()
        for node in Self.nodes { try start(node) }
        let deadline = Date() + 30
        while !isReady {
            guard Date() < deadline else {
                let story = story
                end()
                throw NotReady(story: story)
            }
            Thread.sleep(forTimeInterval: 0.2)
        }
    }

    struct NotReady: Error { var story: String }

    /// The outlet is told, and switches later. The agent waits for it.
    private static let outlet = """
        #!/bin/sh
        while IFS='=' read -r key value; do
          case $key in action) action=$value ;; plug) plug=$value ;; esac
        done
        cd BASE || exit 1
        echo "$action $plug" >> orders
        case $action in
        off)
          setsid sh -c "sleep AFTER; echo $plug >> cuts; echo off > $plug.power
            kill -9 \\$(cat $plug.pid); rm -f $plug.up" > /dev/null 2>&1 < /dev/null &
          until [ "$(cat $plug.power)" = off ]; do sleep 0.05; done ;;
        on) echo on > $plug.power ;;
        status) [ "$(cat $plug.power)" = on ] || exit 2 ;;
        *) exit 1 ;;
        esac

        """

    private static let work = """
        #!/bin/sh
        cd BASE || exit 1
        case $1 in
        start) touch $PICKET_NODE.up ;;
        stop) rm -f $PICKET_NODE.up ;;
        monitor) [ -f $PICKET_NODE.up ] ;;
        esac

        """

    private func configuration(
        _ node: String, _ offWithin: String, _ detectWithin: String
    ) -> String {
        func agent(_ peer: String) -> String {
            "[{ agent: { path: \(base)/outlet, options: { plug: \(peer) }, "
                + "off_within: \(offWithin) } }]"
        }
        func links(_ number: Int) -> String {
            (1...cables).map { "\(Self.address(number, on: $0)):7780" }.joined(separator: ", ")
        }
        return """
            node: \(node)
            pair:
              name: wired
              key: \(base)/pair.key
              detect_within: \(detectWithin)
              nodes:
                east: { links: [\(links(1))] }
                west: { links: [\(links(2))] }
            watchdog: none
            directories: { state: \(base)/\(node)/state, run: \(base)/\(node)/run }
            fence:
              east: \(agent("east"))
              west: \(agent("west"))
            groups:
              gateway:
                prefer: east
                start_within: 5s
                stop_within: 5s
                resources:
                  - name: work
                    command: { start: [\(base)/work, start], stop: [\(base)/work, stop], monitor: [\(base)/work, monitor] }

            """
    }

    private static func address(_ node: Int, on cable: Int) -> String { "10.99.\(cable).\(node)" }

    private func lay() throws {
        for node in Self.nodes { try require("ip netns add \(tag)-\(node)") }
        for cable in 1...cables {
            try require(
                "ip -n \(tag)-east link add cable\(cable) type veth "
                    + "peer name cable\(cable) netns \(tag)-west")
            for (number, node) in Self.nodes.enumerated() {
                let address = Self.address(number + 1, on: cable)
                try require("ip -n \(tag)-\(node) addr add \(address)/24 dev cable\(cable)")
                try require("ip -n \(tag)-\(node) link set cable\(cable) up")
            }
        }
    }

    // MARK: A flood

    /// What west has sent to east by the first cable.
    func capture() throws -> String {
        let said = try perl(
            """
            socket(my $in, PF_INET, SOCK_RAW, 17) or die "no raw socket: $!";
            while (recv $in, my $packet, 65535, 0 or 1) {
                next unless substr($packet, 12, 4) eq inet_aton "\(Self.address(2, on: 1))";
                print unpack("H*", substr $packet, 28), "\\n";
                exit;
            }
            """, in: "east")
        return try #require(said.first)
    }

    /// Sends this from west's end of the first cable as fast as it goes, whoever it says it is.
    /// Returns how often.
    func flood(from source: String, _ datagram: String, seconds: Int) throws -> UInt64 {
        let said = try perl(
            """
            my $data = pack "H*", "\(datagram)";
            my ($from, $to) = (inet_aton("\(source)"), inet_aton("\(Self.address(1, on: 1))"));
            my $packet = pack("C2 n3 C2 n a4 a4", 0x45, 0, 28 + length $data, 0, 0, 64, 17, 0,
                $from, $to) . pack("n4", 7780, 7780, 8 + length $data, 0) . $data;
            socket(my $out, PF_INET, SOCK_RAW, 255) or die "no raw socket: $!";
            my ($end, $sent) = (time + \(seconds), 0);
            while (time < $end) {
                for (1 .. 500) { $sent++ if send $out, $packet, 0, sockaddr_in(0, $to) }
            }
            print "$sent\\n";
            """, in: "west")
        return try #require(said.first.flatMap { UInt64($0) })
    }

    private func perl(_ program: String, in node: String) throws -> [String] {
        try write("program.pl", "use strict; use Socket; alarm 60;\n\(program)\n")
        try require(
            "ip netns exec \(tag)-\(node) perl \(base)/program.pl", saying: "\(base)/said")
        return read("said").split(separator: "\n").map(String.init)
    }

    private func start(_ node: String) throws {
        let agent = Process()
        agent.executableURL = URL(fileURLWithPath: "/bin/sh")
        let log = "\(base)/\(node).log"
        let picketd = Program.directory.appendingPathComponent("picketd").path
        agent.arguments = [
            "-c",
            "exec ip netns exec \(tag)-\(node) \(picketd) --config \(base)/\(node).yaml "
                + "> \(log) 2>&1 < /dev/null",
        ]
        try agent.run()
        agents.append(agent)
        try write("\(node).pid", "\(agent.processIdentifier)\n")
    }

    /// No packet passes any more.
    func part() throws { try require("ip -n \(tag)-east link set cable1 down") }

    private var isReady: Bool {
        Self.nodes.allSatisfy { node in
            guard let status = try? status(of: node) else { return false }
            return status["phase"] as? String == "paired" && status["armed"] as? Bool == true
                && status["relay_test"] as? String == "passed"
        } && isUp("east")
    }

    func status(of node: String) throws -> [String: Any] {
        let result = try Program.run(
            "picket", ["status", "--json", "--socket", "\(base)/\(node)/run/picketd.sock"])
        return try Program.object(try #require(result.output.first, "\(result.complaints)"))
    }

    func holds(_ node: String) throws -> Bool {
        let groups = try status(of: node)["groups"] as? [[String: Any]]
        return groups?.first?["role"] as? String == "holding"
    }

    /// Of what a node's history tells.
    func kinds(of node: String) throws -> [String] {
        let result = try Program.run(
            "picket", ["history", "--json", "--socket", "\(base)/\(node)/run/picketd.sock"])
        return try result.output.compactMap { try Program.object($0)["kind"] as? String }
    }

    func counter(_ name: String, of node: String) throws -> UInt64 {
        let counters = try status(of: node)["counters"] as? [String: Any]
        return try #require((counters?[name] as? NSNumber)?.uint64Value)
    }

    func isUp(_ node: String) -> Bool {
        FileManager.default.fileExists(atPath: "\(base)/\(node).up")
    }

    /// The nodes that lost their power, in order.
    var cuts: [String] { read("cuts").split(separator: "\n").map(String.init) }

    /// For whoever looks for the cause of a failure.
    var story: String {
        (["orders", "cuts"] + Self.nodes.map { "\($0).log" }).map { "\($0):\n\(read($0))" }
            .joined(separator: "\n")
    }

    func end() {
        for agent in agents {
            if agent.isRunning { kill(agent.processIdentifier, SIGKILL) }
            agent.awaitEnd()
        }
        for node in Self.nodes { _ = Self.shell("ip netns del \(tag)-\(node)") }
        try? FileManager.default.removeItem(atPath: base)
    }

    private func read(_ name: String) -> String {
        (try? String(contentsOfFile: "\(base)/\(name)", encoding: .utf8)) ?? ""
    }

    private func write(_ name: String, _ text: String) throws {
        try text.write(toFile: "\(base)/\(name)", atomically: true, encoding: .utf8)
    }

    private func program(_ name: String, _ text: String) throws {
        try write(name, text.replacingOccurrences(of: "BASE", with: base))
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o755], ofItemAtPath: "\(base)/\(name)")
    }

    private func require(_ command: String, saying path: String = "/dev/null") throws {
        try #require(Self.shell(command, saying: path) == 0, "\(command): \(read("said"))")
    }

    private static func shell(_ command: String, saying path: String = "/dev/null") -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "\(command) > \(path) 2>&1"]
        process.standardInput = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return -1 }
        process.awaitEnd()
        return process.terminationStatus
    }
}
