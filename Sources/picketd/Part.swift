import PicketCore
import PicketLinux

/// A part of the agent: one concern, with its own state, what it waits for and when it is due.
///
/// The agent has a list of its parts, and asks each of them the same things in the list's order.
/// The order of a turn, the next deadline and what is waited for all follow from that list: none of
/// them is written down a second time, and no part can be left out of one.
///
/// Nobody else writes a part's state. A part asks by a call for what it wants of the agent or of
/// another part; the agent is handed to it with each call.
class Part {
    /// Keys of its descriptors on which something has come for this turn.
    private(set) final var ready: [UInt32] = []

    /// Names what is to be waited for (`Agent.wait(on:)`): once, before the first turn.
    func open(_ agent: Agent) throws(SystemError) {}
    /// Takes what has come.
    func drain(_ agent: Agent) {}
    /// When `pass` has something to do.
    var due: Instant { .distantFuture }
    /// Does what is due.
    func pass(_ agent: Agent) {}
    /// The turn is over.
    func settle(_ agent: Agent) {}
    /// The machine has said what it did.
    func observe(_ trace: Trace, _ agent: Agent) {}

    /// Waits for nothing any more: at the end, while others have something left to do.
    func close(_ agent: Agent) {}

    final func quiet() { ready.removeAll(keepingCapacity: true) }
    final func wake(_ key: UInt32) { ready.append(key) }
}

/// Looks at a value that an object holds. Without this each look is at a copy of it, because the
/// object might write it meanwhile.
@inline(__always)
func look<Value, Seen>(at value: inout Value, _ see: (inout Value) -> Seen) -> Seen { see(&value) }
