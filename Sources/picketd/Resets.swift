/// Why this node last started again, and whether a fence of this node's ended the peer's life before
/// its present one.

import PicketConfig
import PicketControl
import PicketCore
import PicketLinux

final class Resets: Part {
    private let ground: Hardware.Ground
    /// This agent is the first of its boot.
    private let isFirst: Bool
    /// What ended the life before this boot: `watchdog`, `power`, `fence` (the peer's) or
    /// `operator`.
    private(set) var lastReset: String?
    /// The peer was fenced by this agent, and has not been heard since.
    private var hasFenced = false
    /// The session in which a peer that was fenced came back.
    private var fencedPeer: SessionID?

    init(_ ground: Hardware.Ground, isFirst: Bool) {
        self.ground = ground
        self.isFirst = isFirst
    }

    private var mark: String { ground.paths.stateDirectory + "/running" }
    private var kept: String { ground.paths.runDirectory + "/last-reset" }
    /// In place of the boot in which an agent runs.
    private static let plannedEnd = "ended as planned"

    /// At the first start in a boot: the hardware's word, else whether the last agent of the boot
    /// before ended as planned. To this node a fence by the peer is a power cut; the peer says that
    /// it was a fence once it is heard.
    func find(_ agent: Agent) {
        if case .told(let cause) = ground.reset {
            lastReset = cause
            if isFirst, cause == "watchdog" { agent.tell(.resetByWatchdog) }
            return
        }
        if let known = try? DurableFile.line(kept) {
            lastReset = known.isEmpty ? nil : known
        } else {
            let running = (try? DurableFile.line(mark)) ?? nil
            if agent.watchdogs.bootStatus & WatchdogDevice.reset != 0 {
                lastReset = "watchdog"
                agent.tell(.resetByWatchdog)
            } else if running == Resets.plannedEnd {
                lastReset = "operator"
                agent.tell(.plannedEnd)
            } else if let running, running != ground.boot {
                lastReset = "power"
                agent.tell(.powerWasLost)
            }
            agent.storage.write(kept, (lastReset ?? "") + "\n")
        }
        if (try? DurableFile.line(mark)) != ground.boot {
            agent.storage.write(mark, ground.boot + "\n")
        }
    }

    override func observe(_ trace: Trace, _ agent: Agent) {
        if trace.kind == .fenceVerified { (hasFenced, fencedPeer) = (true, nil) }
    }

    /// Learns from the peer's messages whether a fence cut the power that this node lost, and in
    /// which session a peer that was fenced is back.
    func heard(_ message: Message, _ session: SessionID, _ agent: Agent) {
        if hasFenced {
            (hasFenced, fencedPeer) = (false, session)
        } else if fencedPeer != session {
            fencedPeer = nil
        }
        guard lastReset == "power", isFirst, message.flags.contains(.fencedYou) else { return }
        lastReset = "fence"
        agent.storage.write(kept, "fence\n")
        agent.tell(.wasFenced)
    }

    /// The peer is told what ended its life before.
    func marked(_ message: Message) -> Message {
        guard fencedPeer != nil else { return message }
        var message = message
        message.flags.insert(.fencedYou)
        return message
    }

    /// The last act of an agent that ends as planned.
    func noteEnd(_ agent: Agent) {
        if case .untold = ground.reset {
            agent.storage.write(mark, Resets.plannedEnd + "\n")
        }
    }
}
