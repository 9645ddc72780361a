import PicketControl
import PicketCore
import PicketHardware
import Testing

struct NoticeTests {
    let narrator = Narrator(names: names)

    static let report = DrillReport(
        identifier: "x", node: "east", drill: "relay", live: false, beganMilliseconds: 0,
        lasted: .zero, timeline: [], verdict: .failed, conclusion: "The feedback cannot be read.")

    @Test(
        arguments: [
            (.powerIsBack, "power", .notice, "west has its power back."),
            (
                .powerIsNotBack, "power", .alarm,
                "The power of west could not be switched on again; east tries every 5 s."
            ),
            (
                .powerIsLeft, "power", .alarm,
                "west may be left without power: the agent on east ends before its fence has."
            ),
            (
                .fenceTimed(own: .microseconds(1_250), inDriver: .microseconds(40)),
                "fence_timing", .info,
                "From the sense line's edge to the proof the agent took 1.25 ms, and the line's "
                    + "driver 0.04 ms."
            ),
            (
                .relayTrouble("line X: busy"), "relay", .alarm, "No fence by relay: line X: busy."
            ),
            (.relayReady, "relay", .notice, "The relay's lines are open."),
            (.noWatchdog("none"), "watchdog", .alarm, "No watchdog: none."),
            (.watchdogUnfed, "watchdog", .alarm, "The watchdog could not be fed."),
            (.resetByWatchdog, "reset", .warning, "east was reset by its watchdog."),
            (.plannedEnd, "reset", .notice, "east starts again after a planned stop."),
            (
                .powerWasLost, "reset", .warning,
                "east lost its power or was reset, without a planned stop."
            ),
            (.wasFenced, "reset", .warning, "east was fenced: west cut its power."),
            (
                .resource(0, resource: "ip", .stop, .timedOut), "resource", .warning,
                "gateway: stop of ip did not end in its time and was killed."
            ),
            (
                .resource(0, resource: "ip", .start, .failed), "resource", .warning,
                "gateway: start of ip failed."
            ),
            (
                .resource(0, resource: "db", .start, .refused(Term(41))), "resource", .warning,
                "gateway: start of db was refused: its data are of term 41, which is later."
            ),
            (
                .resource(0, resource: "db", .start, .refusedWrongly(nil)), "resource", .warning,
                "gateway: start of db failed: it ended with exit code 79, which refuses a term, and "
                    + "printed no line \"term N\" that names the term of its data."
            ),
            (
                .resource(0, resource: "db", .promote, .refusedWrongly(Term(6))), "resource",
                .warning,
                "gateway: promote of db failed: it refused the term that it was given and printed "
                    + "\"term 6\", which is not above that."
            ),
            (
                .resource(0, resource: "db", .start, .refusedWrongly(Term(1 << 62))), "resource",
                .warning,
                "gateway: start of db failed: it refused the term that it was given and printed "
                    + "\"term 4611686018427387904\", which no group can have."
            ),
            (
                .resource(0, resource: "ip", .monitor, .unkillable), "resource", .alarm,
                "gateway: monitor of ip was killed and does not end: it hangs in the kernel."
            ),
            (
                .runNoteDamaged(reason: "no checksum"), "note", .alarm,
                "The note of what runs here is damaged (no checksum): it is not known what runs on east. "
                    + "Every group is stopped here before it starts anywhere."
            ),
            (
                .runNotNoted(reason: "write x: no space"), "note", .alarm,
                "The note of what runs here cannot be written (write x: no space): a restarted "
                    + "agent will not know it."
            ),
            (
                .stateRestored(reason: "it is cut short"), "state", .warning,
                "The state file was not whole (it is cut short). It is restored from its second "
                    + "copy, which was the same; see to the disk."
            ),
            (
                .sensor(name: "inlet", Verdict(.critical), reading: "95C", simulated: true),
                "sensor", .alarm, "Sensor inlet is past its critical limit: 95C (drill)."
            ),
            (
                .sensor(
                    name: "inlet", Verdict(.warn, failed: true), reading: "overflow",
                    simulated: false), "sensor", .warning, "Sensor inlet is failed: overflow."
            ),
            (
                .reloadNeedsRestart(for: ["the links", "the sensors"]), "reload", .warning,
                "The changed configuration is not taken up: the links and the sensors can change "
                    + "only with a restart (\"picket pause\", then restart the agent)."
            ),
            (
                .reloadOfAnotherPair, "reload", .warning,
                "The changed configuration is not taken up, because it is for another pair."
            ),
            (.reloaded, "reload", .notice, "The changed configuration is taken up."),
            (
                .reloadRefused(errors: 1), "reload", .warning,
                "The changed configuration is refused as a whole: it has an error. The agent goes "
                    + "on with the one it has."
            ),
            (
                .reloadRefused(errors: 3), "reload", .warning,
                "The changed configuration is refused as a whole: it has 3 errors. The agent goes "
                    + "on with the one it has."
            ),
            (
                .apply(.refused(by: "west")), "apply", .warning,
                "A configuration for both nodes is refused by west; nothing is changed."
            ),
            (
                .apply(.taken(byPeer: true, within: 0)), "apply", .notice,
                "east goes by the configuration that was applied on west."
            ),
            (
                .apply(.taken(byPeer: false, within: 300)), "apply", .notice,
                "east goes by the configuration that was applied on east. It is taken back in "
                    + "5 min unless it is confirmed."
            ),
            (
                .apply(.confirmed), "apply", .notice, "The applied configuration stays on east."
            ),
            (
                .apply(.takenBack), "apply", .warning,
                "The applied configuration is taken back on east."
            ),
            (
                .apply(.notTakenBack(reason: "disk full")), "apply", .alarm,
                "The applied configuration is not taken back on east: disk full."
            ),
            (
                .apply(.notPutInPlace(reason: "disk full")), "apply", .alarm,
                "The applied configuration is not put in place on east: disk full."
            ),
            (
                .apply(.unsettled(isNew: false)), "apply", .warning,
                "An applied configuration is not settled: east has the old one. \"picket status\" "
                    + "tells what to do."
            ),
            (
                .drill(report), "drill", .warning,
                "Drill relay: failed. The feedback cannot be read."
            ),
        ] as [(Notice, String, Trace.Kind.Severity, String)])
    func `a notice has its kind, its severity and its sentence`(
        notice: Notice, kind: String, severity: Trace.Kind.Severity, text: String
    ) throws {
        #expect(narrator.sentence(notice) == text)
        let entry = HistoryEntry(notice, narrator: narrator, milliseconds: 0, simulated: false)
        #expect((entry.kind, entry.severity, entry.text) == (kind, severity, text))
    }

