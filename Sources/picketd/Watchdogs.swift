/// The hardware watchdogs: opened, fed by the machine's word alone (S8), and disarmed at a planned
/// end.

import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux

final class Watchdogs: Part {
    private let settings: WatchdogSettings?
    private let board: Board?
    /// One for each that the configuration names; `nil` while it is not open.
    private var devices: [Watchdog?]
    private(set) var report = WatchdogReport()
    private var retryAt: Instant

    init(_ settings: Configuration, at now: Instant) {
        self.settings = settings.watchdog
        board = settings.board
        devices = Array(
            repeating: nil, count: settings.watchdog.map { max($0.devices.count, 1) } ?? 0)
        retryAt = now
    }

    var check: SelfChecks.Watchdog {
        if settings == nil { return .absent }
        return report.timeout > .zero && report.fault == nil ? .armed : .unarmed
    }

    /// What the drivers know of the reset before.
    var bootStatus: UInt32 {
        var status: UInt32 = 0
        for case .some(let device) in devices { status |= device.bootStatus }
        return status
    }

    private var lacksOne: Bool {
        for one in devices where one == nil { return true }
        return false
    }

    override var due: Instant { lacksOne ? retryAt : .distantFuture }

    /// Opens those that are not open. One that is stays so, because to close it is to be reset.
    override func pass(_ agent: Agent) {
        guard let settings else { return }
        retryAt = agent.now + .seconds(10)
        var fault: String?
        for index in devices.indices where devices[index] == nil {
            do throws(DeviceError) {
                let device = try agent.hardware.watchdog(
                    settings, index < settings.devices.count ? settings.devices[index] : nil,
                    identity: board?.watchdog?.identity)
                devices[index] = device
                agent.log(.notice, "watchdog \(device.identity): \(Watchdogs.told(device))")
                if device.timeout > settings.timeout * 2 {
                    agent.log(
                        .warning,
                        "watchdog \(device.identity): asked for"
                            + " \(Watchdogs.seconds(settings.timeout)), its driver made"
                            + " \(Watchdogs.seconds(device.timeout)) of it")
                }
            } catch { fault = error.description }
        }
        if let fault, report.fault != fault {
            agent.tell(.noWatchdog(fault))
        }
        note(fault, agent)
    }

    private static func told(_ device: Watchdog) -> String {
        "armed with \(seconds(device.timeout))"
            + (device.stoppable ? "" : "; its driver lets nobody stop it (nowayout)")
    }

    private static func seconds(_ duration: Duration) -> String {
        "\(duration.nanoseconds / 1_000_000_000) s"
    }

    private func note(_ fault: String?, _ agent: Agent) {
        var timeout = Duration.zero
        var identity = ""
        for case .some(let one) in devices {
            timeout = timeout == .zero ? one.timeout : min(timeout, one.timeout)
            identity += identity.isEmpty ? one.identity : ", \(one.identity)"
        }
        report = WatchdogReport(
            identity: identity.isEmpty ? nil : identity, timeout: timeout, fault: fault)
        agent.handle(.watchdog(timeout))
    }

    func feed(_ agent: Agent) {
        var vanished = false
        for index in devices.indices {
            guard let device = devices[index] else { continue }
            do throws(WatchdogError) {
                try device.feed()
            } catch {
                if report.fault == nil {
                    agent.tell(.watchdogUnfed)
                }
                report.fault = "it could not be fed"
                if error == .absent {
                    devices[index] = nil
                    vanished = true
                }
                continue
            }
            if !lacksOne { report.fault = nil }
        }
        if vanished { note("\(board?.name ?? "the") watchdog has vanished", agent) }
    }

    func disarm(_ agent: Agent) {
        for case .some(let device) in devices {
            do throws(WatchdogError) { try device.disarm() } catch {
                agent.log(.error, "the watchdog could not be disarmed: this node will be reset")
                continue
            }
            if !device.stoppable {
                agent.log(
                    .warning,
                    "watchdog \(device.identity) cannot be stopped: without an agent this node is"
                        + " reset \(Watchdogs.seconds(device.timeout)) from now")
            }
        }
        devices = []
    }
}
