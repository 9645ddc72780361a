/// The loop: who asks, and what is under way.
///
/// Of the requests for one unit only the oldest is under way. A caller that hangs up takes its
/// request back: what was not begun is not done, and what is under way is killed first. So the stop
/// that follows a start which the agent has given up is asked of systemd after that start, and is
/// what counts. A stop ends the starts that were asked for before it.
///
/// Requests wait while the configuration is read, but for the stop of a unit that is known.
///
/// **Who may ask.** Root, and the agent: the main process of picketd.service, as systemd names it. What else
/// runs as the agent's user (commands of resources, probes, fence agents) may look and no more, or it could
/// start a unit beside its group. The kernel names the process that connected. A number that is known as
/// the agent's is the agent's for as long as that process lives; another one has systemd asked again.
///
/// `begun` is said when systemctl runs, not when it is to: up to then nobody has asked systemd.

import CPicket
import PicketCore
import PicketLinux
import PicketText

private final class Caller {
    let id: UInt32
    let connection: ControlConnection
    var heard: [UInt8] = []
    /// It must have asked by then.
    let asksBy: Instant
    var order: Order?
    /// systemctl runs for it …
    var isUnderWay = false
    /// … and is to run again, for this.
    var then: [String]?
    var hasBegun = false
    /// systemctl found no systemd.
    var isUnheard = false
    /// It waits for the writer.
    var isWriting = false
    /// systemd was asked for the agent's process since it connected.
    var isKnown = false
    /// The configuration was looked at since it asked.
    var hasList = false
    var isGone = false
    /// The file that it offers, and what of its units is known.
    var offer: Offer?

    init(_ id: UInt32, _ connection: ControlConnection, asksBy: Instant) {
        self.id = id
        self.connection = connection
        self.asksBy = asksBy
    }

    func say(_ answer: HelperAnswer) {
        if !isGone, !connection.send(Array("\(answer.line)\n".utf8)) { isGone = true }
    }

    func begun() {
        if !hasBegun { say(.begun) }
        hasBegun = true
    }

    func finish(_ answer: HelperAnswer) {
        say(answer)
        isGone = true
    }
}

/// The agent, as long as it lives.
private final class MainProcess {
    let process: Int32
    private let end: Descriptor

    /// `nil` where the kernel does not tell its end.
    init?(_ process: Int32) {
        let raw = process > 0 ? picket_process_end(process) : -1
        guard raw >= 0 else { return nil }
        self.process = process
        end = Descriptor(owning: raw)
    }

    var lives: Bool { picket_wait(end.raw, false, 0) == 0 }
}

/// A configuration that somebody offers.
private struct Offer {
    let place: String
    let text: [UInt8]
    let copy: String
    let over: String?
    var lines: [String] = []
}

final class Server {
    private let options: Options
    private let listener: ControlListener
    private var poller: Poller
    private let children: Children
    private let signals: Signals
    private var rights: Rights
    private var listing: Listing
    private let kept: BoundedQueue<[String]>
    private let writer: Writer
    private var logger = Logger(threshold: .info)
    private var clock = Clock()
    private let manager = ServiceManager()
    /// When systemd is next told that the loop turns.
    private var aliveAt = Instant.distantFuture
    /// Who may ask besides root.
    private let user: UInt32?
    /// In the order in which they came.
    private var callers: [Caller] = []
    private var nextCaller = Server.firstCaller
    /// The units that are being read.
    private var reading: Reading?
    /// The main process of picketd.service, and what tells its end.
    private var agent: MainProcess?
    /// systemd is asked for it. What it said; `nil` where it did not answer.
    private var isAskedForAgent = false
    private var named: Int32?
    /// systemd runs its generators.
    private var isReloading = false
    /// Why they could not be read when that was last tried.
    private var unread: String?

    private struct Reading {
        var lines: [String] = []
        var until: Instant
    }

    private enum Token {
        static let listener: UInt64 = 0
        static let signals: UInt64 = 1
        static let children: UInt64 = 2
        static let output: UInt64 = 3
        static let writer: UInt64 = 4
    }
    private static let firstCaller: UInt32 = 16
    private static let mostCallers = 64
    private static let longestLine = 512
    /// A caller that only sits there takes the place of one that asks.
    private static let asksWithin = Duration.seconds(1)
    /// Of the processes that `children` runs; a caller's has the caller's number.
    private static let reader: UInt32 = 0
    private static let reloader: UInt32 = 1
    private static let namer: UInt32 = 2
    private static let readWithin = Duration.seconds(5)
    /// What is told of each unit.
    private static let shown =
        "Names,LoadState,ActiveState,WantedBy,RequiredBy,UpheldBy,TriggeredBy"

