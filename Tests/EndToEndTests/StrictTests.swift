import Foundation
import Testing

extension EndToEnd {
    /// A strict group of real agents, whose database is two files that tell where its copies stand.
    @Suite struct StrictTests {
        @Test func `a database goes on alone only after its standby has that on disk`() throws {
            let pair = try LivePair()
            defer { pair.end() }
            try pair.bringInStep()
            #expect(pair.told().last == "restore 1")

            // The copy stands still, and the standby has noted it when the command runs.
            try pair.stand(2, on: "east")
            try pair.eventually { try pair.replication() == "degraded" }
            #expect(pair.told().last == "degrade 1")
            let gap = try Program.run("picket", ["status", "--socket", pair.socket("east")])
            #expect(gap.status == 4)
            #expect(gap.output.contains { $0.contains("west has no copy of what store writes") })

            try pair.stand(2, on: "west")
            try pair.eventually { try pair.replication() == "in_step" }
            #expect(pair.told().last == "restore 1")
            try pair.eventually { try !pair.noted() }
        }

        @Test func `the mere loss of contact lets no database go on alone`() throws {
            let pair = try LivePair()
            defer { pair.end() }
            try pair.bringInStep()
            let told = pair.told()

            // In maintenance nobody is fenced.
            let hold = try Program.run(
                "picket", ["maintenance", "on", "--socket", pair.socket("east")])
            #expect(hold.status == 0, "\(hold)")
            let agent = try pair.process(of: "west")
            kill(agent, SIGSTOP)
            try pair.eventually { try pair.status(of: "east")["contact"] as? String == "lost" }
            try pair.stand(2, on: "east")
            Thread.sleep(forTimeInterval: 3)
            #expect(pair.told() == told)
            kill(agent, SIGCONT)
            try pair.stand(2, on: "west")
            try pair.eventually {
                try pair.status(of: "east")["contact"] as? String == "established"
            }
            let end = try Program.run(
                "picket", ["maintenance", "off", "--socket", pair.socket("east")])
            #expect(end.status == 0, "\(end)")
            try pair.eventually { try pair.replication() == "in_step" }
        }
    }
}

extension LivePair {
    /// Where the copy of a node stands.
    fileprivate func stand(_ number: Int, on node: String) throws {
        try "e:\(number)\n".write(
            toFile: file("east", "store.") + node, atomically: true, encoding: .utf8)
    }

    /// Gives it a strict group, and waits until that is in step.
    fileprivate func bringInStep() throws {
        try stand(1, on: "east")
        try stand(1, on: "west")
        let done = try apply(withStore(try text("east")))
        #expect(done.status == 0, "\(done)")
        try eventually { try replication() == "in_step" }
    }

    /// The file with a strict group, whose commands note what they are told, and whether the disk of
    /// west has the note by then.
    fileprivate func withStore(_ text: String) throws -> String {
        let state = file("west", "state/memory")
        let tell = "echo $PICKET_ACTION $(grep -c out-of-step:store \(state)) >> \(record)"
        let group =
            "store: { prefer: east, resources: [{ command: { start: [\"true\"], stop: [\"true\"] } }],"
            + " sync: { probe: [sh, -c, \"cat \(file("east", "store."))$PICKET_NODE\"],"
            + " max_lag: 1500ms, interval: 200ms, strict: true,"
            + " degrade: [sh, -c, \"\(tell)\"], restore: [sh, -c, \"\(tell)\"] } }"
        let line = try #require(text.split(separator: "\n").first { $0.contains("\"gateway\":") })
        return text.replacingOccurrences(
            of: line, with: "\(line.prefix { $0 == " " })\(group)\n\(line)")
    }

    private var record: String { file("east", "told") }

    fileprivate func told() -> [String] {
        let text = (try? String(contentsOfFile: record, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map { String($0) }
    }

    fileprivate func replication() throws -> String? {
        let groups = try status(of: "east")["groups"] as? [[String: Any]]
        return groups?.first { $0["name"] as? String == "store" }?["replication"] as? String
    }

    fileprivate func noted() throws -> Bool {
        try String(contentsOfFile: file("west", "state/memory"), encoding: .utf8)
            .contains("out-of-step:store")
    }
}
