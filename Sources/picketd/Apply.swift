/// `picket apply`: one configuration file for both nodes, in step.
///
/// The file that the operator gives is checked here, carried to the peer, and checked there by the
/// peer's own eyes. Only then is anything written. Each node keeps the new text and a note beside
/// its state (`OpenApply`), puts the file in place, keeps the old one beside it as FILE.before, and
/// reloads: first the peer, then this node. From there on the apply is *open* on both, until it is
/// confirmed or taken back, and each node has what it needs for either, also after a restart.
///
/// What is in place tells how far a node has come. So there is no state that a crash could leave
/// wrong: an open apply whose new file is in place is *taken*, and one whose old file is in place is
/// *offered*. Where a node has gone on alone, the status says which has which file.
///
/// The two nodes speak in questions and answers (`Parcel`), one at a time. Each question can be put
/// again, and is answered by how things are. One datagram goes out in a turn, over one link, after
/// all that the machine had to send. The disk is the configuration reader's.

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
    private(set) var open: OpenApply?
    /// The new file is in place here.
    private var isTaken: Bool
    /// What waits for the disk, in order.
    private var waiting: [(ConfigurationReader.Found, Agent) -> Void] = []

    /// The operator's order that is being done.
    private var order: (caller: UInt32, request: Request)?
    /// Of the order; without one, how the peer stands.
    private var question: Question?
    private var lastNumber = UInt32(truncatingIfNeeded: Sodium.random())
    private var lastSent = Instant(nanoseconds: 0)

    private var incoming: Incoming?
    private var answer: Parcel?
    /// The last question that could not be done, and why.
    private var failed: (apply: UInt64, number: UInt32, reason: String)?
    /// What became of the apply before.
    private var settled: (id: UInt64, answer: Parcel.Answer) = (0, .nothing)
    /// What the peer has of the open one, as it said last.
    private var peerHas: Parcel.Answer?
    private var nextLook = Instant(nanoseconds: 0)
    /// The peer asks for it until then.
    private var offerEnds = Instant.distantFuture
    private var isStale = false
    private var isTakingBack = false

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
    static let lookEvery = Duration.seconds(2)
    private static let offerLasts = Duration.seconds(60)

    init(in directory: String, boot: String, _ settings: Configuration) {
        file = ApplyFile(in: directory)
        self.boot = boot
        let text = ApplyFile.digest(of: settings.text)
        open = file.load()
        isTaken = open?.new == text
        // Neither of the two files is in place: it was changed by hand.
        if let open, !isTaken, open.old != text {
            self.open = nil
            isStale = true
        }
        if isTaken, open?.until != nil, open?.boot != boot {
            open?.until = Instant(nanoseconds: 1)
        }
    }

    override func open(_ agent: Agent) {
        if isStale { run(.forget, agent) { _, _ in } }
        if open != nil { agent.tell(.apply(.unsettled(isNew: isTaken))) }
    }

    // MARK: The operator

    /// Another order has to wait.
    private func refusal(_ agent: Agent) -> RequestError? {
        guard order == nil, waiting.isEmpty else {
            return RequestError(.busy, "A configuration is being applied; try again when it is.")
        }
        return nil
    }

    func begin(
        _ request: Request, _ text: [UInt8], _ caller: Caller, _ agent: Agent
    ) throws(RequestError) {
        if let refusal = refusal(agent) { throw refusal }
        guard open == nil else {
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

    func confirm(_ request: Request, _ caller: Caller, _ agent: Agent) throws(RequestError) {
        let open = try beginEnd(request, caller, agent)
        guard !isTaken else { return confirmThere(open, agent) }
        take(agent) { [self] refused, agent in
            guard let refused else { return confirmThere(open, agent) }
            let (node, peer) = (agent.names.node, agent.names.peer)
            finish(
                false,
                "\(node) does not take the new file up, and \(peer) may have it: \"picket apply"
                    + " --revert\" takes it back.\n\(refused)", agent)
        }
    }

    private func confirmThere(_ open: OpenApply, _ agent: Agent) {
        ask(Parcel(.confirm, of: open.id), agent) { [self] answer, agent in
            end(open, .confirmed, agent)
            let (node, peer) = (agent.names.node, agent.names.peer)
            switch answer?.answer {
            case .confirmed?, .nothing?:
                finish(true, "The new configuration stays on \(node) and on \(peer).", agent)
            case .refused?:
                finish(
                    false,
                    "It stays on \(node). \(peer) did not put it in place:\n"
                        + String(decoding: answer?.bytes ?? [], as: UTF8.self), agent)
            default:
                finish(
                    false,
                    "It stays on \(node), but \(peer) has not answered: say the same there, or it may"
                        + " take the old one back.", agent)
            }
        }
    }

    func revert(_ request: Request, _ caller: Caller, _ agent: Agent) throws(RequestError) {
        let open = try beginEnd(request, caller, agent)
        putBack(agent) { [self] failure, agent in
            if let failure {
                return finish(
                    false, "\(agent.names.node) did not put the old file back:\n\(failure)", agent)
            }
            end(open, .reverted, agent)
            ask(Parcel(.revert, of: open.id), agent) { [self] answer, agent in
                let (node, peer) = (agent.names.node, agent.names.peer)
                switch answer?.answer {
                case .reverted?, .nothing?:
                    finish(true, "The old configuration is back on \(node) and on \(peer).", agent)
                case .confirmed?:
                    finish(
                        false,
                        "The old configuration is back on \(node), but \(peer) was told to"
                            + " keep the new one: apply the one that both are to have.", agent)
                case .refused?:
                    finish(
                        false,
                        "The old configuration is back on \(node), but not on \(peer):\n"
                            + String(decoding: answer?.bytes ?? [], as: UTF8.self), agent)
                default:
                    finish(
                        false,
                        "The old configuration is back on \(node), but \(peer) has not answered: say"
                            + " the same there.", agent)
                }
            }
        }
    }

    private func beginEnd(
        _ request: Request, _ caller: Caller, _ agent: Agent
    ) throws(RequestError) -> OpenApply {
        if let refusal = refusal(agent) { throw refusal }
        guard let open else {
            throw RequestError(.refused, "No applied configuration waits to be settled here.")
        }
        start(request, caller, agent)
        return open
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
            guard let refused else { return commitThere(agent) }
            ask(Parcel(.revert, of: id), agent) { [self] _, agent in
                refuse(by: agent.names.node, refused, agent)
            }
        }
    }

    private func commitThere(_ agent: Agent) {
        guard let open else { return }
        ask(Parcel(.commit, of: open.id), agent) { [self] answer, agent in
            let peer = agent.names.peer
            switch answer?.answer {
            case .taken?:
                peerHas = .taken
                takeHere(open, agent)
            case .refused?:
                end(open, .reverted, agent)
                refuse(by: peer, String(decoding: answer?.bytes ?? [], as: UTF8.self), agent)
            case .nothing?:
                end(open, .reverted, agent)
                stop("\(peer) has started anew meanwhile; try again.", agent)
            default:
                finish(
                    false,
                    "\(peer) has not answered to the order, so it may have the new configuration;"
                        + " \(agent.names.node) has the old one. \"picket status\" says more, once there"
                        + " is contact; then \"picket apply --confirm\" goes on, and \"picket apply"
                        + " --revert\" takes it back.", agent)
            }
        }
    }

    private func takeHere(_ open: OpenApply, _ agent: Agent) {
        take(agent) { [self] failure, agent in
            let (node, peer) = (agent.names.node, agent.names.peer)
            if let failure {
                return ask(Parcel(.revert, of: open.id), agent) { [self] answer, agent in
                    end(open, .reverted, agent)
                    if answer?.answer == .reverted { return refuse(by: node, failure, agent) }
                    finish(
                        false,
                        "\(node) could not put the file in place, and \(peer), which has it,"
                            + " has not answered: \"picket apply --revert\" there.\n\(failure)",
                        agent)
                }
            }
            if open.within > 0 {
                let span = Text.span(.seconds(Int64(open.within)))
                return finish(
                    true,
                    "\(node) and \(peer) go by the new configuration. It is taken back in"
                        + " \(span) unless \"picket apply --confirm\" is given on either.", agent)
            }
            confirmThere(open, agent)
        }
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
            case .read(let new, let keys): done(agent.reader.refusal(of: new, keys, agent), agent)
            case .refused(let lines): done(Text.joined(lines, "\n"), agent)
            case .left, .kept: done(nil, agent)
            }
        }
    }

    private func keep(
        _ text: [UInt8], id: UInt64, byPeer: Bool, within: UInt32, _ agent: Agent,
        _ done: @escaping Done
    ) {
        let open = OpenApply(id: id, byPeer: byPeer, old: 0, new: 0, within: within, boot: boot)
        run(.keep(open, text, node: agent.names.node), agent) { [self] found, agent in
            guard case .kept(let open) = found else { return done(found.reason, agent) }
            self.open = open
            isTaken = false
            agent.noteChange()
            done(nil, agent)
        }
    }

    private func take(_ agent: Agent, _ done: @escaping Done) {
        guard var next = open else { return }
        if next.within > 0 { next.until = agent.now + .seconds(Int64(next.within)) }
        run(.take(next), agent) { [self] found, agent in
            var reason = found.reason
            if case .read(let new, let keys) = found {
                let isTakenUp = agent.reader.takeUp(new, keys, agent)
                reason = isTakenUp ? nil : "the agent does not take it up; its history says why"
            }
            guard let reason else {
                open = next
                isTaken = true
                agent.tell(.apply(.taken(byPeer: next.byPeer, within: next.within)))
                return done(nil, agent)
            }
            run(.putBack(next), agent) { _, agent in done(reason, agent) }
        }
    }

    /// Nothing, where the old one is in place.
    private func putBack(_ agent: Agent, _ done: @escaping Done) {
        guard let open, isTaken else { return done(nil, agent) }
        run(.putBack(open), agent) { [self] found, agent in
            if case .left = found {
                let reason = "\(agent.options.configuration) was changed by hand since, and stays"
                agent.tell(.apply(.notTakenBack(reason: reason)))
                end(open, .reverted, agent)
                return done(reason, agent)
            }
            guard case .read(let new, let keys) = found else { return done(found.reason, agent) }
            guard agent.reader.takeUp(new, keys, agent) else {
                return done("the agent does not take the old file up again", agent)
            }
            isTaken = false
            agent.tell(.apply(.takenBack))
            done(nil, agent)
        }
    }

    /// It is settled here.
    private func end(_ open: OpenApply, _ answer: Parcel.Answer, _ agent: Agent) {
        guard self.open?.id == open.id else { return }
        if answer == .confirmed { agent.tell(.apply(.confirmed)) }
        self.open = nil
        isTakingBack = false
        isTaken = false
        peerHas = nil
        offerEnds = .distantFuture
        settled = (open.id, answer)
        agent.noteChange()
        run(.forget, agent) { found, agent in
            if let reason = found.reason { agent.log(.warning, reason) }
        }
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
        case .look: answer.answer = standing(of: parcel.apply)
        case .commit, .confirm, .revert: obey(parcel, &answer, agent)
        case .answer: return
        }
        self.answer = answer
    }

    private func standing(of id: UInt64) -> Parcel.Answer {
        if open?.id == id { return isTaken ? .taken : .accepted }
        return settled.id == id ? settled.answer : .nothing
    }

    private func take(piece: Parcel, _ answer: inout Parcel, _ agent: Agent) {
        if open?.id == piece.apply {
            answer.answer = standing(of: piece.apply)
            return
        }
        let size = Int(piece.size)
        if incoming?.id != piece.apply {
            guard piece.offset == 0 else { return }
            guard open == nil, order == nil, waiting.isEmpty else {
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
                offerEnds = agent.now + Apply.offerLasts
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

    private func obey(_ parcel: Parcel, _ answer: inout Parcel, _ agent: Agent) {
        answer.answer = standing(of: parcel.apply)
        if let failed, failed.apply == parcel.apply, failed.number == parcel.number {
            return refuse(failed.reason, &answer)
        }
        guard let open, open.id == parcel.apply else { return }
        guard order == nil, waiting.isEmpty else {
            answer.answer = .working
            return
        }
        offerEnds = .distantFuture
        switch parcel.kind {
        case .commit, .confirm:
            if isTaken {
                if parcel.kind == .confirm { end(open, .confirmed, agent) }
                answer.answer = standing(of: parcel.apply)
                return
            }
            answer.answer = .working
            take(agent) { [self] refused, agent in
                guard let refused else { return }
                fail(parcel, refused, agent)
                end(open, .refused, agent)
            }
        default:
            answer.answer = .working
            putBack(agent) { [self] failure, agent in
                if let failure { return fail(parcel, failure, agent) }
                end(open, .reverted, agent)
            }
        }
    }

    /// The question will be put again, and is answered by the reason then.
    private func fail(_ parcel: Parcel, _ reason: String, _ agent: Agent) {
        agent.log(.warning, reason)
        failed = (parcel.apply, parcel.number, reason)
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
            latest: agent.now + Apply.offerLasts, then: then)
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
        guard let open, waiting.isEmpty, order == nil else { return due }
        due = min(due, isTaken ? open.until ?? .distantFuture : offerEnds)
        return question == nil && offerEnds == .distantFuture ? min(due, nextLook) : due
    }

    override func pass(_ agent: Agent) {
        if let asked = question, agent.now >= asked.until {
            question = nil
            asked.then(nil, agent)
        }
        guard let open, waiting.isEmpty, order == nil else { return }
        if isTaken, let until = open.until, agent.now >= until {
            question = nil
            putBack(agent) { [self] failure, agent in
                guard let failure else { return end(open, .reverted, agent) }
                guard self.open != nil else { return }
                // Once aloud, and tried again.
                if !isTakingBack { agent.tell(.apply(.notTakenBack(reason: failure))) }
                isTakingBack = true
                self.open?.until = agent.now + .seconds(10)
            }
        } else if !isTaken, agent.now >= offerEnds {
            end(open, .nothing, agent)
        } else if question == nil, offerEnds == .distantFuture, agent.now >= nextLook {
            nextLook = agent.now + Apply.lookEvery
            guard agent.status.contact == .established else { return peerHas = nil }
            ask(Parcel(.look, of: open.id), agent) { [self] answer, agent in
                note(answer?.answer, of: open, agent)
            }
        }
    }

    /// How far the peer has come with what is open here.
    private func note(_ answer: Parcel.Answer?, of open: OpenApply, _ agent: Agent) {
        if answer != peerHas { agent.noteChange() }
        peerHas = answer
        guard self.open?.id == open.id, !isTaken else { return }
        // The peer has nothing of what has come to nothing here as well.
        if answer == .nothing || answer == .reverted { end(open, .nothing, agent) }
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
        guard let open else { return nil }
        let peerIsNew: Bool? =
            switch peerHas {
            case .taken?, .confirmed?: true
            case .accepted?, .nothing?, .reverted?: false
            default: nil
            }
        return ApplyReport(
            isNewHere: isTaken, isNewThere: peerIsNew,
            left: isTaken ? open.until.map { max(.zero, $0 - agent.now) } : nil)
    }
}

/// What the configuration reader does for an apply, off the loop.
enum ApplyJob: Sendable {
    /// `digest`: what it had when it was sent. `node`: the name that belongs on its line.
    case check([UInt8], digest: UInt64?, node: String, running: [UInt8], inPlace: Bool)
    case keep(OpenApply, [UInt8], node: String)
    case take(OpenApply)
    case putBack(OpenApply)
    case forget
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
        _ job: ApplyJob, _ file: ApplyFile, _ options: Options, _ hardware: Hardware
    ) throws(StartupError) -> ConfigurationReader.Found {
        let place = options.configuration
        do throws(SystemError) {
            switch job {
            case .check(let text, let digest, _, let running, let inPlace):
                if let digest, digest != ApplyFile.digest(of: text) {
                    return .refused(["the file came damaged"])
                }
                let disk = try DurableFile.read(place) ?? []
                guard disk == running || (inPlace && disk == text) else {
                    return .refused([
                        "\(place) was changed by hand, and the agent has not taken it up: reload the"
                            + " agent, or put the file back first"
                    ])
                }
            case .keep(var open, let text, let node):
                let own = options.node == nil ? Configuration.text(text, for: node) : text
                open.new = ApplyFile.digest(of: own)
                open.old = ApplyFile.digest(of: try DurableFile.read(place) ?? [])
                try file.store(open, text: own, like: place)
                return .kept(open)
            case .take(let open):
                let text = try DurableFile.read(file.text) ?? []
                guard ApplyFile.digest(of: text) == open.new else {
                    return .refused(["\(file.text) is not what was kept there"])
                }
                try file.store(open)
                if let refusal = try replace(place, with: text, file) { return .refused([refusal]) }
            case .putBack(let open):
                let disk = ApplyFile.digest(of: try DurableFile.read(place) ?? [])
                guard disk == open.new || disk == open.old else {
                    return .left
                }
                if disk != open.old, let refusal = try putBack(place, open) {
                    return .refused([refusal])
                }
            case .forget:
                try file.remove()
                return .left
            }
        } catch { return .refused([error.description]) }
        if case .check(let text, _, let node, _, _) = job {
            let name = place.parts(between: "/").last ?? place
            let own = options.node == nil ? Configuration.text(text, for: node) : text
            let settings = try read(own, named: name, options, hardware)
            return .read(settings, try verify(settings, hardware))
        }
        let settings = try load(options, hardware)
        return .read(settings, try keys(settings.keys))
    }

    /// Why it was refused; `nil` if it is in place. The place is root's, and root's helper does it
    /// where the agent may not.
    private static func replace(
        _ place: String, with text: [UInt8], _ file: ApplyFile
    ) throws(SystemError) -> String? {
        let old = try DurableFile.read(place) ?? []
        do throws(SystemError) {
            try DurableFile.replace(place + ".before", with: old, like: place)
            try DurableFile.replace(place, with: text, like: place)
            return nil
        } catch { if !isRoots(error) { throw error } }
        return askHelper("take \(place) \(file.text)")
    }

    private static func putBack(
        _ place: String, _ open: OpenApply
    ) throws(SystemError) -> String? {
        let old = try DurableFile.read(place + ".before") ?? []
        guard ApplyFile.digest(of: old) == open.old else {
            return "\(place).before is not what was there before"
        }
        do throws(SystemError) {
            try DurableFile.replace(place, with: old, like: place)
            return nil
        } catch { if !isRoots(error) { throw error } }
        return askHelper("give-back \(place)")
    }

    /// Root's helper, which waits for nobody. Why it was not done; `nil` if it was.
    private static func askHelper(_ order: String) -> String? {
        let gone = "the file in place is root's, and picket-units.service does not answer"
        let raw = unsafe picket_control_connect(HelperPlace.socket())
        if raw < 0 { return gone }
        let socket = Descriptor(owning: raw)
        let request = Array("\(order)\n".utf8)
        guard unsafe send(raw, request, request.count, picket_dont_wait) == request.count else {
            return gone
        }
        var said: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1024)
        while picket_wait(raw, false, 10_000_000_000) == 1,
            let count = socket.read(into: &buffer), count > 0
        {
            said += buffer[..<count]
        }
        for line in String(decoding: said, as: UTF8.self).parts(between: "\n") {
            switch HelperAnswer(line) {
            case .ended(0): return nil
            case .ended, .refused, .unknown: return "picket-units: \(line)"
            case .begun, .says, .listed, nil: continue
            }
        }
        return gone
    }

    private static func isRoots(_ error: SystemError) -> Bool {
        error.errno == EACCES || error.errno == EROFS || error.errno == EPERM
    }
}
