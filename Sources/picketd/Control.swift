/// The control socket: who is connected, what each of them asked, and the answers.

import CPicket
import PicketConfig
import PicketControl
import PicketCore
import PicketLinux

final class Control: Part {
    private let listener: ControlListener
    private var callers: [Caller] = []
    private var nextCaller: UInt32 = 1
    /// Commands that the machine has not answered yet, and who gave them.
    private var commands: [(id: UInt32, caller: UInt32, request: Request)] = []

    /// Ends of a maintenance, which wait until this node has looked what runs on it.
    private var endings: [(caller: UInt32, request: Request, until: Instant)] = []

    private static let mostCallers = 32
    /// A monitor that has not answered by then is not waited for.
    private static let looksWithin = Duration.seconds(5)

    init(_ listener: consuming ControlListener) { self.listener = listener }

    var path: String { listener.path }

    // MARK: Callers

    /// The listener's key is 0, a caller's its id.
    override func open(_ agent: Agent) throws(SystemError) {
        try agent.wait(on: listener.raw, of: self)
    }

    override func close(_ agent: Agent) {
        agent.forget(listener.raw)
        for caller in callers { agent.forget(caller.connection.raw) }
    }

    func caller(_ id: UInt32?) -> Caller? { callers.first { $0.id == id } }

    override func drain(_ agent: Agent) {
        for key in ready {
            if key == 0 { accept(agent) } else if let caller = caller(key) { serve(caller, agent) }
        }
    }

    private func accept(_ agent: Agent) {
        // Callers that still wait in the listener's queue are taken in the next turn.
        for _ in 0..<Control.mostCallers {
            guard let connection = listener.accept() else { return }
            let caller = Caller(id: nextCaller, connection: connection, since: agent.now)
            nextCaller = max(1, nextCaller &+ 1)
            guard callers.count < Control.mostCallers else {
                caller.say(
                    Reply.error(.tooManyCallers))
                continue
            }
            do throws(SystemError) {
                try agent.wait(on: connection.raw, caller.id, of: self)
                callers.append(caller)
            } catch { agent.log(.warning, error.description) }
        }
    }

    private func serve(_ caller: Caller, _ agent: Agent) {
        caller.flush()
        var buffer = [UInt8](repeating: 0, count: 1024)
        var rounds = 8
        while rounds > 0, !caller.isGone {
            rounds -= 1
            switch caller.hear(&buffer) {
            case .nothing: return
            case .more: continue
            case .line(let line): obey(line, caller, agent)
            case .file(let text, let request): apply(request, text, caller, agent)
            }
        }
    }

    private func obey(_ line: [UInt8], _ caller: Caller, _ agent: Agent) {
        do throws(RequestError) {
            let request = try Request.parse(line)
            switch request {
            case .status: caller.finish(Reply.status(agent.statusReport()))
            case .watch(let every): caller.watch(every: every, from: agent.now)
            case .history(let count, let follow):
                caller.read(follow: follow)
                if !agent.storage.ask(.tail(count: count, caller: caller.id)) {
                    caller.finish(Reply.error(.slowDisk))
                }
            case .drill(let drill): try agent.drills.begin(drill, caller, agent)
            case .restore:
                agent.log(.notice, "asked by user \(caller.connection.user): \(request.line)")
                agent.fences.switchOn(agent)
                caller.finish(Reply.result(request, .accepted, narrator: agent.narrator))
                agent.drainFollowUps()
            case .pause:
                if agent.apply.isUnderWay { throw Apply.isBusy }
                // The next agent reads the whole file when it starts. This agent does not end for
                // a file that the next one would refuse.
                caller.wait()
                let groups = agent.settings.policy.groups
                let holdings = agent.storage.noted.holdings.filter {
                    groups[$0.group].listing == .listed && $0.isByRight
                }
                let running = holdings.map { holding in
                    RunningGroup(
                        name: agent.names.group(holding.group),
                        resources: groups[holding.group].resources,
                        isMaintained: agent.storage.noted.isMaintained(holding.group))
                }
                agent.reader.ask(.pause(caller: caller.id, request, running: running))
            case .apply(let bytes, _):
                // What it holds is run by the agent's user, so a member of the socket's group is not
                // enough.
                guard [0, geteuid()].contains(caller.connection.user) else {
                    throw RequestError(.refused, "Only root may apply a configuration.")
                }
                caller.read(file: bytes, for: request)
            case .applyConfirm: try agent.apply.settle(request, .confirm, caller, agent)
            case .applyRevert: try agent.apply.settle(request, .revert, caller, agent)
            case .maintenance(false, _, _):
                caller.wait()
                endings.append((caller.id, request, agent.now + Control.looksWithin))
                agent.groups.look(agent)
                if agent.groups.hasLooked { looked(agent) }
            case .handover, .failback, .fence, .confirmFence, .maintenance, .clear, .take,
                .clearBudgets:
                give(request, caller, agent)
            }
        } catch { caller.finish(Reply.error(error)) }
    }

