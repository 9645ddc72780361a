/// The hardware watchdogs, and why this node last began anew.

import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux
import PicketRackClient

extension Agent {
    var lacksWatchdog: Bool {
        for one in watchdogs where one == nil { return true }
        return false
    }

    /// Opens those that are not open. One that is stays so: to close it is to be reset.
    func openWatchdogs() {
        guard let wanted = settings.watchdog else { return }
        watchdogRetryAt = now + .seconds(10)
        var fault: String?
        for index in watchdogs.indices where watchdogs[index] == nil {
            do throws(DeviceError) {
                let device = try open(
                    wanted, index < wanted.devices.count ? wanted.devices[index] : nil)
                watchdogs[index] = device
                log(.notice, "watchdog \(device.identity): \(Agent.told(device))")
                if device.timeout > wanted.timeout * 2 {
                    log(
                        .warning,
                        "watchdog \(device.identity): asked for \(Agent.seconds(wanted.timeout)),"
                            + " its driver made \(Agent.seconds(device.timeout)) of it")
                }
            } catch { fault = error.description }
        }
        if let fault, watchdogReport.fault != fault {
            tell("watchdog", .alarm, "No watchdog: \(fault).", simulated: false)
        }
        noteWatchdogs(fault)
    }

    private static func told(_ device: Watchdog) -> String {
        "armed with \(seconds(device.timeout))"
            + (device.stoppable ? "" : "; its driver lets nobody stop it (nowayout)")
    }

    private static func seconds(_ duration: Duration) -> String {
        "\(duration.nanoseconds / 1_000_000_000) s"
    }

    private func open(
        _ wanted: WatchdogSettings, _ device: String?
    ) throws(DeviceError) -> Watchdog {
        if let rack = options.rack {
            do throws(RackError) {
                return Watchdog(try RackWatchdog(path: rack, timeout: wanted.timeout))
            } catch { throw DeviceError(error.text) }
        }
        let path = try WatchdogDevice.find(device, board: settings.board?.watchdog?.identity)
        return Watchdog(
            try WatchdogDevice.open(
                path, timeout: wanted.timeout, pretimeout: wanted.pretimeout ?? .zero))
    }

    private func noteWatchdogs(_ fault: String?) {
        var timeout = Duration.zero
        var identity = ""
        for case .some(let one) in watchdogs {
            timeout = timeout == .zero ? one.timeout : min(timeout, one.timeout)
            identity += identity.isEmpty ? one.identity : ", \(one.identity)"
        }
        watchdogReport = WatchdogReport(
            identity: identity.isEmpty ? nil : identity, timeout: timeout, fault: fault,
            lastReset: lastReset)
        handle(.watchdog(timeout))
    }

    func feedWatchdogs() {
        var vanished = false
        for index in watchdogs.indices {
            guard let device = watchdogs[index] else { continue }
            do throws(WatchdogError) {
                try device.feed()
            } catch {
                if watchdogReport.fault == nil {
                    tell(
                        "watchdog", .alarm, "The watchdog does not take its feeding.",
                        simulated: false)
                }
                watchdogReport.fault = "does not take its feeding"
                if error == .absent, options.rack == nil {
                    watchdogs[index] = nil
                    vanished = true
                }
                continue
            }
            if !lacksWatchdog { watchdogReport.fault = nil }
        }
        if vanished { noteWatchdogs("\(settings.board?.name ?? "the") watchdog has vanished") }
    }

    func disarmWatchdogs() {
        for case .some(let device) in watchdogs {
            do throws(WatchdogError) { try device.disarm() } catch {
                log(.error, "the watchdog could not be disarmed: this node will be reset")
                continue
            }
            if !device.stoppable {
                log(
                    .warning,
                    "watchdog \(device.identity) cannot be stopped: without an agent this node is"
                        + " reset \(Agent.seconds(device.timeout)) from now")
            }
        }
        watchdogs = []
    }

    // MARK: Why this node began anew

    /// At the first start in a boot: the hardware's word, else whether the last agent of the boot
    /// before ended as planned. A fence by the peer is a power cut to this node; that it was one
    /// the peer says when it is heard.
    func noteReset() {
        guard options.rack == nil else {
            lastReset = ground.lastReset
            watchdogReport.lastReset = lastReset
            if firstInThisBoot, lastReset == "watchdog" { tellReset("was reset by its watchdog") }
            return
        }
        let mark = ground.paths.stateDirectory + "/running"
        let kept = ground.paths.runDirectory + "/last-reset"
        if let known = try? DurableFile.line(kept) {
            lastReset = known.isEmpty ? nil : known
        } else {
            let running = (try? DurableFile.line(mark)) ?? nil
            var status: UInt32 = 0
            for case .some(let device) in watchdogs { status |= device.bootStatus }
            if status & WatchdogDevice.reset != 0 {
                lastReset = "watchdog"
                tellReset("was reset by its watchdog")
            } else if running == Agent.plannedEnd {
                lastReset = "operator"
                tellReset("begins anew after a planned end", .notice)
            } else if let running, running != ground.boot {
                lastReset = "power"
                tellReset("lost its power or was reset, unannounced")
            }
            write(kept, lastReset ?? "")
        }
        watchdogReport.lastReset = lastReset
        if (try? DurableFile.line(mark)) != ground.boot { write(mark, ground.boot) }
    }

    private func tellReset(_ what: String, _ severity: Trace.Kind.Severity = .warning) {
        tell("reset", severity, "\(narrator.names.node) \(what).", simulated: false)
    }

    /// Of the peer's messages: whether the power that this node lost was cut by a fence. And from
    /// them: in which session a peer that was fenced is back.
    func noteWhoFenced(_ message: Message, _ session: SessionID) {
        if fencedPeer.lately {
            fencedPeer = (false, session)
        } else if fencedPeer.session != session {
            fencedPeer.session = nil
        }
        guard lastReset == "power", firstInThisBoot, message.flags.contains(.fencedYou) else {
            return
        }
        lastReset = "fence"
        watchdogReport.lastReset = lastReset
        write(ground.paths.runDirectory + "/last-reset", "fence")
        tellReset("was fenced: \(narrator.names.peer) cut its power")
    }

    private func write(_ path: String, _ text: String) {
        _ = storage.ask(.file(path: path, Array("\(text)\n".utf8)))
    }

    /// In place of the boot in which an agent runs.
    private static let plannedEnd = "ended as planned"

    /// The last act of an agent that ends as planned.
    func noteEnd() {
        if options.rack == nil {
            write(ground.paths.stateDirectory + "/running", Agent.plannedEnd)
        }
    }
}
