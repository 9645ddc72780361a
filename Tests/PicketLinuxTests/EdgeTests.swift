import CPicket
import PicketCore
import Testing

@testable import PicketLinux

/// Waiting for edges, on pipes in place of lines.
struct EdgeTests {
    private func pipes() -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        #expect(unsafe picket_output_pipe(&ends) == 0)
        return (ends[0], ends[1])
    }

    /// What another test is just starting has the line's other end as well, until it closes it.
    private func hangUp(_ line: (read: Int32, write: Int32)) {
        close(line.write)
        var byte: UInt8 = 0
        while unsafe read(line.read, &byte, 1) != 0 { usleep(1000) }
    }

    @Test func `a line whose chip is gone is waited for no more`() throws {
        let (line, other) = (pipes(), pipes())
        defer { for raw in [line.read, other.read, other.write] { close(raw) } }
        hangUp(line)
        var edges = [line.read]
        var clock = Clock()
        let began = clock.now()
        #expect(!GPIOLine.waitForEdge(&edges, or: other.read, atMost: .milliseconds(50)))
        #expect(clock.now() - began >= .milliseconds(50))
        #expect(edges.isEmpty)
    }

    @Test func `an edge is taken, beside a line that is gone`() throws {
        let (line, dead, other) = (pipes(), pipes(), pipes())
        defer {
            for raw in [line.read, line.write, dead.read, other.read, other.write] { close(raw) }
        }
        hangUp(dead)
        var byte: UInt8 = 1
        #expect(unsafe write(line.write, &byte, 1) == 1)
        var edges = [dead.read, line.read]
        #expect(GPIOLine.waitForEdge(&edges, or: other.read, atMost: .seconds(10)))
        #expect(edges == [line.read])
    }

    @Test func `what else is readable ends the wait`() throws {
        let (line, other) = (pipes(), pipes())
        defer { for raw in [line.read, line.write, other.read, other.write] { close(raw) } }
        var byte: UInt8 = 1
        #expect(unsafe write(other.write, &byte, 1) == 1)
        var edges = [line.read]
        #expect(!GPIOLine.waitForEdge(&edges, or: other.read, atMost: .seconds(10)))
        #expect(edges == [line.read])
    }
}
