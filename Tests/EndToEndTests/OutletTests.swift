import Foundation
import Testing

extension EndToEnd {
    /// Two agents, not on a rack: each in a network namespace of its own, with a fence agent whose
    /// outlet switches only after five seconds, whatever becomes of the node that ordered it.
    @Suite(.enabled(if: Outlets.areAllowed, "no network namespaces here: ip netns add is refused"))
    struct OutletTests {
        @Test(.timeLimit(.minutes(2)))
        func `a partition cuts one node, however late its outlet switches`() throws {
            let pair = try Outlets(offWithin: "6s", detectWithin: "9s")
            defer { pair.end() }
            try pair.part()
            let deadline = Date() + 30
            while pair.cuts.isEmpty, Date() < deadline { Thread.sleep(forTimeInterval: 0.1) }
            // The other node's order, if there is one, takes effect by then.
            Thread.sleep(forTimeInterval: 8)
            #expect(pair.cuts.count == 1, "\(pair.story)")
            let survivor = pair.cuts.first == "east" ? "west" : "east"
            #expect(try pair.holds(survivor), "\(pair.story)")
            #expect(pair.isUp(survivor))
        }
    }
}

/// Two namespaces with one cable, two agents, two outlets.
private final class Outlets {
    private let base = "/tmp/picket-outlets.\(UInt32.random(in: 0...UInt32.max))"
    private let tag = "picket-\(getpid())"
    private var agents: [Process] = []

    static let nodes = ["east", "west"]

    static let areAllowed: Bool = {
        let name = "picket-\(getpid())-probe"
        let isAllowed = shell("ip netns add \(name)") == 0
        if isAllowed { _ = shell("ip netns del \(name)") }
        return isAllowed
    }()

    init(offWithin: String, detectWithin: String) throws {
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
        try program("outlet", Self.outlet)
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
          setsid sh -c "sleep 5; echo $plug >> cuts; echo off > $plug.power
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
        return """
            node: \(node)
            pair:
              name: outlets
              key: \(base)/pair.key
              detect_within: \(detectWithin)
              nodes:
                east: { links: [10.99.1.1:7780] }
                west: { links: [10.99.1.2:7780] }
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

    private func lay() throws {
        for node in Self.nodes { try require("ip netns add \(tag)-\(node)") }
        try require(
            "ip -n \(tag)-east link add cable type veth peer name cable netns \(tag)-west")
        for (number, node) in Self.nodes.enumerated() {
            try require("ip -n \(tag)-\(node) addr add 10.99.1.\(number + 1)/24 dev cable")
            try require("ip -n \(tag)-\(node) link set cable up")
        }
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
    func part() throws { try require("ip -n \(tag)-east link set cable down") }

    private var isReady: Bool {
        Self.nodes.allSatisfy { node in
            guard let status = try? status(of: node) else { return false }
            return status["phase"] as? String == "paired" && status["armed"] as? Bool == true
                && status["relay_test"] as? String == "passed"
        } && isUp("east")
    }

    private func status(of node: String) throws -> [String: Any] {
        let result = try Program.run(
            "picket", ["status", "--json", "--socket", "\(base)/\(node)/run/picketd.sock"])
        return try Program.object(try #require(result.output.first, "\(result.complaints)"))
    }

    func holds(_ node: String) throws -> Bool {
        let groups = try status(of: node)["groups"] as? [[String: Any]]
        return groups?.first?["role"] as? String == "holding"
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
            agent.waitUntilExit()
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

    private func require(_ command: String) throws {
        try #require(Self.shell(command) == 0, "\(command)")
    }

    private static func shell(_ command: String) -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "\(command) > /dev/null 2>&1"]
        process.standardInput = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return -1 }
        process.waitUntilExit()
        return process.terminationStatus
    }
}
