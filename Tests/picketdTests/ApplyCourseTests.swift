import PicketCore
import PicketLinux
import PicketWire
import Testing

@testable import picketd

/// Two nodes and an applied file, in every order of what may happen to them: each message lost,
/// late, or without its answer; agent and helper killed before and after each write; each timer,
/// each word of an operator at any time; a hand at the file.
struct ApplyCourseTests {
    /// How much goes wrong beside the course itself.
    struct Faults: Hashable {
        var kills = 0
        var refusals = 0
        var wishes = 0
        var hands = 0
        var lates = 0
    }

    @Test(
        arguments: [
            Faults(), Faults(kills: 2), Faults(refusals: 1), Faults(wishes: 1), Faults(lates: 1),
            Faults(hands: 1),
        ], [UInt32(0), 300])
    func `both nodes come to the same file, and say no more than they know`(
        faults: Faults, within: UInt32
    ) {
        var seen: Set<World> = []
        var left: [World] = []
        // A node that has the file already is what a file that differs is cured by.
        for same in [[false, false], [true, false], [false, true]] {
            for begun in [true, false] {
                left.append(World(faults, within: within, begun: begun, same: same))
            }
        }
        var said: Set<ApplyCourse.Outcome> = []
        while let world = left.popLast() {
            if let outcome = world.said { said.insert(outcome) }
            var seenAs = world
            seenAs.said = nil
            guard seen.insert(seenAs).inserted else { continue }
            if let wrong = world.wrong ?? world.healed() {
                Issue.record("\(wrong)\n\(world)")
                return
            }
            left += world.next()
        }
        #expect(said.isSuperset(of: within == 0 ? [.kept] : [.taken]))
        print("\(faults) \(within): \(seen.count) states")
    }

    @Test func `who has the file already waits as long as was asked for`() throws {
        let open = OpenApply(id: 1, byPeer: true, old: 1, new: 1, within: 300, boot: "")
        var course = ApplyCourse(open, .new, boot: "", at: now)
        #expect(course.left == now + .seconds(300))
        course.pass(at: soon)
        course.begin(.confirm)
        course.heard(.taken)
        #expect(course.verdict == .kept)
        var late = ApplyCourse(open, .new, boot: "", at: now)
        late.pass(at: now + .seconds(300))
        #expect(late.verdict == .back)
    }

    @Test func `a note that does not go is tried again later, and not without end`() throws {
        var open = OpenApply(id: 1, byPeer: true, old: 1, new: 2, within: 0, boot: "")
        open.verdict = .back
        var course = ApplyCourse(open, .old, boot: "", at: now)
        course.heard(.reverted)
        #expect(course.begin(at: now) == .forget)
        course.did(.old, failure: "no", at: now)
        #expect(course.due == now + ApplyCourse.again)
        // The peer is not heard any more, so there is nothing to be done.
        course.unheard()
        #expect(course.begin(at: soon) == nil && course.due > soon)
        course.heard(.reverted)
        #expect(course.begin(at: soon) == .forget)
        // The file changed in this instant.
        course.did(.new, failure: nil, at: soon)
        #expect(!course.isOver && course.begin(at: soon) == .putBack)
        course.did(.new, failure: nil, at: soon)
        #expect(course.begin(at: soon) == nil && course.due == soon + ApplyCourse.again)
    }
}

/// Less than `distantFuture`.
private let later = Instant(nanoseconds: 1 << 60)
private let muchLater = Instant(nanoseconds: 1 << 61)
private let now = Instant(nanoseconds: 1)
/// After an offer's end, and before that of what is to be confirmed.
private let soon = now + .seconds(61)

private struct Node: Hashable {
    /// Old and new are the same.
    let isSame: Bool
    var disk = ApplyCourse.Place.old
    var note: OpenApply?
    var course: ApplyCourse?
    var settled = Parcel.Answer.nothing
    /// Still to be done by a helper that has not said so.
    var pending: ApplyCourse.Place?
    /// On their way to this node.
    var question: Word?
    var answer: Parcel.Answer?

    struct Word: Hashable {
        var kind: Parcel.Kind
        var standing: Parcel.Answer
    }

    init(isSame: Bool) { self.isSame = isSame }

    var standing: Parcel.Answer { course?.standing ?? settled }

    private func digest(_ open: OpenApply) -> UInt64 {
        switch disk {
        case .old: open.old
        case .new: open.new
        case .other: .max
        }
    }

    mutating func heard(_ word: Word) -> Parcel.Answer {
        course?.heard(word.standing)
        if word.kind == .commit { course?.ordered() }
        return standing
    }

