import PicketCore
import Testing

@testable import PicketLinux

struct ApplyFileTests {
    private var open: OpenApply {
        var open = OpenApply(
            id: 0xFEED_0000_0000_0001, byPeer: true, old: 1, new: .max, within: 300, boot: "B")
        open.until = Instant(nanoseconds: 812_345_678_901)
        return open
    }

    @Test func `what is open outlives the agent`() throws {
        let scratch = Scratch()
        let file = ApplyFile(in: scratch.file("."))
        #expect(file.load() == nil)
        try file.store(open, text: [1, 2, 3])
        #expect(file.load() == open)
        #expect(try DurableFile.read(file.text) == [1, 2, 3])
        var offered = open
        offered.until = nil
        offered.byPeer = false
        try file.store(offered)
        #expect(file.load() == offered)
        try file.remove()
        #expect(file.load() == nil)
        #expect(try DurableFile.read(file.text) == nil)
    }

    @Test func `a note without a verdict is open`() {
        let file = ApplyFile(in: "")
        let text = String(decoding: file.encode(open), as: UTF8.self)
        let body = text.split(separator: "\n").dropLast(2).joined(separator: "\n") + "\n"
        #expect(file.decode(SealedText.seal(body)) == open)
        #expect(file.decode(SealedText.seal(body + "verdict new\n")) == nil)
    }

    @Test func `a damaged note opens nothing`() {
        let file = ApplyFile(in: "")
        let bytes = file.encode(open)
        for length in 0..<bytes.count { #expect(file.decode(Array(bytes[..<length])) == nil) }
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 1
            #expect(file.decode(damaged) == nil)
        }
    }
}