    init(_ options: Options) throws(Refusal) {
        self.options = options
        do throws(SystemError) {
            signals = try Signals()
            rights = try Rights(in: options.directory, kept: options.kept)
            kept = try Rights.keeper(in: options.kept)
            writer = try Writer(in: options.kept)
            children = try Children(notedIn: options.directory, session: SessionID(1))
            poller = try Poller()
        } catch { throw Refusal(text: error.description) }
        do throws(ControlListener.Refusal) {
            listener = try ControlListener(path: options.socket, group: options.user)
        } catch { throw Refusal(text: error.description) }
        var (user, group): (uid_t, gid_t) = (0, 0)
        self.user = unsafe picket_user(options.user, &user, &group) ? user : nil
        listing = Listing(options)
        do throws(SystemError) {
            try poller.add(listener.raw, token: Token.listener)
            try poller.add(signals.raw, token: Token.signals)
            try poller.add(children.raw, token: Token.children)
            try poller.add(writer.raw, token: Token.writer)
        } catch { throw Refusal(text: error.description) }
    }

    func run() throws(Refusal) -> Never {
        if let warning = listener.warning { logger.log(.warning, warning) }
        readListAgain()
        manager?.ready(status: "ready")
        if manager?.watchdog != nil { aliveAt = clock.now() }
        var ready: [UInt64] = []
        while true {
            ready.removeAll(keepingCapacity: true)
            let deadline = min(
                children.nextDeadline, reading?.until ?? .distantFuture, aliveAt, firstAskBy)
            do throws(SystemError) {
                try poller.wait(until: deadline, now: clock.now(), into: &ready)
            } catch { throw Refusal(text: error.description) }
            turn(ready)
            tellAlive()
        }
    }

    private var firstAskBy: Instant {
        var first = Instant.distantFuture
        for caller in callers where caller.order == nil { first = min(first, caller.asksBy) }
        return first
    }

    private func tellAlive() {
        guard let manager, let watchdog = manager.watchdog, clock.now() >= aliveAt else { return }
        manager.alive()
        aliveAt = clock.now() + .nanoseconds(watchdog.nanoseconds / 3)
    }

    private func turn(_ ready: [UInt64]) {
        for token in ready {
            switch token {
            case Token.listener: accept()
            case Token.signals: obeySignals()
            case Token.children, Token.output: break
            case Token.writer: written()
            default:
                if let caller = callers.first(where: { UInt64($0.id) == token }) { hear(caller) }
            }
        }
        if let reading, clock.now() >= reading.until { children.kill(Server.reader) }
        var events: [Children.Event] = []
        children.turn(
            watch: { fd in
                do throws(SystemError) { try poller.add(fd, token: Token.output) } catch {
                    logger.log(.warning, error.description)
                }
            }, { events.append($0) })
        for event in events { take(event) }
        for caller in callers where caller.order == nil && clock.now() >= caller.asksBy {
            caller.isGone = true
        }
        endStarts()
        for caller in callers where caller.isGone && caller.isUnderWay {
            if caller.isWriting { writer.giveUp(caller.id) } else { children.kill(caller.id) }
            caller.isWriting = false
        }
        for caller in callers where caller.isGone && !caller.isUnderWay { drop(caller) }
        begin()
    }

    private func obeySignals() {
        while let signal = signals.next() {
            switch signal {
            case .terminate, .interrupt:
                listener.withdraw()
                _exit(0)
            case .hangUp: readListAgain()
            case .child: break
            }
        }
    }

    // MARK: Who asks

    private func accept() {
        while let connection = listener.accept() {
            let caller = Caller(
                nextCaller, connection, asksBy: clock.now() + Server.asksWithin)
            guard connection.user == 0 || connection.user == user else {
                caller.finish(
                    .refused("only root and \(options.user) may ask, not user \(connection.user)"))
                continue
            }
            if callers.count >= Server.mostCallers {
                // The one that has sat there longest makes room.
                guard let idle = callers.first(where: { $0.order == nil }) else {
                    caller.finish(.unknown("\(callers.count) requests are under way"))
                    continue
                }
                drop(idle)
            }
            nextCaller = nextCaller == .max ? Server.firstCaller : nextCaller + 1
            do throws(SystemError) {
                try poller.add(connection.raw, token: UInt64(caller.id))
                callers.append(caller)
            } catch { caller.finish(.unknown(error.description)) }
        }
    }