    mutating func restart() {
        pending = nil
        settled = .nothing
        question = nil
        answer = nil
        course = note.map {
            ApplyCourse($0, ApplyCourse.Place(digest($0), of: $0), boot: "", at: now)
        }
    }

    enum End: CaseIterable {
        case done, refused, killedBefore, killedAfter, unknownUndone, unknownDone, unknownPending

        var isKill: Bool { self == .killedBefore || self == .killedAfter }
        var isUnknown: Bool {
            self == .unknownUndone || self == .unknownDone || self == .unknownPending
        }
    }

    /// As `Startup.apply` does it.
    mutating func end(_ how: End) {
        guard let job = course?.job, let open = course?.open else { return }
        if let late = pending, job == .take || job == .putBack {
            // The helper does one after the other.
            if disk != .other { disk = late }
            pending = nil
        }
        if how == .killedBefore { return restart() }
        let isDone = how == .done || how == .killedAfter || how == .unknownDone
        let order: ApplyJob
        switch job {
        case .take: order = .take(open, isCertain: true)
        case .putBack: order = .putBack(open, isCertain: true)
        case .note(let verdict):
            var decided = open
            decided.verdict = verdict
            order = .note(decided)
        case .forget: order = .forget(open)
        }
        var found: ApplyCourse.Place { ApplyCourse.Place(digest(open), of: open, after: order) }
        switch job {
        case .take, .putBack:
            if disk != .other {
                if job == .take {
                    var noted = open
                    noted.verdict = note?.verdict ?? open.verdict
                    note = noted
                }
                if isDone { disk = job == .take ? .new : .old }
                if how == .unknownPending { pending = job == .take ? .new : .old }
            }
        case .note(let verdict):
            if isDone {
                note = open
                note?.verdict = verdict
            }
        case .forget:
            let isThere = found == .other || found == (open.verdict == .back ? .old : .new)
            if isDone, isThere { note = nil }
        }
        if how.isKill { return restart() }
        let place = how.isUnknown ? nil : found
        course?.did(place, failure: how == .done ? nil : "no", at: now)
        if let over = course, over.isOver {
            settled = over.standing
            course = nil
        }
    }
}

private struct World: Hashable, CustomStringConvertible {
    var nodes: [Node]
    var faults: ApplyCourseTests.Faults
    var said: ApplyCourse.Outcome?
    /// What was said to be final.
    var final: ApplyCourse.Place?
    var wrong: String?

    init(_ faults: ApplyCourseTests.Faults, within: UInt32, begun: Bool, same: [Bool]) {
        self.faults = faults
        nodes = same.map { Node(isSame: $0) }
        // The peer has kept it; this node has, or died before.
        for index in begun ? [0, 1] : [1] {
            let open = OpenApply(
                id: 1, byPeer: index == 1, old: same[index] ? 2 : 1, new: 2, within: within,
                boot: "")
            nodes[index].note = open
            nodes[index].course = ApplyCourse(
                open, ApplyCourse.Place(open.old, of: open), boot: "", at: now)
        }
        nodes[0].course?.begin(.apply)
    }

    var description: String {
        nodes.map { "\($0)" }.joined(separator: "\n") + "\n\(faults) \(String(describing: said))"
    }

