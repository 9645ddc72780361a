import PicketCore
import PicketLinux
import Testing

@testable import picketd

struct FenceRecordTests {
    static let year2026: Int64 = 1_780_000_000
    static let day = Duration.seconds(86_400)

    func stamp(
        _ boot: String, _ at: Int64, wall: Int64, isSynchronised: Bool = false
    ) -> Stamp {
        Stamp(
            boot: boot, at: Instant(nanoseconds: at * 1_000_000_000), wall: wall * 1_000_000_000,
            isSynchronised: isSynchronised)
    }

    func cut(at stamp: Stamp) -> FenceRecord {
        var record = FenceRecord()
        record.fenced(true, at: stamp.at)
        return record
    }

    /// The age of a cut that was written and is read by the next agent.
    func age(of record: FenceRecord, written: Stamp, read: Stamp) -> Duration? {
        FenceRecord(record.text(level: 7, written), level: 7, read).cutAt.map { read.at - $0 }
    }

    @Test func `what was written is what is read, for the same level`() {
        let now = stamp("a", 500, wall: Self.year2026)
        var record = cut(at: now)
        _ = record.tested(true)
        #expect(FenceRecord(record.text(level: 7, now), level: 7, now) == record)
        #expect(FenceRecord(record.text(level: 7, now), level: 8, now) == FenceRecord())
        record.fenced(false, at: now.at)
        let failed = FenceRecord(record.text(level: 7, now), level: 7, now)
        #expect(failed.failed && failed.passed && failed.cutAt == nil)
    }

    @Test func `a program that was changed was never seen to cut`() {
        let now = stamp("a", 500, wall: Self.year2026)
        var record = cut(at: now)
        #expect(record.sees("7-1-0") && record.cutAt != nil)
        record = FenceRecord(record.text(level: 7, now), level: 7, now)
        #expect(!record.sees("7-1-0") && record.cutAt != nil)
        #expect(record.sees("7-2-0") && record.cutAt == nil)
        // What cuts after that is the new one.
        record.fenced(true, at: now.at)
        #expect(record.sees("7-2-0") && record.cutAt != nil)
    }

    @Test func `within a boot the age is by the clock that counts from the boot`() {
        let written = stamp("a", 500, wall: 100)
        let stepped = stamp("a", 600, wall: Self.year2026)
        #expect(age(of: cut(at: written), written: written, read: stepped) == .seconds(100))
        let back = stamp("a", 600, wall: 0)
        #expect(age(of: cut(at: written), written: written, read: back) == .seconds(100))
    }

    @Test func `a board from 1970 keeps its age through each boot, and adds what it saw`() {
        let first = stamp("a", 500, wall: 500)
        var record = cut(at: first)
        let renewed = stamp("a", 500 + 86_400, wall: 500 + 86_400)
        // The clock has been set since, and at the next boot it begins in 1970 again.
        for (boot, wall) in [("b", Self.year2026), ("c", 10), ("d", Self.year2026 * 2)] {
            let read = stamp(boot, 20, wall: wall)
            #expect(age(of: record, written: renewed, read: read) == Self.day)
        }
        let second = stamp("b", 20, wall: 10)
        record = FenceRecord(record.text(level: 7, renewed), level: 7, second)
        let later = stamp("b", 20 + 86_400, wall: 11)
        #expect(age(of: record, written: later, read: stamp("c", 5, wall: 0)) == Self.day * 2)
    }

    @Test func `the wall clock counts where it was synchronised then and is now`() {
        let then = stamp("a", 500, wall: Self.year2026, isSynchronised: true)
        let now = stamp("b", 20, wall: Self.year2026 + 86_400, isSynchronised: true)
        #expect(age(of: cut(at: then), written: then, read: now) == Self.day)
        let past = stamp("b", 20, wall: 0, isSynchronised: true)
        #expect(age(of: cut(at: then), written: then, read: past) == .zero)
    }

    @Test func `a file that does not tell when it was written tells of no cut`() {
        let now = stamp("a", 500, wall: Self.year2026)
        let text = "level 0000000000000007\ncut 0\nfailed 1\npassed 1\n"
        #expect(FenceRecord(text, level: 7, now).cutAt == nil)
        #expect(FenceRecord("garbage", level: 7, now) == FenceRecord())
    }
}