    private func drop(_ caller: Caller) {
        poller.remove(caller.connection.raw)
        callers.removeAll { $0 === caller }
    }

    private func hear(_ caller: Caller) {
        var buffer = [UInt8](repeating: 0, count: Server.longestLine)
        while !caller.isGone {
            switch caller.connection.receive(into: &buffer) {
            case .nothing: return
            case .ended: caller.isGone = true
            case .bytes(let count):
                // After its line a caller has nothing to say. One that goes on would be read for ever.
                guard caller.order == nil else {
                    caller.isGone = true
                    return
                }
                caller.heard += buffer[..<count]
                understand(caller)
            }
        }
    }

    private func understand(_ caller: Caller) {
        guard let end = caller.heard.firstIndex(of: UInt8(ascii: "\n")) else {
            if caller.heard.count > Server.longestLine {
                caller.finish(.refused("no such request"))
            }
            return
        }
        let words = String(decoding: caller.heard[..<end], as: UTF8.self).parts(between: " ")
        caller.order = Order(words)
        if caller.order == nil { caller.finish(.refused("no such request")) }
    }

    // MARK: What is done

    /// A stop does not wait for a start that was asked for before it, by whomever.
    private func endStarts() {
        for (index, caller) in callers.enumerated() where !caller.isGone {
            guard case .stop(let unit)? = caller.order, mayAct(caller) else { continue }
            for older in callers[..<index] where !older.isGone {
                switch older.order {
                case .start(unit)?, .run(unit)?, .adopt(unit)?: older.finish(.ended(1))
                case .start, .run, .adopt, .stop, .clear, .list, .look, .take, .giveBack, nil: break
                }
            }
        }
    }

    /// Begins what may begin now.
    private func begin() {
        var busy: [String] = []
        for caller in callers {
            guard let order = caller.order else { continue }
            if !caller.isGone, !caller.isUnderWay, mayBegin(order, of: caller, busy) {
                begin(order, of: caller)
            }
            if let what = order.touches, !caller.isGone || caller.isUnderWay { busy.append(what) }
        }
    }

    private func mayBegin(_ order: Order, of caller: Caller, _ busy: [String]) -> Bool {
        if let what = order.touches, busy.contains(what) { return false }
        switch order {
        case .list: break
        // The agent looks before it ever asks for more: it is known by then.
        case .look: _ = isKnown(caller)
        default:
            if !isKnown(caller) { return false }
            // It is refused, whatever the configuration says.
            if !mayAct(caller) { return true }
        }
        if case .stop = order, rights.refusal(of: order) == nil { return true }
        if !caller.hasList {
            caller.hasList = true
            readListAgain()
        }
        return reading == nil
    }

    // MARK: Whether it is the agent

    private func isAgent(_ caller: Caller) -> Bool {
        let process = caller.connection.process
        guard process > 0 else { return false }
        if let agent, agent.process == process, agent.lives { return true }
        return caller.isKnown && !isAskedForAgent && named == process
    }

    private func mayAct(_ caller: Caller) -> Bool {
        caller.connection.user == 0 || isAgent(caller)
    }

    /// Whether it can be said by now who asks.
    private func isKnown(_ caller: Caller) -> Bool {
        if mayAct(caller) { return true }
        if caller.isKnown { return !isAskedForAgent }
        if !isAskedForAgent {
            for present in callers { present.isKnown = true }
            isAskedForAgent = true
            named = nil
            children.launch(
                Server.namer,
                Launch(
                    arguments: [
                        "systemctl", "--no-ask-password", "show", "--property=MainPID", "--",
                        AgentUnit.name,
                    ], environment: [Listing.path]))
        }
        return false
    }

    private func nameAgent(_ end: ChildEnd) {
        isAskedForAgent = false
        if end != .exited(0) { named = nil }
        agent = named.flatMap(MainProcess.init)
    }

