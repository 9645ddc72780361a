import Foundation
import PicketCore
import PicketProof
import Testing

struct WorldTests {
    private static let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Golden")

    static var stories: [String] {
        let names = try? FileManager.default.contentsOfDirectory(atPath: golden.path)
        return (names ?? []).filter { $0.hasSuffix(".txt") }.sorted()
    }

    @Test(arguments: WorldTests.stories)
    func `a golden story tells what it told`(_ name: String) throws {
        let file = WorldTests.golden.appendingPathComponent(name)
        let golden = GoldenStory(text: try String(contentsOf: file, encoding: .utf8))
        let (story, violation) = try golden.play()
        #expect(violation == nil)
        #expect(story == golden.story)
    }

    @Test(arguments: [3, 1_000_003] as [UInt64])
    func `a plan that was written down plays as the one that was drawn`(_ seed: UInt64) throws {
        let drawn = Swarm.plan(seed: seed, safety: .seconds(30))
        let read = try Plan(text: drawn.text)
        #expect(read == drawn)
        let worlds = [World(drawn, remembering: nil), World(read, remembering: nil)]
        for world in worlds { _ = world.run() }
        #expect(worlds[0].story == worlds[1].story)
    }

    @Test(arguments: 1...12 as ClosedRange<UInt64>)
    func `a drawn world violates nothing`(_ seed: UInt64) {
        let world = World(Swarm.plan(seed: seed, safety: .seconds(60)), remembering: 40)
        #expect(world.run(), "\(world.story.joined(separator: "\n"))")
    }

    @Test(arguments: [
        ("at 5s cut north", 1), ("seed 1\nat 5s explode low", 2), ("links 9", 1),
        ("detect-within 1ms", 1), ("at 5s for x cut low", 1), ("at 5s loss low 300%", 1),
        ("group low failback", 1), ("at 5s crash low now", 1),
    ])
    func `a wrong script is refused with its line`(_ text: String, _ line: Int) {
        #expect(throws: ScriptError.self) { try Plan(text: text) }
        do throws(ScriptError) { _ = try Plan(text: text) } catch { #expect(error.line == line) }
    }
}
