import PicketConfig
import PicketControl
import PicketLinux
import Testing

@testable import PicketCore
@testable import picketd

/// What the groups' actions are on this system, and what their ends mean.
struct GroupsTests {
    /// A group of two addresses, the one of an interface that is not there, and a command.
    static func groups() throws -> ResourceActions {
        let text = """
            node: east
            pair:
              name: rack7
              detect_within: 500ms
              key: /etc/picket/rack7.key
              nodes:
                east: { links: [10.0.0.1:7780] }
                west: { links: [10.0.0.2:7780] }
            watchdog: none
            fence: none
            groups:
              gateway:
                prefer: east
                resources:
                  - ip: 192.0.2.9/24@lo
                  - ip: 10.0.0.9/8@nosuch0
                  - command: { start: [/bin/true], stop: [/bin/true] }

            """
        let settings = try Configuration.load(
            Array(text.utf8), file: "picket.yaml", node: nil, boards: BoardLibrary([]),
            simulated: true)
        return ResourceActions(settings.groups)
    }

    static func run(_ number: UInt32, _ action: ResourceAction, _ resource: Int) -> ResourceRun {
        ResourceRun(
            id: RunID(group: 0, number: number), group: 0, resource: resource, action: action,
            timeout: .seconds(1), term: Term(1), cause: .none)
    }

    private let now = Instant(nanoseconds: 5)

    private func succeeded(
        _ groups: inout ResourceActions, _ run: ResourceRun, _ end: ChildEnd, spoke: Bool = false
    ) -> Bool {
        groups.succeeded(run.id, end, spoke: spoke, at: now)
    }

    @Test(arguments: [
        (ResourceAction.stop, 0, false), (.stop, 1, true), (.stop, 2, false),
        (.start, 1, false), (.monitor, 1, false),
    ])
    func `only an address whose interface is gone needs no stop that ends well`(
        action: ResourceAction, resource: Int, succeeds: Bool
    ) throws {
        var groups = try GroupsTests.groups()
        let run = GroupsTests.run(1, action, resource)
        _ = groups.arguments(for: run)
        #expect(succeeded(&groups, run, .exited(1), spoke: true) == succeeds)
    }

    @Test func `an address is there when its monitor shows it`() throws {
        var groups = try GroupsTests.groups()
        for spoke in [true, false] {
            let run = GroupsTests.run(spoke ? 1 : 2, .monitor, 0)
            _ = groups.arguments(for: run)
            #expect(succeeded(&groups, run, .exited(0), spoke: spoke) == spoke)
        }
    }

    @Test func `an address is announced when its own start has ended well, and until its stop`()
        throws
    {
        var groups = try GroupsTests.groups()
        let (start, other) = (GroupsTests.run(1, .start, 0), GroupsTests.run(2, .monitor, 2))
        for run in [start, other] { _ = groups.arguments(for: run) }
        #expect(succeeded(&groups, other, .exited(0)))
        #expect(groups.announcements.map { $0.at } == [.distantFuture])
        #expect(succeeded(&groups, start, .exited(0)))
        #expect(groups.announcements.map { $0.at } == [now])
        _ = groups.arguments(for: GroupsTests.run(3, .stop, 0))
        #expect(groups.announcements.isEmpty)
    }

    @Test func `an address that did not come up is never announced`() throws {
        var groups = try GroupsTests.groups()
        let start = GroupsTests.run(1, .start, 0)
        _ = groups.arguments(for: start)
        #expect(!succeeded(&groups, start, .exited(2)))
        #expect(groups.announcements.isEmpty)
    }

    @Test(arguments: [
        ("3", 3_000_000_000), ("2.5 s", 2_500_000_000), ("-1762236000000", 0),
        ("999999999999999", 1_000_000_000_000_000_000), ("-0", 0),
    ])
    func `whatever number a sync probe prints is a lag`(line: String, nanoseconds: Int64) {
        #expect(Groups.lag(line) == Duration(nanoseconds: nanoseconds))
    }

    @Test(arguments: ["", "none", "nan", "inf", "9999999999999999"])
    func `what is no number is no lag`(line: String) { #expect(Groups.lag(line) == nil) }

    @Test func `a position is an epoch and a number`() throws {
        let first = try #require(Groups.position("3:50331648"))
        #expect(first.number == 50_331_648 && first.epoch != 0)
        let other = try #require(Groups.position("a:b:7 "))
        #expect(other.number == 7 && other.epoch != first.epoch)
        #expect(Groups.position("3:50331649")?.epoch == first.epoch)
        for line in ["", ":5", "5", "1.5", "3:", "3:x", "3:-1"] {
            #expect(Groups.position(line) == nil)
        }
    }

    @Test(
        arguments: [
            (["term 41"], 41), (["looking", "term 7", "done"], 7), (["term 3", "term 5 "], 5),
            (["term -1"], nil), (["term"], nil), (["term x"], nil), (["Term 4", " term 4"], nil),
            (["term 18446744073709551616"], nil), ([], nil),
        ] as [([String], UInt64?)])
    func `a start names the term of its data in a line of its own`(
        lines: [String], term: UInt64?
    ) {
        var table = ProcessTable()
        let id = table.begin(.resource(RunID(group: 0, number: 1)), deadline: .distantFuture)
        for line in lines { _ = table.spoke(id, line) }
        #expect(table.end(id)?.dataTerm == term.map { Term($0) })
    }

    @Test func `only a command's exit code refuses a term`() throws {
        var groups = try GroupsTests.groups()
        for (resource, isCommand) in [(0, false), (2, true)] {
            let run = GroupsTests.run(UInt32(resource), .start, resource)
            _ = groups.arguments(for: run)
            #expect(groups.isCommand(run.id) == isCommand)
        }
    }
}
