/// `picket apply`: one configuration file for both nodes, in step.
///
/// The file that the operator gives is checked here, carried to the peer, and checked there by the
/// peer's own eyes. Only then is anything written. Each node keeps the new text and a note beside
/// its state (`OpenApply`), puts the file in place, keeps the old one beside it as FILE.before, and
/// reloads: first the peer, then this node. From there on the apply is *open* on both, until it is
/// confirmed or taken back. What is next on a node is for `ApplyCourse` to say, which knows neither
/// disk nor links; here it is done.
///
/// The two nodes speak in questions and answers (`Parcel`), one at a time. Each says how its sender
/// stands, so that either node hears of what the other one decided, whoever asks. One datagram goes
/// out in a turn, over one link, after all that the machine had to send. The disk is the configuration
/// reader's.

import CPicket
import PicketConfig
import PicketControl
import PicketCore
import PicketLinux
import PicketText
import PicketWire

final class Apply: Part {
    typealias Done = (String?, Agent) -> Void

    private let file: ApplyFile
    private let boot: String
    private var course: ApplyCourse?
    /// Root's helper may still do what it was asked for last.
    private var isUncertain = false
    /// What waits for the disk, in order.
    private var waiting: [(ConfigurationReader.Found, Agent) -> Void] = []

    /// The operator's order that is being done.
    private var order: (caller: UInt32, request: Request)?
    /// Its file, until it is kept here.
    private var carried: UInt64?
    /// The order waits no longer for the peer.
    private var orderEnds = Instant.distantFuture
    private var question: Question?
    private var lastNumber = UInt32(truncatingIfNeeded: Sodium.random())
    private var lastSent = Instant(nanoseconds: 0)

    private var incoming: Incoming?
    private var answer: Parcel?
    /// What became of the apply before.
    private var settled: (id: UInt64, answer: Parcel.Answer, reason: String?) = (0, .nothing, nil)
    /// Why the peer stands as it does, in its words.
    private var peerReason = ""
    private var nextLook = Instant(nanoseconds: 0)
    /// That the disk refuses was told.
    private var hasAlarmed = false

    private struct Question {
        var parcel: Parcel
        var next: Instant
        /// Without any answer, and with none that settles it.
        var until: Instant
        let latest: Instant
        var attempts = 0
        let then: (Parcel?, Agent) -> Void
    }

    /// A file on its way from the peer.
    private struct Incoming {
        let id: UInt64
        let size: Int
        let digest: UInt64
        let within: UInt32
        var bytes: [UInt8] = []
        var verdict = Parcel.Answer.more
        var reason: [UInt8] = []
    }

    /// Between two datagrams of this node.
    private static let pace = Duration.milliseconds(2)
    private static let again = Duration.milliseconds(100)
    private static let patience = Duration.seconds(3)
    private static let longest = Request.longestFile
    private static let lookEvery = Duration.seconds(2)
    /// Of an order for the peer.
    private static let lasts = Duration.seconds(60)

    init(in directory: String, boot: String, _ settings: Configuration, at now: Instant) {
        file = ApplyFile(in: directory)
        self.boot = boot
        guard let open = file.load() else { return }
        let place = ApplyCourse.Place(ApplyFile.digest(of: settings.text), of: open)
        course = ApplyCourse(open, place, boot: boot, at: now)
    }

    override func open(_ agent: Agent) {
        guard let course else { return }
        if course.place == .other {
            alarm(.notTakenBack(reason: Apply.byHand(agent)), agent)
        } else if course.verdict == .open {
            agent.tell(.apply(.unsettled(isNew: course.place == .new)))
        }
    }

    /// Nothing else is to end or replace the agent meanwhile.
    var isUnderWay: Bool { order != nil }

    // MARK: The operator

    static let isBusy = RequestError(
        .busy, "A configuration is being applied; try again when it is.")

    func begin(
        _ request: Request, _ text: [UInt8], _ caller: Caller, _ agent: Agent
    ) throws(RequestError) {
        guard order == nil, waiting.isEmpty else { throw Apply.isBusy }
        guard course == nil else {
            throw RequestError(
                .refused,
                "Another configuration is applied and not settled yet: \"picket apply --confirm\""
                    + " keeps it, \"picket apply --revert\" takes it back.")
        }
        guard agent.status.contact == .established else {
            throw RequestError(
                .refused,
                "There is no contact with \(agent.names.peer), and the file is for both nodes. To change"
                    + " this one alone, edit \(agent.options.configuration) and reload the agent.")
        }
        guard case .apply(_, let within) = request else { return }
        start(request, caller, agent)
        let id = Channel.randomSession().value
        carried = id
        let seconds = UInt32((within?.nanoseconds ?? 0) / 1_000_000_000)
        check(text, digest: nil, inPlace: seconds == 0, agent) { [self] refused, agent in
            if let refused { return refuse(by: agent.names.node, refused, agent) }
            var parcel = Parcel(.piece, of: id)
            parcel.size = UInt32(text.count)
            parcel.digest = ApplyFile.digest(of: text)
            parcel.within = seconds
            carry(text, parcel, agent)
        }
    }

