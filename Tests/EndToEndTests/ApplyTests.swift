import Foundation
import Testing

extension EndToEnd {
    /// One file for both nodes: `picket apply`.
    @Suite struct ApplyTests {
        private let nodes = ["east", "west"]

        @Test func `a file is put in place on both nodes, or on none`() throws {
            let pair = try LivePair()
            defer { pair.end() }
            let old = try pair.text("east")
            let before = try nodes.map { try pair.text($0) }
            /// Nothing is changed, and the reasons are told.
            func isRefused(_ text: String, _ reasons: String...) throws {
                let refused = try pair.apply(text)
                #expect(refused.status == 1, "\(refused)")
                for reason in reasons { #expect(refused.complaints.contains(reason), "\(refused)") }
                #expect(try nodes.map { try pair.text($0) } == before)
                for node in nodes { #expect(try pair.status(of: node)["apply"] == nil) }
            }
            try isRefused(
                old + "budgets: { fences: 0 }\nfoo: 1\n", "east refuses", "picket.yaml:", "foo")
            try isRefused(
                old.replacingOccurrences(of: "\"name\": \"rack7\"", with: "name: rack8"),
                "the names of pair and nodes (picket.yaml:", "can change only with a restart")
            // Only the peer refuses: there a hand was quicker.
            let hand = try pair.text("west")
            try (hand + "# by hand\n").write(
                toFile: pair.file("west", "picket.yaml"), atomically: true, encoding: .utf8)
            let refused = try pair.apply(old + "budgets: { fences: 5 }\n")
            #expect(refused.status == 1)
            #expect(refused.complaints.contains("west refuses"), "\(refused)")
            #expect(refused.complaints.contains("changed by hand"), "\(refused)")
            #expect(try pair.text("east") == before[0])
            #expect(try pair.text("west") == hand + "# by hand\n")
            try hand.write(
                toFile: pair.file("west", "picket.yaml"), atomically: true, encoding: .utf8)

            // Of many pieces, some of them as long as a line may be.
            let filler = String(
                repeating: "# " + String(repeating: "x", count: 90) + "\n", count: 700)
            let new = old + filler + "budgets: { fences: 5 }\n"
            let done = try pair.apply(new)
            #expect(done.status == 0, "\(done)")
            for (node, before) in zip(nodes, before) {
                #expect(try pair.text(node) == new)
                #expect(try pair.text(node, "picket.yaml.before") == before)
                let status = try pair.status(of: node)
                #expect((status["fence"] as? [String: Any])?["budget"] as? Int == 5)
                #expect(status["contact"] as? String == "established")
                #expect(status["apply"] == nil)
            }
            #expect(try pair.role("gateway", on: "east") == "holding")
            let nothing = try pair.apply(nil, "--confirm")
            #expect(nothing.complaints.contains("No applied configuration waits"), "\(nothing)")
        }

        @Test func `what nobody confirms is taken back on both nodes, also by a new agent`() throws
        {
            let pair = try LivePair(patient: true)
            defer { pair.end() }
            let before = try nodes.map { try pair.text($0) }
            let new = try pair.text("east") + "budgets: { fences: 5 }\n"
            let done = try pair.apply(new, "--confirm-within", "10s")
            #expect(done.status == 0, "\(done)")
            let again = try pair.apply(new)
            #expect(again.complaints.contains("not settled yet"), "\(again)")
            #expect(try pair.status(of: "west")["apply"] != nil)
            try pair.killAgent(of: "west")
            try pair.eventually { try nodes.map { try pair.text($0) } == before }
            try pair.eventually { try nodes.allSatisfy { try pair.budget(of: $0) != 5 } }
            try pair.eventually {
                try nodes.allSatisfy { try pair.status(of: $0)["apply"] == nil }
            }

            let kept = try pair.apply(new, "--confirm-within", "10s")
            #expect(kept.status == 0, "\(kept)")
            let confirmed = try pair.apply(nil, "--confirm", on: "west")
            #expect(confirmed.status == 0, "\(confirmed)")
            Thread.sleep(forTimeInterval: 11)
            for node in nodes { #expect(try pair.budget(of: node) == 5) }
            let history = try Program.run(
                "picket", ["history", "--socket", pair.socket("east")]
            ).output.joined()
            #expect(history.contains("The applied configuration is taken back on east."))
            #expect(history.contains("The applied configuration stays on east."))
        }

        @Test func `a changed group is applied on both nodes, and their agents run on`() throws {
            let pair = try LivePair()
            defer { pair.end() }
            let old = try pair.text("east")
            let before = try nodes.map { try pair.process(of: $0) }
            func isApplied(_ resources: [Int]) throws {
                let done = try pair.apply(pair.text(old, withExtra: resources))
                #expect(done.status == 0, "\(done)")
                try pair.eventually { pair.extra(on: "east") == resources }
                #expect(pair.extra(on: "west") == [])
            }
            try isApplied([0, 1])
            let first = pair.start(of: 0, on: "east")
            try isApplied([0, 1, 2])
            #expect(pair.start(of: 0, on: "east") == first)
            for node in nodes {
                let groups = try pair.status(of: node)["groups"] as? [[String: Any]]
                #expect(groups?.count == 2)
                for group in groups ?? [] { #expect((group["differs_in"] as? [String]) == []) }
            }
            // It moves as any other does.
            let moved = try Program.run(
                "picket", ["handover", "extra", "--socket", pair.socket("east")])
            #expect(moved.status == 0, "\(moved)")
            try pair.eventually { pair.extra(on: "west") == [0, 1, 2] }
            #expect(pair.extra(on: "east") == [])
            // The node that holds it refuses, or the other one: nothing is changed.
            func maintain(_ word: String) throws {
                let result = try Program.run(
                    "picket", ["maintenance", word, "extra", "--socket", pair.socket("east")])
                #expect(result.status == 0, "\(result)")
            }
            try maintain("on")
            let refused = try pair.apply(pair.text(old, withExtra: [0]))
            #expect(refused.status == 1, "\(refused)")
            #expect(refused.complaints.contains("picket.yaml:"), "\(refused)")
            #expect(refused.complaints.contains("groups.extra: in maintenance"), "\(refused)")
            #expect(pair.extra(on: "west") == [0, 1, 2])
            try maintain("off")
            let taken = try pair.apply(old, "--confirm-within", "5m")
            #expect(taken.status == 0, "\(taken)")
            try pair.eventually { pair.extra(on: "west") == [] }
            let reverted = try pair.apply(nil, "--revert")
            #expect(reverted.status == 0, "\(reverted)")
            try pair.eventually { pair.extra(on: "east") == [0, 1, 2] }
            #expect(pair.extra(on: "west") == [])
            try isApplied([])
            try pair.eventually {
                try nodes.allSatisfy { try pair.role("extra", on: $0) == nil }
            }
            #expect(try pair.role("gateway", on: "east") == "holding")
            #expect(try nodes.map { try pair.process(of: $0) } == before)
        }

        @Test func `in maintenance a file is refused before anything is changed`() throws {
            let pair = try LivePair()
            defer { pair.end() }
            let old = try pair.text("east")
            let new = try pair.text(old, withExtra: [0])
            func maintain(_ word: String) throws {
                let result = try Program.run(
                    "picket", ["maintenance", word, "--socket", pair.socket("east")])
                #expect(result.status == 0, "\(result)")
            }
            func isRefused(_ result: Program.Result, still text: String) throws {
                #expect(result.status == 1, "\(result)")
                for reason in [
                    "Nothing is changed", "groups.extra: in maintenance",
                    "(picket maintenance off)",
                ] { #expect(result.complaints.contains(reason), "\(result)") }
                #expect(try pair.text("east").contains("extra:") == text.contains("extra:"))
                #expect(try pair.text("west").contains("extra:") == text.contains("extra:"))
            }
            try maintain("on")
            for node in nodes {
                try isRefused(pair.apply(new, on: node), still: old)
                #expect(try pair.status(of: node)["apply"] == nil)
            }
            try maintain("off")
            let taken = try pair.apply(new, "--confirm-within", "5m")
            #expect(taken.status == 0, "\(taken)")
            try pair.eventually { pair.extra(on: "east") == [0] }
            try maintain("on")
            for node in nodes {
                try isRefused(pair.apply(nil, "--revert", on: node), still: new)
                #expect(try pair.status(of: node)["apply"] != nil)
            }
            #expect(try pair.apply(nil, "--confirm").status == 0)
            #expect(pair.extra(on: "east") == [0])
            // It cannot be taken back in time: nothing is changed until it can.
            let other = try pair.text(old, withExtra: [0, 1])
            try maintain("off")
            #expect(try pair.apply(other, "--confirm-within", "10s").status == 0)
            try maintain("on")
            Thread.sleep(forTimeInterval: 12)
            for node in nodes {
                #expect(try pair.text(node).contains("extra1"))
                #expect(try pair.status(of: node)["apply"] != nil)
            }
            try maintain("off")
            try pair.eventually {
                try nodes.allSatisfy { try pair.status(of: $0)["apply"] == nil }
            }
            try pair.eventually { pair.extra(on: "east") == [0] }
            for node in nodes { #expect(try !pair.text(node).contains("extra1")) }
        }

        @Test func `an agent that dies in the middle knows which node has which file`() throws {
            let pair = try LivePair(patient: true)
            defer { pair.end() }
            let before = try nodes.map { try pair.text($0) }
            let new = try pair.text("east") + "budgets: { fences: 5 }\n"
            for (verb, node) in [("--revert", "east"), ("--confirm", "west")] {
                let done = try pair.apply(new, "--confirm-within", "5m")
                #expect(done.status == 0, "\(done)")
                // As if it had died before it put the file in place.
                try pair.text("east", "picket.yaml.before").write(
                    toFile: pair.file("east", "picket.yaml"), atomically: true, encoding: .utf8)
                try pair.killAgent(of: "east")
                try pair.eventually {
                    let apply = try pair.status(of: "east")["apply"] as? [String: Any]
                    return apply?["here"] as? String == "old" && apply?["peer"] as? String == "new"
                }
                try pair.eventually {
                    let apply = try pair.status(of: "west")["apply"] as? [String: Any]
                    return apply?["here"] as? String == "new" && apply?["peer"] as? String == "old"
                }
                let settled = try pair.apply(nil, verb, on: node)
                #expect(settled.status == 0, "\(settled)")
                for (node, before) in zip(nodes, before) {
                    if verb == "--revert" { #expect(try pair.text(node) == before) }
                    #expect(try (pair.budget(of: node) == 5) == (verb == "--confirm"))
                    #expect(try pair.status(of: node)["apply"] == nil)
                }
            }
        }

        @Test func `a peer that falls silent in the middle leaves all as it was`() throws {
            let pair = try LivePair()
            defer { pair.end() }
            let before = try nodes.map { try pair.text($0) }
            let maintenance = try Program.run(
                "picket", ["maintenance", "on", "--socket", pair.socket("east")])
            #expect(maintenance.status == 0, "\(maintenance)")
            let process = try pair.process(of: "west")
            let new = before[0] + "budgets: { fences: 5 }\n"
            // It takes some time on its way.
            let line = "# " + String(repeating: "x", count: 90) + "\n"
            let long = new + String(repeating: line, count: 2500)
            let log = pair.file("east", "log")
            let waiting = Thread {
                for _ in 0..<1000 {
                    let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
                    if text.contains(": apply ") { break }
                    Thread.sleep(forTimeInterval: 0.01)
                }
                kill(process, SIGSTOP)
            }
            waiting.start()
            let silent = try pair.apply(long)
            #expect(silent.status == 1)
            #expect(silent.complaints.contains("Nothing is changed"), "\(silent)")
            let without = try pair.apply(new)
            #expect(without.complaints.contains("There is no contact with west"), "\(without)")
            kill(process, SIGCONT)
            try pair.eventually {
                try nodes.allSatisfy {
                    try pair.status(of: $0)["contact"] as? String == "established"
                }
            }
            #expect(try nodes.map { try pair.text($0) } == before)
            let done = try pair.apply(new)
            #expect(done.status == 0, "\(done)")
        }
    }
}

extension LivePair {
    func text(_ node: String, _ name: String = "picket.yaml") throws -> String {
        try String(contentsOfFile: file(node, name), encoding: .utf8)
    }

    func apply(_ text: String?, _ options: String..., on node: String = "east") throws
        -> Program.Result
    {
        var arguments = ["apply", "--socket", socket(node)] + options
        if let text {
            let path = file(node, "new.yaml")
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            arguments.append(path)
        }
        return try Program.run("picket", arguments)
    }

    func budget(of node: String) throws -> Int? {
        (try status(of: node)["fence"] as? [String: Any])?["budget"] as? Int
    }

    func process(of node: String) throws -> Int32 {
        let process = try status(of: node)["process"] as? [String: Any]
        guard let pid = process?["pid"] as? Int else { throw NotReady() }
        return Int32(pid)
    }

    /// Its supervisor starts another.
    func killAgent(of node: String) throws {
        let before = try process(of: node)
        kill(before, SIGKILL)
        try eventually { try process(of: node) != before }
    }

    func eventually(
        sourceLocation: SourceLocation = #_sourceLocation, _ isSo: () throws -> Bool
    ) throws {
        let deadline = Date() + 20
        while (try? isSo()) != true, Date() < deadline { Thread.sleep(forTimeInterval: 0.1) }
        #expect(try isSo(), sourceLocation: sourceLocation)
    }
}
