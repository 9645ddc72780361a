import ArgumentParser
import CPicket
import Foundation
import PicketConfig
import PicketControl
import PicketLab
import PicketLinux
import PicketRack

/// `picket rack`: a rehearsal of a pair on hardware that is not there.
struct RackCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rack",
        abstract: "Rehearse a pair on a simulated rack: power, relays, sensors, watchdogs, switch.",
        discussion: """
            RACK is a rack file, or the name of a scenario that comes with picket ("--list"); \
            without it, the rack that comes with picket. On a terminal a rack runs live until you \
            press q. Without a terminal, or with a scenario, a script is played and the timeline \
            printed; by default "demo", the story of a holder that overheats and then dies.

            Exit status: 0 if everything that the scenario expects came true, 1 if not, 2 for a \
            file that cannot be used.
            """)

    @Argument(help: "A rack file, or the name of a scenario that comes with picket.")
    var rack: String?

    @Option(help: "The scenario to play: a file, or a name of those that come with picket.")
    var scenario: String?

    @Flag(help: "Print one JSON object a line: the events, and at the end the summary.")
    var json = false

    @Flag(name: .shortAndLong, help: "Print minor events too.")
    var verbose = false

    @Flag(name: .customLong("list"), help: "List the scenarios that come with picket.")
    var list = false

    @Option(help: "The agent's program; by default the one beside this program.")
    var picketd: String?

    @Flag(help: "No live view, even on a terminal.")
    var plain = false

    @Option(help: "Where the rack's directory is made: a short path, as it holds sockets.")
    var temporary = "/tmp"

    @Flag(help: "Keep the rack's directory, with the agents' logs, and say where it is.")
    var keep = false

    @Flag(help: "The nodes are virtual machines: real drivers, a real kernel that dies (make lab).")
    var machines = false

    @Flag(
        help:
            "With --machines: the nodes run Debian with systemd, and picket's installed package.")
    var installed = false

    @Option(help: "With --machines: where the lab was built; by default .build-lab.")
    var lab: String?

    @Option(
        name: .customLong("repeat"),
        help: "Play the steps this many times, whatever the scenario says.")
    var repetitions: Int?

    /// Each answer costs the agent more than a heartbeat does: for `picket bench`.
    @Option(help: ArgumentHelp("Milliseconds between looks at the agents.", visibility: .hidden))
    var statusEvery = 100

    func validate() throws {
        if let repetitions, repetitions < 1 {
            throw ValidationError("--repeat wants a number from 1.")
        }
    }

    func run() throws {
        if list { return try listScenarios() }
        let status: Int32
        do throws(ConfigurationErrors) {
            status = try RackRun(command: self).run()
        } catch {
            refuse(error.text)
            throw ExitCode(2)
        }
        if status != 0 { throw ExitCode(status) }
    }

    private func listScenarios() throws {
        guard let directory = Shipped.scenarios else {
            refuse("picket: the scenarios that come with picket are not installed")
            throw ExitCode(2)
        }
        var names = Shipped.names(in: directory)
        if machines { names += Shipped.names(in: directory + "/lab") }
        for name in names {
            guard json else {
                Terminal.say(name)
                continue
            }
            Terminal.write(
                JSONWriter.line {
                    $0.field("type", "scenario")
                    $0.field("name", name)
                })
        }
    }

    /// Says why nothing was played.
    func refuse(_ text: String) {
        if json { Terminal.write(Reply.failure("usage", text)) } else { Terminal.complain(text) }
    }
}

/// One run of the command: finds the files, builds the rack, lets it go, takes it away.
struct RackRun {
    let command: RackCommand

    /// - Returns: the exit status.
    func run() throws(ConfigurationErrors) -> Int32 {
        let (rackPath, scenarioPath) = try files()
        let scenarioBytes: [UInt8]? =
            if let scenarioPath { try RackFile.read(scenarioPath, named: "scenario") } else { nil }
        var configuration: String?
        if let scenarioBytes, let scenarioPath {
            configuration = try Scenario.configuration(scenarioBytes, file: scenarioPath)
                .map { RackFile.beside(scenarioPath, $0) }
        }
        let plan = try RackFile.load(path: rackPath, configuration: configuration)
        var scenario: Scenario?
        if let scenarioBytes, let scenarioPath {
            let name = URL(fileURLWithPath: scenarioPath).deletingPathExtension().lastPathComponent
            scenario = try Scenario.load(
                scenarioBytes, file: scenarioPath, name: name, plan: plan)
        }
        do throws(RackFailure) { return try run(plan, scenario) } catch {
            command.refuse("picket rack: \(error.text)")
            return 2
        }
    }