    private func begin(_ order: Order, of caller: Caller) {
        if !order.onlyLooks, !mayAct(caller) {
            guard named != nil else { return caller.finish(.unknown("systemd does not answer")) }
            let refusal =
                "process \(caller.connection.process) of \(options.user) is not the main process of"
                + " \(AgentUnit.name), and only that and root may"
            logger.log(.warning, "\(order.line): \(refusal)")
            return caller.finish(.refused(refusal))
        }
        if var refusal = rights.refusal(of: order) {
            if let unread { refusal += " (\(unread))" }
            logger.log(.warning, "user \(caller.connection.user): \(order.line): \(refusal)")
            return caller.finish(.refused(refusal))
        }
        let asks: [String]
        do throws(SystemError) {
            switch order {
            case .list:
                for unit in rights.named { caller.say(.listed(unit)) }
                return caller.finish(.ended(0))
            case .look:
                for unit in rights.named {
                    if let holder = rights.holder(of: unit) {
                        caller.say(.says("Warrant=\(unit) \(holder.rawValue)"))
                    }
                }
                guard !rights.named.isEmpty else { return caller.finish(.ended(0)) }
                asks = ["show", "--property=\(Server.shown)", "--"] + rights.named
            case .take(let offered, let place, let old):
                return try begin(offered, for: place, over: old, of: caller)
            case .giveBack(let place):
                if let refusal = refusal(of: place) { return caller.finish(.refused(refusal)) }
                return write(.giveBack, in: place, for: caller)
            case .adopt(let unit):
                try rights.begin(unit, by: .group)
                return caller.finish(.ended(0))
            case .start(let unit):
                try rights.begin(unit, by: .group)
                asks = start(unit, caller)
            case .run(let unit):
                if rights.holder(of: unit) != .group { try rights.begin(unit, by: .hand) }
                asks = start(unit, caller)
            case .clear(let unit):
                if rights.holder(of: unit) == .group { return caller.finish(.ended(0)) }
                try rights.revoke(unit)
                asks = ["stop", "--", unit]
            case .stop(let unit):
                try rights.revoke(unit)
                asks = ["stop", "--", unit]
            }
        } catch { return caller.finish(.unknown(error.description)) }
        if order != .look { logger.log(.info, order.line) }
        launch(asks, for: caller)
    }

    /// What was refused, for want of a warrant or for a fault that is mended, counts among the
    /// starts that systemd limits, and is forgotten. Afterwards it could not be told by what systemctl
    /// says: not of a unit that had failed by itself before.
    private func start(_ unit: String, _ caller: Caller) -> [String] {
        caller.then = ["start", "--", unit]
        return ["reset-failed", "--", unit]
    }

    private func launch(_ asks: [String], for caller: Caller) {
        caller.isUnderWay = true
        children.launch(
            caller.id,
            Launch(
                arguments: ["systemctl", "--no-ask-password"] + asks, environment: [Listing.path],
                mostLines: 20_000))
    }

    private func take(_ event: Children.Event) {
        switch event {
        case .line(Server.reader, let line): reading?.lines.append(line)
        case .ended(Server.reader, let end): listed(end)
        case .line(Server.namer, let line):
            if line.hasPrefix("MainPID=") { named = Int32(line.dropping(first: 8)) }
        case .ended(Server.namer, let end): nameAgent(end)
        case .line(Server.reloader, let line): logger.log(.warning, line)
        case .ended(Server.reloader, _): isReloading = false
        case .began(let id):
            guard let caller = callers.first(where: { $0.id == id }) else { return }
            if caller.then == nil { caller.begun() }
        case .line(let id, let line):
            guard let caller = callers.first(where: { $0.id == id }) else { return }
            caller.offer?.lines.append(line)
            if line.hasPrefix("Failed to connect to ") { caller.isUnheard = true }
            // That there is no failure to be forgotten is no news.
            if caller.then == nil, caller.offer == nil { caller.say(.says(line)) }
        case .ended(let id, let end):
            guard let caller = callers.first(where: { $0.id == id }) else { return }
            caller.isUnderWay = false
            if let offer = caller.offer { return take(offer, end, of: caller) }
            if let then = caller.then, !caller.isGone {
                caller.then = nil
                return launch(then, for: caller)
            }
            ended(caller, end)
        }
    }

    private func ended(_ caller: Caller, _ end: ChildEnd) {
        switch end {
        case .exited(let code) where code != 0 && caller.isUnheard:
            caller.finish(.unknown("systemd does not answer"))
        case .exited(let code): caller.finish(.ended(code))
        case .signalled(let signal):
            caller.finish(.unknown("systemctl was killed by signal \(signal)"))
        case .notStarted(let error) where !end.wasNotTried:
            caller.say(.says("systemctl: \(SystemError.text(of: error))"))
            caller.finish(.ended(1))
        case .notStarted(let error): caller.finish(.unknown(SystemError.text(of: error)))
        case .late: caller.finish(.unknown("too late"))
        }
    }

