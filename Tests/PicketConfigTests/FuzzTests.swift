import PicketConfig
import PicketCore
import PicketProof
import Testing

struct FuzzTests {
    static let pieces: [[UInt8]] =
        [
            "", " ", "\n", "\t", ":", "- ", "[", "]", "{", "}", "\"", "'", ">", "<", "|", "&a",
            "*a",
            "!!x", "~", "null", "0x", "-", "999999999999999999999", "1e9", "0", "-1", "0.0000001",
            "999999999999999", "h", "ms", "C", "none", "east", "#", ",", "%", "@", "\u{FEFF}", "é",
            "🛑", "\0", "lines: []", "relay: {}", "sensor: rail5v",
        ].map { Array($0.utf8) } + [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80]]

    private func mutate(_ bytes: inout [UInt8], _ random: inout Chance) {
        let from = Int.random(in: 0...bytes.count, using: &random)
        let to = min(bytes.count, from + Int.random(in: 0...12, using: &random))
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes.removeSubrange(from..<to)
        case 1: bytes.insert(contentsOf: Self.pieces.randomElement(using: &random)!, at: from)
        case 2:
            bytes.replaceSubrange(from..<to, with: Self.pieces.randomElement(using: &random)!)
        case 3:
            let other = Int.random(in: 0...bytes.count, using: &random)
            let end = min(bytes.count, other + Int.random(in: 0...60, using: &random))
            bytes.insert(contentsOf: Array(bytes[other..<end]), at: from)
        default:
            if !bytes.isEmpty {
                bytes[min(from, bytes.count - 1)] = UInt8.random(in: 0...255, using: &random)
            }
        }
    }

    @Test func `no mutation of a file makes the reader trap, or say nothing`() {
        var valid = 0
        for seed in UInt64(0)..<10_000 {
            var random = Chance(seed: seed)
            var bytes = Array(example.utf8)
            for _ in 0..<Int.random(in: 1...6, using: &random) { mutate(&bytes, &random) }
            switch load(bytes) {
            case .success(let configuration):
                valid += 1
                #expect(configuration.policy.timing.detectWithin > .zero)
            case .failure(let errors):
                #expect(!errors.list.isEmpty, "seed \(seed)")
                for error in errors.list {
                    let harmless = error.text.unicodeScalars.allSatisfy {
                        $0.value >= 0x20 || $0 == "\n"
                    }
                    #expect(harmless, "seed \(seed): \(error.text)")
                    #expect(error.position.line >= 1 && error.position.column >= 1)
                }
            }
        }
        #expect(valid > 100)
    }

    @Test func `no random bytes make the reader trap`() {
        for seed in UInt64(0)..<2_000 {
            var random = Chance(seed: seed)
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0...80, using: &random) {
                bytes += Self.pieces.randomElement(using: &random)!
            }
            if case .failure(let errors) = load(bytes) { #expect(!errors.list.isEmpty) }
        }
    }
}
