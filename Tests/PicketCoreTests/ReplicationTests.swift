import Testing

@testable import PicketCore

/// The database of a strict group goes on alone only after its peer has that on record.
struct ReplicationTests {
    var replication = Replication()
    let maxLag = Duration.seconds(3)

    private func at(_ seconds: Double) -> Instant {
        Instant(nanoseconds: 1_000_000_000_000 + Int64(seconds * 1e9))
    }

    /// - Parameter next: the number of the holder's next message.
    private mutating func step(
        _ seconds: Double, _ copy: Replication.Sight.Copy, noted: UInt64 = 0, isOff: Bool = false,
        position: UInt64 = 0, mayRestore: Bool = true, next: UInt64 = 10
    ) -> ReplicationAction? {
        replication.begin(next: next)
        return replication.step(
            Replication.Sight(
                copy: copy, isOff: isOff, noted: noted,
                position: DataPosition(epoch: 1, number: position)),
            within: maxLag, mayRestore: mayRestore, next: next, at: at(seconds))
    }

    private mutating func end(_ action: ReplicationAction, _ seconds: Double, well: Bool = true) {
        let tells = replication.ended(action, succeeded: well, at: at(seconds))
        #expect(tells)
    }

    private mutating func read(_ number: UInt64) {
        replication.read(DataPosition(epoch: 1, number: number))
    }

    private mutating func bringInStep() {
        does(.restore, step(0, .keepsUp))
        end(.restore, 0.1)
        read(90)
        read(100)
        does(nil, step(0.2, .keepsUp, position: 99))
        #expect(replication.state == .restoring && !replication.isInStep)
        does(nil, step(0.3, .keepsUp, position: 100))
        #expect(replication.state == .inStep)
    }

    @Test mutating func `it is in step once the copy has what was written before the restore`() {
        bringInStep()
    }

    @Test mutating func `one reading after the restore may have begun before it`() {
        does(.restore, step(0, .keepsUp))
        end(.restore, 0.1)
        read(90)
        does(nil, step(0.2, .keepsUp, position: 200))
        #expect(replication.state == .restoring)
    }

    @Test mutating func `a copy that falls behind is noted by the peer first`() {
        bringInStep()
        does(nil, step(1, .behind, noted: 40, next: 50))
        #expect(replication.state == .degrading && !replication.isInStep)
        does(nil, step(2, .behind, noted: 49, next: 60), "it answers an older word")
        does(.degrade, step(3, .behind, noted: 50, next: 60))
        does(nil, step(4, .behind, noted: 50, next: 60), "the command is under way")
        end(.degrade, 5)
        #expect(replication.state == .degraded)
    }

    @Test mutating func `the mere loss of contact lets nothing go on alone`() {
        bringInStep()
        for second in 1...100 {
            does(nil, step(Double(second), .unheard))
            #expect(replication.isInStep)
        }
        let tells = [100.0, 100.0].map { replication.tellsWait(after: maxLag, at: at($0)) }
        #expect(tells == [true, false])
        does(nil, step(101, .unheard, isOff: true))
        does(.degrade, step(101, .unheard, isOff: true))
    }

    @Test mutating func `a peer that has just begun is given time to judge its copy`() {
        bringInStep()
        does(nil, step(1, .unjudged))
        does(nil, step(3, .unjudged))
        #expect(replication.state == .inStep)
        does(nil, step(4, .unjudged))
        #expect(replication.state == .degrading)
    }

    @Test mutating func `it is restored after the copy has kept up for a while`() {
        does(.degrade, step(0, .behind, noted: 10))
        end(.degrade, 1)
        does(nil, step(2, .keepsUp))
        does(nil, step(4.9, .keepsUp))
        does(nil, step(4.95, .behind))
        does(nil, step(5, .keepsUp))
        does(.restore, step(8, .keepsUp))
        end(.restore, 9)
        does(nil, step(10, .behind, noted: 10))
        does(.degrade, step(10, .behind, noted: 10))
    }

    @Test mutating func `what fails is tried again, and a failed restore may have worked`() {
        does(.restore, step(0, .keepsUp))
        end(.restore, 1, well: false)
        #expect(replication.state == .degraded)
        #expect(replication.tries(of: .restore).failures == 1)
        does(nil, step(1.5, .keepsUp))
        does(.degrade, step(1.6, .behind, noted: 10))
        end(.degrade, 3, well: false)
        #expect(replication.state == .degrading)
        does(nil, step(3.9, .behind, noted: 10))
        does(.degrade, step(4.1, .behind, noted: 10))
        end(.degrade, 6)
        does(nil, step(100, .behind, noted: 10))
    }

    @Test mutating func `a restore that failed is taken back before it is tried again`() {
        does(.restore, step(0, .keepsUp))
        end(.restore, 1, well: false)
        does(nil, step(1.1, .keepsUp), "the peer has not noted it")
        does(.degrade, step(1.2, .keepsUp, noted: 10))
        end(.degrade, 2)
        does(nil, step(2.1, .keepsUp, noted: 10))
        does(.restore, step(3.5, .keepsUp, noted: 10))
    }

    @Test mutating func `what hangs has failed, and nothing else is begun before it has ended`() {
        does(.restore, step(0, .keepsUp))
        end(.restore, 0.1)
        read(90)
        read(90)
        does(nil, step(0.2, .keepsUp, position: 90))
        does(nil, step(1, .behind, noted: 9))
        does(.degrade, step(1.1, .behind, noted: 10))
        let tells = [11.0, 11.0].map { replication.overdue(.degrade, at: at($0)) }
        #expect(tells == [true, false])
        #expect(replication.keepsWaiting)
        does(nil, step(20, .behind, noted: 10))
        does(nil, step(21, .keepsUp), "the degrade may take effect yet")
        let isNews = replication.ended(.degrade, succeeded: false, at: at(22))
        #expect(!isNews)
        does(.restore, step(23, .keepsUp))
    }

    @Test mutating func `nothing is restored while somebody works on the group`() {
        does(nil, step(0, .keepsUp, mayRestore: false))
        does(nil, step(100, .keepsUp, mayRestore: false))
        does(.restore, step(101, .keepsUp))
    }

    @Test mutating func `a command of a group that was stopped meanwhile tells nothing`() {
        does(.restore, step(0, .keepsUp))
        replication.end()
        does(nil, step(1, .keepsUp), "one at a time")
        let tells = replication.ended(.restore, succeeded: true, at: at(2))
        #expect(!tells)
        #expect(replication.state == .degrading)
        does(.restore, step(3, .keepsUp))
    }
}

private func does(
    _ expected: ReplicationAction?, _ action: ReplicationAction?, _ why: Comment = "",
    at place: SourceLocation = #_sourceLocation
) {
    #expect(action == expected, why, sourceLocation: place)
}
