import Foundation
import Testing

/// The proof's tools as a person meets them: what is refused, and how.
struct SimulatorTests {
    private static func run(_ arguments: [String]) throws -> Program.Result {
        try Program.run("picket-sim", arguments)
    }

    @Test(arguments: [
        (["run", "--seeds", "0"], "--seeds 0: expected 1 or more"),
        (["run", "--seed", "nope"], "'nope' is invalid"),
        (["run", "--hours", "nan"], "--hours nan: expected more than 0"),
        (["run", "--minutes=-1"], "--minutes -1.0: expected more than 0"),
        (["run", "--cores", "0"], "--cores 0: expected 1 or more"),
        (["run", "--focus", "nowhere"], "expected one of any"),
        (["run", "--script", "/nonexistent.txt"], "/nonexistent.txt: cannot be read"),
        (["check", "--in-flight", "7"], "messages in flight: 2, 4, 6 or 8"),
        (["check", "--states", "0"], "states: 1 to"),
        (["check", "--only", "gremlins"], "gremlins"),
        (["golden", "/nonexistent.txt"], "/nonexistent.txt: cannot be read"),
        (["bugs"], "make sim"),
        (["ponder"], "ponder"),
    ])
    func `nonsense is refused with what was expected`(_ arguments: [String], _ expected: String)
        throws
    {
        let result = try Self.run(arguments)
        #expect(result.status == 2)
        #expect(result.output.isEmpty)
        #expect(result.complaints.contains(expected), "\(result.complaints)")
    }

    @Test func `a script with a mistake is refused at its line`() throws {
        let path = FileManager.default.temporaryDirectory
            .appendingPathComponent("picket-\(UUID().uuidString).txt").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try "seed 5\nsafety 10s\nflood east\n".write(
            toFile: path, atomically: true, encoding: .utf8)
        let result = try Self.run(["run", "--script", path])
        #expect(result.status == 2)
        #expect(result.complaints.contains("\(path):3: expected a setting"))
    }

    @Test func `many cores come to the same as one`() throws {
        func coverage(onCores cores: String) throws -> [String] {
            let result = try Self.run([
                "run", "--seeds", "5", "--hours", "0.003", "--cores", cores,
            ])
            #expect(result.status == 0, "\(result.complaints)")
            let lines = result.output
            #expect(lines.last?.hasPrefix("5 seeds, ") == true)
            return lines.dropLast()
        }
        let one = try coverage(onCores: "1")
        #expect(one.count > 100)
        #expect(try coverage(onCores: "3") == one)
    }
}