    /// What may happen next.
    func next() -> [World] {
        var all: [World] = []
        func may(_ change: (inout World) -> Void) {
            var world = self
            world.said = nil
            change(&world)
            all.append(world)
        }
        for me in 0...1 {
            let node = nodes[me]
            let peer = 1 - me
            if let late = node.pending {
                may {
                    if $0.nodes[me].disk != .other { $0.nodes[me].disk = late }
                    $0.nodes[me].pending = nil
                }
            }
            if faults.hands > 0 {
                may {
                    $0.faults.hands -= 1
                    $0.nodes[me].disk = .other
                    $0.nodes[me].pending = nil
                }
            }
            if faults.kills > 0 {
                may {
                    $0.faults.kills -= 1
                    $0.nodes[me].restart()
                    $0.nodes[peer].answer = nil
                }
            }
            if let question = node.question {
                may { world in
                    world.nodes[me].question = nil
                    let answer = world.nodes[me].heard(question)
                    world.nodes[peer].course?.heard(answer)
                }
            }
            if let answer = node.answer {
                may { world in
                    world.nodes[me].answer = nil
                    world.nodes[me].course?.heard(answer)
                }
            }
            guard let course = node.course else { continue }
            if course.job != nil {
                for end in Node.End.allCases {
                    if end.isKill, faults.kills == 0 { continue }
                    if end == .refused || end.isUnknown, faults.refusals == 0 { continue }
                    if end.isUnknown, course.job != .take, course.job != .putBack { continue }
                    may {
                        if end.isKill { $0.faults.kills -= 1 }
                        if end == .refused || end.isUnknown { $0.faults.refusals -= 1 }
                        $0.nodes[me].end(end)
                        if $0.nodes[me].course == nil, let wish = course.wish {
                            $0.say(me, wish, of: course)
                        }
                    }
                }
            } else {
                may { $0.step(me) }
                may { $0.nodes[me].course?.pass(at: muchLater) }
                may {
                    $0.nodes[me].course?.pass(at: soon)
                    let isBack = $0.nodes[me].course?.verdict != course.verdict
                    if course.place == .new, course.open.within > 60, isBack {
                        $0.wrong = "taken back before its time"
                    }
                }
            }
            // Heard with its answer, without it, late, or by nobody.
            let word = Node.Word(kind: course.asks, standing: course.standing)
            may { $0.ask(me, word) }
            may { _ = $0.nodes[peer].heard(word) }
            if faults.lates > 0 {
                may {
                    $0.faults.lates -= 1
                    $0.nodes[peer].question = word
                }
                may {
                    $0.faults.lates -= 1
                    $0.nodes[me].answer = $0.nodes[peer].heard(word)
                }
            }
            may { $0.nodes[me].course?.unheard() }
            if faults.wishes > 0, course.wish == nil, course.job == nil {
                for wish in [ApplyCourse.Wish.confirm, .revert] {
                    may {
                        $0.faults.wishes -= 1
                        $0.nodes[me].course?.begin(wish)
                    }
                }
            }
        }
        return all
    }

    mutating func ask(_ me: Int, _ word: Node.Word) {
        let answer = nodes[1 - me].heard(word)
        nodes[me].course?.heard(answer)
    }

    mutating func step(_ me: Int) {
        guard nodes[me].course?.begin(at: later) == nil, let course = nodes[me].course,
            let wish = course.wish, let outcome = course.outcome
        else { return }
        nodes[me].course?.endWish()
        say(outcome, me, wish)
    }

    /// The course has come to its end while an operator waits.
    mutating func say(_ me: Int, _ wish: ApplyCourse.Wish, of before: ApplyCourse) {
        var over = before
        over.did(nodes[me].disk, failure: nil, at: now)
        if let outcome = over.outcome { say(outcome, me, wish) }
    }

    private mutating func say(_ outcome: ApplyCourse.Outcome, _ me: Int, _ wish: ApplyCourse.Wish) {
        said = outcome
        let place: ApplyCourse.Place
        switch outcome {
        case .taken:
            if !nodes[me].isSame, nodes[me].disk == .old { wrong = "taken, and it is not" }
            return
        case .kept: place = .new
        case .back: place = .old
        case .keptHere, .backHere, .unanswered, .nowhere, .failing: return
        }
        for node in nodes {
            // A hand may be quicker than any word.
            if !node.isSame, node.disk != place, node.disk != .other {
                wrong = "\(outcome), and it is not"
            }
            guard let note = node.note else { continue }
            if note.verdict != (place == .new ? .kept : .back) { wrong = "\(outcome), not noted" }
        }
        final = place
    }

    /// From here on all goes well, and time goes on; `nil` if it comes to a good end.
    func healed() -> String? {
        // What comes after the end of that is looked at.
        if nodes.contains(where: { $0.course?.job != nil }) { return nil }
        var world = self
        world.faults = ApplyCourseTests.Faults()
        for round in 1...60 {
            if world.nodes.allSatisfy({ $0.course == nil && $0.note == nil }) { break }
            for me in 0...1 {
                for _ in 0..<4 where world.nodes[me].course?.job == nil { world.step(me) }
                if world.nodes[me].course?.job != nil { world.nodes[me].end(.done) }
                guard let course = world.nodes[me].course, course.job == nil else { continue }
                world.ask(me, Node.Word(kind: course.asks, standing: course.standing))
                if round > 4, world.nodes[me].course?.job == nil {
                    world.nodes[me].course?.pass(at: muchLater)
                }
            }
        }
        for me in 0...1 where world.nodes[me].pending != nil { return "a helper waits for ever" }
        if let wrong = world.wrong { return wrong }
        for me in 0...1 where world.nodes[me].course != nil || world.nodes[me].note != nil {
            return "it is never settled: \(world)"
        }
        let places = world.nodes.map { $0.disk }
        if places.contains(.other) { return nil }
        let told = world.nodes.filter { !$0.isSame }.map { $0.disk }
        if Set(told).count > 1 { return "the files differ: \(world)" }
        if let final, let place = told.first, final != place {
            return "it was said that \(final) stays"
        }
        return nil
    }
}
