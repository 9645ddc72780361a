import Foundation
import PicketControl
import PicketCore
import PicketHardware
import Testing

struct JSONWriterTests {
    @Test func `every string comes back as it went in`() throws {
        var strings = ["", "\"\\/", "\u{0}\u{1F}\u{7F}\u{2028}", "Grüße 🛡", "\r\n\t\u{8}\u{C}"]
        for value in 0..<0x300 { strings.append(String(UnicodeScalar(value)!)) }
        let bytes = JSONWriter.line { json in
            json.array("strings") { json in for string in strings { json.element(string) } }
        }
        #expect(bytes.last == 10)
        #expect(bytes.dropLast().allSatisfy { $0 >= 0x20 })
        let object = try decode(bytes)
        #expect(object["strings"] as? [String] == strings)
    }

    @Test func `commas stand between values and nowhere else`() {
        let bytes = JSONWriter.line { json in
            json.object("a") { _ in }
            json.array("b") { json in
                json.object { $0.field("c", 1) }
                json.object { $0.field("d", true) }
            }
            json.field("e", nil as String?)
            json.field("f", -0.5)
            json.field("g", Double.nan)
            json.field("h", UInt64.max)
        }
        let expected =
            #"{"a":{},"b":[{"c":1},{"d":true}],"e":null,"f":-0.5,"g":null,"h":18446744073709551615}"#
        #expect(String(decoding: bytes, as: UTF8.self) == expected + "\n")
    }
}

func decode(_ bytes: [UInt8]) throws -> [String: Any] {
    try #require(JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
}

struct ReplyTests {
    @Test func `a status is one line of JSON that says everything`() throws {
        let bytes = Reply.status(report())
        #expect(bytes.filter { $0 == 10 }.count == 1)
        let status = try decode(bytes)
        #expect(status["type"] as? String == "status")
        #expect((status["protection"] as? [String: Any])?["verdict"] as? String == "protected")
        let groups = try #require(status["groups"] as? [[String: Any]])
        #expect(groups.map { $0["name"] as? String } == ["gateway", "historian"])
        #expect(groups[0]["role"] as? String == "holding")
        #expect(groups.map { $0["last_holder"] as? String } == ["east", "west"])
        #expect((status["sensors"] as? [[String: Any]])?[0]["value"] as? Double == 41.5)
        #expect((status["links"] as? [[String: Any]])?[1]["link"] as? Int == 2)
        #expect((status["counters"] as? [String: Any])?["turns"] as? Int == 12)
        #expect(status["age_ms"] as? Double == 40)
        #expect((status["key"] as? [String: Any])?["in_use"] is NSNull)
    }

    @Test func `a status says why health is not the best`() throws {
        let bytes = Reply.status(
            report { report in
                report.healthReasons = [
                    .sensor(0, Verdict(.critical), simulated: false),
                    .sensor(1, Verdict(.warn, failed: true), simulated: false),
                    .linksDown(1), .linksDown(2), .stateNotWritten,
                ]
            })
        let reasons = try decode(bytes)["health_reasons"] as? [[String: Any]]
        #expect(
            reasons?.map { $0["text"] as? String } == [
                "sensor inlet is past its critical limit", "sensor rail5v has failed",
                "a link is down", "2 links are down", "the state cannot be written to disk",
            ])
        #expect(reasons?.map { $0["takes"] as? Int } == [nil, 5, 5, 10, 20])
    }

    @Test(arguments: Refusal.allCases)
    func `a refusal says why and what to do`(refusal: Refusal) throws {
        let bytes = Reply.result(
            .handover(group: "gateway"), .refused(refusal), narrator: Narrator(names: names))
        let reply = try decode(bytes)
        #expect(reply["accepted"] as? Bool == false)
        #expect(reply["refusal"] as? String == refusal.label)
        let text = try #require(reply["text"] as? String)
        #expect(text.contains(". "), "a reason and an advice: \(text)")
        #expect(text.hasSuffix("."))
    }

    @Test(arguments: RequestTests.all)
    func `what is accepted is said in a sentence`(request: Request) throws {
        let reply = try decode(
            Reply.result(request, .accepted, narrator: Narrator(names: names)))
        #expect(reply["accepted"] as? Bool == true)
        #expect((reply["text"] as? String)?.hasSuffix(".") == true)
    }

    @Test func `a refused line becomes an error object`() throws {
        let reply = try decode(Reply.error(.tooLong))
        #expect(reply["type"] as? String == "error")
        #expect(reply["code"] as? String == "too_long")
    }
}

