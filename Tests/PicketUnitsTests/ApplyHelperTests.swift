import Foundation
import PicketConfig
import PicketCore
import PicketLinux
import Testing

@testable import picketd

/// An agent that is not root, before the real helper, which has the real picketd read the file.
@Suite(.enabled(if: geteuid() == 0, "needs root"))
struct ApplyHelperTests {
    @Test func `root's helper puts a file in place and back, and says what it does not`() throws {
        let bench = try Bench()
        defer { bench.end() }
        let old = bench.helper.text("picket.yaml")
        let new = old + "budgets: { fences: 5 }\n"
        let open = try bench.keep(new)

        let taken = try bench.apply(.take(open, isCertain: true))
        #expect(taken.failure == nil && taken.place == .new)
        guard case .read(let settings, _, _) = taken.found else {
            Issue.record("not read again")
            return
        }
        #expect(settings.text == Array(new.utf8))
        #expect(bench.helper.text("picket.yaml") == new)
        #expect(bench.helper.text("picket.yaml.before") == old)
        let back = try bench.apply(.putBack(open, isCertain: true))
        #expect(back.failure == nil && back.place == .old)
        #expect(bench.helper.text("picket.yaml") == old)

        let more = try bench.keep(
            old + "  other: { prefer: east, resources: [{ unit: ssh.service }] }\n")
        let refused = try bench.apply(.take(more, isCertain: true))
        #expect(refused.place == .old && !refused.isUncertain)
        #expect(refused.failure?.contains("names ssh.service") == true, "\(refused)")

        bench.helper.end()
        let gone = try bench.apply(.take(try bench.keep(new), isCertain: true))
        #expect(gone.place == .old && gone.failure?.contains("does not answer") == true)
    }

    @Test func `where the helper falls silent nobody believes the disk before it is asked again`()
        throws
    {
        let bench = try Bench()
        defer { bench.end() }
        let old = bench.helper.text("picket.yaml")
        let open = try bench.keep(old + "budgets: { fences: 5 }\n")
        bench.helper.signal(SIGSTOP)
        let process = bench.helper.identifier
        Thread.detachNewThread {
            Thread.sleep(forTimeInterval: 0.5)
            kill(process, SIGKILL)
        }
        let silent = try bench.apply(.take(open, isCertain: true))
        #expect(silent.isUncertain && silent.place == nil && silent.failure != nil)
        // It is believed no more because nobody is there to be asked.
        let gone = try bench.apply(.putBack(open, isCertain: false))
        #expect(gone.isUncertain && gone.place == nil && gone.failure != nil)
        try bench.start()
        // The file was never put there, and the helper says that it is not.
        let back = try bench.apply(.putBack(open, isCertain: false))
        #expect(back.failure == nil && back.place == .old, "\(back)")
        #expect(bench.helper.text("picket.yaml") == old)
        let again = try bench.apply(.take(open, isCertain: false))
        #expect(again.failure == nil && again.place == .new)
    }

    @Test func `what was changed by hand stays, whoever would put a file there`() throws {
        let bench = try Bench()
        defer { bench.end() }
        let old = bench.helper.text("picket.yaml")
        let open = try bench.keep(old + "budgets: { fences: 5 }\n")
        let hand = old + "# by hand\n"
        try bench.helper.write("picket.yaml", hand)
        // What nobody runs is none that could be taken back to.
        #expect(throws: Bench.NotDone.self) { try bench.keep(old, running: old) }
        #expect(try bench.apply(.take(open, isCertain: true)).place == .other)
        #expect(bench.helper.text("picket.yaml") == hand)
        #expect(!FileManager.default.fileExists(atPath: bench.helper.configuration + ".before"))
        try bench.helper.write("picket.yaml", old)
        #expect(try bench.apply(.take(open, isCertain: true)).place == .new)
        try bench.helper.write("picket.yaml", hand)
        for isCertain in [true, false] {
            #expect(try bench.apply(.putBack(open, isCertain: isCertain)).place == .other)
        }
        #expect(bench.helper.text("picket.yaml") == hand)
    }
}

private final class Bench {
    let helper: Helper
    private let file: ApplyFile
    private var options = picketd.Options()
    private typealias SetUser = @convention(c) (UInt32) -> Int32

    init() throws {
        helper = try Helper(units: []) { helper in
            try helper.write(
                "bin/picketd", "#!/bin/sh\nexec \(Helper.beside("picketd")) \"$@\"\n")
            try helper.write(
                "picket.yaml",
                """
                node: east
                pair:
                  name: rack7
                  detect_within: 500ms
                  key: \(helper.directory)/pair.key
                  nodes: { east: { links: [127.0.0.1:7] }, west: { links: [127.0.0.1:8] } }
                watchdog: none
                fence: none
                directories: { state: \(helper.directory)/state, run: \(helper.directory)/own }
                groups:
                  gateway: { prefer: east, resources: [{ unit: gateway.service }] }

                """)
        }
        let state = helper.directory + "/state"
        try FileManager.default.createDirectory(
            atPath: state, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o777])
        _ = FileManager.default.createFile(
            atPath: helper.directory + "/pair.key", contents: Data(repeating: 7, count: 32),
            attributes: [.posixPermissions: 0o600, .ownerAccountID: 65534])
        file = ApplyFile(in: state)
        options.configuration = helper.configuration
        options.helper = helper.directory + "/run/units.sock"
        try helper.give("run/units.sock", to: 0, mode: 0o666)
    }

    func start() throws {
        try helper.restart()
        try helper.give("run/units.sock", to: 0, mode: 0o666)
    }

    func end() { helper.end() }

    /// As the agent's own, which the helper takes for root's here. The agent runs the file in place,
    /// or this one.
    func keep(_ text: String, running: String? = nil) throws -> OpenApply {
        let running = Array((running ?? helper.text("picket.yaml")).utf8)
        let open = OpenApply(id: 1, byPeer: true, old: 0, new: 0, within: 60, boot: "B")
        let found = Startup.read(
            options, Hardware(), KeptLines(),
            for: .apply(
                .keep(open, Array(text.utf8), node: "east", running: running), file))
        guard case .kept(let kept) = found else { throw NotDone(found: "\(found)") }
        return kept
    }

    /// By a user who may write neither the file in place nor its directory.
    func apply(_ job: ApplyJob) throws -> ApplyJob.Done {
        let name = unsafe dlsym(nil, "setfsuid")!
        let setUser = unsafe unsafeBitCast(name, to: SetUser.self)
        _ = setUser(65534)
        let found = Startup.read(options, Hardware(), KeptLines(), for: .apply(job, file))
        _ = setUser(0)
        guard case .done(let done) = found else { throw NotDone(found: "\(found)") }
        return done
    }

    struct NotDone: Error { var found: String }
}
