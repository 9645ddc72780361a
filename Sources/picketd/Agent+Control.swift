import CPicket
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux
import PicketWire
import PicketText

extension Agent {
    private static let mostCallers = 32

    func serveCallers() {
        if ready.contains(Token.listener) { acceptCallers() }
        for token in ready where token >= Token.caller {
            let id = UInt32(token - Token.caller)
            if let caller = callers.first(where: { $0.id == id }) { serve(caller) }
        }
    }

    private func acceptCallers() {
        // As many more as wait in the listener's queue come in the next turn.
        for _ in 0..<Agent.mostCallers {
            guard let connection = listener.accept() else { return }
            let caller = Caller(id: nextCaller, connection: connection, since: now)
            nextCaller &+= 1
            guard callers.count < Agent.mostCallers else {
                caller.say(
                    Reply.failure("busy", "Too many are connected to the agent; try again later."))
                continue
            }
            do throws(SystemError) {
                try poller.add(connection.raw, token: Token.caller + UInt64(caller.id))
                callers.append(caller)
            } catch { log(.warning, error.description) }
        }
    }

    private func serve(_ caller: Caller) {
        if caller.connection.hasOutput, !caller.connection.flush() { caller.gone = true }
        var buffer = [UInt8](repeating: 0, count: 1024)
        var rounds = 8
        while rounds > 0, !caller.gone {
            rounds -= 1
            switch caller.connection.receive(into: &buffer) {
            case .nothing: return
            case .ended:
                if caller.lines.holdsHalfALine { caller.say(Reply.error(.incomplete)) }
                caller.gone = true
            case .bytes(let count):
                // After its request a caller has nothing to say.
                guard case .asking = caller.interest else { continue }
                caller.lines.append(buffer[..<count])
                switch caller.lines.next() {
                case .more: continue
                case .tooLong: caller.finish(Reply.error(.tooLong))
                case .line(let line): obey(line, caller)
                }
            }
        }
    }

    private func obey(_ line: [UInt8], _ caller: Caller) {
        do throws(RequestError) {
            let request = try Request.parse(line)
            switch request {
            case .status: caller.finish(Reply.status(statusReport()))
            case .watch(let every):
                caller.interest = .watching(every: every, next: now)
            case .history(let count, let follow):
                caller.interest = .reading(follow: follow, kept: [])
                if !storage.ask(.tail(count: count, caller: caller.id)) {
                    caller.finish(Reply.failure("busy", "The disk is too slow; try again later."))
                }
            case .drill(let drill): try begin(drill, caller)
            case .restore:
                log(.notice, "asked by user \(caller.connection.user): \(request.line)")
                restorePower()
                caller.finish(Reply.result(request, .accepted, narrator: narrator))
                drainFollowUps()
            case .pause: pause(request, caller)
            case .handover, .failback, .fence, .confirmFence, .maintenance, .clear:
                give(request, caller)
            }
        } catch { caller.finish(Reply.error(error)) }
    }

    /// The machine's to answer.
    func give(_ request: Request, _ caller: Caller) {
        do throws(RequestError) {
            if let command = try request.command(in: narrator.names) {
                give(command, request, caller)
            }
        } catch { caller.finish(Reply.error(error)) }
    }

    private func give(_ command: Command, _ request: Request, _ caller: Caller) {
        let id = nextCommand
        nextCommand &+= 1
        caller.interest = .waiting
        commands.append((id, caller.id, request))
        log(.notice, "asked by user \(caller.connection.user): \(request.line)")
        handle(.command(command, id: id))
    }

    /// The machine's answer to a command.
    func answer(_ id: UInt32, _ result: CommandResult) {
        if drillsAnswered(id, result) { return }
        guard let index = commands.firstIndex(where: { $0.id == id }) else { return }
        let command = commands.remove(at: index)
        callers.first { $0.id == command.caller }?
            .finish(Reply.result(command.request, result, narrator: narrator))
    }