    /// It stays, or the old one comes back.
    func settle(
        _ request: Request, _ wish: ApplyCourse.Wish, _ caller: Caller, _ agent: Agent
    ) throws(RequestError) {
        guard order == nil, waiting.isEmpty else { throw Apply.isBusy }
        guard let course else {
            throw RequestError(.refused, "No applied configuration waits to be settled here.")
        }
        start(request, caller, agent)
        let goal = wish == .confirm ? ApplyCourse.Place.new : .old
        guard course.place != goal else { return begin(wish, agent) }
        foresee(goal, course.open, agent) { [self] refused, agent in
            if let refused { return refuse(by: agent.names.node, refused, agent) }
            guard self.course != nil else { return stop("It was settled meanwhile.", agent) }
            begin(wish, agent)
        }
    }

    private func begin(_ wish: ApplyCourse.Wish, _ agent: Agent) {
        course?.begin(wish)
        peerReason = ""
        question = nil
        nextLook = agent.now
        orderEnds = agent.now + Apply.lasts
        step(agent)
    }

    private func start(_ request: Request, _ caller: Caller, _ agent: Agent) {
        caller.wait()
        agent.log(.notice, "asked by user \(caller.connection.user): \(request.line)")
        order = (caller.id, request)
        question = nil
    }

    private func finish(_ accepted: Bool, _ text: String, _ agent: Agent) {
        guard let order else { return }
        self.order = nil
        carried = nil
        agent.control.caller(order.caller)?
            .finish(Reply.told(order.request, accepted: accepted, text))
        agent.noteChange()
    }

    private func refuse(by node: String, _ reason: String, _ agent: Agent) {
        agent.log(.warning, reason)
        agent.tell(.apply(.refused(by: node)))
        finish(false, "Nothing is changed, because \(node) refuses the file:\n\(reason)", agent)
    }

    // MARK: The course of an apply

    /// Piece after piece, from the one that begins where this one does.
    private func carry(_ text: [UInt8], _ piece: Parcel, _ agent: Agent) {
        var parcel = piece
        let end = min(text.count, Int(piece.offset) + Parcel.mostBytes)
        parcel.bytes = Array(text[Int(piece.offset)..<end])
        ask(parcel, agent) { [self] answer, agent in
            let peer = agent.names.peer
            switch answer?.answer {
            case .more? where Int(answer?.offset ?? 0) == end && end < text.count:
                var next = piece
                next.offset = UInt32(end)
                carry(text, next, agent)
            case .accepted?: keepHere(text, id: piece.apply, within: piece.within, agent)
            case .refused?:
                refuse(by: peer, String(decoding: answer?.bytes ?? [], as: UTF8.self), agent)
            case nil:
                stop(
                    agent.status.contact == .established
                        ? "\(peer) gives no answer: its version may not know this. Bring both to one"
                            + " version, or edit the file on both nodes and reload their agents."
                        : "The contact with \(peer) was lost.", agent)
            default: stop("\(peer) has started anew meanwhile; try again.", agent)
            }
        }
    }

    /// Before anything is in place.
    private func stop(_ reason: String, _ agent: Agent) {
        finish(false, "Nothing is changed. \(reason)", agent)
    }

    private func keepHere(_ text: [UInt8], id: UInt64, within: UInt32, _ agent: Agent) {
        keep(text, id: id, byPeer: false, within: within, agent) { [self] refused, agent in
            carried = nil
            // The peer hears by its own questions that there is nothing of it here.
            if let refused { return refuse(by: agent.names.node, refused, agent) }
            begin(.apply, agent)
        }
    }

