import CPicket
import Foundation
import PicketRack
import Testing

extension EndToEnd {
    /// A pair that is left alone on its rack, and what people, programs and strangers say to it.
    @Suite struct LivePairTests {
        @Test func `every verb that prints has JSON that a machine reads`() throws {
            let pair = try LivePair()
            defer { pair.end() }
            let status = try pair.status(of: "east")
            #expect(status["phase"] as? String == "paired")
            #expect(status["simulated"] as? [String] == ["rack"])
            let readable: [[String]] = [
                ["history", "--socket", pair.socket("east"), "--json"],
                ["maintenance", "on", "--socket", pair.socket("east"), "--json"],
                ["maintenance", "off", "--socket", pair.socket("east"), "--json"],
                ["check", pair.file("east", "picket.yaml"), "--json"],
                ["timing", pair.file("east", "picket.yaml"), "--json"],
                ["drill", "relay", "--socket", pair.socket("west"), "--json"],
            ]
            for arguments in readable {
                let result = try Program.run("picket", arguments)
                #expect(result.status == 0, "\(arguments): \(result)")
                #expect(!result.output.isEmpty, "\(arguments)")
                for line in result.output { _ = try Program.object(line) }
            }
        }

        @Test func `a status says what takes from a node's health`() throws {
            let pair = try LivePair()
            defer { pair.end() }
            // The drill lasts for as long as its caller is there.
            let caller = try Program.connect(to: pair.socket("west"))
            defer { close(caller) }
            let request = Array("drill sensor inlet value 65C for 30s\n".utf8)
            _ = unsafe Foundation.send(caller, request, request.count, Int32(MSG_NOSIGNAL))
            func isSaid() throws -> Bool {
                let status = try Program.run(
                    "picket", ["status", "--socket", pair.socket("west")])
                return status.output.contains {
                    $0.contains("sensor inlet is past its warning limit (20 less)")
                }
            }
            let deadline = Date() + 10
            while try !isSaid(), Date() < deadline { Thread.sleep(forTimeInterval: 0.1) }
            #expect(try isSaid())
        }

        @Test func `what destroys wants the node's name, and does nothing without it`() throws {
            let pair = try LivePair()
            defer { pair.end() }
            for arguments in [
                ["fence", "west"], ["fence", "confirm", "west"], ["drill", "failover", "--live"],
            ] {
                let result = try Program.run(
                    "picket", arguments + ["--socket", pair.socket("east")])
                #expect(result.status == 1, "\(arguments): \(result)")
                #expect(result.complaints.contains("--yes"), "\(result)")
            }
            // The operator's word is refused while the peer is in contact, whoever insists.
            let word = try Program.run(
                "picket", ["fence", "confirm", "west", "--yes", "--socket", pair.socket("east")])
            #expect(word.status == 1)
            #expect(word.complaints.contains("contact"), "\(word)")
            let status = try pair.status(of: "east")
            #expect((status["fence"] as? [String: Any])?["ordered_in_window"] as? Int == 0)
            #expect(status["contact"] as? String == "established")
        }

        @Test(arguments: [
            ["handover", "nothing"], ["failback", "nothing"], ["clear", "nothing"],
            ["fence", "nobody", "--yes"], ["fence", "confirm", "nobody", "--yes"],
            ["drill", "sensor", "nothing", "--fail", "--for", "1s"],
        ])
        func `an unknown name is a wrong command line`(arguments: [String]) throws {
            let pair = try LivePair()
            defer { pair.end() }
            let result = try Program.run("picket", arguments + ["--socket", pair.socket("east")])
            #expect(result.status == 2, "\(result)")
        }

        @Test func `a group moves by hand and returns by hand`() throws {
            let pair = try LivePair()
            defer { pair.end() }
            let over = try Program.run(
                "picket", ["handover", "gateway", "--socket", pair.socket("east")])
            #expect(over.status == 0, "\(over)")
            #expect(try pair.role("gateway", on: "west") == "holding")
            let back = try Program.run(
                "picket", ["failback", "gateway", "--socket", pair.socket("west")])
            #expect(back.status == 0, "\(back)")
            #expect(try pair.role("gateway", on: "east") == "holding")
        }

        @Test func `a second agent on a node says who holds the socket`() throws {
            let pair = try LivePair()
            defer { pair.end() }
            let process = try pair.status(of: "east")["process"] as? [String: Any]
            let pid = try #require(process?["pid"] as? Int)
            let second = try Program.run(
                "picketd",
                [
                    "--config", pair.file("east", "picket.yaml"), "--node", "east", "--rack",
                    pair.file("east", "rack.sock"),
                ])
            #expect(second.status == 1)
            #expect(second.complaints.contains("process \(pid)"), "\(second)")
            #expect(try pair.status(of: "east")["phase"] as? String == "paired")
        }

        @Test func `random, truncated and mutated packets are counted and change nothing`() throws {
            let pair = try LivePair(junk: true)
            defer { pair.end() }
            let before = try pair.status(of: "west")
            func dropped(_ status: [String: Any]) -> Int {
                (status["counters"] as? [String: Int] ?? [:]).filter {
                    $0.key.hasPrefix("dropped_")
                }.values.reduce(0, +)
            }
            let deadline = Date() + 20
            while dropped(try pair.status(of: "west")) < 380, Date() < deadline {
                Thread.sleep(forTimeInterval: 0.1)
            }
            let after = try pair.status(of: "west")
            #expect(dropped(after) >= 380, "\(after)")
            #expect(after["session"] as? String == before["session"] as? String)
            #expect(after["contact"] as? String == "established")
            #expect(after["phase"] as? String == "paired")
        }

        @Test func `whoever talks nonsense at the control socket is told so, and hurts nobody`()
            throws
        {
            let pair = try LivePair()
            defer { pair.end() }
            let socket = pair.socket("east")
            let unknown = try Program.say("make tea\n", to: socket)
            #expect(unknown.contains("is no request. Known are status"), "\(unknown)")
            // Half a request, then nothing; one that never ends; bytes that are no text.
            _ = try Program.say("stat", to: socket)
            _ = try Program.say(String(repeating: "x", count: 100_000), to: socket)
            _ = try Program.say("\u{0}\u{1}\u{2}\n\n\nstatus", to: socket)
            #expect(try pair.status(of: "east")["phase"] as? String == "paired")
        }

        @Test func `callers that say nothing make room`() throws {
            let pair = try LivePair()
            defer { pair.end() }
            let silent = try (0..<40).map { _ in try Program.connect(to: pair.socket("east")) }
            defer { for descriptor in silent { close(descriptor) } }
            let refused = try Program.run("picket", ["status", "--socket", pair.socket("east")])
            #expect(refused.complaints.contains("Too many clients are connected"), "\(refused)")
            let deadline = Date() + 30
            func phase() throws -> String? { try pair.status(of: "east")["phase"] as? String }
            while Date() < deadline, try phase() == nil { Thread.sleep(forTimeInterval: 0.2) }
            #expect(try phase() == "paired")
        }