    func deliverHistory(_ lines: [[UInt8]], to id: UInt32) {
        guard let caller = callers.first(where: { $0.id == id }),
            case .reading(let follow, let kept) = caller.interest
        else { return }
        for line in lines { caller.say(line) }
        for line in kept { caller.say(line) }
        if follow { caller.interest = .following } else { caller.finish(Reply.end()) }
    }

    /// At the end of a turn: statuses to those who watch, and who is gone goes.
    func serveWatchers() {
        var status: [UInt8]?
        for caller in callers {
            guard case .watching(let every, let next) = caller.interest, changed || now >= next
            else { continue }
            let line = status ?? Reply.status(statusReport())
            status = line
            // One who does not take the last one gets no other.
            if !caller.connection.hasOutput { caller.say(line) }
            caller.interest = .watching(every: every, next: now + every)
        }
        for caller in callers {
            if caller.idles(at: now) { caller.gone = true }
            settle(caller)
        }
        callers.removeAll { $0.gone }
    }

    private func settle(_ caller: Caller) {
        if case .done = caller.interest, !caller.connection.hasOutput { caller.gone = true }
        let waits = caller.connection.hasOutput
        if caller.gone {
            poller.remove(caller.connection.raw)
            if case .drilling = caller.interest { drillCallerGone(caller.id) }
        } else if waits != caller.polledForWriting {
            caller.polledForWriting = waits
            let token = Token.caller + UInt64(caller.id)
            do throws(SystemError) {
                try poller.change(
                    caller.connection.raw, token: token, to: waits ? .both : .reading)
            } catch { caller.gone = true }
        }
    }

    // MARK: The status

    func statusReport() -> StatusReport {
        let status = machine.status(at: now)
        let report = StatusReport(
            version: Options.version, names: narrator.names, policy: machine.policy,
            status: status, session: session, uptime: now - startedAt)
        report.sensors = sensorReports()
        for (index, link) in links.enumerated() {
            report.links.append(
                LinkReport(
                    local: link.local, remote: link.remote, up: status.linksUp.contains(index),
                    blocked: link.blocked, sent: link.sent, received: link.received,
                    silence: link.lastHeard.map { now - $0 }))
        }
        report.watchdog = watchdogReport
        report.process = ProcessReport(
            identifier: getpid(), realTimeRefused: realTimeRefused,
            lockedMemoryRefused: lockedMemoryRefused, worstDelay: worstDelay)
        report.counters = counters()
        if options.rack != nil { report.simulated.append("rack") }
        for monitor in sensing.monitors where monitor.isSimulated {
            report.simulated.append("sensor \(monitor.name)")
        }
        report.drill = drills.runner.drill?.line
        return report
    }

    private func counters() -> [Counter] {
        var counters = [
            Counter("turns", turns), Counter("messages_sent", messagesSent),
            Counter("heap_bytes", picket_heap_bytes()),
            Counter("log_lines_dropped", logger.dropped),
            Counter("dropped_oversize", oversize),
        ]
        for reason in Drop.allCases {
            counters.append(Counter("dropped_" + Agent.snake(reason.text), channel.drops[reason]))
        }
        return counters
    }

    /// `not picket's` → `not_pickets`
    private static func snake(_ text: String) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8 where byte != UInt8(ascii: "'") {
            bytes.append(byte == UInt8(ascii: " ") ? UInt8(ascii: "_") : byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// For systemctl status.
    var statusText: String {
        let status = machine.status(at: now)
        let names = narrator.names
        var held: [String] = []
        for (index, group) in status.groups.enumerated() where group.role == .holding {
            held.append(names.group(index) + (group.running ? "" : " (starting)"))
        }
        let holding = held.isEmpty ? "holds nothing" : "holds \(Text.list(held))"
        let mark = options.rack == nil ? "" : "SIMULATED: "
        return "\(mark)\(names.node) \(status.phase.label), contact with \(names.peer) "
            + "\(status.contact.label), \(holding)"
    }
}