    /// What the operator is told.
    private func tell(_ outcome: ApplyCourse.Outcome, of course: ApplyCourse, _ agent: Agent) {
        let (node, peer) = (agent.names.node, agent.names.peer)
        let wanted = course.wish == .revert ? OpenApply.Verdict.back : .kept
        let here = course.place == .other ? "" : course.failure ?? ""
        switch outcome {
        case .taken:
            let span = Text.span(.seconds(Int64(course.open.within)))
            finish(
                true,
                "\(node) and \(peer) go by the new configuration. It is taken back in"
                    + " \(span) unless \"picket apply --confirm\" is given on either.", agent)
        case .kept:
            finish(
                wanted == .kept,
                "The new configuration stays on \(node) and on \(peer)."
                    + (wanted == .kept ? "" : " It was confirmed: apply the one before."), agent)
        case .back where course.wish == .apply:
            if !here.isEmpty { return refuse(by: node, here, agent) }
            if !peerReason.isEmpty { return refuse(by: peer, peerReason, agent) }
            stop("\(peer) has started anew meanwhile; try again.", agent)
        case .back:
            finish(
                wanted == .back,
                "The old configuration is back on \(node) and on \(peer)."
                    + Apply.because(here.isEmpty ? peerReason : here), agent)
        case .keptHere:
            finish(
                false,
                (course.place == .other ? Apply.byHand(agent) : "It stays on \(node)") + ". "
                    + there(course, agent), agent)
        case .backHere where course.wish == .apply && course.peer == .refused:
            refuse(by: peer, peerReason, agent)
        case .backHere:
            finish(
                false,
                (course.place == .other
                    ? Apply.byHand(agent) : "The old configuration is in place on \(node)") + ". "
                    + there(course, agent) + Apply.because(here), agent)
        case .unanswered:
            finish(
                false,
                "\(peer) has not answered to the order, so it may have the new configuration;"
                    + " \(node) has the old one. \"picket status\" says more, once there"
                    + " is contact; then \"picket apply --confirm\" goes on. Otherwise both take"
                    + " the old one back.", agent)
        case .nowhere:
            finish(
                false,
                "The new configuration is not in place on \(node), and \(peer) "
                    + (course.peer == .accepted ? "has the old one as well." : "has not answered."),
                agent)
        case .failing:
            finish(
                false,
                "\(node) refuses, and it is tried again:\n\(course.failure ?? "")",
                agent)
        }
    }

    /// What is known of the peer, where it was decided here.
    private func there(_ course: ApplyCourse, _ agent: Agent) -> String {
        let peer = agent.names.peer
        switch course.peer {
        case .refused?: return "\(peer) does otherwise" + Apply.because(peerReason)
        case .nothing?: return "\(peer) knows nothing of it any more: look at its file."
        case .confirmed?: return "\(peer) keeps the new one."
        case .reverted?: return "\(peer) has the old one."
        case .accepted?, .taken?, .working?, .more?, nil:
            return "\(peer) has not done likewise yet; it does as soon as it hears of it and can."
                + Apply.because(peerReason)
        }
    }

    private static func because(_ reason: String) -> String {
        reason.isEmpty ? "" : "\n\(reason)"
    }

    private static func byHand(_ agent: Agent) -> String {
        "\(agent.options.configuration) was changed by hand since, and stays"
    }

    // MARK: What this node does, by whomever

    /// - Parameter inPlace: it may be the file itself, so that there is none to take back to.
    private func check(
        _ text: [UInt8], digest: UInt64?, inPlace: Bool, _ agent: Agent, _ done: @escaping Done
    ) {
        let job = ApplyJob.check(
            text, digest: digest, node: agent.names.node, running: agent.settings.text,
            inPlace: inPlace)
        run(job, agent) { found, agent in
            switch found {
            case .read(let new, let keys, let unfit):
                done(agent.reader.refusal(of: new, keys, unfit: unfit, agent), agent)
            case .refused(let lines): done(Text.joined(lines, "\n"), agent)
            case .left, .kept, .done: done(nil, agent)
            }
        }
    }

    private func keep(
        _ text: [UInt8], id: UInt64, byPeer: Bool, within: UInt32, _ agent: Agent,
        _ done: @escaping Done
    ) {
        let open = OpenApply(id: id, byPeer: byPeer, old: 0, new: 0, within: within, boot: boot)
        let job = ApplyJob.keep(
            open, text, node: agent.names.node, running: agent.settings.text)
        run(job, agent) { [self] found, agent in
            guard case .kept(let open) = found else { return done(found.reason, agent) }
            course = ApplyCourse(
                open, ApplyCourse.Place(open.old, of: open), boot: boot, at: agent.now)
            hasAlarmed = false
            isUncertain = false
            nextLook = agent.now + Apply.lookEvery
            agent.noteChange()
            done(nil, agent)
        }
    }