        @Test func `a key is changed while the pair runs, and the status tells which is in use`()
            throws
        {
            let pair = try LivePair()
            defer { pair.end() }
            let nodes = ["east", "west"]
            func inUse(_ node: String) throws -> String? {
                let key = try pair.status(of: node)["key"] as? [String: Any]
                return (key?["in_use"] as? String)?.components(separatedBy: "/").last
            }
            /// Takes the file up with this in place of the key.
            func reload(_ node: String, _ keys: String) throws {
                let path = pair.file(node, "picket.yaml")
                let lines = try String(contentsOfFile: path, encoding: .utf8)
                    .components(separatedBy: "\n").map { $0.contains("\"key\":") ? keys : $0 }
                try lines.joined(separator: "\n")
                    .write(toFile: path, atomically: true, encoding: .utf8)
                let process = try pair.status(of: node)["process"] as? [String: Any]
                #expect(kill(Int32(try #require(process?["pid"] as? Int)), SIGHUP) == 0)
            }
            func eventually(_ expected: String) throws {
                let deadline = Date() + 10
                func isSo() throws -> Bool { try nodes.allSatisfy { try inUse($0) == expected } }
                while try !isSo(), Date() < deadline { Thread.sleep(forTimeInterval: 0.1) }
                #expect(try nodes.map { try inUse($0) } == [expected, expected])
            }
            func key(_ node: String, _ name: String) -> String { pair.file(node, name) }
            for node in nodes {
                #expect(
                    FileManager.default.createFile(
                        atPath: key(node, "new.key"), contents: Data(repeating: 9, count: 32),
                        attributes: [.posixPermissions: 0o600]))
            }
            try eventually("pair.key")
            func both(_ node: String) -> String {
                "  \"key\": [\(key(node, "new.key")), \(key(node, "pair.key"))]"
            }
            try reload("east", both("east"))
            Thread.sleep(forTimeInterval: 1)
            // The peer does not have the new one.
            #expect(try inUse("east") == "pair.key")
            try reload("west", both("west"))
            try eventually("new.key")
            for node in nodes { try reload(node, "  \"key\": \(key(node, "new.key"))") }
            Thread.sleep(forTimeInterval: 1)
            try eventually("new.key")
            #expect(try pair.status(of: "east")["contact"] as? String == "established")
        }

        @Test func `an agent is not ended for one that would not start`() throws {
            let pair = try LivePair()
            defer { pair.end() }
            let path = pair.file("east", "picket.yaml")
            let text = try String(contentsOfFile: path, encoding: .utf8)
            func pid() throws -> Int? {
                (try pair.status(of: "east")["process"] as? [String: Any])?["pid"] as? Int
            }
            func pause() throws -> Program.Result {
                try Program.run(
                    "picket", ["pause", "--for", "30s", "--socket", pair.socket("east")])
            }
            let before = try pid()
            // A word that no schema knows; what runs here under another name.
            for (word, other, place, reason) in [
                ("\"detect_within\"", "detect_wihtin", "detect_wihtin", "unknown key"),
                ("\"gateway\":", "gw:", "groups", "found gw, expected gateway as well"),
            ] {
                let wrong = text.replacingOccurrences(of: word, with: other)
                try wrong.write(toFile: path, atomically: true, encoding: .utf8)
                let lines = wrong.split(separator: "\n", omittingEmptySubsequences: false)
                let number = try #require(lines.firstIndex { $0.contains(place) }) + 1
                let refused = try pause()
                #expect(refused.status == 1, "\(refused)")
                #expect(refused.complaints.contains("picket.yaml:\(number):"), "\(refused)")
                #expect(refused.complaints.contains(reason), "\(refused)")
                Thread.sleep(forTimeInterval: 1)
                #expect(try pid() == before)
                #expect(try pair.role("gateway", on: "east") == "holding")
            }
            // Other resources than those that run.
            let moved = text.replacingOccurrences(of: "- \"stop\"", with: "- \"halt\"")
            #expect(moved != text)
            try moved.write(toFile: path, atomically: true, encoding: .utf8)
            let refusedToo = try pause()
            #expect(refusedToo.status == 1, "\(refusedToo)")
            #expect(refusedToo.complaints.contains("found other resources"), "\(refusedToo)")
            #expect(refusedToo.complaints.contains("picket.yaml:"), "\(refusedToo)")
            #expect(try pid() == before)
            let count = text.split(separator: "\n", omittingEmptySubsequences: false).count
            // Where the next agent would not find what this one leaves, or could not start.
            for (line, reason) in [
                (
                    "directories: { run: /run/elsewhere }",
                    "picket.yaml:\(count + 1): directories: found /run/elsewhere"
                ),
                ("control: { group: nobody-knows-it }", "no group \"nobody-knows-it\""),
            ] {
                try (text + "\n" + line + "\n").write(
                    toFile: path, atomically: true, encoding: .utf8)
                let refused = try pause()
                #expect(refused.status == 1, "\(refused)")
                #expect(refused.complaints.contains(reason), "\(refused)")
                #expect(try pid() == before)
            }
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            #expect(try pause().status == 0)
        }

        @Test func `a file is compared with what runs`() throws {
            let pair = try LivePair()
            defer { pair.end() }
            let text = try String(contentsOfFile: pair.file("east", "picket.yaml"), encoding: .utf8)
            let run = (pair.socket("east") as NSString).deletingLastPathComponent
            func check(_ text: String, in run: String = run) throws -> Program.Result {
                let path = pair.file("east", "new.yaml")
                try text.write(toFile: path, atomically: true, encoding: .utf8)
                return try Program.run(
                    "picket", ["check", "--against-running", path, "--run", run])
            }
            func changed(_ word: String, _ other: String) throws -> Program.Result {
                #expect(text.contains(word))
                return try check(text.replacingOccurrences(of: word, with: other))
            }
            let same = try check(text)
            #expect(same.status == 0, "\(same)")
            #expect(same.output.contains { $0.contains("nothing differs from what runs") })
            let nothing = try check(text, in: pair.file("east", "nothing"))
            #expect(nothing.status == 3, "\(nothing)")
            let renamed = try changed("\"gateway\":", "gw:")
            #expect(renamed.status == 0)
            #expect(renamed.output.contains { $0.hasPrefix("remove") && $0.contains("is stopped") })
            #expect(renamed.output.contains { $0.contains("a reload takes it up") })
            let moved = try check(
                text.replacingOccurrences(of: "\"gateway\":", with: "gw:")
                    + "\ndirectories: { run: /run/elsewhere }\n")
            #expect(moved.status == 1, "\(moved)")
            #expect(moved.output.contains { $0.hasPrefix("refuse") && $0.contains("new.yaml:") })
            #expect(renamed.output.contains { $0.hasPrefix("add") && $0.contains("group gw") })
            let budgets = try check(text + "\nbudgets: { fences: 5 }\n")
            #expect(budgets.status == 0, "\(budgets)")
            #expect(budgets.output.contains { $0.contains("a reload takes it up") }, "\(budgets)")
        }