    @Test func `what a drill pretends is marked, and what was measured stands beside`() throws {
        func json(_ notice: Notice) throws -> [String: Any] {
            try decode(
                HistoryEntry(notice, narrator: narrator, milliseconds: 0, simulated: false).json)
        }
        #expect(try json(.drill(Self.report))["simulated"] as? Bool == true)
        #expect(try json(.relayReady)["simulated"] == nil)
        let timing = try json(.fenceTimed(own: .milliseconds(2), inDriver: .microseconds(500)))
        #expect(timing["own_ms"] as? Double == 2)
        #expect(timing["driver_ms"] as? Double == 0.5)
    }

    @Test(
        arguments: [
            (.value(Quantity(41.25, .celsius)), "41.25C"),
            (.stale(last: nil), "nothing was ever read"),
            (.stale(last: Quantity(5, .volts)), "nothing new since 5V"),
            (.failed(.stuck), "the same value for too long"),
            (.failed(.implausible(Quantity(900, .celsius))), "900C is not plausible"),
            (.failed(.tooFast(Quantity(90, .celsius))), "a jump to 90C is not plausible"),
            (.failed(.injected), "a drill's failure"),
            (
                .failed(.unreadable(SensorError("LM75 temperature", .bus(.timeout)))),
                "LM75 temperature: the bus hangs"
            ),
            (.failed(.unreadable(SensorError("R", .bus(.other(errno: 5))))), "R: errno 5"),
        ] as [(Reading, String)])
    func `a reading is put into words`(reading: Reading, words: String) {
        #expect(reading.words { "errno \($0)" } == words)
    }
}