    /// Has the disk do what is next, or tells the operator what came of it.
    private func step(_ agent: Agent) {
        guard let job = course?.begin(at: agent.now), let open = course?.open else {
            if let course, let outcome = course.outcome {
                self.course?.endWish()
                tell(outcome, of: course, agent)
            }
            return
        }
        switch job {
        case .take: put(.new, .take(open, isCertain: !isUncertain), job, open, agent)
        case .putBack: put(.old, .putBack(open, isCertain: !isUncertain), job, open, agent)
        case .note(let verdict):
            var decided = open
            decided.verdict = verdict
            run(.note(decided), job, agent)
        case .forget: run(.forget(open), job, agent)
        }
    }

    /// What is in place is changed only where it can be taken up.
    private func put(
        _ goal: ApplyCourse.Place, _ work: ApplyJob, _ job: ApplyCourse.Job, _ open: OpenApply,
        _ agent: Agent
    ) {
        foresee(goal, open, agent) { [self] refused, agent in
            guard let refused else { return run(work, job, agent) }
            did(
                job,
                ApplyJob.Done(
                    place: course?.place, failure: refused, isUncertain: isUncertain), agent)
        }
    }

    /// Whether the maintenance bars the file that is to be put in place. The rest of what it needs
    /// was looked at when it was offered, or is told when it is put there.
    private func foresee(
        _ goal: ApplyCourse.Place, _ open: OpenApply, _ agent: Agent, _ done: @escaping Done
    ) {
        run(.read(open, goal, node: agent.names.node), agent) { found, agent in
            guard case .read(let new, _, _) = found else { return done(nil, agent) }
            new.keepPlaces(of: agent.settings)
            done(ConfigurationReader.maintenance(against: new, agent), agent)
        }
    }

    private func run(_ work: ApplyJob, _ job: ApplyCourse.Job, _ agent: Agent) {
        run(work, agent) { [self] found, agent in
            var done = ApplyJob.Done(
                place: nil, failure: found.reason, isUncertain: isUncertain)
            if case .done(let found) = found { done = found }
            if case .read(let new, let keys, let unfit) = done.found,
                let reason = agent.reader.takeUp(new, keys, unfit, agent)
            {
                done.place = nil
                done.failure = reason
            }
            did(job, done, agent)
        }
    }

    private func did(_ job: ApplyCourse.Job, _ done: ApplyJob.Done, _ agent: Agent) {
        isUncertain = done.isUncertain
        course?.did(done.place, failure: done.failure, at: agent.now)
        told(job, done, agent)
        if let course, course.isOver { end(course, agent) } else { step(agent) }
    }

    /// What the history says of it.
    private func told(_ job: ApplyCourse.Job, _ done: ApplyJob.Done, _ agent: Agent) {
        guard let course else { return }
        agent.noteChange()
        nextLook = agent.now
        if course.place == .other {
            let reason = Apply.byHand(agent)
            return alarm(
                job == .take ? .notPutInPlace(reason: reason) : .notTakenBack(reason: reason),
                agent)
        }
        if let reason = done.failure {
            agent.log(.warning, reason)
            if job == .putBack { alarm(.notTakenBack(reason: reason), agent) }
            if job == .take, course.verdict == .kept {
                alarm(.notPutInPlace(reason: reason), agent)
            }
            return
        }
        switch job {
        case .take:
            agent.tell(.apply(.taken(byPeer: course.open.byPeer, within: course.open.within)))
        case .putBack: agent.tell(.apply(.takenBack))
        case .note(.kept): agent.tell(.apply(.confirmed))
        case .note, .forget: break
        }
    }

    /// Once aloud.
    private func alarm(_ news: Notice.ApplyNews, _ agent: Agent) {
        if !hasAlarmed { agent.tell(.apply(news)) }
        hasAlarmed = true
    }

    private func end(_ over: ApplyCourse, _ agent: Agent) {
        settled = (over.open.id, over.standing, reason(of: over, agent))
        course = nil
        question = nil
        agent.noteChange()
        if let outcome = over.outcome { tell(outcome, of: over, agent) }
    }

    private func reason(of course: ApplyCourse, _ agent: Agent) -> String? {
        course.place == .other ? Apply.byHand(agent) : course.failure
    }

    private func run(
        _ job: ApplyJob, _ agent: Agent,
        _ then: @escaping (ConfigurationReader.Found, Agent) -> Void
    ) {
        waiting.append(then)
        agent.reader.ask(.apply(job, file))
    }

    func done(_ found: ConfigurationReader.Found, _ agent: Agent) {
        waiting.removeFirst()(found, agent)
    }

    // MARK: The peer