        @Test func `a state file that was torn is restored from its copy`() throws {
            let pair = try LivePair(patient: true)
            defer { pair.end() }
            let (path, copy) = (
                pair.file("east", "state/memory"), pair.file("east", "state/memory-copy")
            )
            func text(_ path: String) -> String? {
                try? String(contentsOfFile: path, encoding: .utf8)
            }
            try pair.eventually { text(path) != nil && text(copy) == text(path) }
            let whole = try #require(text(path))
            try String(whole.dropLast(20)).write(toFile: path, atomically: true, encoding: .utf8)
            try pair.killAgent(of: "east")
            try pair.eventually {
                let history = text(pair.file("east", "state/history.jsonl")) ?? ""
                return history.contains("It is restored from its second copy")
            }
            try pair.eventually { try pair.role("gateway", on: "east") == "holding" }
            #expect(text(path)?.hasPrefix("picket-memory 1") == true)
        }

        @Test
        func `an agent that dies beside a wrong file is followed by one that goes by the former`()
            throws
        {
            let pair = try LivePair(patient: true)
            defer { pair.end() }
            let path = pair.file("east", "picket.yaml")
            let text = try String(contentsOfFile: path, encoding: .utf8)
            try text.replacingOccurrences(of: "\"groups\":", with: "\"grups\":").write(
                toFile: path, atomically: true, encoding: .utf8)
            try pair.killAgent(of: "east")
            try pair.eventually { try pair.role("gateway", on: "east") == "holding" }
            let log = try pair.log(of: "east")
            #expect(log.contains { $0.contains("grups") }, "the mistake is named")
            #expect(log.contains { $0.contains("goes by the configuration of the one before it") })
            let fence = try pair.status(of: "west")["fence"] as? [String: Any]
            #expect(fence?["ordered_in_window"] as? Int == 0)
            #expect(try pair.reload(text, on: "east"))
        }

        /// What it started is stopped before it starts anywhere.
        @Test func `a damaged note keeps no agent from starting`() throws {
            let pair = try LivePair(patient: true)
            defer { pair.end() }
            try Data("picket-run 1\nbo".utf8).write(
                to: URL(fileURLWithPath: pair.file("east", "run/note")))
            try pair.killAgent(of: "east")
            try pair.eventually {
                try ["east", "west"].contains { try pair.role("gateway", on: $0) == "holding" }
            }
            let log = try pair.log(of: "east")
            #expect(log.contains { $0.contains("note of what runs here is damaged") })
            let fence = try pair.status(of: "west")["fence"] as? [String: Any]
            #expect(fence?["ordered_in_window"] as? Int == 0)
        }

        @Test func `an agent that is restarted stops what its file no longer has`() throws {
            let pair = try LivePair()
            defer { pair.end() }
            let path = pair.file("east", "picket.yaml")
            let text = try String(contentsOfFile: path, encoding: .utf8)
            let process = try pair.status(of: "east")["process"] as? [String: Any]
            let pid = try #require(process?["pid"] as? Int)
            try text.replacingOccurrences(of: "\"gateway\":", with: "gw:").write(
                toFile: path, atomically: true, encoding: .utf8)
            #expect(kill(pid_t(pid), SIGKILL) == 0)
            let sentence = "gateway, which the configuration no longer has, is stopped on east"
            func isSaid() throws -> Bool {
                let history = try Program.run(
                    "picket", ["history", "--socket", pair.socket("east")])
                return history.output.contains { $0.contains(sentence) }
            }
            let deadline = Date() + 20
            while try !isSaid(), Date() < deadline { Thread.sleep(forTimeInterval: 0.1) }
            #expect(try isSaid())
            #expect(try pair.role("gateway", on: "east") == nil)
            let fence = try pair.status(of: "west")["fence"] as? [String: Any]
            #expect(fence?["ordered_in_window"] as? Int == 0)
            // What the next agent is to find is the file by which this one goes now.
            let run = (pair.socket("east") as NSString).deletingLastPathComponent
            let same = try Program.run(
                "picket", ["check", "--against-running", path, "--run", run])
            #expect(same.output.contains { $0.contains("nothing differs") }, "\(same)")
        }