    // MARK: The configuration itself

    /// Reads its units first, from a copy that is root's: they may not be more than what is named now,
    /// or the agent could name its own.
    private func begin(
        _ offered: String, for place: String, over old: String?, of caller: Caller
    ) throws(SystemError) {
        if let refusal = refusal(of: place) { return caller.finish(.refused(refusal)) }
        // Which units that one names is not known.
        if let unread { return caller.finish(.refused("\(place): \(unread)")) }
        guard let text = try DurableFile.read(offered, owner: caller.connection.user) else {
            return caller.finish(
                .refused("\(offered) is no file of user \(caller.connection.user)"))
        }
        let copy = "\(options.directory)/offered.\(caller.id)"
        let launch: Launch
        do throws(Refusal) { launch = try listing.launch(of: copy) } catch {
            return caller.finish(.refused(error.text))
        }
        try DurableFile.replace(copy, with: text, durable: false)
        caller.offer = Offer(place: place, text: text, copy: copy, over: old)
        caller.isUnderWay = true
        children.launch(caller.id, launch)
    }

    private func take(_ offer: Offer, _ end: ChildEnd, of caller: Caller) {
        do throws(SystemError) {
            try DurableFile.remove(offer.copy)
            if caller.isGone { return }
            guard end == .exited(0) else {
                return caller.finish(
                    .refused(offer.lines.first ?? "picketd --units does not run"))
            }
            let more = offer.lines.filter { !rights.named.contains($0) }
            guard more.isEmpty else {
                return caller.finish(
                    .refused(
                        "the file names \(Text.list(more)), which the one in place does not, and only root"
                            + " may: name it by hand on each node, then reload the agent"))
            }
            write(.put(offer.text, over: offer.over), in: offer.place, for: caller)
        } catch { caller.finish(.unknown(error.description)) }
    }

    /// Why that is not where the configuration lies; `nil` if it is.
    private func refusal(of place: String) -> String? {
        do throws(Refusal) {
            let (configuration, _) = try options.sources()
            return place == configuration ? nil : "the configuration is \(configuration)"
        } catch { return error.text }
    }

    private func write(_ work: Writer.Work, in place: String, for caller: Caller) {
        caller.isUnderWay = true
        caller.isWriting = true
        caller.begun()
        writer.begin(Writer.Order(caller: caller.id, place: place, work: work))
    }

    private func written() {
        guard let (id, answer) = writer.take() else { return }
        guard let caller = callers.first(where: { $0.id == id }) else { return }
        caller.isUnderWay = false
        caller.isWriting = false
        logger.log(
            .info, "user \(caller.connection.user): \(caller.order?.line ?? ""): \(answer.line)")
        caller.finish(answer)
    }

    // MARK: What may be done

    /// Reads the configuration's units, where its file has changed.
    private func readListAgain() {
        guard reading == nil else { return }
        do throws(Refusal) {
            guard let launch = try listing.due() else { return }
            reading = Reading(until: clock.now() + Server.readWithin)
            children.launch(Server.reader, launch)
        } catch { fail(error.text) }
    }

    /// The next request has it tried again.
    private func fail(_ reason: String) {
        listing.forget()
        unread = "its units could not be read: \(reason)"
        logger.log(
            .error, "the units stay as they were (\(Text.list(rights.named))): \(reason)")
        seeToGuard()
    }

    /// systemd runs its generators again where the guard is not that of the units.
    private func seeToGuard() {
        guard !isReloading, !Guard.isRight(for: rights.named, in: options.generated) else { return }
        isReloading = true
        children.launch(
            Server.reloader,
            Launch(arguments: ["systemctl", "daemon-reload"], environment: [Listing.path]))
    }

    private func listed(_ end: ChildEnd) {
        guard let found = reading else { return }
        reading = nil
        guard end == .exited(0) else {
            return fail(found.lines.first ?? "picketd --units does not run")
        }
        unread = nil
        do throws(SystemError) { try rights.name(found.lines.filter(Order.isUnit)) } catch {
            logger.log(.warning, error.description)
        }
        logger.log(.info, "the configuration's units: \(Text.list(rights.named))")
        _ = kept.push(rights.named)
        seeToGuard()
    }
}
