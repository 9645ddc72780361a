/// A world's chronicle in words, as golden stories keep it.
internal import PicketControl
internal import PicketCore

extension World {
    /// One line for each entry: milliseconds since the beginning, the node, what happened. A bar
    /// stands before what a node itself says.
    public var story: [String] {
        let narrators = [NodeID.low, .high].map { me in
            Narrator(
                names: Names(
                    pair: "pair", me: me, nodes: ["low", "high"],
                    groups: (0..<plan.names).map { "group \($0)" },
                    links: (0..<plan.links).map { "link \($0)" }, sensors: [],
                    fenceLevels: ["relay"]))
        }
        return chronicle.entries.map { entry in
            let node = entry.node.map { $0 == .low ? "low " : "high" } ?? "    "
            switch entry.what {
            case .world(let text): return "\(World.time(entry.at)) \(node) \(text)"
            case .fault(let fault):
                return "\(World.time(entry.at)) \(node) fault: \(FaultText.line(fault))"
            case .trace(let trace):
                let narrator = narrators[Int((entry.node ?? .low).rawValue)]
                return "\(World.time(entry.at)) \(node) | \(narrator.sentence(trace))"
            }
        }
    }

    /// Milliseconds, with three decimals, in ten columns.
    static func time(_ nanoseconds: Int64) -> String {
        let fraction = String(nanoseconds / 1_000 % 1_000 + 1_000).dropFirst()
        let text = "\(nanoseconds / 1_000_000).\(fraction)"
        return String(repeating: " ", count: max(0, 10 - text.count)) + text
    }
}

/// A golden story: a script, a line of dashes, and the whole story that it must tell.
public struct GoldenStory: Equatable, Sendable {
    public static let divider = "----"
    public var script: String
    /// Empty where nobody has written it yet.
    public var story: String

    public init(text: String) {
        var script: [Substring] = []
        var story: [Substring] = []
        var divided = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if !divided, line == GoldenStory.divider {
                divided = true
            } else if divided {
                story.append(line)
            } else {
                script.append(line)
            }
        }
        self.script = script.joined(separator: "\n")
        self.story = story.joined(separator: "\n")
    }

    /// The story that the script tells now.
    ///
    /// - Throws: `ScriptError` with the line of the file.
    public func play() throws(ScriptError) -> (story: String, violation: Violation?) {
        let world = World(try Plan(text: script), remembering: nil)
        _ = world.run()
        return (world.story.joined(separator: "\n") + "\n", world.violation)
    }

    public func text(telling story: String) -> String {
        script + (script.hasSuffix("\n") ? "" : "\n") + GoldenStory.divider + "\n" + story
    }
}
