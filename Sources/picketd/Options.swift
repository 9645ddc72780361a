import CPicket
import PicketCore
import PicketLinux

/// The command line.
struct Options {
    var configuration = "/etc/picket/picket.yaml"
    /// In place of the file's `node:`.
    var node: String?
    /// The socket of a simulated rack, whose devices and links then stand for the real ones.
    var rack: String?
    var boards = Directory.boards
    /// Where root's helper is asked.
    var helper = HelperPlace.socket()
    var checkOnly = false
    var unitsOnly = false
    var debug = false

    enum Parsed {
        case run(Options)
        case help
        case version
        case wrong(String)
    }

    static let version = "0.1.0"
    static let help = """
        picketd watches this node and its peer, and fences the peer before it takes over its work.

        usage: picketd [options]

          --config FILE   the pair's configuration (/etc/picket/picket.yaml)
          --node NAME     this node's name, in place of the file's
          --boards DIR    where board files lie, in place of /etc/picket/boards and those that came
                          with picketd; may be given several times
          --rack SOCKET   run on a simulated rack: all hardware and links are simulated
          --check         check configuration, board and key as a start would, say what is wrong, and end
          --units         print the systemd units of the configuration's groups, and end
          --debug         log everything
          --version
          --help

        Signals: SIGTERM stops as planned (gives up the groups, tells the peer); SIGHUP takes up a
        changed configuration, or refuses it whole.
        Exit codes: 0 ended as planned, 1 failed, 2 what the configuration or the command line says is
        wrong, 3 ended for a planned restart ("picket pause").
        """

    static func parse(_ arguments: [String]) -> Parsed {
        var options = Options()
        var boards: [String] = []
        var index = 0
        while index < arguments.count {
            let name = arguments[index]
            index += 1
            switch name {
            case "--help", "-h": return .help
            case "--version": return .version
            case "--check": options.checkOnly = true
            case "--units": options.unitsOnly = true
            case "--debug": options.debug = true
            case "--config", "--node", "--rack", "--boards":
                guard index < arguments.count else { return .wrong("\(name) wants a value") }
                let value = arguments[index]
                index += 1
                switch name {
                case "--config": options.configuration = value
                case "--node": options.node = value
                case "--rack": options.rack = value
                default: boards.append(value)
                }
            default: return .wrong("\"\(name)\" is no option of picketd")
            }
        }
        if !boards.isEmpty { options.boards = boards }
        return .run(options)
    }

    /// Without the program's own name. (Embedded Swift has no `CommandLine`.)
    static func arguments() -> [String] {
        var arguments: [String] = []
        while let argument = unsafe picket_argument(Int32(arguments.count + 1)) {
            unsafe arguments.append(String(cString: argument))
        }
        return arguments
    }
}