        /// What a reload and `picket check --against-running` say of a changed file: one thing.
        @Test(arguments: ["", "all", "gateway", "extra"])
        func `a file is judged before a reload as the reload judges it`(maintained: String) throws {
            let pair = try LivePair()
            defer { pair.end() }
            let nodes = ["east", "west"]
            let former = try nodes.map { try pair.text($0) }
            let base = try former.map { try pair.text($0, withExtra: [0, 1]) }
            for (node, text) in zip(nodes, base) { #expect(try pair.reload(text, on: node)) }
            try pair.eventually { pair.extra(on: "east") == [0, 1] }
            if !maintained.isEmpty {
                let on = try Program.run(
                    "picket",
                    ["maintenance", "on"] + (maintained == "all" ? [] : [maintained])
                        + ["--socket", pair.socket("east")])
                #expect(on.status == 0, "\(on)")
            }
            for (node, (before, text)) in zip(nodes, zip(former, base)) {
                func replaced(_ word: String, _ other: String) -> String {
                    #expect(text.contains(word))
                    return text.replacingOccurrences(of: word, with: other)
                }
                let always = ["", "all", "gateway", "extra"]
                var table = [
                    ("budgets", text + "budgets: { fences: 5 }\n", []),
                    ("pair", replaced("\"name\": \"rack7\"", "name: rack8"), always),
                    ("directories", text + "directories: { run: /run/elsewhere }\n", always),
                    ("control", text + "control: { group: nobody-knows-it }\n", always),
                    ("priority", replaced("extra: {", "extra: { priority: 7,"), []),
                    (
                        "data",
                        replaced("extra: {", "extra: { sync: { max_lag: 9s, probe: [id] },"), always
                    ),
                ]
                // The node where both are active takes no more as long as one of them may be stopped.
                if node == "west" || maintained == "all" {
                    let added = "new: { prefer: east, resources: [{ unit: new.service }] }"
                    table += [
                        ("added", try pair.text(text, with: added), ["all"]),
                        ("changed", replaced("- \"stop\"", "- \"halt\""), ["all", "gateway"]),
                        ("renamed", replaced("extra: {", "other: {"), ["all", "extra"]),
                        ("removed", before, ["all", "extra"]),
                    ]
                }
                for (name, changed, refusedIn) in table {
                    let said = try pair.check(changed, against: node)
                    let isTaken = try pair.reload(changed, on: node)
                    #expect(isTaken != refusedIn.contains(maintained), "\(node) \(name)")
                    #expect(said.status == (isTaken ? 0 : 1), "\(node) \(name): \(said)")
                    #expect(try pair.reload(text, on: node), "\(node) \(name)")
                }
            }
        }

        /// One rule for all that look at the file.
        @Test(arguments: [
            (
                "\"gateway\":", "gw:", "removes group gateway", "groups",
                "found gw, expected gateway as well: it runs on this node in maintenance: put it back"
            ),
            (
                "- \"stop\"", "- \"halt\"", "changes the resources of group gateway", "gateway",
                "those that run on this node in maintenance: put them back"
            ),
        ])
        func `an agent does not take up a file that would stop what is in maintenance`(
            word: String, other: String, change: String, place: String, reason: String
        ) throws {
            let pair = try LivePair()
            defer { pair.end() }
            let (path, socket) = (pair.file("east", "picket.yaml"), pair.socket("east"))
            let text = try String(contentsOfFile: path, encoding: .utf8)
            let on = try Program.run("picket", ["maintenance", "on", "--socket", socket])
            #expect(on.status == 0, "\(on)")
            let workload = pair.file("east", "../workloads/east.gateway.pid")
            let service = try String(contentsOfFile: workload, encoding: .utf8)
            let wrong = text.replacingOccurrences(of: word, with: other)
            #expect(wrong != text)
            let against = try pair.check(wrong, against: "east")
            #expect(against.status == 1, "\(against)")
            #expect(against.output.contains { $0.contains(change) }, "\(against)")
            try wrong.write(toFile: path, atomically: true, encoding: .utf8)
            let pause = try Program.run("picket", ["pause", "--socket", socket])
            #expect(pause.status == 1 && pause.complaints.contains(reason), "\(pause)")
            let check = try Program.run(
                "picketd",
                [
                    "--config", path, "--node", "east", "--rack", pair.file("east", "rack.sock"),
                    "--check",
                ])
            #expect(check.status == 2 && check.complaints.contains(reason), "\(check)")
            let process = try pair.process(of: "east")
            #expect(kill(process, SIGKILL) == 0)
            let lines = wrong.split(separator: "\n", omittingEmptySubsequences: false)
            let number = try #require(lines.firstIndex { $0.contains("\"\(place)\":") }) + 1
            let line =
                place == "gateway" ? "picket.yaml:\(number): groups.gateway" : "groups.gateway"
            try pair.eventually {
                try pair.log(of: "east").contains {
                    $0.contains("\(line): in maintenance nothing is started or stopped")
                        && $0.contains("until then this agent goes by what the one before it read")
                }
            }
            // It finds what ran all the time.
            try pair.eventually { try pair.role("gateway", on: "east") == "holding" }
            #expect(try pair.process(of: "east") != process)
            #expect(try String(contentsOfFile: workload, encoding: .utf8) == service)
            let fence = try pair.status(of: "west")["fence"] as? [String: Any]
            #expect(fence?["ordered_in_window"] as? Int == 0)
            // What it goes by is still what the next one is to find.
            #expect(try pair.check(text, against: "east").status == 0)
        }

        @Test func `a reload adds, changes and removes a group, and the others run on`() throws {
            let pair = try LivePair(patient: true)
            defer { pair.end() }
            let nodes = ["east", "west"]
            let texts = try nodes.map { try pair.text($0) }
            let before = try nodes.map { try pair.process(of: $0) }
            /// The standby's first, as a person would.
            func reload(_ resources: [Int], crashing: Bool = false) throws {
                for (node, text) in zip(nodes, texts).reversed() {
                    try pair.text(text, withExtra: resources).write(
                        toFile: pair.file(node, "picket.yaml"), atomically: true, encoding: .utf8)
                    if crashing, node == "east" {
                        try pair.killAgent(of: node)
                    } else {
                        #expect(try kill(pair.process(of: node), SIGHUP) == 0)
                    }
                    Thread.sleep(forTimeInterval: 0.5)
                }
            }
            try reload([0])
            try pair.eventually { pair.extra(on: "east") == [0] }
            #expect(try pair.role("extra", on: "east") == "holding")
            let first = pair.start(of: 0, on: "east")
            try reload([0, 1])
            try pair.eventually { pair.extra(on: "east") == [0, 1] }
            try reload([0])
            try pair.eventually { pair.extra(on: "east") == [0] }
            #expect(pair.start(of: 0, on: "east") == first)
            try reload([])
            try pair.eventually {
                try pair.extra(on: "east") == [] && pair.role("extra", on: "east") == nil
            }
            #expect(pair.extra(on: "west") == [])
            // Of a group that is gone its term stays, which must not fall if it comes back: the next
            // agent takes the line for none of its groups.
            for node in nodes {
                try pair.eventually {
                    let left = try pair.lines(under: "run", on: node).filter {
                        $0.contains("extra")
                    }
                    return left.count == 1 && left[0].hasPrefix("note: term extra ")
                }
                try pair.eventually {
                    try !pair.lines(under: "run", on: node).contains { $0.hasPrefix("actions/") }
                }
            }
            #expect(try pair.role("gateway", on: "east") == "holding")
            #expect(try nodes.map { try pair.process(of: $0) } == before)
            let history = try Program.run("picket", ["history", "--socket", pair.socket("east")])
            #expect(!history.output.contains { $0.contains("stops gateway") }, "\(history)")
            // An agent that is restarted takes it up as well, of what the one before it ran.
            try reload([0, 2])
            try pair.eventually { pair.extra(on: "east") == [0, 2] }
            let second = pair.start(of: 0, on: "east")
            try reload([0, 1], crashing: true)
            try pair.eventually { pair.extra(on: "east") == [0, 1] }
            #expect(pair.start(of: 0, on: "east") == second)
            #expect(try pair.role("extra", on: "east") == "holding")
        }

        @Test func `a group gains data of its own by leaving the file and coming back`() throws {
            let pair = try LivePair(patient: true)
            defer { pair.end() }
            let nodes = ["west", "east"]
            let texts = try nodes.map { try pair.text($0) }
            let command = "{ command: { start: [\"true\"], stop: [\"true\"] } }"
            let plain = "store: { prefer: east, resources: [\(command)]"
            let sync = ", sync: { probe: [echo, \"a:1\"], max_lag: 30s }"
            func put(_ line: String?, reload: Bool = true) throws {
                for (node, text) in zip(nodes, texts) {
                    try (line.map { try pair.text(text, with: $0) } ?? text).write(
                        toFile: pair.file(node, "picket.yaml"), atomically: true, encoding: .utf8)
                    if reload { #expect(try kill(pair.process(of: node), SIGHUP) == 0) }
                    Thread.sleep(forTimeInterval: 0.5)
                }
            }
            func log() throws -> String {
                try String(contentsOfFile: pair.file("east", "log"), encoding: .utf8)
            }
            func isHeld() throws -> Bool { try pair.role("store", on: "east") == "holding" }
            try put(plain + " }")
            try pair.eventually { try isHeld() }
            // It runs, and neither a living agent nor its successor takes that up.
            try put(plain + sync + " }")
            let reason = "group store runs here, and the file changes whether it has data"
            try pair.eventually { try log().contains(reason) }
            try pair.killAgent(of: "east")
            try pair.eventually {
                try log().contains("until then this agent goes by what the one before it read")
            }
            try pair.eventually { try isHeld() }
            let fence = try pair.status(of: "west")["fence"] as? [String: Any]
            #expect(fence?["ordered_in_window"] as? Int == 0)
            // What the refusal advises.
            try put(nil)
            try pair.eventually { try pair.role("store", on: "east") == nil }
            try put(plain + sync + " }")
            try pair.eventually { try isHeld() }
        }

        @Test func `a reload adds, changes and removes sensors, and the others go on`() throws {
            let pair = try LivePair()
            defer { pair.end() }
            let text = try pair.text("west")
            let process = try pair.process(of: "west")
            func sensors() throws -> [String: String] {
                let all = try pair.status(of: "west")["sensors"] as? [[String: Any]] ?? []
                return [String: String](
                    uniqueKeysWithValues: all.compactMap {
                        guard let name = $0["name"] as? String else { return nil }
                        return (name, $0["state"] as? String ?? "")
                    })
            }
            func health() throws -> Int? { try pair.status(of: "west")["health"] as? Int }
            let chip = "driver: tmp102, interval: 100ms, stale_after: 2s"
            func adding(_ lines: String...) throws -> String {
                let inlet = try #require(
                    text.split(separator: "\n").first { $0.contains("\"inlet\":") })
                let indent = inlet.prefix { $0 == " " }
                return text.replacingOccurrences(
                    of: inlet, with: lines.map { "\(indent)\($0)\n" }.joined() + "\(inlet)")
            }
            #expect(try sensors() == ["inlet": "normal", "rail5v": "normal"])
            let best = try health()

            // One on a bus that nobody has read, where no chip answers; one more of a chip.
            let more = try adding(
                "absent: { \(chip), bus: 3, address: 0x49 }",
                "hot: { \(chip), bus: 1, address: 0x48, critical: \">30C\" }")
            #expect(try pair.check(more, against: "west").status == 0)
            #expect(try pair.reload(more, on: "west"))
            try pair.eventually {
                try sensors() == [
                    "absent": "failed", "hot": "critical", "inlet": "normal", "rail5v": "normal",
                ]
            }
            try pair.eventually { try health() == 0 }
            #expect(try pair.threads(of: "west").filter { $0.hasPrefix("i2c-") }.count == 3)

            // A drill keeps its sensor, and another may come before it.
            let caller = try Program.connect(to: pair.socket("west"))
            defer { close(caller) }
            let request = Array("drill sensor inlet value 65C for 60s\n".utf8)
            _ = unsafe Foundation.send(caller, request, request.count, Int32(MSG_NOSIGNAL))
            try pair.eventually { try sensors()["inlet"] == "warn" }
            let without = text.replacingOccurrences(of: "\"inlet\":", with: "outlet:")
            #expect(try !pair.reload(without, on: "west"))
            #expect(
                try pair.log(of: "west").contains {
                    $0.contains("sensors: a drill of sensor inlet is under way")
                })
            #expect(try pair.reload(text, on: "west"))
            #expect(try sensors() == ["inlet": "warn", "rail5v": "normal"])
            close(caller)
            try pair.eventually { try sensors() == ["inlet": "normal", "rail5v": "normal"] }
            try pair.eventually { try health() == best }

            // None is left on the first bus, again and again.
            let heap = try pair.heap(of: "west")
            for _ in 0..<20 {
                #expect(try pair.reload(more, on: "west"))
                #expect(try pair.reload(text, on: "west"))
            }
            try pair.eventually {
                try pair.threads(of: "west").filter { $0.hasPrefix("i2c-") }.count == 2
            }
            #expect(try pair.heap(of: "west") < heap + 32 * 1024)
            #expect(try sensors() == ["inlet": "normal", "rail5v": "normal"])
            #expect(try pair.process(of: "west") == process)
            #expect(try pair.role("gateway", on: "east") == "holding")
            #expect(try pair.status(of: "west")["contact"] as? String == "established")
        }

