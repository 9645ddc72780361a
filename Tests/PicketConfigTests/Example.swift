import PicketConfig
import PicketCore

/// How every file begins: the pair.
let examplePair = """
    node: east
    pair:
      name: rack7
      key: /etc/picket/rack7.key
      detect_within: 500ms
      nodes:
        east: { links: [10.0.0.1:7780, 10.1.0.1:7780] }
        west: { links: [10.0.0.2:7780, 10.1.0.2:7780] }

    """

/// A small valid file that the tests change.
let example = """
    \(examplePair)board: simulated
    watchdog: { timeout: 10s }
    sensors:
      inlet:
        driver: tmp102
        bus: 1
        address: 0x48
        warn: ">60C"
        critical: ">75C"
        hysteresis: 3C
        plausible: [-40C, 125C]
      rail5v: { driver: ina219, bus: 1, address: 0x40, shunt: 100mOhm, measure: voltage, critical: "<4.65V" }
    fence:
      - relay:
          line: RELAY_PEER
          active: low
          off_within: 50ms
          off_time: 5s
          verify: { line: PEER_PGOOD }
      - agent:
          path: /usr/sbin/fence_ipmilan
          options: { ip: 10.0.9.2, username: admin }
          off_within: 3s
    groups:
      plc-gateway:
        prefer: east
        standby: warm
        start_within: 10s
        resources:
          - ip: 10.0.0.100/24@eth0
          - unit: gateway.service
          - command: { start: [/bin/true], stop: [/bin/true], monitor: [/bin/true] }
        failback: manual
        sync: { probe: [/usr/bin/lag], max_lag: 10s }

    """

func load(
    _ text: String, node: String? = nil, boards: BoardLibrary = BoardLibrary()
) -> Result<Configuration, ConfigurationErrors> {
    load(Array(text.utf8), node: node, boards: boards)
}

func load(
    _ bytes: [UInt8], node: String? = nil, boards: BoardLibrary = BoardLibrary(),
    running: [RunningGroup] = []
) -> Result<Configuration, ConfigurationErrors> {
    do throws(ConfigurationErrors) {
        return .success(
            try Configuration.load(
                bytes, file: "p.yaml", node: node, boards: boards, running: running))
    } catch {
        return .failure(error)
    }
}

/// The example with one piece of its text changed, which must be there once.
func changed(_ old: String, _ new: String) -> String {
    let parts = split(example, old)
    precondition(parts.count == 2, "\(old) stands \(parts.count - 1) times in the example")
    return parts[0] + new + parts[1]
}

func split(_ text: String, _ separator: String) -> [String] {
    var parts = [""]
    var rest = Substring(text)
    while !rest.isEmpty {
        if rest.hasPrefix(separator) {
            parts.append("")
            rest = rest.dropFirst(separator.count)
        } else {
            parts[parts.count - 1].append(rest.removeFirst())
        }
    }
    return parts
}

/// The errors' text, or "" where there are none.
func errors(_ result: Result<Configuration, ConfigurationErrors>) -> String {
    switch result {
    case .success: ""
    case .failure(let errors): errors.text
    }
}
