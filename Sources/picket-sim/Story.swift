/// Worlds in words.
import ArgumentParser
import Foundation
import PicketCore
import PicketProof

enum Story {
    static func complain(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }

    static func load(_ path: String) throws -> Plan {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            complain("\(path): cannot be read")
            throw ExitCode(2)
        }
        do throws(ScriptError) { return try Plan(text: text) } catch {
            complain("\(path):\(error.line): expected \(error.expected)")
            throw ExitCode(2)
        }
    }

    static func lines(of world: World) -> [String] {
        guard let violation = world.violation else { return world.story }
        return world.story + [
            "VIOLATION \(violation.property) of seed \(world.plan.seed) at "
                + String(format: "%.3f ms", Double(violation.at) / 1e6) + ": \(violation.text)"
        ]
    }

    static func print(_ coverage: Coverage) {
        var holes: [String] = []
        for (title, rows) in coverage.table {
            Swift.print("\n\(title)")
            for (name, count) in rows where count > 0 {
                Swift.print("  \(name.padding(toLength: 24, withPad: " ", startingAt: 0)) \(count)")
            }
            holes += rows.filter { $0.count == 0 }.map { "\(title): \($0.name)" }
        }
        Swift.print("\nholes")
        for hole in holes { Swift.print("  \(hole)") }
        Swift.print("")
    }

    static func progress(_ played: Int, of all: Int, _ simulated: Double, _ elapsed: Double) {
        let width = 30
        let filled = all > 0 ? width * played / all : width
        complain(
            "[" + String(repeating: "#", count: filled)
                + String(repeating: ".", count: width - filled)
                + "] \(played)/\(all) seeds, "
                + String(format: "%.2f", simulated / 3600 / elapsed) + " pair-hours/s")
    }
}

/// The fewest faults that still violate the same property.
enum Shrink {
    static func run(_ plan: Plan, tell: (String) -> Void) -> Plan {
        func violates(_ plan: Plan, _ property: String?) -> Violation? {
            let world = World(plan, remembering: 1)
            guard !world.run(), let violation = world.violation,
                property == nil || violation.property == property
            else { return nil }
            return violation
        }
        guard let first = violates(plan, nil) else {
            tell("nothing to shrink: no property is violated")
            return plan
        }
        var best = plan
        best.faults.removeAll { $0.at.nanoseconds > first.at }
        if violates(best, first.property) == nil { best = plan }
        var chunk = max(1, best.faults.count / 2)
        while true {
            var index = 0
            var shrunk = false
            while index < best.faults.count {
                var candidate = best
                candidate.faults.removeSubrange(
                    index..<min(index + chunk, candidate.faults.count))
                if violates(candidate, first.property) != nil {
                    best = candidate
                    shrunk = true
                } else {
                    index += chunk
                }
            }
            tell("\(best.faults.count) faults left")
            if chunk == 1, !shrunk { break }
            chunk = max(1, chunk / 2)
        }
        simplify(&best) { violates($0, first.property) != nil }
        return best
    }

    /// A plainer world, where that still violates.
    private static func simplify(_ plan: inout Plan, _ violates: (Plan) -> Bool) {
        let steps: [(inout Plan) -> Void] = [
            { $0.drift = [0, 0] }, { if !$0.rolls { $0.groups = [$0.groups[0]] } },
            { $0.links = 1 },
            { $0.sealed = false }, { $0.startup = .wait },
            { plan in plan.groups = plan.groups.map { GroupPolicy(prefer: $0.prefer) } },
        ]
        for step in steps {
            var candidate = plan
            step(&candidate)
            if candidate != plan, violates(candidate) { plan = candidate }
        }
    }
}

enum PlantedSwitch {
    static func require() throws {
        guard PlantedBug.areBuiltIn else {
            Story.complain("planted bugs are in the simulation build only: make sim")
            throw ExitCode(2)
        }
    }

    static func set(_ name: String?) throws {
        guard let name else { return }
        try require()
        guard let bug = PlantedBug(rawValue: name) else {
            Story.complain("no such planted bug: \(name); see picket-sim bugs")
            throw ExitCode(2)
        }
        unsafe PlantedBug.active = bug
    }
}