        @Test func `a reload takes a link out and in again, and nothing else notices`() throws {
            let pair = try LivePair()
            defer { pair.end() }
            let texts = [try pair.text("east"), try pair.text("west")]
            let processes = [try pair.process(of: "east"), try pair.process(of: "west")]
            let session = try pair.status(of: "west")["session"] as? String
            func links(_ node: String) throws -> [String] {
                let links = try pair.status(of: node)["links"] as? [[String: Any]] ?? []
                return links.map {
                    "\($0["local"] ?? "") \($0["up"] as? Bool == true ? "up" : "down")"
                }
            }
            func with(_ text: String, _ numbers: [Int]) -> String {
                var lines = text.components(separatedBy: "\n")
                for node in 1...2 {
                    let known = lines.indices.filter { lines[$0].contains(".0.\(node):7780") }
                    let first = lines[known[0]]
                    lines.replaceSubrange(
                        known[0]...known[known.count - 1],
                        with: numbers.map {
                            first.replacingOccurrences(of: "10.0.0", with: "10.\($0).0")
                        })
                }
                return lines.joined(separator: "\n")
            }
            let start = try pair.history(of: "west").count
            #expect(try links("west").count == 2)

            // First on one node, then on the other; the other link has another number then.
            let one = with(texts[0], [1])
            #expect(try pair.check(one, against: "east").status == 0)
            #expect(
                try pair.check(one, against: "east").output.contains {
                    $0.contains("removes link 1, 10.0.0.1:7780 to 10.0.0.2:7780")
                })
            #expect(try pair.reload(one, on: "east"))
            #expect(try links("east") == ["10.1.0.1:7780 up"])
            Thread.sleep(forTimeInterval: 2)
            #expect(try links("east") == ["10.1.0.1:7780 up"])
            #expect(try pair.reload(with(texts[1], [1]), on: "west"))
            try pair.eventually { try links("west") == ["10.1.0.2:7780 up"] }

