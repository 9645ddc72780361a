/// Keep what a machine or a runner asks for, for worlds and tests; not part of any agent's binary.
///
/// There are two types because the proof's world spends a good part of its time here: one generic type
/// over the effect made the swarm slower by half.

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
