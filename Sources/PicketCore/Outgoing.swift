/// What the peer is told, and when.
package struct Outgoing: Sendable {
    /// What was last told of the groups.
    package private(set) var reports: [GroupReport] = []
    /// Counts the changes in `reports` of what decides who works.
    package private(set) var generation: UInt32 = 0
    /// The peer's newest generation that this node has acted on.
    package private(set) var seenGeneration: UInt32 = 0
    /// When the next heartbeat or probe is due.
    package private(set) var next: Instant
    /// The peer is to be told of a change at once.
    package private(set) var changed = false
    /// The peer has asked for an answer at once.
    package private(set) var answer = false

    init(at now: Instant) { next = now }

    /// Only roles and priorities decide who works. A wish that lapses when contact is lost must not make the view
    /// unclear, and the fence late.
    mutating func tell(_ told: [GroupReport]) {
        if !Outgoing.agree(told, reports) { generation &+= 1 }
        reports = told
        changed = true
    }

    private static func agree(_ a: [GroupReport], _ b: [GroupReport]) -> Bool {
        guard a.count == b.count else { return false }
        for index in a.indices
        where a[index].role != b[index].role || a[index].priority != b[index].priority
            || a[index].name != b[index].name || a[index].resources != b[index].resources
        { return false }
        return true
    }

    mutating func see(_ generation: UInt32) { seenGeneration = generation }
    mutating func noteChange() { changed = true }
    mutating func askedToAnswer() { answer = true }
    mutating func schedule(_ next: Instant) { self.next = next }

    mutating func sent() {
        changed = false
        answer = false
    }
}

extension Outgoing {
    /// As an image has it: the present generation is 1, and there is no other.
    package init(seenGeneration: UInt32, next: Instant, changed: Bool, answer: Bool) {
        generation = 1
        self.seenGeneration = seenGeneration
        self.next = next
        self.changed = changed
        self.answer = answer
    }

    /// For an image: these reports have been told in the present generation.
    mutating func assumeTold(_ reports: [GroupReport]) { self.reports = reports }
}
