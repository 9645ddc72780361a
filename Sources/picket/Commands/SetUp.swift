import ArgumentParser
import CPicket
import Foundation
import PicketConfig
import PicketControl
import PicketCore
import PicketText

struct ConfigurationOptions: ParsableArguments {
    @Argument(help: "The configuration file.") var file: String = ConfigurationFile.usual
    @Option(
        name: .long,
        help: ArgumentHelp("Read it as this node, whatever it says.", valueName: "name"))
    var node: String?
    @Option(
        name: .long,
        help: ArgumentHelp("Where the board files are.", valueName: "directory"))
    var boards: String?

    func load() throws -> Configuration {
        try ConfigurationFile.load(file, node: node, boards: boards)
    }
}

struct CheckCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Reads a configuration and shows all mistakes at once.",
        discussion: """
            Needs no agent, no hardware and no root. With "--against-running" it says line by line \
            what the file would change on this node, and whether a reload takes it up, by what the \
            agent has left under /run.

            Exit status: 0 if it can be used, 1 if a reload would not take it up, 2 for mistakes, 3 \
            if no agent has left what it runs.

            EXAMPLES
              picket check ./picket.yaml --node west
              picket check --against-running ./picket.yaml
            """)
    @OptionGroup var options: ConfigurationOptions
    @Flag(name: .long, help: "Compare it with what runs on this node.")
    var againstRunning = false
    @Option(
        name: .customLong("run"),
        help: ArgumentHelp(
            "Where the agent has left what runs; by default as the file says.",
            valueName: "directory"))
    var runDirectory: String?
    @Flag(name: .long, help: "One line of JSON.") var json = false

    func act() throws {
        do {
            let configuration = try ConfigurationFile.read(
                options.file, node: options.node, boards: options.boards)
            if againstRunning { return try compare(configuration) }
            show(configuration)
        } catch let errors as ConfigurationErrors {
            show(errors)
            throw ExitCode(Exit.usage.rawValue)
        }
    }

    private func show(_ configuration: Configuration) {
        if json { return write(valid: true, errors: [], warnings: configuration.warnings) }
        for warning in configuration.warnings { Terminal.say("warning: " + warning.text) }
        let groups = Text.list(configuration.groups.map { $0.name })
        Terminal.say(
            "\(options.file) is valid: pair \(configuration.pair), this node "
                + "\(configuration.node), peer \(configuration.peerName); "
                + "\(configuration.links.count) links, \(configuration.sensors.count) sensors, "
                + "\(configuration.fence.count) ways to fence, groups: \(groups).")
        if let board = configuration.board {
            Terminal.say("Board \(board.name): \(board.description).")
            for caveat in board.caveats { Terminal.say("  - \(caveat)") }
        }
    }

    private func show(_ errors: ConfigurationErrors) {
        if json { return write(valid: false, errors: errors.list, warnings: []) }
        Terminal.complain(errors.text)
        let count = errors.list.count
        Terminal.complain("picket: \(count) mistake\(count == 1 ? "" : "s") in \(options.file).")
    }

    private func write(
        valid: Bool, errors: [ConfigurationError], warnings: [ConfigurationError]
    ) {
        Terminal.write(
            JSONWriter.line { json in
                json.field("type", "check")
                json.field("file", options.file)
                json.field("valid", valid)
                for (key, list) in [("errors", errors), ("warnings", warnings)] {
                    json.array(key) { json in
                        for error in list { json.object { error.write(into: &$0) } }
                    }
                }
            })
    }
}

extension ConfigurationError {
    fileprivate func write(into json: inout JSONWriter) {
        json.field("file", file)
        json.field("line", position.line)
        json.field("column", position.column)
        json.field("path", path)
        json.field("message", message)
    }
}

