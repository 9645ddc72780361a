/// A fence agent for an outlet of the rack, by the contract of ClusterLabs: options and action come
/// by the standard input, and *off* is said by exit code 2. An outlet switches when the rack says;
/// this waits for it.
internal import CPicket
internal import PicketRackClient

struct Outlet {
    private let action: String
    private let rack: String
    private let line: String
    private let state: String

    /// Of `name=value` lines.
    init?(_ input: [UInt8]) {
        var options: [String: String] = [:]
        for text in input.split(separator: UInt8(ascii: "\n")) {
            guard let equals = text.firstIndex(of: UInt8(ascii: "=")) else { continue }
            options[String(decoding: text[..<equals], as: UTF8.self)] = String(
                decoding: text[(equals + 1)...], as: UTF8.self)
        }
        guard let action = options["action"], let rack = options["rack"],
            let line = options["line"], let state = options["state"]
        else { return nil }
        self.action = action
        self.rack = rack
        self.line = line
        self.state = state
    }

    /// - Returns: the exit status.
    func run() -> Int32 {
        do throws(RackError) {
            let client = try RackClient(path: rack)
            func isOn() throws(RackError) -> Bool {
                try client.ask(.getLine(state)) == .ok(["on"])
            }
            switch action {
            case "status": return try isOn() ? 0 : 2
            case "on", "off":
                guard try client.ask(.setLine(line, on: action == "on")) == .done else { return 1 }
                // Who asked for it ends this when its time is up.
                while try isOn() != (action == "on") { sleep(milliseconds: 5) }
                return 0
            default: return 1
            }
        } catch {
            complain("picket-workload: \(error.text)")
            return 1
        }
    }
}

func standardInput() -> [UInt8] {
    var input: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe read(0, $0.baseAddress, $0.count)
        }
        guard count > 0 else { return input }
        input += buffer[..<count]
    }
}