            // What keeps none of them, or is on no rack, is refused, and nothing has changed. The
            // next agent would not be heard either.
            let none = try pair.check(with(texts[0], [0]), against: "east")
            #expect(none.status == 1, "\(none)")
            #expect(try !pair.reload(with(texts[0], [0]), on: "east"))
            #expect(
                try pair.log(of: "east").contains {
                    $0.contains("links: found none of the links that the agent has")
                })
            let refused = try Program.run(
                "picket", ["pause", "--for", "30s", "--socket", pair.socket("east")])
            #expect(refused.status == 1, "\(refused)")
            #expect(refused.complaints.contains("links: found none of the links"), "\(refused)")
            #expect(try !pair.reload(with(texts[0], [1, 7]), on: "east"))
            #expect(
                try pair.log(of: "east").contains {
                    $0.contains("it has no link 10.7.0.1:7780 to 10.7.0.2:7780")
                })
            #expect(try links("east") == ["10.1.0.1:7780 up"])

            // In again, in another order, on the other node first.
            #expect(try pair.reload(with(texts[1], [1, 0]), on: "west"))
            #expect(try pair.reload(with(texts[0], [1, 0]), on: "east"))
            try pair.eventually { try links("west") == ["10.1.0.2:7780 up", "10.0.0.2:7780 up"] }
            try pair.eventually { try links("east") == ["10.1.0.1:7780 up", "10.0.0.1:7780 up"] }
            // Back by one order on one node.
            let file = pair.file("east", "applied.yaml")
            try with(texts[0], [0, 1]).write(toFile: file, atomically: true, encoding: .utf8)
            let applied = try Program.run(
                "picket", ["apply", file, "--socket", pair.socket("east")])
            #expect(applied.status == 0, "\(applied)")
            try pair.eventually { try links("west") == ["10.0.0.2:7780 up", "10.1.0.2:7780 up"] }

            #expect(try [pair.process(of: "east"), pair.process(of: "west")] == processes)
            #expect(try pair.status(of: "west")["session"] as? String == session)
            #expect(try pair.role("gateway", on: "east") == "holding")
            let told = try pair.history(of: "west").dropFirst(start)
            for word in ["suspect", "fence", "lost contact", "handover"] {
                #expect(!told.contains { $0.contains(word) }, "\(told)")
            }
        }

        @Test func `a reload changes the levels of fencing, and new ones cut once they are tested`()
            throws
        {
            let relays = ["RELAY_WEST WEST_PGOOD", "RELAY_SPARE SPARE_PGOOD"].map {
                LivePair.relay($0)
            }
            let outlet = "agent: { path: /usr/sbin/fence_outlet, off_within: 3s }"
            let pair = try LivePair(
                cutting: relays + [outlet],
                steps: """
                      - when: east reports maintenance
                        within: 200s
                        do: supply 1 of west dead
                    """)
            defer { pair.end() }
            let process = try pair.process(of: "east")
            func test() throws -> String? {
                try pair.status(of: "east")["relay_test"] as? String
            }
            func levels() throws -> [String] {
                let fence = try pair.status(of: "east")["fence"] as? [String: Any]
                return fence?["levels"] as? [String] ?? []
            }
            func workers() throws -> Int {
                try pair.threads(of: "east").filter { $0.hasPrefix("fence-") }.count
            }
            func take(_ levels: String..., on nodes: [String] = ["east", "west"]) throws {
                for node in nodes {
                    let text = try pair.text(node, cutting: levels)
                    #expect(try pair.check(text, against: node).status == 0, "\(levels)")
                    #expect(try pair.reload(text, on: node), "\(levels)")
                }
            }
            /// By the operator's order; the node comes back.
            func cut(by level: String) throws {
                let before = try pair.process(of: "west")
                let fence = try Program.run(
                    "picket", ["fence", "west", "--yes", "--socket", pair.socket("east")])
                #expect(fence.status == 0, "\(fence)")
                try pair.eventually {
                    try pair.history(of: "east").contains {
                        $0.contains("west is verified off by \(level)")
                    }
                }
                try pair.eventually {
                    try pair.process(of: "west") != before
                        && pair.status(of: "west")["phase"] as? String == "paired"
                }
            }
            let outletNow = pair.outlet(cutting: "west", by: "east")
            let (main, spare) = (relays[0], relays[1])
            #expect(try workers() == 2)

            // What stays is as well tested as before, and its line is not let go.
            let check = try pair.check(try pair.text("east", cutting: [main]), against: "east")
            #expect(check.output.contains { $0.contains("changes the fence levels") }, "\(check)")
            try take(main)
            #expect(try test() == "passed")
            try pair.eventually { try workers() == 1 }
            // One whose times change begins untested, by the line as it stands.
            let slower = main.replacingOccurrences(of: "50ms", with: "60ms")
            try take(slower, on: ["east"])
            try pair.eventually { try test() == "passed" }
            try take(slower, on: ["west"])

            // What cannot be opened is refused, and nothing has changed.
            let nowhere = LivePair.relay("RELAY_NONE NONE_PGOOD")
            #expect(try !pair.reload(pair.text("east", cutting: [nowhere]), on: "east"))
            #expect(
                try pair.log(of: "east").contains {
                    $0.contains("fence: rack") && $0.contains("no line RELAY_NONE")
                })
            #expect(try test() == "passed")
            #expect(try levels() == ["relay RELAY_WEST"])
            // So is any other level in a drill.
            let caller = try Program.connect(to: pair.socket("east"))
            let request = Array("drill sensor inlet value 65C for 60s\n".utf8)
            _ = unsafe Foundation.send(caller, request, request.count, Int32(MSG_NOSIGNAL))
            try pair.eventually { try pair.status(of: "east")["drill"] as? Bool == true }
            #expect(try !pair.reload(pair.text("east", cutting: [spare]), on: "east"))
            #expect(
                try pair.log(of: "east").contains {
                    $0.contains("a drill is under way, and the file changes the fence levels")
                })
            close(caller)
            try pair.eventually { try pair.status(of: "east")["drill"] as? Bool == false }

            // The supply moves to another relay, in maintenance.
            for state in ["on", "off"] {
                let maintenance = try Program.run(
                    "picket", ["maintenance", state, "--socket", pair.socket("east")])
                #expect(maintenance.status == 0, "\(maintenance)")
            }
            try pair.eventually { try test() == "failed" }
            try take(spare)
            try pair.eventually { try test() == "passed" }
            try cut(by: "relay RELAY_SPARE")

            // A second level, which becomes the first, and cuts; then it is the only one.
            try pair.eventually { try test() == "passed" }
            try take(spare, outletNow)
            try pair.eventually { try test() == "passed" }
            try take(outletNow, spare)
            #expect(try test() == "passed")
            try cut(by: "agent")
            try take(outletNow)
            try pair.eventually { try test() == "passed" && workers() == 0 }
            try take()
            #expect(try test() == "absent")
            #expect(try levels() == [])
            try take(spare)
            try pair.eventually { try test() == "passed" && workers() == 1 }

            let heap = try pair.heap(of: "east")
            for _ in 0..<10 {
                try take(spare, outletNow, on: ["east"])
                try take(spare.replacingOccurrences(of: "50ms", with: "40ms"), on: ["east"])
            }
            try pair.eventually { try test() == "passed" && workers() == 1 }
            #expect(try pair.heap(of: "east") < heap + 32 * 1024)
            #expect(try pair.process(of: "east") == process)
            #expect(try pair.role("gateway", on: "east") == "holding")
        }

        @Test func `data that refuse a term are started above theirs`() throws {
            let pair = try LivePair()
            defer { pair.end() }
            let path = pair.file("east", "store")
            let guarded =
                "[ $PICKET_TERM -gt 41 ] || { echo term 41; exit 79; }; echo $PICKET_TERM > \(path)"
            let line =
                "store: { prefer: east, resources: [{ command: { start: [sh, -c, '\(guarded)'], "
                + "stop: [rm, -f, \(path)] } }] }"
            for node in ["west", "east"] {
                try pair.text(pair.text(node), with: line).write(
                    toFile: pair.file(node, "picket.yaml"), atomically: true, encoding: .utf8)
                #expect(try kill(pair.process(of: node), SIGHUP) == 0)
                Thread.sleep(forTimeInterval: 0.5)
            }
            try pair.eventually { try pair.role("store", on: "east") == "holding" }
            func term() -> String? { try? String(contentsOfFile: path, encoding: .utf8) }
            try pair.eventually { term() != nil }
            #expect(term() == "42\n")
            let history = try Program.run("picket", ["history", "--socket", pair.socket("east")])
            #expect(
                history.output.contains {
                    $0.contains("its data are of term 41, and it is to start above that")
                }, "\(history)")
            #expect(!history.output.contains { $0.contains("store failed to start") }, "\(history)")
        }

        @Test(arguments: [(0o644, 32, "mode 644"), (0o600, 31, "32")])
        func `a key that others can read or that is none is refused`(
            _ mode: Int, _ size: Int, _ reason: String
        ) throws {
            let pair = try LivePair()
            defer { pair.end() }
            let key = pair.file("east", "wrong.key")
            let bytes = Data((0..<size).map { UInt8($0) })
            try #require(
                FileManager.default.createFile(
                    atPath: key, contents: bytes, attributes: [.posixPermissions: mode]))
            let text = try String(contentsOfFile: pair.file("east", "picket.yaml"), encoding: .utf8)
            let wrong = pair.file("east", "wrong.yaml")
            try text.replacingOccurrences(
                of: pair.file("east", "pair.key"), with: key
            ).write(toFile: wrong, atomically: true, encoding: .utf8)
            let agent = try Program.run(
                "picketd",
                ["--config", wrong, "--node", "east", "--rack", pair.file("east", "rack.sock")])
            #expect(agent.status == 1, "\(agent)")
            #expect(agent.complaints.contains("wrong.key"), "\(agent)")
            #expect(agent.complaints.contains(reason), "\(agent)")
        }
    }
}

