/// picket-units: root's hand for the groups' units.
///
/// The agent is not root, and nothing that runs as its user may start or stop a unit: who may start
/// any unit may make one up, and is root by it. So the agent asks this program, which is root's. It
/// starts and stops
///
/// - the units that the configuration names. It reads them from root's own file, again whenever
///   that has changed, and never takes the agent's word for them;
/// - and it stops what it has started in this boot, so that a unit which has left the file
///   can still be stopped.
///
/// It also puts a configuration in place that the agent offers (`picket apply`), as long as that names
/// no unit more than the one which is there: what it may start is never the agent's word.
///
/// It decides nothing, and knows neither groups nor the peer. It speaks to systemd by systemd's own
/// socket, which only root may use, so it needs neither D-Bus nor polkit. It holds no capability.
///
///     Main        the command line: the helper itself, and who asks it
///     Rights      what it may start and stop
///     Guard       what keeps a unit without a warrant from being started
///     AgentUnit   which file that is
///     Listing     reads the configuration's units, from a file that is root's
///     Server      the loop: who asks, and what is under way
///     Writer      puts a configuration in place, which may take long
///     Asking      the other end: one request

import CPicket
import PicketCore
import PicketLinux
import PicketText

struct Options {
    /// Root's part of /run: the socket, the lists and the warrants.
    var directory = HelperPlace.directory
    /// Root's part of /var: the units as they were last read, for the next boot.
    var kept = "/var/lib/picket-root"
    /// What picketd is given, in place of what its unit says.
    var agent: [String] = []
    /// Where systemd looks for units.
    var places = AgentUnit.places
    /// Who may ask besides root.
    var user = "picket"
    /// Where systemd's generators write.
    var generated = "/run/systemd/generator"
    /// How long a helper is waited for that does not answer, or does not begin.
    var patience = Duration.seconds(3)
    /// Standard input is the connection: the agent has made it, because it alone may ask.
    var isConnected = false
    var words: [String] = []

    /// The pair's configuration, and what to give picketd that it reads that.
    func sources() throws(Refusal) -> (configuration: String, arguments: [String]) {
        let arguments = agent.isEmpty ? try AgentUnit.options(in: places) : agent
        guard let index = arguments.firstIndex(of: "--config") else {
            return ("/etc/picket/picket.yaml", arguments)
        }
        return (arguments[index + 1], arguments)
    }

    var socket: String { HelperPlace.socket(in: directory) }

    static let help = """
        picket-units starts and stops the systemd units of the groups, for the agent.

        usage: picket-units serve [options]    the helper, as root: picket-units.service
               picket-units start UNIT         asks it, as root
               picket-units stop UNIT
               picket-units adopt UNIT         it runs, and its group is active here
               picket-units run UNIT           start it for a person's hands
               picket-units clear UNIT         stop it unless its group is active here
               picket-units list               the units that it may start
               picket-units look               what systemd knows of them, and their warrants
               picket-units take FILE NEW [OLD] put NEW in place of FILE, the configuration,
                                               which has the digest OLD
               picket-units give-back FILE     put the one back that was there before
               picket-units options            the options of picketd's unit, if its file is root's

          --config FILE   the pair's configuration, which must be root's (as picketd's unit says)
          --node NAME     this node's name (as picketd's unit says)
          --user NAME     the agent's user: its main process may ask, besides root (picket)
          --connected     standard input is the agent's connection to the helper
          --run DIR       where its socket, lists and warrants lie (/run/picket-root)
          --kept DIR      where the units are kept for the next boot (/var/lib/picket-root)
          --system DIR    where picketd's unit lies (where systemd looks)
          --generated DIR where systemd's generators write (/run/systemd/generator)
          --patience MS   how long it is waited for, where it does not answer (3000)

        Exit codes: what systemctl says (0 done); 2 wrong command line, 75 the helper is not there, 77 it
        refuses.
        """

    static func parse(_ arguments: [String]) -> Options? {
        var options = Options()
        var index = 0
        while index < arguments.count {
            let name = arguments[index]
            index += 1
            if [name] == HelperPlace.connected {
                options.isConnected = true
                continue
            }
            guard name.hasPrefix("--") else {
                options.words.append(name)
                continue
            }
            guard index < arguments.count else { return nil }
            let value = arguments[index]
            index += 1
            switch name {
            case "--config", "--node": options.agent += [name, value]
            case "--user": options.user = value
            case "--run": options.directory = value
            case "--kept": options.kept = value
            case "--system": options.places = [value]
            case "--generated": options.generated = value
            case "--patience":
                guard let milliseconds = Int64(value), milliseconds >= 0 else { return nil }
                options.patience = .milliseconds(milliseconds)
            default: return nil
            }
        }
        return options
    }
}

@main
struct Main {
    static func main() {
        var arguments: [String] = []
        while let argument = unsafe picket_argument(Int32(arguments.count + 1)) {
            unsafe arguments.append(String(cString: argument))
        }
        guard let options = Options.parse(arguments) else { wrong() }
        if options.words == ["serve"] { serve(options) }
        if options.words == ["help"] || options.words.isEmpty {
            say(Options.help, on: 1)
            _exit(0)
        }
        if options.words == ["options"] { _exit(tell(options)) }
        guard let order = Order(options.words) else { wrong() }
        _exit(Asking.ask(order, options))
    }

    private static func serve(_ options: Options) -> Never {
        do throws(Refusal) {
            try Server(options).run()
        } catch {
            var logger = Logger(threshold: .info)
            logger.log(.error, error.text)
            _exit(1)
        }
    }

    /// For the generator, and for a package that is upgraded: what they give picketd, or why they
    /// must not have it read.
    private static func tell(_ options: Options) -> Int32 {
        do throws(Refusal) {
            let (configuration, arguments) = try options.sources()
            if let stranger = Listing.distrust(configuration) { throw Refusal(text: stranger) }
            say(Text.joined(arguments, " "), on: 1)
            return 0
        } catch {
            say("picket-units: \(error.text)", on: 2)
            return HelperExit.refused
        }
    }

    private static func wrong() -> Never {
        say("picket-units: wrong command line; try picket-units help", on: 2)
        _exit(HelperExit.wrong)
    }

    static func say(_ text: String, on output: Int32) {
        let bytes = Array("\(text)\n".utf8)
        _ = unsafe write(output, bytes, bytes.count)
    }
}

/// Why the helper does not start, or does not read a file.
struct Refusal: Error {
    var text: String
}
