/// Recorders keep the requests of a machine or a runner, for worlds and tests. No agent's binary
/// has them.
///
/// There are two types because one generic type over the effect made the swarm slower by half: the
/// proof's world spends a good part of its time here.

package import PicketCore

package struct Recorder: EffectSink {
    package var items: [Effect] = []

    package init(capacity: Int = 0) { items.reserveCapacity(capacity) }

    package mutating func emit(_ effect: Effect) { items.append(effect) }
}

package struct ResourceRecorder: ResourceSink {
    package var items: [ResourceEffect] = []

    package init() {}

    package mutating func emit(_ effect: ResourceEffect) { items.append(effect) }
}
