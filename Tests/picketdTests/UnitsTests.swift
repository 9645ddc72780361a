import PicketConfig
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
