/// Counts what the worlds have reached. A thing that never happened was never proved.
internal import PicketCore
internal import PicketWire

public struct Coverage: Equatable, Sendable, Codable {
    public internal(set) var faults: [Int]
    public internal(set) var traces = [Int](repeating: 0, count: 256)
    public internal(set) var refusals = [Int](repeating: 0, count: 256)
    public internal(set) var causes = [Int](repeating: 0, count: 256)
    public internal(set) var effects = [Int](repeating: 0, count: 17)
    public internal(set) var drops = [Int](repeating: 0, count: 256)
    public internal(set) var watchdogResets = 0

    public init() { faults = Array(repeating: 0, count: Fault.names.count) }

    static let effectNames = [
        "send", "persist", "note", "fence", "cancelFence", "start", "adopt", "stop",
        "feedWatchdog", "ban", "answer", "trace", "exit",
        "leaveAlone", "change", "replicate", "lookAtDisk",
    ]

    static func index(_ effect: Effect) -> Int {
        switch effect {
        case .send: 0
        case .persist: 1
        case .note: 2
        case .fence: 3
        case .cancelFence: 4
        case .start: 5
        case .adopt: 6
        case .stop: 7
        case .feedWatchdog: 8
        case .ban: 9
        case .answer: 10
        case .trace: 11
        case .exit: 12
        case .leaveAlone: 13
        case .change: 14
        case .replicate: 15
        case .lookAtDisk: 16
        }
    }

    mutating func count(_ fault: Fault) {
        if let index = Fault.names.firstIndex(of: fault.name) { faults[index] += 1 }
    }

    public mutating func add(_ other: Coverage) {
        func sum(_ mine: inout [Int], _ theirs: [Int]) {
            for index in mine.indices { mine[index] += theirs[index] }
        }
        sum(&faults, other.faults)
        sum(&traces, other.traces)
        sum(&refusals, other.refusals)
        sum(&causes, other.causes)
        sum(&effects, other.effects)
        sum(&drops, other.drops)
        watchdogResets += other.watchdogResets
    }

    /// By kind of thing: what it is called, and how often it came.
    public var table: [(title: String, rows: [(name: String, count: Int)])] {
        [
            ("faults", zip(Fault.names, faults).map { ($0, $1) }),
            ("effects", zip(Coverage.effectNames, effects).map { ($0, $1) }),
            (
                "transitions",
                Trace.Kind.allCases.map { ("\($0)", traces[Int($0.rawValue)]) }
            ),
            (
                "refusals",
                Refusal.allCases.map { ("\($0)", refusals[Int($0.rawValue)]) }
            ),
            ("causes", Cause.allCases.map { ("\($0)", causes[Int($0.rawValue)]) }),
            // Without the key nobody can forge what lies behind the seal. The fuzz target `message`
            // has the key.
            (
                "drops",
                Drop.allCases.filter { $0.rawValue < Drop.truncated.rawValue }.map {
                    ($0.text, drops[Int($0.rawValue)])
                }
            ),
            ("hardware", [("watchdog reset", watchdogResets)]),
        ]
    }
}