struct NarratorTests {
    let narrator = Narrator(names: names)

    @Test(arguments: Trace.Kind.allCases)
    func `every kind of trace has a sentence`(kind: Trace.Kind) {
        let bare = narrator.sentence(Trace(kind))
        let full = narrator.sentence(
            Trace(
                kind, group: 0, term: Term(8), cause: .contactLost, duration: .milliseconds(512),
                number: 1))
        for text in [bare, full] {
            #expect(text.hasSuffix(".") && !text.hasSuffix(".."))
            #expect(text.first?.isUppercase == true || startsWithAName(text), "\(text)")
            #expect(!text.contains("  ") && !text.contains("{") && !text.contains("}"))
            #expect(text.count > 15)
        }
        // What fails has another cause than its start had.
        let hasFailed = kind == .startFailed || kind == .monitorFailed
        #expect(full.contains("because contact with west is lost") == !hasFailed)
    }

    private func startsWithAName(_ text: String) -> Bool {
        (names.nodes + names.groups + ["every group"]).contains { text.hasPrefix($0) }
    }

    @Test func `the end of one group's maintenance tells of the pair's`() {
        let trace = Trace(
            .maintenance, group: 0, cause: .command, refusal: .maintenance, number: 0)
        #expect(
            narrator.sentence(trace)
                == "Maintenance of gateway alone is off, and nothing is done about it yet: the pair is "
                + "in maintenance.")
    }

    @Test func `no two kinds share a sentence or a label`() {
        let sentences = Trace.Kind.allCases.map { narrator.sentence(Trace($0)) }
        #expect(Set(sentences).count == sentences.count)
        #expect(Set(Trace.Kind.allCases.map { $0.label }).count == sentences.count)
    }

    @Test(arguments: Cause.allCases)
    func `every cause has a clause and a label`(cause: Cause) {
        let text = narrator.sentence(Trace(.activating, group: 0, cause: cause))
        #expect(text.contains(", because ") == (cause != .none))
        #expect(!cause.label.isEmpty)
    }

    @Test func `no two refusals or causes share a label`() {
        #expect(Set(Refusal.allCases.map { $0.label }).count == Refusal.allCases.count)
        #expect(Set(Cause.allCases.map { $0.label }).count == Cause.allCases.count)
    }

    @Test(arguments: Refusal.allCases)
    func `every refusal stands in the sentence of what it refused`(refusal: Refusal) {
        let text = narrator.sentence(Trace(.fenceRefused, refusal: refusal))
        #expect(text.hasPrefix("east does not fence west: "))
    }

    @Test func `numbers without a name are shown, not trapped on`() {
        let text = narrator.sentence(
            Trace(.linkDown, group: 99, duration: Duration(nanoseconds: .min), number: .max))
        #expect(text.contains("256"))
    }
}

struct HistoryTests {
    @Test(arguments: [Trace.Kind.linkUp, .linkDown])
    func `links count from 1 in the history`(kind: Trace.Kind) throws {
        let entry = HistoryEntry(
            Trace(kind, number: 0), narrator: Narrator(names: names), milliseconds: 0,
            simulated: false)
        #expect(String(decoding: entry.json, as: UTF8.self).contains(#""number":1,"#))
    }

    @Test func `an entry carries what the machine knew and what a person reads`() throws {
        let entry = HistoryEntry(
            Trace(
                .fenceVerified, cause: .contactLost, duration: .milliseconds(41), number: 0),
            narrator: Narrator(names: names), milliseconds: 1_795_420_159_123, simulated: true)
        let json = try decode(entry.json)
        #expect(json["time"] as? String == "2026-11-23T07:49:19.123Z")
        #expect(json["kind"] as? String == "fence_verified")
        #expect(json["cause"] as? String == "contact_lost")
        #expect(json["milliseconds"] as? Double == 41)
        #expect(json["simulated"] as? Bool == true)
        #expect(
            json["text"] as? String
                == "west is verified off by relay RELAY_WEST after 41 ms, because contact with "
                + "west is lost.")
    }
}
