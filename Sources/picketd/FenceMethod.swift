/// What carries out the fences of one level: relays, or a fence agent. A node tries its levels in
/// their order.
///
/// Each kind of method is a type, which says what is done with an order, and how the method is
/// tested without cutting. The outcomes go to the machine by `FenceDesk.give`.

import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux

class FenceMethod {
    /// Of its level.
    private(set) final var index: Int
    /// By which workers and processes name the method: a reload may give its level another index.
    final let number: Int
    /// What the method's own self-test found, by which the method is believed.
    private(set) final var selfTest: RelaySelfTest
    final let testEvery: Duration
    private final var testAt: Instant
    /// What became of its real fences.
    private(set) final var record: FenceRecord
    private final let directory: String
    private final let digest: UInt64

    struct Place {
        var index: Int
        var number: Int
        var stateDirectory: String
        /// A level of the file with which the agent started: what an agent before this one left of
        /// the same level counts.
        var isFirst: Bool
    }

    init(_ place: Place, _ settings: FenceSettings, testEvery: Duration, at now: Stamp) {
        index = place.index
        number = place.number
        directory = place.stateDirectory
        self.testEvery = testEvery
        testAt = now.at
        digest = settings.digest
        record = FenceRecord()
        if place.isFirst {
            record = FenceRecord.read(
                FenceRecord.path(directory, level: index), level: digest, now)
        }
        selfTest = RelaySelfTest(configured: true, disproved: record.failed)
    }

    private final var recordPath: String { FenceRecord.path(directory, level: index) }

    // MARK: What each kind does in its way

    func order(_ order: FenceOrder, _ agent: Agent) {}
    /// The order may be with another method: an id is given once.
    func cancel(_ id: UInt32, _ agent: Agent) {}
    /// The operator's order after a fence with policy `off`. Power that is on stays on.
    func switchOn(_ agent: Agent) {}
    /// Begins a self-test, which cuts nothing.
    func test(_ agent: Agent) {}
    /// Until the next.
    func pause(_ agent: Agent) -> Duration { testEvery }
    /// It has more than one supply to cut, so that a true test interrupts nothing.
    var canRehearse: Bool { false }
    /// A self-test that cuts each supply alone.
    func rehearse(_ agent: Agent) {}
    /// The pair has met, or the peer has its power back: a test may find something else now.
    func testSoon(_ agent: Agent) {}
    /// The pair is in contact.
    func met(_ agent: Agent) {}
    /// The peer or this node has left by plan, or is about to.
    func parted(_ agent: Agent) {}
    /// Work under way comes to its end, and nothing else begins. Returns how long that may take.
    func stop() -> Duration { .zero }
    /// Something is under way that the agent after this one would not bring to its end.
    var isBusy: Bool { false }
    /// The file may have its level no more: the peer's power is on as far as it is this method's.
    func mayGo(_ agent: Agent) -> Bool { !isBusy }
    /// The file has its level no more. Nobody listens to it from now on.
    func leave() {}
    /// Takes back what it has on disk, where its level's index stands for another level from now on.
    func withdrawFiles(_ agent: Agent) { agent.storage.write(recordPath, nil) }
    /// Its level has this index from now on.
    func place(at index: Int, _ agent: Agent) {
        self.index = index
        writeRecord(agent)
    }
    /// Its worker has something to tell.
    func told(_ report: RelayReport.Content, _ agent: Agent) {}
    /// A process that it started has ended.
    func ended(_ end: ChildEnd, timedOut: Bool, _ agent: Agent) {}
    /// What a self-test that came to this result has seen, for a drill's report.
    func finding(_ result: Message.RelayTest) -> RelayFinding? { nil }

    // MARK: Due

    var due: Instant { testAt }

    func pass(_ agent: Agent) {
        if agent.now >= testAt { testNow(agent) }
    }

    final func testNow(_ agent: Agent) {
        testAt = agent.now + pause(agent)
        test(agent)
    }

    final func testNext(at instant: Instant) { testAt = instant }

    // MARK: The self-test

    /// What was seen without cutting. It may need a round trip with the peer to be believed.
    final func saw(_ observation: RelayObservation, _ agent: Agent) {
        let new = selfTest.observe(observation)
        agent.drills.observed(observation, agent)
        agent.fences.tellSupply(agent)
        if new != nil { agent.fences.tellTests(agent) }
    }

    /// The word of a relay's sense lines counts once the peer has answered something sent later.
    final func acknowledged(sentAt: Instant, _ agent: Agent) {
        guard selfTest.isPending else { return }
        let new = selfTest.acknowledged(sentAt: sentAt)
        guard !selfTest.isPending else { return }
        agent.drills.tested(self, agent)
        if record.tested(selfTest.result == .passed) {
            writeRecord(agent)
        }
        if new != nil { agent.fences.tellTests(agent) }
    }

    final func conclude(_ result: Message.RelayTest, _ agent: Agent) {
        let new = selfTest.conclude(result)
        agent.drills.tested(self, agent)
        if new != nil { agent.fences.tellTests(agent) }
    }

    /// Its worker is asked to look, and has owed an answer for too long perhaps.
    final func asked(_ agent: Agent) {
        guard selfTest.ask(at: agent.now) != nil else { return }
        agent.log(.error, "\(agent.names.fenceLevel(index)): its worker gives no answer")
        agent.drills.tested(self, agent)
        agent.fences.tellSupply(agent)
        agent.fences.tellTests(agent)
    }

    final func answered() { selfTest.answer() }

    // MARK: Real fences

    /// It was seen to cut the peer, or could not.
    final func fenced(_ cut: Bool, _ agent: Agent) {
        record.fenced(cut, at: agent.now)
        writeRecord(agent)
        if selfTest.fenced(cut) != nil { agent.fences.tellTests(agent) }
    }

    /// What the file of its program is like now.
    final func looked(_ program: String, _ agent: Agent) {
        guard record.sees(program) else { return }
        if record.cutAt == nil {
            agent.log(
                .warning,
                "\(agent.names.fenceLevel(index)): its program has changed since it was seen to cut"
            )
        }
        writeRecord(agent)
    }

    /// The operator has mended what failed.
    final func clear(_ agent: Agent) {
        guard record.failed else { return }
        record.clear()
        writeRecord(agent)
        if selfTest.clear() != nil { agent.fences.tellTests(agent) }
        testSoon(agent)
    }

    /// What has passed meanwhile is on disk for the next boot.
    final func renewRecord(_ agent: Agent) {
        if record.cutAt != nil { writeRecord(agent) }
    }

    private final func writeRecord(_ agent: Agent) {
        let stamp = agent.storage.stamp(at: agent.now)
        agent.storage.write(recordPath, record.text(level: digest, stamp))
    }

    /// Earlier looks prove nothing any more.
    final func forgetLooks() { selfTest.contactLost() }
}