    private func run(_ plan: RackPlan, _ scenario: Scenario?) throws(RackFailure) -> Int32 {
        let maker = try makeNodes(scenario)
        let directory = try makeDirectory()
        let rack: Rack
        do throws(RackFailure) {
            rack = try Rack(
                plan: plan, of: maker, directory: directory, statusEvery: command.statusEvery)
        } catch {
            try? FileManager.default.removeItem(atPath: directory)
            throw error
        }
        defer {
            rack.remove(keepDirectory: command.keep)
            if command.keep { Terminal.complain("kept \(directory)") }
        }
        // The rack has priority over the agents in it: agents that have real-time priority must not
        // see the hardware stand still. Where it is refused, the summary says how late the rack
        // was. On the only processor it would hold up the work of the kernel that it waits for.
        if ProcessInfo.processInfo.activeProcessorCount > 1 {
            _ = RealTime.raisePriority(to: 20)
        }
        adoptOrphans(in: rack.loop)
        let output = Output(colour: Terminal.hasColour, write: Terminal.write)
        let interrupted = Interrupt(loop: rack.loop)
        let player = scenario.map {
            ScenarioPlayer($0, on: rack, repetitions: command.repetitions)
        }
        guard isLive else {
            let timeline = Timeline(
                rack: rack, to: output, json: command.json, verbose: command.verbose)
            return play(player, timeline, interrupted)
        }
        let view = LiveView(rack: rack, player: player, to: output)
        return view.run()
    }

    private func makeNodes(_ scenario: Scenario?) throws(RackFailure) -> any NodeMaker {
        if onMachines {
            return VirtualMachines(
                try LabKit(directory: command.lab, installed: command.installed))
        }
        return Processes(try findPrograms(), smallDisks: scenario?.needsSmallDisks ?? false)
    }

    private func play(
        _ player: ScenarioPlayer?, _ timeline: Timeline, _ interrupted: Interrupt
    ) -> Int32 {
        guard let player else { return 2 }
        player.play()
        timeline.finish()
        if interrupted.seen { return 130 }
        let summary = player.judge()
        Terminal.write(command.json ? summary.json : Array((summary.text + "\n").utf8))
        return summary.passed ? 0 : 1
    }

    // MARK: - Files

    /// A rack alone and the demo are shown live on a terminal.
    private var isLive: Bool {
        isatty(0) == 1 && isatty(1) == 1 && !command.json && !command.plain
            && command.scenario == nil
            && (command.rack == nil || command.rack == "demo" || namesAFile)
    }

    private var onMachines: Bool { command.machines || command.installed }

    private var namesAFile: Bool {
        command.rack.map { FileManager.default.fileExists(atPath: $0) } ?? false
    }

    private func files() throws(ConfigurationErrors) -> (rack: String, scenario: String?) {
        var rack = command.rack
        var scenario = command.scenario
        if let name = rack, !namesAFile, !name.contains("/"), !name.hasSuffix(".yaml") {
            // A name of a scenario that comes with picket, on the rack that comes with it.
            rack = nil
            scenario = scenario ?? name
        }
        if rack == nil || scenario == nil, !isLive { scenario = scenario ?? "demo" }
        if let name = scenario, !FileManager.default.fileExists(atPath: name) {
            scenario = try shipped(name)
        }
        return (rack == nil ? try shipped(onMachines ? "lab/rack" : "rack") : rack!, scenario)
    }

    private func shipped(_ name: String) throws(ConfigurationErrors) -> String {
        let directory = Shipped.scenarios
        // Virtual machines have a few scenarios of their own.
        for name in onMachines ? ["lab/\(name)", name] : [name] {
            let path = directory.map { "\($0)/\(name).yaml" } ?? name
            if FileManager.default.fileExists(atPath: path) { return path }
        }
        let known = directory.map { Shipped.names(in: $0).joined(separator: ", ") } ?? "none found"
        throw ConfigurationErrors([
            ConfigurationError(
                file: name, position: Position(line: 1, column: 1), path: "",
                message: "there is no such file, and no such scenario; known are: \(known)")
        ])
    }

    private func findPrograms() throws(RackFailure) -> RackPrograms {
        let programs = RackPrograms(
            picketd: command.picketd ?? Shipped.program(beside: "picketd"),
            workload: Shipped.program(beside: "picket-workload"))
        for program in [programs.picketd, programs.workload]
        where !FileManager.default.isExecutableFile(atPath: program) {
            throw RackFailure("there is no program \(program)")
        }
        return programs
    }

    /// The path is short, because it holds sockets, whose paths have at most 107 bytes.
    private func makeDirectory() throws(RackFailure) -> String {
        for _ in 0..<10 {
            let name = String(UInt32.random(in: 0...UInt32.max), radix: 36)
            let path = "\(command.temporary)/picket-rack.\(name)"
            if unsafe mkdir(path, 0o700) == 0 { return path }
        }
        throw RackFailure(
            "cannot make a directory in \(command.temporary): errno \(picket_errno())")
    }
}

/// Ends the loop on SIGINT, SIGTERM and SIGHUP, so that the rack leaves nothing behind.
final class Interrupt {
    private(set) var seen = false

    init(loop: EventLoop) {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        for signal in [SIGINT, SIGTERM, SIGHUP] { unsafe sigaddset(&signals, signal) }
        unsafe sigprocmask(SIG_BLOCK, &signals, nil)
        let descriptor = unsafe signalfd(-1, &signals, 0)
        _ = picket_close_on_exec(descriptor)
        loop.watch(descriptor) { [unowned loop] in
            self.seen = true
            loop.stop()
        }
    }
}