/// A rack whose pair is ready and then left alone.
final class LivePair {
    private let process = Process()
    private let temporary = "/tmp/picket-live.\(UInt32.random(in: 0...UInt32.max))"
    private var directory = ""

    /// - Parameters:
    ///   - levels: by which west is cut, in place of its relay.
    ///   - patient: an agent that starts anew is awaited, however slow the computer is.
    ///   - steps: of the scenario.
    init(
        junk: Bool = false, cutting levels: [String] = [], patient: Bool = false, steps: String = ""
    ) throws {
        let files = FileManager.default
        try files.createDirectory(atPath: temporary, withIntermediateDirectories: true)
        var configuration = Program.scenarios + "/pair.yaml"
        // A fence agent that is the first level takes its time, too.
        if patient || !levels.isEmpty {
            let text = try String(contentsOfFile: configuration, encoding: .utf8)
            configuration = temporary + "/pair.yaml"
            try (levels.isEmpty ? text : Self.text(text, cutting: levels))
                .replacingOccurrences(of: "detect_within: 500ms", with: "detect_within: 5s")
                .write(toFile: configuration, atomically: true, encoding: .utf8)
        }
        let scenario = temporary + "/alone.yaml"
        try """
        description: The pair is left alone, for others to talk to.
        configuration: \(configuration)
        before: [capture seen]
        steps:
          - when: ready
            within: 60s
            do: end capture
          - after: 1s
            do: [\(junk ? "junk to west 400" : "")]
        \(steps)
          - after: 300s
        expect: {}
        """.write(toFile: scenario, atomically: true, encoding: .utf8)
        process.executableURL = Program.directory.appendingPathComponent("picket")
        process.arguments = [
            "rack", Program.scenarios + "/rack.yaml", "--scenario", scenario, "--json",
            "--temporary", temporary,
        ]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        let deadline = Date() + 60
        while !isReady {
            guard Date() < deadline, process.isRunning else {
                end()
                throw NotReady()
            }
            Thread.sleep(forTimeInterval: 0.1)
        }
    }

    struct NotReady: Error {}

    private var isReady: Bool {
        let found = try? FileManager.default.contentsOfDirectory(atPath: temporary)
        guard let rack = found?.first(where: { $0.hasPrefix("picket-rack.") }) else { return false }
        directory = temporary + "/" + rack
        return ["east", "west"].allSatisfy { node in
            guard let status = try? status(of: node) else { return false }
            return status["phase"] as? String == "paired" && status["armed"] as? Bool == true
                && status["relay_test"] as? String == "passed"
        } && (try? role("gateway", on: "east")) == "holding"
    }

    func file(_ node: String, _ name: String) -> String { "\(directory)/\(node)/\(name)" }
    func socket(_ node: String) -> String { file(node, "run/picketd.sock") }

