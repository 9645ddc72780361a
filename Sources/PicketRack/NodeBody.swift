/// What a node of the rack is: processes of this computer, or a virtual machine.
///
/// The rack decides over power, wires and the network, and asks nowhere which of the two a node is.
/// `Processes` is one kind; the other, virtual machines, is PicketLab's.
package import PicketConfig
package import PicketCore

/// Makes the nodes of a rack, all of one kind. A rack has one maker.
package protocol NodeMaker: AnyObject {
    /// How much longer than it says a scenario may take on such nodes.
    var patience: Int { get }
    /// Where the node's agent and the stand-ins of its groups find their files.
    ///
    /// - Parameter directory: the rack's own.
    func places(of node: String, in directory: String) -> Rehearsal.Places
    /// Comes before all else: from now on the groups' records go to `rack.take`.
    func begin(_ rack: Rack) throws(RackFailure)
    /// Both directions of a link, each by the node that receives.
    func link(_ number: Int, of rack: Rack) throws(RackFailure) -> PerNode<any LinkEnd>
    /// Comes when the node's wires are in place.
    func body(of node: SimulatedNode) throws(RackFailure) -> any NodeBody
}

/// What runs on a node while it has power, with the devices that it reaches.
package protocol NodeBody: AnyObject {
    // MARK: Life

    /// It has been started and not been cleared away.
    var exists: Bool { get }
    /// Nothing of it can do anything any more.
    var isGone: Bool { get }
    /// The power came on, or a reset ended. Calls its node's `hasBooted` when the agent is about to
    /// be started.
    func boot(because cause: String)
    /// Everything that runs dies now.
    ///
    /// - Parameter poweredOff: the watchdog has no power either.
    func die(poweredOff: Bool)
    /// It is gone: gives back what it held.
    func clear()
    /// The kernel dies, and the power stays on. Tells its node what became of it.
    func crash()
    /// The whole node stands still, as a virtual machine does that is not scheduled.
    func pauseAll(_ pause: Bool)
    /// For the rack's own end: nothing is left behind.
    func remove()

    // MARK: The agent

    var agentPaused: Bool { get }
    func killAgent()
    func pauseAgent(_ pause: Bool)
    /// A planned stop, as `systemctl stop`.
    func stopAgent()
    func startAgent()
    /// SIGHUP: the agent reads its configuration again.
    func reloadAgent()
    /// Sends one line to the agent's control socket. The last line of the reply goes to `done`: none
    /// if there was no reply.
    func ask(_ request: String, _ done: @escaping (_ reply: [UInt8]?) -> Void)

    // MARK: What is around the agent

    /// By how much the node's wall clock is ahead of the rack's.
    var clockAhead: Duration { get }
    func stepClock(by seconds: Int64)
    /// The pair's key has changed on the node's disk.
    func replaceKey(_ key: [UInt8])
    /// What the stand-in of a group does from now on when it is asked to start, stop or monitor. It
    /// works, if the behaviour is empty.
    func misbehave(group: String, verb: String, behaviour: String)
    /// - Returns: how it is filled, for people.
    func fillDisk() -> String
    func freeDisk()
    /// A write of the state file does not return, until it is told to.
    func hangDisk(_ hangs: Bool)
    /// Runs a shell command. What it says and its exit status go to `done`; the status is -1 if the
    /// command did not come to its end.
    func run(_ command: String, _ done: @escaping (_ lines: [String], _ status: Int) -> Void)

    // MARK: Wires

    /// The lines that hung, by which its peer is cut and sensed, answer.
    func answerLines()
    /// The rails that this node senses may have moved.
    func senseMoved()
    /// The electrical level of a line does not change any more; `nil` lifts that.
    func stick(_ line: String, _ level: Bool?)
    /// The watchdog, as far as the rack sees it: its timeout, and when it was last fed.
    var watchdog: (timeout: Duration, fedAt: Instant)? { get }
}

extension NodeBody {
    package func answerLines() {}
}

/// The receiver's end of one direction of a link.
package protocol LinkEnd: AnyObject {
    /// The socket to which the sender sends.
    var entry: Int32 { get }
    /// Gives the receiver what came in at the entry.
    func deliver(_ bytes: ArraySlice<UInt8>)
    /// Sees all that comes in at the entry.
    func saw(_ bytes: ArraySlice<UInt8>)
    /// A datagram that the receiver's agent would take for the peer's, to be made worse.
    ///
    /// - Parameter captured: what the rack has captured on all links.
    func sample(of captured: [[UInt8]]) -> [UInt8]
    /// Makes of a datagram what this link carries.
    func wrapped(_ datagram: [UInt8]) -> [UInt8]
}
