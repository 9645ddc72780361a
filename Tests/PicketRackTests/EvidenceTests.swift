import PicketCore
import Testing

@testable import PicketRack

/// The rack's judgement of who was active when.
struct EvidenceTests {
    private func record(
        _ milliseconds: Int64, _ node: String, _ process: Int, _ kind: String = "a",
        term: Int = 1
    ) throws -> Record {
        let bytes = Example.record(
            Instant(nanoseconds: milliseconds * 1_000_000), node, "g", process, kind, term: term)
        #expect(bytes.count == Record.size)
        return try #require(Record(bytes[...]))
    }

    private func evidence(_ records: [Record]) -> (Evidence, [Evidence.Finding]) {
        var evidence = Evidence()
        var findings: [Evidence.Finding] = []
        for record in records { findings += evidence.add(record) }
        return (evidence, findings)
    }

    @Test func `one after the other is no dual activity`() throws {
        let (evidence, findings) = evidence([
            try record(10, "east", 1, "b"), try record(20, "east", 1, "e"),
            try record(30, "west", 2, "b", term: 2), try record(40, "west", 2, term: 2),
        ])
        #expect(evidence.dualActive() == .zero)
        #expect(evidence.nowhere("g", until: Instant(nanoseconds: 41_000_000)) == .milliseconds(10))
        #expect(findings.count == 3)
        #expect(evidence.fallenTerms == 0)
    }

    @Test func `a process that is silent between two records was active all the time`() throws {
        let (evidence, findings) = evidence([
            try record(10, "east", 1, "b"), try record(50, "west", 2, "b", term: 2),
            try record(70, "west", 2, term: 2), try record(100, "east", 1),
        ])
        #expect(evidence.dualActive() == .milliseconds(20))
        #expect(
            findings.contains {
                if case .dual(_, let other) = $0 { other == "west" } else { false }
            })
    }

    @Test func `a process that died is not active for longer than it wrote`() throws {
        let (evidence, _) = evidence([
            try record(10, "east", 1, "b"), try record(20, "east", 1),
            try record(21, "west", 2, "b", term: 2), try record(60, "west", 2, term: 2),
        ])
        #expect(evidence.dualActive() == .zero)
        #expect(evidence.active("g", at: Instant(nanoseconds: 61_000_000)) == "west")
    }

    @Test func `a term that falls is noted`() throws {
        let (evidence, _) = evidence([
            try record(10, "east", 1, "b", term: 5), try record(20, "west", 2, "b", term: 4),
        ])
        #expect(evidence.fallenTerms == 1)
    }

    @Test func `a torn record is none`() throws {
        let bytes = Array(String(repeating: " ", count: 128).utf8)
        #expect(Record(bytes[...]) == nil)
        #expect(Record(bytes[..<100]) == nil)
    }
}