    func status(of node: String) throws -> [String: Any] {
        let result = try Program.run("picket", ["status", "--json", "--socket", socket(node)])
        return try Program.object(try #require(result.output.first, "\(result.complaints)"))
    }

    func role(_ group: String, on node: String) throws -> String? {
        let groups = try status(of: node)["groups"] as? [[String: Any]]
        return groups?.first { $0["name"] as? String == group }?["role"] as? String
    }

    func history(of node: String) throws -> [String] {
        try Program.run("picket", ["history", "--socket", socket(node)]).output
    }

    func log(of node: String) throws -> [Substring] {
        try String(contentsOfFile: file(node, "log"), encoding: .utf8).split(separator: "\n")
    }

    /// What the threads of a node's agent are called.
    func threads(of node: String) throws -> [String] {
        let tasks = "/proc/\(try process(of: node))/task"
        return try FileManager.default.contentsOfDirectory(atPath: tasks).compactMap {
            (try? String(contentsOfFile: "\(tasks)/\($0)/comm", encoding: .utf8))?
                .trimmingCharacters(in: .newlines)
        }
    }

    func heap(of node: String) throws -> Int {
        let counters = try status(of: node)["counters"] as? [String: Int]
        return try #require(counters?["heap_bytes"])
    }

    /// Each with its file, a file without any as one.
    func lines(under directory: String, on node: String) throws -> [String] {
        let top = file(node, directory)
        var all: [String] = []
        for path in try FileManager.default.subpathsOfDirectory(atPath: top) {
            guard let data = FileManager.default.contents(atPath: "\(top)/\(path)") else {
                continue
            }
            let text = String(decoding: data, as: UTF8.self)
            all += text.split(separator: "\n", omittingEmptySubsequences: false).map {
                "\(path): \($0)"
            }
        }
        return all
    }

    /// As `picket check --against-running` sees a file on a node.
    func check(_ text: String, against node: String) throws -> Program.Result {
        let path = file(node, "new.yaml")
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return try Program.run(
            "picket", ["check", "--against-running", path, "--run", file(node, "run")])
    }

    /// Gives a node another file. Returns whether its agent has taken it up.
    func reload(_ text: String, on node: String) throws -> Bool {
        func verdicts() throws -> [Substring] {
            try log(of: node).filter { $0.contains("The changed configuration is") }
        }
        let before = try verdicts().count
        try text.write(toFile: file(node, "picket.yaml"), atomically: true, encoding: .utf8)
        #expect(try kill(process(of: node), SIGHUP) == 0)
        try eventually { try verdicts().count > before }
        return try verdicts().last?.contains("is taken up") == true
    }

    func end() {
        if process.isRunning { process.interrupt() }
        process.awaitEnd()
        try? FileManager.default.removeItem(atPath: temporary)
    }
}

/// The levels by which west is cut.
extension LivePair {
    /// - Parameter lines: the relay's, and the one that senses its supply.
    static func relay(_ lines: String) -> String {
        let lines = lines.split(separator: " ")
        return "relay: { line: \(lines[0]), off_within: 50ms, off_time: 500ms,"
            + " verify: { line: \(lines[1]), unplugged: on } }"
    }

    /// The agent by which one node cuts the other, as the rack has given it.
    func outlet(cutting node: String, by driver: String) -> String {
        let workload = Program.directory.appendingPathComponent("picket-workload").path
        return "agent: { path: \(workload), off_within: 3s,"
            + " options: { rack: \(file(driver, "rack.sock")), line: OUTLET_1_\(node),"
            + " state: OUTLET_1_\(node)_STATE } }"
    }

    func text(_ node: String, cutting levels: [String]) throws -> String {
        try Self.text(text(node), cutting: levels)
    }

    private static func text(_ text: String, cutting levels: [String]) throws -> String {
        var lines = text.components(separatedBy: "\n")
        let first = try #require(
            lines.firstIndex { $0.hasPrefix("fence:") || $0.hasPrefix("\"fence\":") })
        let last =
            lines[(first + 1)...].firstIndex { $0.first.map { $0 != " " } ?? false }
            ?? lines.count
        let list = levels.map { "{ \($0) }" }.joined(separator: ", ")
        lines.replaceSubrange(
            first..<last,
            with: [
                "fence:", "  east: [{ \(relay("RELAY_EAST EAST_PGOOD")) }]",
                "  west: \(levels.isEmpty ? "none" : "[\(list)]")", "",
            ])
        return lines.joined(separator: "\n")
    }
}

/// A group more, whose resources are files, on each node its own.
extension LivePair {
    private func place(_ number: Int) -> String { file("east", "extra\(number)") }

    /// The file with such a group; without any resource it has none.
    func text(_ text: String, withExtra numbers: [Int]) throws -> String {
        if numbers.isEmpty { return text }
        let resources = numbers.map { number in
            let path = place(number) + ".$PICKET_NODE"
            let commands = [
                ("start", "date +%s%N > \(path)"), ("stop", "rm -f \(path)"),
                ("monitor", "test -e \(path)"),
            ]
            let list = commands.map { "\($0): [sh, -c, \"\($1)\"]" }
            return "{ command: { " + list.joined(separator: ", ") + " } }"
        }
        let list = resources.joined(separator: ", ")
        return try self.text(text, with: "extra: { prefer: east, resources: [\(list)] }")
    }

    /// The file with one group more.
    func text(_ text: String, with group: String) throws -> String {
        let line = try #require(text.split(separator: "\n").first { $0.contains("\"gateway\":") })
        return text.replacingOccurrences(
            of: line, with: "\(line.prefix { $0 == " " })\(group)\n\(line)")
    }

    /// When the resource was started that is up; `nil` where it is not.
    func start(of number: Int, on node: String) -> String? {
        try? String(contentsOfFile: place(number) + "." + node, encoding: .utf8)
    }

    /// What of it is up.
    func extra(on node: String) -> [Int] {
        (0..<4).filter { start(of: $0, on: node) != nil }
    }
}

/// What a stranger does.
extension Program {
    /// As soon as the listener's queue has room.
    static func connect(to path: String) throws -> Int32 {
        let descriptor = picket_unix_stream()
        try #require(descriptor >= 0)
        let deadline = Date() + 5
        while unsafe picket_unix_connect(descriptor, path) != 0 {
            try #require(picket_errno() == EAGAIN && Date() < deadline)
            Thread.sleep(forTimeInterval: 0.01)
        }
        return descriptor
    }

    /// Says something to a control socket, and hears what comes within a second.
    static func say(_ text: String, to path: String) throws -> String {
        let descriptor = try connect(to: path)
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        _ = unsafe Foundation.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        var answer: [UInt8] = []
        let deadline = Date() + 1
        while Date() < deadline {
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = unsafe recv(descriptor, &buffer, buffer.count, picket_msg_dontwait)
            if count == 0 { break }
            if count > 0 {
                answer += buffer[..<count]
                if answer.last == UInt8(ascii: "\n") { break }
            } else {
                Thread.sleep(forTimeInterval: 0.01)
            }
        }
        return String(decoding: answer, as: UTF8.self)
    }
}
