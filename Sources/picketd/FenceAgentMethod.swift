/// The method that fences by a ClusterLabs fence agent: it does what `FenceAgent` asks for.

import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux

final class FenceAgentMethod: FenceMethod {
    private var fence: FenceAgent
    private let settings: AgentSettings
    private let directory: String

    init(_ place: Place, _ settings: AgentSettings, at now: Stamp) {
        self.settings = settings
        directory = place.stateDirectory
        let mark = FenceMark.path(place.stateDirectory, level: place.index)
        fence = FenceAgent(settings, owes: place.isFirst && FenceMark.isThere(mark))
        super.init(place, .agent(settings), testEvery: .seconds(60), at: now)
    }

    private var mark: String { FenceMark.path(directory, level: index) }

    override func withdrawFiles(_ agent: Agent) {
        super.withdrawFiles(agent)
        if fence.isMarked { agent.storage.write(mark, nil) }
    }

    override func place(at index: Int, _ agent: Agent) {
        super.place(at: index, agent)
        if fence.isMarked { agent.storage.write(mark, FenceMark.text) }
    }

    override func order(_ order: FenceOrder, _ agent: Agent) {
        // It would cut before it looks.
        if order.onlyIfOff {
            agent.fences.give(.failed(.unreachable), of: order.id, agent)
            return
        }
        perform(fence.order(order), agent)
    }

    override func cancel(_ id: UInt32, _ agent: Agent) {
        perform(fence.cancel(id), agent)
    }

    override func switchOn(_ agent: Agent) { perform(fence.switchOn(), agent) }

    override func test(_ agent: Agent) {
        look(agent)
        perform(fence.test(), agent)
    }

    /// Its status can be believed as long as the program is the one that was seen to tell *off*.
    private func look(_ agent: Agent) {
        _ = agent.storage.ask(.look(settings.path, method: number))
    }

    override func met(_ agent: Agent) { perform(fence.met(), agent) }

    override func parted(_ agent: Agent) { perform(fence.parted(), agent) }

    override func stop() -> Duration { fence.isBusy ? settings.timeout * 3 : .zero }

    override var isBusy: Bool { fence.isBusy }

    /// A peer in contact has its power, whatever the status says.
    override func mayGo(_ agent: Agent) -> Bool {
        !isBusy && (!fence.leavesOff || agent.status.contact == .established)
    }

    override var due: Instant { min(super.due, fence.due) }

    override func pass(_ agent: Agent) {
        super.pass(agent)
        perform(fence.tick(at: agent.now), agent)
    }

    override func ended(_ end: ChildEnd, timedOut: Bool, _ agent: Agent) {
        agent.log(
            fence.phase == .testing ? .debug : .info,
            "\(agent.names.fenceLevel(index)): \(Processes.text(end))")
        perform(fence.ended(end, timedOut: timedOut, at: agent.now), agent)
    }

    private func perform(_ steps: [FenceAgent.Step], _ agent: Agent) {
        for step in steps {
            switch step {
            case .mark: agent.storage.write(mark, FenceMark.text)
            case .unmark: agent.storage.write(mark, nil)
            case .run(let action, let notAfter):
                agent.processes.run(
                    fence.launch(
                        action, environment: agent.processes.environment, notAfter: notAfter),
                    as: .fenceAgent(method: number), until: agent.now + settings.timeout)
            case .report(let id, let outcome): agent.fences.give(outcome, of: id, agent)
            case .proved(let cut):
                fenced(cut, agent)
                look(agent)
            case .abort: agent.processes.kill(all: .fenceAgent(method: number))
            case .tested(let result): conclude(result, agent)
            }
        }
    }

    override func finding(_ result: Message.RelayTest) -> RelayFinding {
        selfTest.isDisproved ? .lastFenceFailed : .fenceAgent(saysOn: result == .passed)
    }
}

/// The file that says, for as long as it is there, that this node may have switched its peer off by
/// the fence agent of a level, and is then to switch it on.
enum FenceMark {
    static let text =
        "If the peer is off, this level has switched it off, and is to switch it on.\n"

    static func path(_ stateDirectory: String, level: Int) -> String {
        "\(stateDirectory)/fence-\(level + 1)-off"
    }

    /// A file that cannot be read is there as well.
    static func isThere(_ path: String) -> Bool {
        do throws(SystemError) { return try DurableFile.read(path) != nil } catch { return true }
    }
}
