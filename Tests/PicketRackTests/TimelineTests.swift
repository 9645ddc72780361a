import Foundation
import PicketCore
import Testing

@testable import PicketRack

struct TimelineTests {
    private final class Paper {
        var text = ""
        var lines: [Substring] { text.split(separator: "\n") }
    }

    private func timeline(
        _ fake: FakeRack, colour: Bool = false, json: Bool = false
    ) -> (Timeline, Paper) {
        let paper = Paper()
        let output = Output(colour: colour) { paper.text += String(decoding: $0, as: UTF8.self) }
        return (Timeline(rack: fake.rack, to: output, json: json), paper)
    }

    @Test func `what is told late stands where it belongs`() throws {
        let fake = try FakeRack()
        let (timeline, paper) = timeline(fake)
        let began = fake.rack.began
        fake.rack.tell(
            RackEvent(
                at: began + .milliseconds(1500), source: .rack, node: "east", kind: "k",
                text: "Later."))
        fake.rack.tell(
            RackEvent(
                at: began + .milliseconds(1234), source: .agent, node: "west", kind: "k",
                text: "Sooner."))
        fake.rack.tell(
            RackEvent(at: began, source: .rack, kind: "k", text: "Dull.", severity: .quiet))
        timeline.finish()
        #expect(
            paper.lines == [
                "   1.234  west  agent     Sooner.", "   1.500  east  rack      Later.",
            ])
    }

    @Test func `colour is by severity`() throws {
        let fake = try FakeRack()
        let (timeline, paper) = timeline(fake, colour: true)
        fake.rack.tell(.rack, "k", "Bad.", .alarm)
        timeline.finish()
        #expect(paper.text.hasPrefix("\u{1B}[1;31m") && paper.text.hasSuffix("Bad.\u{1B}[0m\n"))
    }

    @Test func `as JSON every event is an object of its own`() throws {
        let fake = try FakeRack()
        let (timeline, paper) = timeline(fake, json: true)
        fake.rack.tell(.workload, "active", node: "east", "It \"works\".", .quiet)
        timeline.finish()
        let line = try #require(paper.lines.first)
        let read = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        #expect(read?["source"] as? String == "workload" && read?["kind"] as? String == "active")
        #expect(read?["text"] as? String == "It \"works\".")
    }
}
