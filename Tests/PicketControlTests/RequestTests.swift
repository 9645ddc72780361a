import PicketControl
import PicketCore
import PicketProof
import Testing

struct RequestTests {
    static let all: [Request] = [
        .status, .watch(every: .milliseconds(250)), .history(count: 20, follow: false),
        .history(count: 0, follow: true), .handover(group: nil), .handover(group: "gateway"),
        .failback(group: nil), .failback(group: "gateway"), .fence(node: "west"),
        .confirmFence(node: "west"), .maintenance(true, despite: []),
        .maintenance(true, of: "web", despite: []),
        .maintenance(false, of: "web", despite: ["web"]),
        .maintenance(false, despite: []), .maintenance(false, despite: ["web", "db"]),
        .pause(.milliseconds(1_500)), .restore(node: "west"), .clear(group: nil), .clearBudgets,
        .clear(group: "gateway"), .take(group: nil, stale: false),
        .take(group: "gateway", stale: false), .take(group: "gateway", stale: true),
        .drill(.sensor(name: "inlet", .value(95.5, unit: "C"), for: .seconds(10))),
        .drill(.sensor(name: "inlet", .value(-4, unit: ""), for: .seconds(10))),
        .drill(.sensor(name: "inlet", .fail, for: .milliseconds(1_500))),
        .drill(.sensor(name: "inlet", .stuck, for: .seconds(60))),
        .drill(.link(1, for: .seconds(5), live: false)),
        .drill(.link(0, for: .seconds(5), live: true)), .drill(.relay(live: false)),
        .drill(.relay(live: true)),
        .drill(.failover(live: false)), .drill(.failover(live: true)), .drill(.hang(live: false)),
        .drill(.hang(live: true)), .apply(bytes: 1, within: nil),
        .apply(bytes: Request.longestFile, within: .seconds(300)), .applyConfirm, .applyRevert,
    ]

    @Test(arguments: all)
    func `what the client writes, the agent reads`(request: Request) throws {
        #expect(try Request.parse(Array(request.line.utf8)) == request)
        #expect(request.line.utf8.count <= Request.longestLine)
    }

    @Test(arguments: [
        ("apply", .malformed), ("apply 0", .malformed), ("apply 262145", .malformed),
        ("apply file.yaml", .malformed), ("apply 5 within", .malformed),
        ("apply 5 within 1s", .malformed), ("apply confirm 5", .malformed),
        ("", RequestError.Code.empty), ("   \t ", .empty), ("frobnicate", .unknown),
        ("Status", .unknown), ("status now", .malformed), ("fence", .malformed),
        ("fence west west", .malformed), ("maintenance", .malformed),
        ("maintenance maybe", .malformed), ("pause", .malformed), ("pause 30", .malformed),
        ("pause -3s", .malformed), ("pause 99999999d", .malformed), ("pause 0s", .malformed),
        ("history -1", .malformed), ("history 99999999999999999999", .malformed),
        ("history ten", .malformed), ("watch every 1ms", .malformed), ("drill", .malformed),
        ("drill everything", .unknown), ("drill sensor", .malformed),
        ("drill sensor inlet", .malformed), ("drill sensor inlet value", .malformed),
        ("drill sensor inlet value hot for 3s", .malformed),
        ("drill sensor inlet value 95C", .malformed),
        ("drill sensor inlet value 95C for", .malformed), ("drill link 0 for 5s", .malformed),
        ("drill link 9 for 5s", .malformed), ("drill link 1 for 2h", .malformed),
        ("drill relay twice", .malformed), ("status\u{0}", .encoding), ("stat\u{7F}us", .encoding),
    ])
    func `what is no request is refused by name`(line: String, code: RequestError.Code) {
        let error = #expect(throws: RequestError.self) { try Request.parse(Array(line.utf8)) }
        #expect(error?.code == code)
        #expect(error?.text.hasSuffix(".") == true)
    }

    @Test(arguments: [[0xFF, 0xFE], [0x73, 0xC3], [0xED, 0xA0, 0x80], [0x00]] as [[UInt8]])
    func `bytes that are no text are refused`(bytes: [UInt8]) {
        let error = #expect(throws: RequestError.self) { try Request.parse(bytes) }
        #expect(error?.code == .encoding)
    }

    @Test func `a line of the longest length is read and one byte more is not`() {
        let padding = String(repeating: " ", count: Request.longestLine - "status".utf8.count)
        #expect(throws: Never.self) { try Request.parse(Array(("status" + padding).utf8)) }
        let error = #expect(throws: RequestError.self) {
            try Request.parse(Array((" status" + padding).utf8))
        }
        #expect(error?.code == .tooLong)
    }

    @Test func `random bytes never trap`() {
        var chance = Chance(seed: 1)
        for _ in 0..<20_000 {
            let line = (0..<Int.random(in: 0..<40, using: &chance)).map { _ in
                Bool.random(using: &chance)
                    ? UInt8.random(in: 0...255, using: &chance)
                    : "drill sensor 95C for history pause -1.".utf8.randomElement(using: &chance)!
            }
            _ = try? Request.parse(line)
        }
    }

    @Test func `a command names a group of the pair`() throws {
        #expect(
            try Request.handover(group: "historian").command(in: names) == .handover(1))
        #expect(try Request.handover(group: nil).command(in: names) == .handover(nil))
        #expect(throws: RequestError.self) { try Request.clear(group: "x").command(in: names) }
    }

    @Test func `only the peer can be fenced`() throws {
        #expect(try Request.fence(node: "west").command(in: names) == .fence)
        #expect(try Request.confirmFence(node: "west").command(in: names) == .confirmFence)
        for node in ["east", "north", "West"] {
            #expect(throws: RequestError.self) { try Request.fence(node: node).command(in: names) }
            #expect(throws: RequestError.self) {
                try Request.confirmFence(node: node).command(in: names)
            }
        }
    }
}
