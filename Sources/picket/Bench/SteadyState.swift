import Foundation
import PicketRack

/// One agent of an idle pair: its time, its memory, its turns and its system calls.
enum SteadyState {
    static func measure(_ rack: BenchRack, picketd: String, seconds: Int) throws -> [String] {
        let (process, _) = try rack.start(
            "steady.yaml", picketd: picketd, options: ["--status-every", "60000"])
        defer {
            process.terminate()
            process.awaitEnd()
        }
        Thread.sleep(forTimeInterval: 6)
        guard let agent = agents(of: process.processIdentifier).first else {
            return ["no agent came up"]
        }
        let before = sample(agent)
        Thread.sleep(forTimeInterval: Double(seconds))
        let after = sample(agent)
        var lines: [String] = []
        let elapsed = after.time - before.time
        let share = (after.cpu - before.cpu) / elapsed * 100
        lines.append(String(format: "processor        %.3f %% of a core, all threads", share))
        if let counters = after.counters, let first = before.counters {
            let sent = Double((counters["messages_sent"] ?? 0) - (first["messages_sent"] ?? 0))
            let turns = Double((counters["turns"] ?? 0) - (first["turns"] ?? 0))
            let heap = (counters["heap_bytes"] ?? 0) - (first["heap_bytes"] ?? 0)
            lines.append(String(format: "heartbeats       %.1f a second", sent / elapsed))
            lines.append(
                String(format: "turns            %.2f per heartbeat", turns / max(sent, 1)))
            lines.append("heap growth      \(heap) bytes in \(Int(sent)) heartbeats")
            lines.append(systemCalls(agent.pid, perSecond: sent / elapsed))
        }
        lines.append(
            "resident         \(after.resident) kB, of it \(after.proportional) kB proportional")
        let size = (try? FileManager.default.attributesOfItem(atPath: picketd)[.size]) as? Int ?? 0
        lines.append("program          \(size / 1000) kB\(stripped(picketd))")
        return lines
    }

    struct AgentProcess {
        var pid: Int32
        var socket: String
    }

    private struct Sample {
        var time: Double
        var cpu: Double
        var resident: Int
        var proportional: Int
        var counters: [String: Int]?
    }

    /// The agents below the rack's process, by their command lines.
    static func agents(of rack: Int32) -> [AgentProcess] {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        var parents: [Int32: Int32] = [:]
        for entry in all {
            guard let pid = Int32(entry), let fields = statFields(pid) else { continue }
            parents[pid] = Int32(fields[1])
        }
        return parents.keys.sorted().compactMap { pid in
            guard let parent = parents[pid], parents[parent] == rack,
                let words = contents("/proc/\(pid)/cmdline")?.split(separator: "\0").map(
                    String.init)
            else { return nil }
            guard let at = words.firstIndex(of: "--rack"), at + 1 < words.count else { return nil }
            let directory = URL(fileURLWithPath: words[at + 1]).deletingLastPathComponent()
            return AgentProcess(pid: pid, socket: directory.path + "/run/picketd.sock")
        }
    }

    /// Files of /proc tell no size.
    private static func contents(_ path: String) -> String? {
        guard let file = FileHandle(forReadingAtPath: path) else { return nil }
        defer { try? file.close() }
        return String(decoding: file.readDataToEndOfFile(), as: UTF8.self)
    }

    /// The fields of /proc/PID/stat after the command's name: state, parent, …
    private static func statFields(_ pid: Int32) -> [String]? {
        guard let text = contents("/proc/\(pid)/stat"), let end = text.lastIndex(of: ")")
        else { return nil }
        return text[text.index(end, offsetBy: 2)...].split(separator: " ").map(String.init)
    }

    private static func sample(_ agent: AgentProcess) -> Sample {
        let rollup = contents("/proc/\(agent.pid)/smaps_rollup") ?? ""
        func kilobytes(_ name: String) -> Int {
            let line = rollup.split(separator: "\n").first { $0.hasPrefix(name) }
            return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        }
        return Sample(
            time: CoreBench.monotonicSeconds(), cpu: processorTime(agent.pid),
            resident: kilobytes("Rss:"), proportional: kilobytes("Pss:"),
            counters: counters(agent.socket))
    }

    /// Seconds that all threads of a process have run, as the scheduler counts them.
    private static func processorTime(_ pid: Int32) -> Double {
        let threads =
            (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        let nanoseconds = threads.map { thread -> Double in
            let text = contents("/proc/\(pid)/task/\(thread)/schedstat") ?? ""
            return text.split(separator: " ").first.flatMap { Double($0) } ?? 0
        }
        return nanoseconds.reduce(0, +) / 1e9
    }

    private static func counters(_ socket: String) -> [String: Int]? {
        guard
            let output = Program.output(
                Shipped.program.path,
                ["status", "--socket", socket, "--json"]),
            let object = try? JSONSerialization.jsonObject(with: output) as? [String: Any]
        else { return nil }
        return (object["counters"] as? [String: Any])?.compactMapValues {
            ($0 as? NSNumber)?.intValue
        }
    }

    /// By strace, where it is installed.
    private static func systemCalls(_ pid: Int32, perSecond heartbeats: Double) -> String {
        let strace = "/usr/bin/strace"
        guard FileManager.default.isExecutableFile(atPath: strace) else {
            return "system calls     not counted: strace is not installed"
        }
        let report = FileManager.default.temporaryDirectory
            .appendingPathComponent("picket-strace.\(pid)").path
        defer { try? FileManager.default.removeItem(atPath: report) }
        let seconds = 5
        _ = Program.output(
            "/usr/bin/timeout",
            ["-s", "INT", "\(seconds)", strace, "-f", "-c", "-o", report, "-p", "\(pid)"])
        let text = contents(report) ?? ""
        let total = text.split(separator: "\n").last { $0.hasSuffix("total") }
        let fields = total?.split(separator: " ") ?? []
        guard fields.count >= 4, let calls = Double(fields[3]) else {
            return "system calls     not counted: strace may not attach here"
        }
        return String(
            format: "system calls     %.1f per heartbeat, all threads",
            calls / Double(seconds) / max(heartbeats, 0.1))
    }

    private static func stripped(_ program: String) -> String {
        let copy = FileManager.default.temporaryDirectory
            .appendingPathComponent("picket-stripped.\(getpid())").path
        defer { try? FileManager.default.removeItem(atPath: copy) }
        guard Program.output("/usr/bin/strip", ["-o", copy, program]) != nil,
            let size = (try? FileManager.default.attributesOfItem(atPath: copy)[.size]) as? Int
        else { return "" }
        return ", stripped \(size / 1000) kB"
    }
}