    func received(_ parcel: Parcel, _ agent: Agent) {
        if parcel.kind == .answer { return heard(parcel, agent) }
        var answer = Parcel(.answer, of: parcel.apply, number: parcel.number)
        switch parcel.kind {
        case .piece: take(piece: parcel, &answer, agent)
        case .look, .commit:
            if course?.open.id == parcel.apply {
                course?.heard(parcel.answer)
                if parcel.kind == .commit { course?.ordered() }
                step(agent)
            }
            stand(parcel.apply, &answer, agent)
        case .answer: return
        }
        self.answer = answer
    }

    /// How this node stands with an apply.
    private func stand(_ id: UInt64, _ parcel: inout Parcel, _ agent: Agent) {
        var reason: String?
        if let course, course.open.id == id {
            parcel.answer = course.standing
            reason = self.reason(of: course, agent)
        } else if settled.id == id {
            (parcel.answer, reason) = (settled.answer, settled.reason)
        } else {
            parcel.answer = carried == id ? .working : .nothing
        }
        if let reason { parcel.bytes = Apply.fitting(reason) }
    }

    private func take(piece: Parcel, _ answer: inout Parcel, _ agent: Agent) {
        if course?.open.id == piece.apply { return stand(piece.apply, &answer, agent) }
        let size = Int(piece.size)
        if incoming?.id != piece.apply {
            guard piece.offset == 0 else { return }
            // Of the one before it may have heard the last.
            nextLook = min(nextLook, agent.now)
            guard order != nil || waiting.isEmpty else {
                answer.answer = .working
                return
            }
            guard course == nil, order == nil else {
                let node = agent.names.node
                return refuse(
                    "\(node) has another applied configuration that is not settled yet: \"picket apply"
                        + " --confirm\" there keeps it, \"picket apply --revert\" takes it back",
                    &answer)
            }
            guard (1...Apply.longest).contains(size) else {
                return refuse(
                    "the file has \(size) bytes, expected at most \(Apply.longest)", &answer)
            }
            incoming = Incoming(
                id: piece.apply, size: size, digest: piece.digest, within: piece.within)
        }
        let isNext =
            incoming.map {
                $0.verdict == .more && Int(piece.offset) == $0.bytes.count
                    && $0.bytes.count + piece.bytes.count <= $0.size
            } ?? false
        if isNext {
            incoming?.bytes += piece.bytes
            if incoming?.bytes.count == incoming?.size { judge(agent) }
        }
        guard let file = incoming else { return }
        answer.answer = file.verdict
        answer.offset = UInt32(file.bytes.count)
        answer.bytes = file.reason
    }

    private func refuse(_ reason: String, _ answer: inout Parcel) {
        answer.answer = .refused
        answer.bytes = Apply.fitting(reason)
    }

    /// As many whole lines as a datagram takes.
    static func fitting(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        guard bytes.count > Parcel.mostBytes else { return bytes }
        let more = Array("\n(and more)".utf8)
        let part = bytes[..<(Parcel.mostBytes - more.count)]
        let end = part.lastIndex(of: UInt8(ascii: "\n")) ?? part.endIndex
        return Array(part[..<end]) + more
    }

    private func judge(_ agent: Agent) {
        incoming?.verdict = .working
        guard let file = incoming else { return }
        check(file.bytes, digest: file.digest, inPlace: false, agent) { [self] refused, agent in
            if let refused { return judged(file.id, refused, agent) }
            keep(
                file.bytes, id: file.id, byPeer: true, within: file.within, agent
            ) { [self] refused, agent in
                judged(file.id, refused, agent)
            }
        }
    }

    private func judged(_ id: UInt64, _ refused: String?, _ agent: Agent) {
        guard incoming?.id == id else { return }
        guard let refused else {
            incoming = nil
            return
        }
        agent.log(.warning, refused)
        agent.tell(.apply(.refused(by: agent.names.node)))
        incoming?.verdict = .refused
        incoming?.reason = Apply.fitting(refused)
        incoming?.bytes = []
    }

    // MARK: Questions

    private func ask(
        _ parcel: Parcel, _ agent: Agent, _ then: @escaping (Parcel?, Agent) -> Void
    ) {
        lastNumber &+= 1
        var parcel = parcel
        parcel.number = lastNumber
        question = Question(
            parcel: parcel, next: max(agent.now, lastSent + Apply.pace),
            until: agent.now + Apply.patience,
            latest: agent.now + Apply.lasts, then: then)
    }

