import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux
import PicketRackClient
import PicketWire

extension Agent {
    /// Does what the machine asked for, in the order in which it asked.
    func perform() {
        var index = 0
        while index < effects.items.count {
            perform(effects.items[index])
            index += 1
        }
        effects.items.removeAll(keepingCapacity: true)
    }

    private func perform(_ effect: Effect) {
        switch effect {
        case .send(let message, let links): send(message, on: links)
        case .persist(let memory, let ticket):
            if !storage.ask(.memory(memory, ticket: ticket)) {
                followUps.append(.persistFailed(ticket: ticket))
            }
        case .note(let note):
            noted = note
            store(note)
        case .fence(let order): fence(order)
        case .cancelFence(let id): cancelFence(id)
        case .start(let activation): start(activation)
        case .adopt(let activation): adopt(activation)
        case .stop(let group, let cause): stop(group, cause: cause)
        case .feedWatchdog: feedWatchdogs()
        case .ban(let session): channel.ban(session)
        case .answer(let id, let result): answer(id, result)
        case .trace(let trace): tell(trace)
        case .exit(let released): exit = Exit(released: released)
        }
    }

    private func store(_ note: RunNote) {
        do throws(SystemError) { try noteFile.store(note) } catch {
            tell(
                "note", .alarm,
                "What runs here cannot be noted (\(error.description)): an agent that is restarted"
                    + " will not know it.", simulated: false)
        }
    }

    private func tell(_ trace: Trace) {
        changed = true
        log(trace.kind.severity.level, narrator.sentence(trace))
        if trace.kind.severity != .debug {
            record(
                HistoryEntry(
                    trace, narrator: narrator, milliseconds: wallMilliseconds,
                    simulated: options.rack != nil || machine.status(at: now).drill))
        }
        switch trace.kind {
        case .persistFailed: stateWritten = false
        case .persistRecovered: stateWritten = true
        case .contactLost: forgetRelayLooks()
        case .contact:
            contactAt = now
            // What was seen before contact may have been seen of a peer without power.
            forgetRelayLooks()
            relayTestAt = now
        case .fenceVerified:
            fencedPeer = (true, nil)
            fenceProvedAt = clock.now()
        case .fenceRestored: relayTestAt = now
        default: break
        }
        drillsObserve(trace)
    }

    // MARK: Files

    func drainStorage() {
        guard ready.contains(Token.storage) else { return }
        storage.clear()
        while let answer = storage.next() {
            switch answer {
            case .persisted(let ticket): handle(.persisted(ticket: ticket))
            case .notPersisted(let ticket, let reason):
                if stateWritten { log(.error, reason) }
                handle(.persistFailed(ticket: ticket))
            case .notWritten(let reason): log(.warning, "not written: \(reason)")
            case .marked(let level, let trouble):
                if let trouble { log(.error, trouble) }
                withFenceAgent(level) { $0.marked() }
            case .tail(let caller, let lines): deliverHistory(lines, to: caller)
            case .wallOffset(let offset): wallOffset = offset
            }
        }
    }

    // MARK: Signals

    func drainSignals() {
        guard ready.contains(Token.signals) else { return }
        while let signal = signals.next() {
            switch signal {
            case .terminate, .interrupt:
                log(.notice, "asked to stop")
                serviceManager?.stopping()
                leaving = true
                handle(.command(.leave, id: 0))
            case .hangUp: reload()
            case .child: break
            }
        }
    }
}

extension Storage {
    /// Waits for what was asked to be on disk, at most so long: at the end.
    func settle(within limit: Duration) {
        var clock = Clock()
        let deadline = clock.now() + limit
        _ = ask(.tail(count: 0, caller: 0))
        while clock.now() < deadline {
            while let answer = next() {
                if case .tail(caller: 0, _) = answer { return }
            }
            Worker.sleep(.milliseconds(1))
        }
    }
}
