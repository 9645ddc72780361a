import PicketControl
import Testing

struct LineBufferTests {
    @Test func `lines are cut as they arrive`() {
        var buffer = LineBuffer()
        buffer.append(Array("sta".utf8))
        #expect(buffer.next() == .more)
        #expect(buffer.holdsHalfALine)
        buffer.append(Array("tus\nhistory\n".utf8))
        #expect(buffer.next() == .line(Array("status".utf8)))
        #expect(buffer.next() == .line(Array("history".utf8)))
        #expect(buffer.next() == .more)
        #expect(!buffer.holdsHalfALine)
    }

    @Test func `a client that sends no line feed is given up`() {
        var buffer = LineBuffer(longest: 8)
        for _ in 0..<1_000 { buffer.append([UInt8](repeating: 65, count: 100)) }
        #expect(buffer.next() == .tooLong)
        buffer.append([10])
        #expect(buffer.next() == .tooLong)
    }
}
