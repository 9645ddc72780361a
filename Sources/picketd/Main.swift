/// picketd: the agent of one node.
///
/// PicketCore's `Machine`, a pure value, decides. picketd gives it events and does what it asks
/// for. There is one loop, on one thread, and nothing in it waits for anything but the poller. A
/// turn:
///
///     wake ─▶ read the clock ─▶ read every link's socket empty ─▶ what the workers and children
///     brought ─▶ callers of the control socket ─▶ tick ─▶ turn completed ─▶ wait
///
/// Sockets come before timers: an agent that was held up must hear what its peer said meanwhile
/// before it holds the silence against it. The clock is read again after each datagram, and time
/// goes on from there within the turn: nothing is heard before it came. The effects of each event
/// are done in order before the next event is given. A turn ends with `completeTurn`, by which
/// alone the machine feeds the hardware watchdog (S8).
///
/// Everything that may wait has a thread of its own and talks to the loop by bounded queues: the
/// state file (`Storage`), each sensor bus (`Sensors`), each level of relays (`RelayMethod`), the
/// call that starts a process (`Processes`), the configuration that is read again
/// (`ConfigurationReader`).
///
/// The agent is the loop, the machine and a list of parts (`Part`): a part owns the state of one
/// concern, and the turn's order, the next deadline and what is waited for follow from the list.
///
///     Main, Options   command line, exit codes
///     Startup         from a command line to an agent, or to a reason why not
///     Hardware        this computer's devices, or a simulated rack's
///     Agent, Part     the loop, the machine and the list of parts
///     Links, Storage, FenceDesk, Sensors, SignalDesk, ConfigurationReader, Processes, Service,
///     Control, Groups, HealthKeeper, Watchdogs, Resets, Drills
///                     the parts
///     FenceMethod     a way to fence: RelayMethod, FenceAgentMethod

import CPicket
import PicketConfig
import PicketCore
import PicketLinux

enum ExitCode {
    static let planned: Int32 = 0
    static let failed: Int32 = 1
    static let wrong: Int32 = 2
    /// A planned restart: the program that started the agent starts it again at once.
    static let restart: Int32 = 3
}

@main
struct Main {
    static func main() {
        switch Options.parse(Options.arguments()) {
        case .help: say(Options.help, on: 1)
        case .version: say("picketd \(Options.version)", on: 1)
        case .wrong(let reason):
            say("picketd: \(reason); try picketd --help", on: 2)
            _exit(ExitCode.wrong)
        case .run(let options): _exit(run(options))
        }
        _exit(ExitCode.planned)
    }

    private static func run(_ options: Options) -> Int32 {
        var logger = Logger(threshold: options.debug ? .debug : .info)
        let hardware = Hardware(rack: options.rack)
        let settings: Configuration
        do throws(StartupError) { settings = try Startup.load(options, hardware) } catch {
            guard !options.unitsOnly, !options.checkOnly,
                let former = Startup.former(options, hardware)
            else { Startup.end(error) }
            for line in error.lines { logger.log(.critical, line) }
            logger.log(
                .critical,
                "the agent goes by the configuration of the one before it: mend the file and reload"
            )
            settings = former
        }
        if options.unitsOnly {
            for unit in settings.units { say(unit, on: 1) }
            return ExitCode.planned
        }
        for warning in settings.warnings { logger.log(.warning, warning.text) }
        if options.checkOnly {
            do throws(StartupError) {
                try Startup.verifyWhatRuns(options, settings, hardware)
            } catch { Startup.end(error) }
            say("\(options.configuration): correct", on: 1)
            return ExitCode.planned
        }
        return Startup.assemble(options, hardware, settings).run()
    }

    private static func say(_ text: String, on output: Int32) {
        let bytes = Array("\(text)\n".utf8)
        _ = unsafe write(output, bytes, bytes.count)
    }
}