    private func heard(_ answer: Parcel, _ agent: Agent) {
        guard var asked = question, asked.parcel.number == answer.number,
            asked.parcel.apply == answer.apply
        else { return }
        if answer.answer == .working {
            asked.until = min(asked.latest, agent.now + Apply.patience)
            question = asked
            return
        }
        question = nil
        asked.then(answer, agent)
    }

    // MARK: Time

    override var due: Instant {
        var due = question.map { min($0.next, $0.until) } ?? .distantFuture
        if answer != nil { due = Instant(nanoseconds: 0) }
        guard let course else { return due }
        due = min(due, course.due)
        if course.wish != nil { due = min(due, orderEnds) }
        return question == nil ? min(due, nextLook) : due
    }

    override func pass(_ agent: Agent) {
        if let asked = question, agent.now >= asked.until {
            question = nil
            asked.then(nil, agent)
        }
        guard course != nil else { return }
        course?.pass(at: agent.now)
        if course?.wish != nil, agent.now >= orderEnds {
            orderEnds = agent.now + Apply.lasts
            course?.unheard()
        }
        step(agent)
        if question == nil, agent.now >= nextLook { look(agent) }
    }

    /// Asks how the peer stands, and says how this node does.
    private func look(_ agent: Agent) {
        guard let course else { return }
        nextLook = agent.now + Apply.lookEvery
        guard agent.status.contact == .established else { return unheard(agent) }
        var parcel = Parcel(course.asks, of: course.open.id)
        stand(course.open.id, &parcel, agent)
        ask(parcel, agent) { [self] answer, agent in
            guard let answer else { return unheard(agent) }
            if course.wish != nil { nextLook = agent.now + Apply.again }
            guard self.course?.open.id == answer.apply else { return }
            if self.course?.peer != answer.answer { agent.noteChange() }
            peerReason = String(decoding: answer.bytes, as: UTF8.self)
            self.course?.heard(answer.answer)
            step(agent)
        }
    }

    private func unheard(_ agent: Agent) {
        if course?.peer != nil { agent.noteChange() }
        course?.unheard()
        step(agent)
    }

    /// After all that the machine had to send.
    override func settle(_ agent: Agent) {
        let up = agent.status.linksUp
        let links = (0..<agent.links.count).filter { up.contains($0) }
        if let answer {
            self.answer = nil
            if let link = links.first { agent.links.send(answer, on: link, agent) }
        }
        guard var asked = question, agent.now >= asked.next else { return }
        if !links.isEmpty {
            agent.links.send(asked.parcel, on: links[asked.attempts % links.count], agent)
        }
        lastSent = agent.now
        asked.attempts += 1
        asked.next = agent.now + Apply.again
        question = asked
    }

    // MARK: For the status

    func report(_ agent: Agent) -> ApplyReport? {
        guard let course else { return nil }
        let peerIsNew: Bool? =
            switch course.peer {
            case .taken?, .confirmed?: true
            case .accepted?, .nothing?, .reverted?: false
            default: nil
            }
        return ApplyReport(
            isNewHere: course.place != .old, isNewThere: peerIsNew,
            left: course.left.map { max(.zero, $0 - agent.now) },
            isDecided: course.verdict != .open)
    }
}

extension ApplyCourse.Place {
    /// Of the file with this digest.
    init(_ digest: UInt64, of open: OpenApply) {
        self = digest == open.new ? .new : digest == open.old ? .old : .other
    }

    /// Where old and new are the same, it is the one that was asked for.
    init(_ digest: UInt64, of open: OpenApply, after job: ApplyJob) {
        let wantsOld =
            switch job {
            case .putBack: true
            case .check, .keep, .read, .take: false
            case .note(let open), .forget(let open): open.verdict == .back
            }
        self = wantsOld && digest == open.old ? .old : .init(digest, of: open)
    }
}

/// What the configuration reader does for an apply, off the loop.
enum ApplyJob: Sendable {
    /// `digest`: what it had when it was sent. `node`: the name that belongs on its line.
    case check([UInt8], digest: UInt64?, node: String, running: [UInt8], inPlace: Bool)
    case keep(OpenApply, [UInt8], node: String, running: [UInt8])
    /// What would be put in place.
    case read(OpenApply, ApplyCourse.Place, node: String)
    /// Not `isCertain`: root's helper may still be at what it was asked for before.
    case take(OpenApply, isCertain: Bool)
    case putBack(OpenApply, isCertain: Bool)
    case note(OpenApply)
    case forget(OpenApply)

    struct Done: Sendable {
        /// What is in place then.
        var place: ApplyCourse.Place?
        var failure: String?
        var isUncertain = false
        /// To be taken up.
        var found = ConfigurationReader.Found.left
    }
}

