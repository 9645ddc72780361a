import Foundation
import PicketConfig
import PicketHardware
import Testing

/// The files of boards/, as they are shipped.
struct BoardFileTests {
    static let directory = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "boards")

    static func files() throws -> [BoardFile] {
        try FileManager.default.contentsOfDirectory(atPath: directory.path)
            .filter { $0.hasSuffix(".yaml") }.sorted()
            .map { name in
                let url = directory.appending(path: name)
                return BoardFile(
                    name: String(name.dropLast(5)), path: url.path,
                    bytes: Array(try Data(contentsOf: url)))
            }
    }

    @Test func `there is a file for every board that is promised`() throws {
        #expect(
            try Self.files().map(\.name) == [
                "beaglebone-black", "jetson-orin-nano", "mcp2221", "pc-engines-apu2",
                "raspberry-pi-3", "raspberry-pi-4", "raspberry-pi-5", "rock-5b", "simulated",
            ])
    }

    @Test(arguments: try Self.files().map(\.name))
    func `a board's file loads, and contradicts nothing in itself`(name: String) throws {
        let file = try #require(try Self.files().first { $0.name == name })
        let board = try Board.load(file)
        #expect(!board.description.isEmpty)
        var names: Set<String> = []
        for chip in board.chips {
            var offsets: Set<UInt32> = []
            for line in chip.lines {
                #expect(names.insert(line.name).inserted, "\(line.name) twice")
                #expect(offsets.insert(line.offset).inserted, "\(chip.name) \(line.offset) twice")
            }
        }
        // What is told of a real board has a source beside it.
        if !board.simulated {
            let text = String(decoding: file.bytes, as: UTF8.self)
            #expect(text.contains("# Sources"))
            #expect(!board.caveats.isEmpty)
        }
    }

    @Test(arguments: try Self.files().map(\.name).filter { $0.hasPrefix("raspberry") })
    func `a pair may be configured by a board's names alone`(name: String) throws {
        let text = """
            \(examplePair)board: \(name)
            watchdog: { timeout: 10s }
            sensors: { inlet: { driver: tmp102, bus: 1, address: 0x48, warn: ">60C" } }
            fence:
              - relay: { line: GPIO17, off_within: 50ms, verify: { line: GPIO27, bias: pull_down } }

            """
        let it = try Configuration.load(
            Array(text.utf8), file: "p.yaml", boards: BoardLibrary(try Self.files()))
        guard case .relay(let relay) = it.fence[0] else { return #expect(Bool(false)) }
        #expect(relay.supplies[0].line.offset == 17)
        #expect(relay.supplies[0].line.chip?.hasPrefix("pinctrl-") == true)
        #expect(it.board?.watchdog?.identity == "Broadcom BCM2835 Watchdog timer")
    }

    @Test func `a timeout that the board's watchdog does not take is refused`() throws {
        let text = """
            node: east
            pair: { name: p, key: /k, detect_within: 500ms, nodes: { east: { links: [10.0.0.1:1, 10.1.0.1:1] }, west: { links: [10.0.0.2:1, 10.1.0.2:1] } } }
            board: raspberry-pi-4
            watchdog: { timeout: 20s }
            fence: none

            """
        #expect {
            try Configuration.load(
                Array(text.utf8), file: "p.yaml", boards: BoardLibrary(try Self.files()))
        } throws: { error in
            (error as? ConfigurationErrors)?.list.first?.text.hasSuffix(
                "the watchdog of board raspberry-pi-4 takes 1s to 15s") == true
        }
    }
}
