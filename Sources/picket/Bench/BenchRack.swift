import Foundation
import PicketRack

/// A rack of its own for measuring: a pair with a given `detect_within`, and two scenarios, one in
/// which the holder's power is lost and one in which nothing happens.
struct BenchRack {
    struct Summary {
        var passed: Bool
        var measures: [String: Double]
    }

    let directory: URL

    /// `former`: for 0.1.0, which cannot be told what a pulled plug reads.
    init(
        detectWithin: Int, sensors: Int, sensorInterval: String, former: Bool = false
    ) throws {
        directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("picket-bench.\(UInt64.random(in: 0 ..< .max))")
        try FileManager.default.createDirectory(
            at: directory, withIntermediateDirectories: true)
        let offWithin = max(5, min(50, detectWithin / 10))
        try write(
            "pair.yaml",
            Self.pair(
                detectWithin, offWithin, sensors: sensors, interval: sensorInterval,
                unplugged: former ? "" : ", unplugged: on"))
        try write(
            "rack.yaml", "configuration: pair.yaml\nboot_time: 100ms\nrestart_delay: 100ms\n")
        try write(
            "takeover.yaml",
            """
            description: The holder's kernel dies; the standby takes over.
            steps:
              - when: [ready, gateway active on east]
                after: 400ms
                do: crash east
              - when: [gateway active on west, takeovers 1]
                within: 8s
            expect: { fences: 1, takeovers: 1, dual_active_ms: 0 }
            """)
        try write(
            "steady.yaml",
            """
            description: Nothing happens.
            steps:
              - when: ready
                within: 20s
              - after: 590s
            expect: { fences: 0, takeovers: 0 }
            """)
        try write(
            "hanging.yaml",
            """
            description: A bus hangs and is well again, twice.
            steps:
              - when: ready
                within: 20s
                after: 3s
                do: bus 1 of east hangs
              - after: 10s
                do: bus 1 of east recovers
              - after: 10s
                do: bus 1 of east hangs
              - after: 10s
                do: bus 1 of east recovers
              - after: 60s
            expect: { fences: 0, takeovers: 0 }
            """)
    }

    func remove() { try? FileManager.default.removeItem(at: directory) }

    private func write(_ name: String, _ text: String) throws {
        try text.write(
            to: directory.appendingPathComponent(name), atomically: true, encoding: .utf8)
    }

    func start(
        _ scenario: String, picketd: String, options: [String] = []
    ) throws -> (Process, Pipe) {
        let process = Process()
        process.executableURL = Shipped.program
        process.arguments =
            [
                "rack", directory.appendingPathComponent("rack.yaml").path, "--scenario",
                directory.appendingPathComponent(scenario).path, "--json", "--picketd", picketd,
            ] + options
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        try process.run()
        return (process, output)
    }

    /// One takeover. `nil` if the rack gave no summary.
    func play(picketd: String) throws -> Summary? {
        let (process, output) = try start("takeover.yaml", picketd: picketd)
        let text = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.awaitEnd()
        guard let line = text.split(separator: "\n").last,
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
            object["type"] as? String == "summary"
        else { return nil }
        return Summary(
            passed: object["passed"] as? Bool ?? false,
            measures: object.compactMapValues { ($0 as? NSNumber)?.doubleValue })
    }

    private static func pair(
        _ detectWithin: Int, _ offWithin: Int, sensors: Int, interval: String,
        unplugged: String
    ) -> String {
        let sensorLines = (0..<sensors).map { index in
            "  sensor\(index): { driver: tmp102, bus: \(1 + index / 4), "
                + "address: 0x\(String(0x48 + index % 4, radix: 16)), interval: \(interval), "
                + "critical: \">75C\", stale_after: 5s }"
        }.joined(separator: "\n")
        return """
            node: east
            pair:
              name: bench
              key: /etc/picket/bench.key
              detect_within: \(detectWithin)ms
              nodes:
                east: { links: [10.0.0.1:7780, 10.1.0.1:7780] }
                west: { links: [10.0.0.2:7780, 10.1.0.2:7780] }
            watchdog: { timeout: 10s }
            sensors:
            \(sensorLines)
            fence:
              east:
                - relay: { line: RELAY_EAST, off_within: \(offWithin)ms, off_time: 500ms,
                           verify: { line: EAST_PGOOD\(unplugged) } }
              west:
                - relay: { line: RELAY_WEST, off_within: \(offWithin)ms, off_time: 500ms,
                           verify: { line: WEST_PGOOD\(unplugged) } }
            groups:
              gateway:
                prefer: east
                start_within: 1s
                stop_within: 1s
                monitor_interval: 60s
                resources:
                  - unit: gateway.service
            """
    }
}