    private func apply(
        _ request: Request, _ text: [UInt8], _ caller: Caller, _ agent: Agent
    ) {
        do throws(RequestError) {
            try agent.apply.begin(request, text, caller, agent)
        } catch { caller.finish(Reply.error(error)) }
    }

    // MARK: Commands

    /// The machine's to answer.
    private func give(_ request: Request, _ caller: Caller, _ agent: Agent) {
        do throws(RequestError) {
            guard let command = try request.command(in: agent.names) else { return }
            caller.wait()
            agent.log(.notice, "asked by user \(caller.connection.user): \(request.line)")
            let id = agent.newCommandID()
            commands.append((id, caller.id, request))
            agent.handle(.command(command, id: id))
        } catch { caller.finish(Reply.error(error)) }
    }

    /// What became of reading the file for a pause.
    func pause(_ request: Request, for id: UInt32, refused lines: [String]?, _ agent: Agent) {
        guard let caller = caller(id) else { return }
        guard let lines else {
            give(request, caller, agent)
            return
        }
        caller.finish(Reply.error(.unfit(file: agent.options.configuration, lines)))
    }

    /// The groups' monitors have told what runs here.
    func looked(_ agent: Agent) {
        while let ending = endings.first {
            endings.removeFirst()
            if let caller = caller(ending.caller) { give(ending.request, caller, agent) }
        }
    }

    /// The machine's answer to a command.
    func answer(_ id: UInt32, _ result: CommandResult, _ agent: Agent) {
        guard let index = commands.firstIndex(where: { $0.id == id }) else { return }
        let command = commands.remove(at: index)
        if case .clear(nil) = command.request, result == .accepted { agent.fences.clear(agent) }
        caller(command.caller)?
            .finish(Reply.result(command.request, result, narrator: agent.narrator))
    }

    // MARK: History and status

    /// A new entry of the history, to those who follow it.
    func follow(_ line: [UInt8]) {
        for caller in callers { caller.follow(line) }
    }

    func deliver(_ lines: [[UInt8]], to id: UInt32) { caller(id)?.deliver(lines) }

    override var due: Instant {
        var next = Instant.distantFuture
        for caller in callers { next = min(next, caller.watchDue) }
        for ending in endings { next = min(next, ending.until) }
        return next
    }

    override func pass(_ agent: Agent) {
        if let first = endings.first, agent.now >= first.until { looked(agent) }
    }

    /// Callers that watch are told; those that are done, or gone, are dropped.
    override func settle(_ agent: Agent) {
        var status: [UInt8]?
        for caller in callers where caller.wantsStatus(changed: agent.changed, at: agent.now) {
            let line = status ?? Reply.status(agent.statusReport())
            status = line
            caller.show(line, at: agent.now)
        }
        for caller in callers {
            caller.endIfIdle(at: agent.now)
            settle(caller, agent)
        }
        callers.removeAll { $0.isGone }
    }

    private func settle(_ caller: Caller, _ agent: Agent) {
        if caller.isGone {
            agent.forget(caller.connection.raw)
            if caller.isDrilling { agent.drills.callerGone(caller.id, agent) }
        } else if let writing = caller.takePollChange() {
            do throws(SystemError) {
                try agent.wait(
                    on: caller.connection.raw, caller.id, of: self,
                    changingTo: writing ? .both : .reading)
            } catch { caller.end() }
        }
    }

    /// The last words to all.
    func flush() {
        for caller in callers { caller.flush() }
    }

    /// Takes the socket's name away: at a clean end.
    func withdraw() { listener.withdraw() }
}