extension ConfigurationReader.Found {
    /// Why it was not done; `nil` if it was.
    fileprivate var reason: String? {
        guard case .refused(let lines) = self else { return nil }
        return Text.joined(lines, "\n")
    }
}

extension Startup {
    static func apply(
        _ job: ApplyJob, _ file: ApplyFile, _ options: Options, _ hardware: Hardware,
        _ lines: KeptLines
    ) throws(StartupError) -> ConfigurationReader.Found {
        let place = options.configuration
        var done = ApplyJob.Done()
        var open: OpenApply
        switch job {
        case .check(let text, let digest, let node, let running, let inPlace):
            do throws(SystemError) {
                if let refusal = try refusal(text, digest, running, inPlace, in: place) {
                    return .refused([refusal])
                }
            } catch { return .refused([error.description]) }
            let settings = try settings(text, for: node, options, hardware)
            return .read(
                settings, try verify(settings, hardware),
                unfit: FenceDesk.tryOut(settings, hardware, lines))
        case .read(let open, let goal, let node):
            let text: [UInt8]
            do throws(SystemError) {
                text = try DurableFile.read(goal == .new ? file.text : place + ".before") ?? []
            } catch { return .refused([error.description]) }
            let digest = goal == .new ? open.new : open.old
            guard ApplyFile.digest(of: text) == digest else { return .left }
            let settings = try settings(text, for: node, options, hardware)
            return .read(settings, try verify(settings, hardware))
        case .keep(let kept, _, _, _), .take(let kept, _), .putBack(let kept, _),
            .note(let kept), .forget(let kept):
            open = kept
        }
        do throws(SystemError) {
            switch job {
            case .check, .read: break
            case .keep(_, let text, let node, let running):
                let disk = try DurableFile.read(place) ?? []
                let inPlace = !open.byPeer && open.within == 0
                // A hand may have come after the check.
                if let refusal = refusal(disk, running, inPlace ? text : running, in: place) {
                    return .refused([refusal])
                }
                let own = options.node == nil ? Configuration.text(text, for: node) : text
                open.new = ApplyFile.digest(of: own)
                open.old = ApplyFile.digest(of: disk)
                try file.store(open, text: own, like: place)
                return .kept(open)
            case .take(_, let isCertain):
                done.isUncertain = !isCertain
                done.failure = try put(open, file, options, isCertain, &done.isUncertain)
            case .putBack(_, let isCertain):
                done.isUncertain = !isCertain
                done.failure = try putBack(open, options, isCertain, &done.isUncertain)
            case .note: try file.store(open)
            case .forget:
                let found = look(at: place, open, job)
                if found == .other || found == (open.verdict == .back ? .old : .new) {
                    try file.remove()
                }
            }
        } catch { done.failure = error.description }
        if !done.isUncertain { done.place = look(at: place, open, job) }
        guard done.failure == nil, done.place != .other else { return .done(done) }
        switch job {
        case .take, .putBack:
            do throws(StartupError) {
                let settings = try load(options, hardware)
                done.found = .read(
                    settings, try keys(settings.keys),
                    unfit: FenceDesk.tryOut(settings, hardware, lines))
            } catch {
                done.failure = Text.joined(error.lines, "\n")
                done.place = nil
            }
        case .check, .keep, .read, .note, .forget: break
        }
        return .done(done)
    }

    /// Why it is not taken from here on.
    private static func refusal(
        _ text: [UInt8], _ digest: UInt64?, _ running: [UInt8], _ inPlace: Bool, in place: String
    ) throws(SystemError) -> String? {
        if let digest, digest != ApplyFile.digest(of: text) { return "the file came damaged" }
        if DurableFile.isLink(place) {
            return "\(place) is a link, and would be replaced: put the file itself there"
        }
        let disk = try DurableFile.read(place) ?? []
        return refusal(disk, running, inPlace ? text : running, in: place)
    }

    private static func refusal(
        _ disk: [UInt8], _ running: [UInt8], _ other: [UInt8], in place: String
    ) -> String? {
        if disk == running || disk == other { return nil }
        return "\(place) was changed by hand, and the agent has not taken it up: reload the agent,"
            + " or put the file back first"
    }

    private static func settings(
        _ text: [UInt8], for node: String, _ options: Options, _ hardware: Hardware
    ) throws(StartupError) -> Configuration {
        let place = options.configuration
        let own = options.node == nil ? Configuration.text(text, for: node) : text
        let name = place.parts(between: "/").last ?? place
        return try read(own, named: name, options, hardware)
    }

