import Foundation
import PicketControl
import PicketCore
import PicketRack

/// How long the agent's one loop lets a caller wait, while an I2C bus hangs and while none does:
/// the same agent, in turn, for ten seconds each.
enum LoopLatency {
    static func measure(_ rack: BenchRack, picketd: String) throws -> [String] {
        let (process, output) = try rack.start(
            "hanging.yaml", picketd: picketd, options: ["--status-every", "60000"])
        defer {
            process.terminate()
            process.awaitEnd()
        }
        var lines = Lines(output.fileHandleForReading)
        var well: [Double] = []
        var hung: [Double] = []
        for _ in 0..<2 {
            guard lines.skip(past: "bus 1 of east hangs") else { return ["no agent came up"] }
            guard let agent = SteadyState.agents(of: process.processIdentifier).first else {
                return ["no agent came up"]
            }
            hung += try ask(agent.socket, for: 9)
            guard lines.skip(past: "bus 1 of east recovers") else { return ["the rack ended"] }
            well += try ask(agent.socket, for: 9)
        }
        guard let without = Spread(well), let with = Spread(hung) else { return ["no answers"] }
        return [
            "all buses well  " + without.text("ms", digits: 2),
            "a bus hangs     " + with.text("ms", digits: 2),
            String(format: "ratio           %.2f of the medians", with.median / without.median),
        ]
    }

    /// Milliseconds from a request to its answer, twenty times a second.
    private static func ask(_ socket: String, for seconds: Double) throws -> [Double] {
        var waits: [Double] = []
        let end = CoreBench.monotonicSeconds() + seconds
        while CoreBench.monotonicSeconds() < end {
            let began = CoreBench.monotonicSeconds()
            let connection = try AgentConnection(path: socket)
            connection.send(.status)
            guard case .line = try connection.next(within: .seconds(10)) else { continue }
            waits.append((CoreBench.monotonicSeconds() - began) * 1e3)
            Thread.sleep(forTimeInterval: 0.05)
        }
        return waits
    }

    private struct Lines {
        private let file: FileHandle
        private var rest = ""

        init(_ file: FileHandle) { self.file = file }

        /// False if the output ends before the words come.
        mutating func skip(past words: String) -> Bool {
            while true {
                if let found = rest.range(of: words) {
                    rest = String(rest[found.upperBound...])
                    return true
                }
                let data = file.availableData
                guard !data.isEmpty else { return false }
                rest += String(decoding: data, as: UTF8.self)
            }
        }
    }
}
