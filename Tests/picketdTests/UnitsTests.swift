import PicketCore
import Testing

@testable import picketd

/// What the agent makes of what the helper tells of the units.
struct UnitsTests {
    static let lines = """
        Warrant=gateway.service group
        Warrant=mysql.service hand
        Names=gateway.service
        LoadState=loaded
        ActiveState=active
        WantedBy=multi-user.target
        RequiredBy=
        UpheldBy=
        TriggeredBy=gateway.socket gateway.timer

        Names=mariadb.service mysql.service
        LoadState=loaded
        ActiveState=inactive
        WantedBy=
        TriggeredBy=

        Names=broker@1.service
        LoadState=not-found
        ActiveState=inactive
        RequiredBy=gateway.service
        """.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    static let states = UnitState.read(lines)

    @Test func `a unit is found by each of its names, with its warrant`() {
        #expect(UnitsTests.states.count == 3)
        let mysql = UnitState.of("mysql.service", in: UnitsTests.states)
        #expect(mysql?.warrant == .hand && mysql?.runs == false)
        #expect(UnitState.of("gateway.service", in: UnitsTests.states)?.warrant == .group)
        #expect(UnitState.of("gateway.service", in: UnitsTests.states)?.runs == true)
        #expect(UnitState.of("broker@1.service", in: UnitsTests.states)?.warrant == nil)
        #expect(UnitState.read([]) == [])
        #expect(UnitState.read(["", "=", "a=b=c", ""]) == [])
    }

    @Test func `what starts a unit by itself is told, but for the group's own units`() {
        let told = Units.starters(["gateway.service", "broker@1.service"], UnitsTests.states)
        #expect(
            told == [
                "multi-user.target (gateway.service)", "gateway.socket (gateway.service)",
                "gateway.timer (gateway.service)",
            ])
    }

    @Test func `a group of which a unit is missing, or unknown to the helper, is not ready`() {
        let named = [
            (0, "gateway.service"), (1, "mysql.service"), (1, "broker@1.service"),
            (2, "other.service"),
        ].map { Units.Named(group: $0.0, unit: $0.1) }
        #expect(Units.unready(named, UnitsTests.states) == [1, 2])
        #expect(Units.unready([named[0]], []) == [0])
    }

    @Test(arguments: [
        // A stray is stopped, but in maintenance; one that a person runs is left then.
        (UnitState(runs: true), GroupReport.Role.vacant, false, UnitNeed.alarm(stops: true)),
        (UnitState(runs: true), .vacant, true, .alarm(stops: false)),
        (UnitState(runs: true, warrant: .hand), .vacant, true, .nothing),
        (UnitState(runs: true, warrant: .hand), .vacant, false, .alarm(stops: true)),
        (UnitState(warrant: .hand), .vacant, false, .clearing),
        // Whoever had the helper start it.
        (UnitState(runs: true, warrant: .group), .vacant, false, .alarm(stops: true)),
        (UnitState(runs: true, warrant: .group), .vacant, true, .alarm(stops: false)),
        (UnitState(warrant: .group), .vacant, false, .clearing),
        // A start or a stop of the group's is under way.
        (UnitState(runs: true), .releasing, false, .nothing),
        (UnitState(runs: true), .claiming, false, .nothing),
        (UnitState(), .vacant, false, .nothing),
        // Started by an agent that knew no warrants, or by hand before the group was.
        (UnitState(runs: true), .holding, false, .warrant),
        (UnitState(runs: true, warrant: .hand), .holding, true, .warrant),
        (UnitState(runs: true, warrant: .group), .holding, false, .nothing),
    ])
    func `what runs beside its group is no group's unit any more`(
        state: UnitState, role: GroupReport.Role, inMaintenance: Bool, need: UnitNeed
    ) {
        #expect(
            UnitNeed(
                runs: state.runs, warrant: state.warrant, role, isRunning: true,
                inMaintenance: inMaintenance) == need)
    }

    @Test func `a helper that is gone, or does not know a unit, is a fault`() throws {
        func fault(_ units: [String], answers: Bool = true) -> String? {
            Units.fault(units, UnitsTests.states, answers: answers)
        }
        #expect(fault(["gateway.service", "mysql.service"]) == nil)
        #expect(try #require(fault(["gateway.service"], answers: false)).contains("not answer"))
        #expect(try #require(fault(["ssh.service"])).contains("does not know ssh.service"))
        #expect(try #require(fault(["broker@1.service"])).contains("has no broker@1.service"))
    }
}
