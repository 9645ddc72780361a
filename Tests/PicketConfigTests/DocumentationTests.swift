import Foundation
import PicketConfig
import PicketCore
import PicketHardware
import Testing

/// What the documentation shows must be what the reader takes.
struct DocumentationTests {
    private var root: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
    }

    private func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    /// The blocks fenced as YAML.
    private func blocks(_ text: String) -> [String] {
        var blocks: [String] = []
        var inside = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line == "```yaml" {
                inside = true
                blocks.append("")
            } else if line == "```" {
                inside = false
            } else if inside {
                blocks[blocks.count - 1] += line + "\n"
            }
        }
        return blocks
    }

    @Test func `the reference's complete example is valid, without a warning`() throws {
        let example = try #require(blocks(text("docs/CONFIGURATION.md")).first)
        let east = load(example)
        #expect(errors(east) == "")
        #expect(try east.get().warnings.map(\.text) == [])
        #expect(try load(example, node: "west").get().policy.digest == east.get().policy.digest)
    }

    @Test func `the reference names every key`() throws {
        let reference = try text("docs/CONFIGURATION.md")
        for file in ["Load", "LoadFence", "LoadGroups", "LoadSensors"] {
            let source = try text("Sources/PicketConfig/\(file).swift")
            let keys = source.matches(of: /\["([a-z_]+)"\]|required\(\s*"([a-z_]+)"/)
            #expect(!keys.isEmpty)
            for key in keys {
                let name = String(key.output.1 ?? key.output.2!)
                // The whole name, in a table or as a key of an example: "off" is not "off_within".
                let asKey = try Regex("(^|[^A-Za-z0-9_])\(name):")
                #expect(
                    reference.contains("`\(name)`") || reference.contains(asKey),
                    "\(name) of \(file).swift")
            }
        }
    }

    @Test(arguments: DriverDescription.kinds)
    func `the reference has a row for every driver, with its keys`(kind: DriverKind) throws {
        let rows = try text("docs/CONFIGURATION.md").split(separator: "\n")
        let row = try #require(rows.first { $0.hasPrefix("| `\(kind.word)` |") })
        for key in kind.keys { #expect(row.contains("`\(key)`"), "\(key)") }
    }

    @Test func `the shipped board file says what the library knows without it`() throws {
        let bytes = Array(try text("boards/simulated.yaml").utf8)
        let shipped = try Board.load(
            BoardFile(name: "simulated", path: "boards/simulated.yaml", bytes: bytes))
        let known = try Board.load(BoardLibrary().files[0])
        #expect(shipped == known)
    }

    @Test func `the example of the board format is valid`() throws {
        let example = try #require(blocks(text("boards/README.md")).first)
        let board = try Board.load(
            BoardFile(name: "example", path: "boards/README.md", bytes: Array(example.utf8)))
        #expect(board.chips.first?.lines.count == 2)
        #expect(board.watchdog?.maximum == .seconds(15))
    }
}