struct TimingCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "timing",
        abstract: "The time budget of a takeover: every term of the sum, and the worst case.",
        discussion: """
            The operator states what is wanted (detect_within, off_within, start_within); the \
            rest is derived. Needs no agent.
            """)
    @OptionGroup var options: ConfigurationOptions
    @Flag(name: .long, help: "One line of JSON.") var json = false

    func act() throws {
        let configuration = try options.load()
        if json { return write(configuration.timing) }
        let budget = configuration.timing
        var lines = ["Detection: from the peer's death to the order to fence it"]
        lines += sum(budget.detection)
        lines += ["", "Takeover: from the peer's death to its groups' being active here"]
        lines += sum(budget.takeover)
        lines += ["", "Worst case: \(Text.span(budget.worstTakeover))", "", "Derived"]
        var table = Table()
        for (name, duration) in derived(budget.timing) { table.row([name, Text.span(duration)]) }
        Terminal.say((lines + table.lines()).joined(separator: "\n"))
    }

    private func sum(_ terms: [TimingBudget.Term]) -> [String] {
        var table = Table()
        var total = PicketCore.Duration.zero
        for (index, term) in terms.enumerated() {
            total = total + term.duration
            table.row([
                index == 0 ? " " : "+", term.name, Text.span(term.duration), term.meaning,
            ])
        }
        table.row(["=", "", Text.span(total)])
        return table.lines()
    }

    private func derived(_ timing: Timing) -> [(String, PicketCore.Duration)] {
        [
            ("heartbeat", timing.heartbeat), ("probe", timing.probe),
            ("dead_after", timing.deadAfter), ("head_start", timing.headStart),
            ("off_within", timing.offWithin), ("fence_timeout", timing.fenceTimeout),
            ("fence_retry", timing.fenceRetry), ("watchdog_feed", timing.feed),
            ("longest_pause", timing.longestPause), ("leave_within", timing.leaveWithin),
        ]
    }

    private func write(_ budget: TimingBudget) {
        Terminal.write(
            JSONWriter.line { json in
                json.field("type", "timing")
                for (key, terms) in [
                    ("detection", budget.detection), ("takeover", budget.takeover),
                ] {
                    json.array(key) { json in
                        for term in terms {
                            json.object { json in
                                json.field("name", term.name)
                                json.field("ms", Double(term.duration.nanoseconds) / 1e6)
                                json.field("meaning", term.meaning)
                            }
                        }
                    }
                }
                json.field("worst_takeover_ms", Double(budget.worstTakeover.nanoseconds) / 1e6)
                json.object("derived") { json in
                    for (name, duration) in derived(budget.timing) {
                        json.field(name + "_ms", Double(duration.nanoseconds) / 1e6)
                    }
                }
            })
    }
}

struct KeygenCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "keygen",
        abstract: "Makes a pair's key: 32 random bytes in a new file, mode 0600.",
        discussion: """
            Refuses to overwrite. Run by root it gives the file to the user picket, as whom the agent \
            runs. Both nodes need the same file; the command says how to copy it.

            EXAMPLE
              sudo picket keygen /etc/picket/rack7.key
            """)
    @Argument(help: "The new file.") var file: String
    @Flag(name: .long, help: "One line of JSON.") var json = false

    func act() throws {
        let descriptor = unsafe picket_open_file(
            file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw refusal(picket_errno()) }
        defer { close(descriptor) }
        var random = SystemRandomNumberGenerator()
        let key = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        let written = unsafe key.withUnsafeBytes { bytes in
            unsafe CPicket.write(descriptor, bytes.baseAddress, bytes.count)
        }
        let owner = AgentUser()
        guard written == key.count, fchmod(descriptor, 0o600) == 0,
            owner?.take(descriptor) ?? true, fsync(descriptor) == 0
        else {
            let errno = picket_errno()
            unsafe unlink(file)
            throw refusal(errno)
        }
        tell(owner)
    }

    private func refusal(_ errno: Int32) -> Failure {
        if errno == EEXIST {
            return Failure(
                .refused, "exists",
                "\(file) exists already and was left as it is. A key in use is rotated, not "
                    + "overwritten: make the new one under another name.")
        }
        let reason = unsafe String(cString: picket_error_text(errno))
        return Failure(.refused, "not_written", "cannot write \(file): \(reason).")
    }

    private func tell(_ owner: AgentUser?) {
        if json {
            return Terminal.write(
                JSONWriter.line { json in
                    json.field("type", "key")
                    json.field("file", file)
                    json.field("bytes", 32)
                })
        }
        Terminal.say("Wrote a new key to \(file), readable by its owner alone.")
        if let owner, !owner.isMine {
            Terminal.say("The agent runs as \(owner.name): chown \(owner.both) \(file)")
        }
        Terminal.say(
            """
            Copy it to the peer over a channel that you trust, and give it to the agent's user there:

                scp -p \(file) root@PEER:\(file)
                ssh root@PEER chown picket:picket \(file)

            and name it in both configurations: "pair: { key: \(file) }".
            """)
    }
}

/// The user as whom the service runs, where there is one.
struct AgentUser {
    let name: String
    let user: uid_t
    let group: gid_t

    init?(_ name: String = "picket") {
        var (user, group): (uid_t, gid_t) = (0, 0)
        guard unsafe picket_user(name, &user, &group) else { return nil }
        self.name = name
        self.user = user
        self.group = group
    }

    /// As chown takes it.
    var both: String { "\(name):\(name)" }

    /// Files that this process makes belong to the user, or are given to it.
    var isMine: Bool { geteuid() == 0 || geteuid() == user }

    /// Gives a file to the user, where this process may. False where that fails.
    func take(_ file: Int32) -> Bool { geteuid() != 0 || fchown(file, user, group) == 0 }
}