    private static func look(
        at place: String, _ open: OpenApply, _ job: ApplyJob
    ) -> ApplyCourse.Place? {
        let disk: [UInt8]?
        do throws(SystemError) { disk = try DurableFile.read(place) } catch { return nil }
        return ApplyCourse.Place(ApplyFile.digest(of: disk ?? []), of: open, after: job)
    }

    /// Why it was not done; `nil` if it was, or if the file was changed by hand.
    private static func put(
        _ open: OpenApply, _ file: ApplyFile, _ options: Options, _ isCertain: Bool,
        _ isUncertain: inout Bool
    ) throws(SystemError) -> String? {
        let place = options.configuration
        let text = try DurableFile.read(file.text) ?? []
        guard ApplyFile.digest(of: text) == open.new else {
            return "\(file.text) is not what was kept there"
        }
        let disk = try DurableFile.read(place) ?? []
        let found = ApplyCourse.Place(ApplyFile.digest(of: disk), of: open)
        if found == .other {
            // What the helper was asked for before, it does not do over a hand's.
            isUncertain = false
            return nil
        }
        try file.store(open)
        if isCertain {
            if found == .new { return nil }
            do throws(SystemError) {
                try DurableFile.replace(place + ".before", with: disk, like: place)
                try DurableFile.replace(place, with: text, like: place) {
                    DurableFile.differs(place, from: disk)
                }
                return nil
            } catch { if !isRoots(error) { throw error } }
        }
        return ask(
            options, "take \(place) \(file.text) \(Text.hex(open.old))", &isUncertain)
    }

    /// As `put`.
    private static func putBack(
        _ open: OpenApply, _ options: Options, _ isCertain: Bool, _ isUncertain: inout Bool
    ) throws(SystemError) -> String? {
        let place = options.configuration
        let disk = try DurableFile.read(place) ?? []
        let found = ApplyFile.digest(of: disk)
        guard found == open.new || found == open.old else {
            isUncertain = false
            return nil
        }
        if found == open.old {
            if isCertain { return nil }
            // What it was asked for before is over when it answers, whatever it says.
            let failure = ask(options, "give-back \(place)", &isUncertain)
            return isUncertain ? failure : nil
        }
        let old = try DurableFile.read(place + ".before") ?? []
        guard ApplyFile.digest(of: old) == open.old else {
            return "\(place).before is not what was there before"
        }
        if isCertain {
            do throws(SystemError) {
                try DurableFile.replace(place, with: old, like: place) {
                    DurableFile.differs(place, from: disk)
                }
                return nil
            } catch { if !isRoots(error) { throw error } }
        }
        return ask(options, "give-back \(place)", &isUncertain)
    }

    /// Root's helper, which waits for nobody. Why it was not done; `nil` if it was. Where it does
    /// not say, it may be doing it still.
    private static func ask(
        _ options: Options, _ order: String, _ isUncertain: inout Bool
    ) -> String? {
        let gone = "the file in place is root's, and picket-units.service does not answer"
        guard let socket = connect(options.helper) else { return gone }
        let request = Array("\(order)\n".utf8)
        guard
            unsafe send(socket.raw, request, request.count, picket_dont_wait) == request.count
        else { return gone }
        isUncertain = true
        var clock = Clock()
        let until = clock.now() + .seconds(10)
        var said: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1024)
        while picket_wait(socket.raw, false, max(0, (until - clock.now()).nanoseconds)) == 1,
            let count = socket.read(into: &buffer), count > 0
        {
            said += buffer[..<count]
        }
        for line in String(decoding: said, as: UTF8.self).parts(between: "\n") {
            let answer = HelperAnswer(line)
            switch answer {
            case .begun?, .says?, .listed?, nil: continue
            case .unknown?: return "picket-units: \(line)"
            case .ended(let code)?:
                isUncertain = false
                return code == 0 ? nil : "picket-units: \(line)"
            case .refused?:
                isUncertain = false
                return "picket-units: \(line)"
            }
        }
        return gone
    }

    /// One that was just started again is waited for.
    private static func connect(_ path: String) -> Descriptor? {
        for _ in 0..<60 {
            let raw = unsafe picket_control_try(path)
            if raw >= 0 { return Descriptor(owning: raw) }
            Worker.sleep(.milliseconds(50))
        }
        return nil
    }

    private static func isRoots(_ error: SystemError) -> Bool {
        error.errno == EACCES || error.errno == EROFS || error.errno == EPERM
    }
}
