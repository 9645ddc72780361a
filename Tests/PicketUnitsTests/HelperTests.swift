import CPicket
import Foundation
import PicketCore
import PicketLinux
import PicketRack
import Testing

@testable import picket_units

/// The helper as a process, with a systemctl and a picketd of the test's own.
struct HelperTests {
    @Test func `what the configuration names is started and stopped, and no more is asked`() throws
    {
        let helper = try Helper(units: ["gateway.service", "broker@1.service"])
        defer { helper.end() }
        #expect(try helper.ask("start", "gateway.service").code == 0)
        #expect(try helper.ask("stop", "broker@1.service").code == 0)
        #expect(
            helper.asked == [
                "--no-ask-password start -- gateway.service with a warrant",
                "--no-ask-password stop -- broker@1.service without a warrant",
            ])
        #expect(try helper.ask("list").output == "gateway.service\nbroker@1.service\n")
    }

    @Test(arguments: [
        ["start", "ssh.service"], ["stop", "ssh.service"], ["start", "gateway.servic"],
    ])
    func `what it does not name is refused, and systemd is not asked`(words: [String]) throws {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        let answer = try helper.ask(words)
        #expect(answer.code == HelperExit.refused && answer.output.contains("names no \(words[1])"))
        #expect(helper.asked == [])
        #expect(!helper.exists("warrants/\(words[1])"))
    }

    /// On a line of the socket, past what the command line lets through.
    @Test(arguments: [
        "start gateway.service ssh.service", "start", "restart gateway.service",
        "start --all", "start ../../etc.service", "set-property gateway.service",
        "start gateway.service\u{0}", "list all", "",
    ])
    func `a line that is no request is refused`(line: String) throws {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        #expect(try helper.say(line + "\n") == "refused no such request\n")
        #expect(helper.asked == [])
    }

    @Test func `a configuration that names no more is put in place, and the old one given back`()
        throws
    {
        let helper = try Helper(units: ["gateway.service", "broker@1.service"])
        defer { helper.end() }
        let old = helper.text("picket.yaml")
        // The test's picketd prints an offered file as it is.
        try helper.write("new", "gateway.service\n")
        let place = helper.configuration
        #expect(try helper.ask("take", place, helper.directory + "/new").code == 0)
        #expect(helper.text("picket.yaml") == "gateway.service\n")
        #expect(helper.text("picket.yaml.before") == old)
        #expect(try helper.ask("give-back", place).code == 0)
        #expect(helper.text("picket.yaml") == old)
        #expect(Directory.names(helper.directory + "/run").filter { $0.hasPrefix("offered") } == [])
    }

    @Test func `a configuration that names a unit more is refused`() throws {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        let old = helper.text("picket.yaml")
        try helper.write("new", "gateway.service\nssh.service\n")
        let refused = try helper.ask("take", helper.configuration, helper.directory + "/new")
        #expect(refused.code == HelperExit.refused)
        #expect(refused.output.contains("the file names ssh.service"), "\(refused)")
        // Another place, a link, a directory, nothing.
        try helper.write("good", "gateway.service\n")
        try FileManager.default.createSymbolicLink(
            atPath: helper.directory + "/link", withDestinationPath: helper.directory + "/good")
        for (place, offered) in [
            (helper.directory + "/units", "good"), (helper.configuration, "link"),
            (helper.configuration, "run"), (helper.configuration, "none"),
        ] {
            let refused = try helper.ask("take", place, helper.directory + "/" + offered)
            #expect(refused.code == HelperExit.refused, "\(refused)")
        }
        #expect(try helper.ask("give-back", helper.configuration).code == HelperExit.refused)
        #expect(helper.text("picket.yaml") == old)
    }

    @Test func `what has left the file is stopped, also twice, and started no more`() throws {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        #expect(try helper.ask("start", "gateway.service").code == 0)
        try helper.name(["other.service"])
        #expect(try helper.ask("start", "gateway.service").code == HelperExit.refused)
        #expect(try helper.ask("start", "other.service").code == 0)
        // A helper that is started again knows what was started.
        try helper.restart()
        #expect(try helper.ask("stop", "gateway.service").code == 0)
        #expect(try helper.ask("stop", "gateway.service").code == 0)
        // It was named, and nobody has started it by the helper.
        try helper.name([])
        #expect(try helper.ask("stop", "other.service").code == 0)
        #expect(try helper.ask("stop", "ssh.service").code == HelperExit.refused)
    }

    @Test func `a stop that failed may be tried again`() throws {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        #expect(try helper.ask("start", "gateway.service").code == 0)
        try helper.name([])
        try helper.systemctl("echo it hangs; exit 4")
        let answer = try helper.ask("stop", "gateway.service")
        #expect(answer.code == 4 && answer.output == "it hangs\n")
        try helper.systemctl("exit 0")
        #expect(try helper.ask("stop", "gateway.service").code == 0)
    }

    @Test func `a file that cannot be read leaves the units as they were`() throws {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        #expect(try helper.ask("list").code == 0)
        try helper.name(["error: it has no groups"], code: 2)
        #expect(try helper.ask("start", "gateway.service").code == 0)
        let refused = try helper.ask("start", "other.service")
        #expect(refused.output.contains("could not be read: error: it has no groups"))
        try helper.name(["other.service"])
        #expect(try helper.ask("start", "other.service").code == 0)
    }

    @Test(.enabled(if: geteuid() == 0, "needs root"), arguments: [true, false])
    func `a file that others than root may write names nothing`(byOwner: Bool) throws {
        let helper = try Helper(units: ["gateway.service"]) { helper in
            try helper.give("picket.yaml", to: byOwner ? 65534 : 0, mode: byOwner ? 0o640 : 0o664)
        }
        defer { helper.end() }
        let answer = try helper.ask("start", "gateway.service")
        #expect(answer.code == HelperExit.refused)
        #expect(answer.output.contains(byOwner ? "belongs to user 65534" : "mode 664"))
        #expect(helper.asked == [])
        // Once it is root's it is read, though its text is the same.
        try helper.give("picket.yaml", to: 0, mode: 0o640)
        #expect(try helper.ask("start", "gateway.service").code == 0)
    }

    @Test(.enabled(if: geteuid() == 0, "needs root"))
    func `nobody may ask but root and the agent's user`() throws {
        let helper = try Helper(units: ["gateway.service"], user: "daemon")
        defer { helper.end() }
        try helper.give("run/units.sock", to: 0, mode: 0o666)
        // Whoever asks is the agent.
        let asking = "--run \(helper.directory)/run --patience"
        try helper.systemctl(
            "case $2 in show) echo MainPID=$(pgrep -nf -- '\(asking)');; esac")
        #expect(try helper.ask(["start", "gateway.service"], as: 1).code == 0)
        let refused = try helper.ask(["start", "gateway.service"], as: 2)
        #expect(refused.code == HelperExit.refused && refused.output.contains("not user 2"))
        #expect(helper.asked.count == 1)
    }

    /// A command of a resource, a probe or a fence agent.
    @Test(.enabled(if: geteuid() == 0, "needs root"), arguments: ["1", "0", ""])
    func `what runs as the agent's user and is not the agent may look and no more`(
        agent: String
    ) throws {
        let helper = try Helper(units: ["gateway.service"], user: "daemon")
        defer { helper.end() }
        try helper.give("run/units.sock", to: 0, mode: 0o666)
        try helper.systemctl(agent.isEmpty ? "exit 1" : "echo MainPID=\(agent)")
        for words in [
            ["start", "gateway.service"], ["stop", "gateway.service"],
            ["give-back", helper.configuration],
        ] {
            let answer = try helper.ask(words, as: 1)
            #expect(answer.code == (agent.isEmpty ? HelperExit.unknown : HelperExit.refused))
            #expect(agent.isEmpty || answer.output.contains("not the main process"))
        }
        #expect(try helper.ask(["list"], as: 1).output == "gateway.service\n")
        #expect(helper.asked == [] && !helper.exists("warrants/gateway.service"))
    }

    @Test func `who is given a connection asks by that alone`() throws {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        #expect(try helper.ask(["--connected", "list"]).code == HelperExit.unknown)
        let asking = Process()
        asking.executableURL = Helper.program
        asking.arguments = ["--connected", "--run", "/nowhere", "start", "gateway.service"]
        let socket = helper.connect()
        asking.standardInput = FileHandle(fileDescriptor: socket, closeOnDealloc: true)
        try asking.run()
        asking.awaitEnd()
        #expect(asking.terminationStatus == 0 && helper.asked.count == 1)
    }

    @Test func `a caller that hangs up takes its start back before the stop is asked`() throws {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        // A start that lasts until it is killed.
        try helper.systemctl("[ $2 != start ] || exec sleep 60")
        let start = try helper.begin("start", "gateway.service")
        try helper.await { helper.asked.count == 1 }
        let second = try helper.begin("start", "gateway.service")
        Worker.sleep(.milliseconds(100))
        // As the agent does it.
        for caller in [second, start] {
            #expect(kill(caller.processIdentifier, 9) == 0)
            caller.awaitEnd()
        }
        #expect(try helper.ask("stop", "gateway.service").code == 0)
        #expect(
            helper.asked == [
                "--no-ask-password start -- gateway.service with a warrant",
                "--no-ask-password stop -- gateway.service without a warrant",
            ])
    }

    @Test func `a stop ends a start that somebody else waits for`() throws {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        try helper.systemctl("[ $2 != start ] || exec sleep 60")
        let start = try helper.begin("run", "gateway.service")
        try helper.await { helper.asked.count == 1 }
        #expect(try helper.ask("stop", "gateway.service").code == 0)
        start.awaitEnd()
        #expect(start.terminationStatus == 1)
        #expect(
            helper.asked == [
                "--no-ask-password start -- gateway.service with a warrant",
                "--no-ask-password stop -- gateway.service without a warrant",
            ])
    }

    @Test func `a stray is stopped unless its group is active here`() throws {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        #expect(try helper.ask("adopt", "gateway.service").code == 0)
        #expect(try helper.ask("clear", "gateway.service").code == 0)
        #expect(try helper.ask("run", "gateway.service").code == 0)
        #expect(helper.asked == ["--no-ask-password start -- gateway.service with a warrant"])
        #expect(try helper.ask("look").output.hasPrefix("Warrant=gateway.service group\n"))
        // By the group's stop, or a person's hand.
        #expect(try helper.ask("stop", "gateway.service").code == 0)
        #expect(try helper.ask("run", "gateway.service").code == 0)
        #expect(try helper.ask("look").output.hasPrefix("Warrant=gateway.service hand\n"))
        #expect(try helper.ask("clear", "gateway.service").code == 0)
        #expect(
            helper.asked.last == "--no-ask-password stop -- gateway.service without a warrant")
        #expect(try helper.ask("adopt", "ssh.service").code == HelperExit.refused)
        #expect(!helper.exists("warrants/ssh.service"))
    }

    @Test func `systemd is told where the guard is not that of the file`() throws {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        try helper.await { helper.reloads == 1 }
        try helper.guards("gateway.service")
        try helper.restart()
        #expect(try helper.ask("list").code == 0)
        Worker.sleep(.milliseconds(200))
        #expect(helper.reloads == 1)
        try helper.name(["broker@1.service"])
        #expect(try helper.ask("list").code == 0)
        try helper.await { helper.reloads == 2 }
    }

    /// The generator, with its paths moved into the test's directory.
    @Test(arguments: [true, false])
    func `a unit has a guard where the agent is enabled`(enabled: Bool) throws {
        let helper = try Helper(units: ["gateway.service", "dev-a\\x2db.mount"])
        defer { helper.end() }
        if enabled { try helper.enable() }
        try helper.generate()
        let guarded = try? String(
            contentsOfFile: helper.directory + "/made/dev-a\\x2db.mount.d/50-picket.conf",
            encoding: .utf8)
        let warrant = "/run/picket-root/warrants/dev-a\\x2db.mount"
        #expect(guarded == (enabled ? "[Unit]\nAssertPathExists=\(warrant)\n" : nil))
        #expect(
            Guard.isRight(
                for: enabled ? ["gateway.service", "dev-a\\x2db.mount"] : [],
                in: helper.directory + "/made"))
    }

    /// In a boot that knows of no earlier list.
    @Test func `a boot in which the file cannot be read guards what the last one did`() throws {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        try helper.await { helper.text("kept/named") == "gateway.service\n" }
        helper.end()
        try helper.reboot()
        try helper.name(["error: it has no groups"], code: 2)
        try helper.enable()
        try helper.generate()
        #expect(Guard.isRight(for: ["gateway.service"], in: helper.directory + "/made"))
        #expect(helper.text("kmsg").contains("the configuration is not read: picketd --check"))
        // Where its disk was not there yet when systemd ran its generators, they run again.
        let reloads = helper.reloads
        try helper.restart()
        try helper.await { helper.reloads == reloads + 1 }
        #expect(try helper.ask("list").output == "gateway.service\n")
    }

    @Test(.enabled(if: geteuid() == 0, "needs root"))
    func `nobody has a file read by root that others may write`() throws {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        try helper.await { helper.text("kept/named") == "gateway.service\n" }
        try helper.name(["evil.service"])
        try helper.give("picket.yaml", to: 65534, mode: 0o644)
        try helper.enable()
        try helper.generate()
        #expect(Guard.isRight(for: ["gateway.service"], in: helper.directory + "/made"))
        #expect(helper.text("kmsg").contains("belongs to user 65534, expected root"))
    }

    @Test func `the file is the one that picketd's unit says`() throws {
        let directory = NSTemporaryDirectory() + "picket-unit-\(UUID().uuidString)"
        func write(_ name: String, _ text: String) throws {
            let path = directory + "/" + name
            try FileManager.default.createDirectory(
                atPath: DurableFile.parent(of: path), withIntermediateDirectories: true)
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        }
        func options() throws -> [String] {
            try AgentUnit.options(in: [directory + "/etc", directory + "/lib"])
        }
        #expect(try options() == [])
        try write("lib/picketd.service", "[Service]\nExecStart=/usr/sbin/picketd\n")
        #expect(try options() == [])
        try write(
            "etc/picketd.service.d/50-node.conf",
            "[Service]\nExecStart=\nExecStart=/usr/sbin/picketd --debug \\\n"
                + "  --node east  --config /etc/picket/site.yaml\n")
        #expect(try options() == ["--node", "east", "--config", "/etc/picket/site.yaml"])
        // The later one counts, and of one name the one in /etc.
        try write(
            "lib/picketd.service.d/60-a.conf",
            "[Service]\nExecStart=\nExecStart=picketd --node west\n")
        #expect(try options() == ["--node", "west"])
        try write("etc/picketd.service.d/60-a.conf", "[Service]\nNice=1\n")
        #expect(try options() == ["--node", "east", "--config", "/etc/picket/site.yaml"])
        try write(
            "etc/picketd.service.d/70-b.conf",
            "[Service]\nExecStart=\nExecStart=picketd --config ${FILE}\n")
        let refusal = #expect(throws: Refusal.self) { try options() }
        #expect(refusal?.text.contains("70-b.conf: ExecStart: found --config ${FILE}") == true)
    }

    @Test func `a helper that is gone is told apart from a unit that fails`() throws {
        let helper = try Helper(units: ["gateway.service"])
        helper.end()
        #expect(try helper.ask("stop", "gateway.service").code == HelperExit.unknown)
    }

    @Test(arguments: ["stop", "start"])
    func `a helper that hangs is told apart from a unit that fails`(verb: String) throws {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        helper.signal(SIGSTOP)
        defer { helper.signal(SIGCONT) }
        let answer = try helper.ask(verb, "gateway.service")
        #expect(answer.code == HelperExit.unknown)
        #expect(answer.output.contains("systemctl restart picket-units"))
        // As many as the kernel keeps for it wait already.
        let waiting = (0..<9).map { _ in helper.connect() }
        defer { for socket in waiting { close(socket) } }
        #expect(try helper.ask(verb, "gateway.service").code == HelperExit.unknown)
    }

    /// Once systemd is asked it is the unit that is waited for.
    @Test func `a unit that takes long is waited for`() throws {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        try helper.systemctl("sleep 3; exit 3")
        #expect(try helper.ask("stop", "gateway.service").code == 3)
    }

    @Test func `a systemctl that is killed tells nothing of the unit`() throws {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        try helper.systemctl("kill -9 $$")
        #expect(try helper.ask("stop", "gateway.service").code == HelperExit.unknown)
    }

    @Test(.enabled(if: geteuid() == 0, "needs root"))
    func `a socket that is root's alone for a moment is tried again`() throws {
        let helper = try Helper(units: ["gateway.service"], user: "daemon")
        defer { helper.end() }
        try helper.give("run/units.sock", to: 0, mode: 0o600)
        #expect(try helper.ask(["list"], as: 1).code == HelperExit.refused)
        let asking = try helper.begin(["list"], as: 1)
        Worker.sleep(.milliseconds(300))
        try helper.give("run/units.sock", to: 0, mode: 0o666)
        asking.awaitEnd()
        #expect(asking.terminationStatus == 0)
    }

    @Test func `callers that ask nothing keep nobody away`() throws {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        let idle = (0..<100).map { _ in helper.connect() }
        defer { for socket in idle { close(socket) } }
        #expect(try helper.ask("stop", "gateway.service").code == 0)
        // Nor do they stay.
        var byte: UInt8 = 0
        for socket in idle { #expect(unsafe read(socket, &byte, 1) == 0) }
    }

    @Test(arguments: ["start", "run"])
    func `starts that were refused do not count against one that is ordered`(verb: String) throws {
        let helper = try Helper(units: ["gateway.service", "data.mount"])
        defer { helper.end() }
        // As for a unit that systemd has not loaded.
        try helper.systemctl("[ $2 != reset-failed ] || { echo not loaded; exit 1; }")
        for unit in ["data.mount", "gateway.service"] {
            let answer = try helper.ask(verb, unit)
            #expect(answer.code == 0 && answer.output == "")
            #expect(
                helper.everything.filter { !$0.hasPrefix("daemon-reload") }.suffix(2) == [
                    "--no-ask-password reset-failed -- \(unit) with a warrant",
                    "--no-ask-password start -- \(unit) with a warrant",
                ])
        }
        // One that fails is not started twice.
        try helper.systemctl("[ $2 = reset-failed ] || { echo try reset-failed; exit 3; }")
        #expect(try helper.ask(verb, "gateway.service").code == 3)
        #expect(helper.asked.count == 3)
    }

    @Test func `a systemctl that finds no systemd tells nothing of the unit`() throws {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        try helper.systemctl("echo 'Failed to connect to system scope bus: gone' >&2; exit 1")
        let answer = try helper.ask("stop", "gateway.service")
        #expect(answer.code == HelperExit.unknown && answer.output.contains("does not answer"))
    }

    @Test func `a hand at the configuration stays, and so does one that cannot be read`()
        throws
    {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        let old = helper.text("picket.yaml")
        let (place, offered) = (helper.configuration, helper.directory + "/new")
        try helper.write("new", "gateway.service\n")
        // Put there twice, the one before it is still the one before.
        for _ in 0..<2 { #expect(try helper.ask("take", place, offered).code == 0) }
        #expect(helper.text("picket.yaml.before") == old)
        try helper.write("picket.yaml", "# by hand\n")
        let refused = try helper.ask("give-back", place)
        #expect(refused.code == HelperExit.refused && refused.output.contains("and stays"))
        #expect(helper.text("picket.yaml") == "# by hand\n")
        try helper.write("picket.yaml", "gateway.service\n")
        for _ in 0..<2 { #expect(try helper.ask("give-back", place).code == 0) }
        #expect(helper.text("picket.yaml") == old)
        // Who has one put there names the one that it replaces.
        let digest = String(format: "%016llx", ApplyFile.digest(of: Array(old.utf8)))
        try helper.write("picket.yaml", "# by hand\n")
        let other = try helper.ask("take", place, offered, digest)
        #expect(other.code == HelperExit.refused && other.output.contains("and stays"))
        #expect(helper.text("picket.yaml") == "# by hand\n")
        #expect(helper.text("picket.yaml.before") == old)
        try helper.write("picket.yaml", old)
        #expect(try helper.ask("take", place, offered, digest).code == 0)
        // The first helpers left no mark.
        try FileManager.default.removeItem(atPath: helper.directory + "/kept/taken")
        #expect(try helper.ask("give-back", place).code == 0)
        #expect(helper.text("picket.yaml") == old)
        try helper.name(["error: it has no groups"], code: 2)
        let broken = helper.text("picket.yaml")
        let unread = try helper.ask("take", place, offered)
        #expect(unread.code == HelperExit.refused && unread.output.contains("could not be read"))
        #expect(helper.text("picket.yaml") == broken)
    }

    @Test func `a helper that is replaced meanwhile is asked again`() throws {
        let helper = try Helper(units: ["gateway.service"])
        defer { helper.end() }
        try helper.systemctl("[ $2 != start ] || [ -e \(helper.directory)/again ] || exec sleep 60")
        let start = try helper.begin("start", "gateway.service")
        try helper.await { helper.asked.count == 1 }
        try "".write(toFile: helper.directory + "/again", atomically: true, encoding: .utf8)
        try helper.restart()
        start.awaitEnd()
        #expect(start.terminationStatus == 0 && helper.asked.count == 2)
    }
}

final class Helper {
    let directory: String
    private let user: String
    private var process = Process()

    var configuration: String { directory + "/picket.yaml" }
    static func beside(_ program: String) -> String {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appendingPathComponent(program).path
    }
    fileprivate static let program = URL(fileURLWithPath: beside("picket-units"))

    init(units: [String], user: String = "root", prepare: (Helper) throws -> Void = { _ in })
        throws
    {
        // Below /tmp, which is root's with its bit set.
        directory = NSTemporaryDirectory() + "picket-units-\(UUID().uuidString)"
        self.user = user
        let files = FileManager.default
        try files.createDirectory(
            atPath: directory + "/bin", withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o755])
        try write(
            "bin/picketd",
            "#!/bin/sh\n[ \"${3%.*}\" != \(directory)/run/offered ] || exec cat $3\n"
                + "[ \"$*\" = \"--units --config \(configuration)\" ] || exit 9\n"
                + "cat \(directory)/units; exit $(cat \(directory)/code)\n")
        try systemctl("exit 0")
        try name(units)
        try files.createDirectory(
            atPath: directory + "/generated", withIntermediateDirectories: true)
        try prepare(self)
        try start()
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func write(_ name: String, _ text: String) throws {
        let path = directory + "/" + name
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }

    func give(_ name: String, to user: Int, mode: Int) throws {
        try FileManager.default.setAttributes(
            [.ownerAccountID: user, .posixPermissions: mode], ofItemAtPath: directory + "/" + name)
    }

    /// Notes what it is asked, and whether the unit has a warrant then.
    func systemctl(_ does: String) throws {
        try write(
            "bin/systemctl",
            """
            #!/bin/sh
            has=without
            [ ! -e \(directory)/run/warrants/$4 ] || has=with
            echo "$* $has a warrant" >> \(directory)/asked
            \(does)

            """)
    }

    /// What picketd prints of the file, which is another one from now on.
    func name(_ units: [String], code: Int32 = 0) throws {
        try write("units", units.map { $0 + "\n" }.joined())
        try write("code", "\(code)")
        try write("picket.yaml", "# \(UUID())\n")
    }

    private func start() throws {
        process = Process()
        process.executableURL = Helper.program
        process.arguments = [
            "serve", "--run", directory + "/run", "--config", configuration, "--user", user,
            "--generated", directory + "/generated", "--kept", directory + "/kept",
        ]
        process.environment = ["PATH": "\(directory)/bin:/usr/bin:/bin"]
        process.standardError = FileHandle.nullDevice
        try process.run()
        try self.await {
            let socket = unsafe picket_control_connect(directory + "/run/units.sock")
            if socket >= 0 { close(socket) }
            return socket >= 0
        }
    }

    func restart() throws {
        process.terminate()
        process.awaitEnd()
        try start()
    }

    func end() {
        process.terminate()
        process.awaitEnd()
    }

    func await(_ done: () -> Bool) throws {
        for _ in 0..<1000 {
            if done() { return }
            Worker.sleep(.milliseconds(10))
        }
        Issue.record("it did not happen in ten seconds")
    }

    var identifier: Int32 { process.processIdentifier }

    func signal(_ signal: Int32) { kill(process.processIdentifier, signal) }

    /// Negative where it cannot be.
    func connect() -> Int32 {
        for _ in 0..<100 {
            let socket = unsafe picket_control_try(directory + "/run/units.sock")
            if socket >= 0 {
                _ = fcntl(socket, F_SETFL, 0)
                return socket
            }
            Worker.sleep(.milliseconds(1))
        }
        return -1
    }

    var everything: [String] {
        let text = (try? String(contentsOfFile: directory + "/asked", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }

    /// What systemctl was asked for units to be started or stopped.
    var asked: [String] {
        everything.filter {
            !$0.hasPrefix("daemon-reload") && !$0.contains(" show ")
                && !$0.contains(" reset-failed ")
        }
    }

    var reloads: Int { everything.filter { $0.hasPrefix("daemon-reload") }.count }

    func guards(_ unit: String) throws {
        let drops = directory + "/generated/\(unit).d"
        try FileManager.default.createDirectory(
            atPath: drops, withIntermediateDirectories: true)
        try "".write(toFile: drops + "/50-picket.conf", atomically: true, encoding: .utf8)
    }

    func enable() throws {
        let wants = directory + "/etc/multi-user.target.wants"
        try FileManager.default.createDirectory(
            atPath: wants, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: wants + "/picketd.service", withDestinationPath: "/lib/picketd.service")
    }

    func generate() throws {
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../systemd/picket-guard").standardized
        try write(
            "guard",
            String(contentsOf: source, encoding: .utf8)
                .replacingOccurrences(of: "/etc/systemd/system/", with: directory + "/etc/")
                .replacingOccurrences(
                    of: "/usr/local/sbin/picketd", with: directory + "/bin/picketd"
                )
                .replacingOccurrences(
                    of: "/usr/local/sbin/picket-units options",
                    with: "\(Helper.program.path) options --config \(configuration)"
                )
                .replacingOccurrences(of: "/run/picket-root/named", with: directory + "/run/named")
                .replacingOccurrences(of: "/var/lib/picket-root", with: directory + "/kept")
                .replacingOccurrences(of: "/dev/kmsg", with: directory + "/kmsg"))
        let made = directory + "/made"
        try FileManager.default.createDirectory(atPath: made, withIntermediateDirectories: true)
        let process = try Process.run(
            URL(fileURLWithPath: directory + "/guard"), arguments: [made, made, made])
        process.awaitEnd()
        #expect(process.terminationStatus == 0)
    }

    func text(_ name: String) -> String {
        (try? String(contentsOfFile: directory + "/" + name, encoding: .utf8)) ?? ""
    }

    /// What lies in /run is gone.
    func reboot() throws { try FileManager.default.removeItem(atPath: directory + "/run") }

    func exists(_ name: String) -> Bool {
        FileManager.default.fileExists(atPath: directory + "/run/" + name)
    }

    func begin(_ words: String...) throws -> Process {
        try begin(words, as: nil, out: FileHandle.nullDevice)
    }

    func begin(
        _ words: [String], as user: UInt32?, out: Any = FileHandle.nullDevice
    ) throws -> Process {
        let asking = Process()
        let own = [
            Helper.program.path, "--run", directory + "/run", "--patience", "2000",
        ]
        let before =
            user.map { ["setpriv", "--reuid", "\($0)", "--regid", "\($0)", "--clear-groups"] } ?? []
        asking.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        asking.arguments = before + own + words
        asking.standardOutput = out
        asking.standardError = out
        try asking.run()
        return asking
    }

    func ask(_ words: String...) throws -> (code: Int32, output: String) { try ask(words, as: nil) }

    func ask(_ words: [String], as user: UInt32? = nil) throws -> (code: Int32, output: String) {
        let pipe = Pipe()
        let asking = try begin(words, as: user, out: pipe)
        let said = pipe.fileHandleForReading.readDataToEndOfFile()
        asking.awaitEnd()
        return (asking.terminationStatus, String(decoding: said, as: UTF8.self))
    }

    /// What comes back for these bytes.
    func say(_ text: String) throws -> String {
        let socket = unsafe picket_control_connect(directory + "/run/units.sock")
        #expect(socket >= 0)
        defer { close(socket) }
        let bytes = Array(text.utf8)
        #expect(unsafe send(socket, bytes, bytes.count, 0) == bytes.count)
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = unsafe read(socket, &buffer, buffer.count)
        return String(decoding: buffer[..<max(0, count)], as: UTF8.self)
    }
}
