import ArgumentParser
import CPicket
import Foundation
import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux
import PicketText

struct DoctorCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Looks at this node: what is missing, and what to do about it.",
        discussion: """
            Looks at the configuration, the key, the devices and their rights, the clock, and at what \
            the agent says of itself and its peer. Drives nothing.

            Exits with 4 if something is bad, with 0 if all is well or only weak.

            EXAMPLE
              sudo picket doctor
            """)
    @OptionGroup var agent: AgentOptions
    @Option(name: .long, help: ArgumentHelp("The directory of board files.", valueName: "path"))
    var boards: String?
    @Flag(name: .long, help: "One line of JSON.") var json = false

    func act() throws {
        var findings = Findings()
        let file = agent.config ?? ConfigurationFile.usual
        if let settings = read(file, &findings) {
            look(at: settings, &findings)
        }
        lookAtSystem(&findings)
        askAgent(&findings)
        findings.show(json: json)
        if findings.all.contains(where: { $0.verdict == .bad }) {
            throw ExitCode(Exit.unprotected.rawValue)
        }
    }

    private func read(_ file: String, _ findings: inout Findings) -> Configuration? {
        do {
            let settings = try ConfigurationFile.read(file, boards: boards)
            let warnings = settings.warnings.count
            findings.add(
                "configuration", warnings == 0 ? .ok : .weak,
                "\(file) is valid" + (warnings == 0 ? "" : ", with \(warnings) warnings"),
                warnings == 0 ? nil : "picket check \(file)")
            return settings
        } catch let errors as ConfigurationErrors {
            findings.add(
                "configuration", .bad, "\(file) has \(errors.list.count) mistakes",
                "picket check \(file)")
        } catch let failure as Failure {
            findings.add(
                "configuration", .bad, failure.text,
                failure.code == "missing"
                    ? "picket init --output \(file), as root; then edit it" : Self.rights)
        } catch {}
        return nil
    }

    // MARK: What the configuration names

    private func look(at settings: Configuration, _ findings: inout Findings) {
        for path in settings.keys {
            do throws(FileError) {
                _ = try KeyFile.load(path)
                Self.lookAtOwner(path, AgentUser(), &findings)
            } catch {
                findings.add("key", .bad, error.description, remedy(for: error))
            }
        }
        if let board = settings.board, !board.models.isEmpty, let model = ThisComputer.model {
            let fits = board.models.contains { model.hasPrefix($0) }
            findings.add(
                "board", fits ? .ok : .bad,
                "this node is a \(model), the board in the configuration is \(board.name)",
                fits ? nil : "name the right file of boards/")
        }
        lookAtLines(settings, &findings)
        for bus in Set(settings.sensors.map(\.bus)).sorted() where bus != HwmonDescription.noBus {
            lookAtDevice("bus", "/dev/i2c-\(bus)", "modprobe i2c-dev; enable the bus", &findings)
        }
        lookAtWatchdog(settings, &findings)
        lookAtUnits(settings, &findings)
    }

    private static let rights = "run picket doctor as root, or as a member of the group picket"

    private func remedy(for error: FileError) -> String? {
        if case .system(let error) = error, error.errno == EACCES {
            return Self.rights
        }
        if case .system(let error) = error, error.errno == ENOENT {
            return "picket keygen, or copy it from the peer: both nodes have the same"
        }
        return nil  // The error says it.
    }

    /// Root may read every key; the agent reads its own.
    static func lookAtOwner(_ path: String, _ agent: AgentUser?, _ findings: inout Findings) {
        var status = stat()
        if let agent, unsafe stat(path, &status) == 0, status.st_uid != agent.user {
            findings.add(
                "key", .bad, "the agent runs as \(agent.name), to whom \(path) does not belong",
                "chown \(agent.both) \(path)")
        } else {
            findings.add("key", .ok, "\(path) is a key that only its owner can read")
        }
    }

    /// Root's helper starts and stops the units. It answers root and the agent's user.
    private func lookAtUnits(_ settings: Configuration, _ findings: inout Findings) {
        let units = settings.units
        guard !units.isEmpty else { return }
        let socket = HelperPlace.socket()
        guard FileManager.default.fileExists(atPath: socket) else {
            return findings.add(
                "units", .bad,
                "the helper that starts and stops units does not run (\(socket) is missing)",
                "systemctl start picket-units; then see: journalctl -u picket-units")
        }
        guard geteuid() == 0 else {
            return findings.add("units", .ok, "\(socket) is there; root is told more")
        }
        let output = Program.output("/usr/bin/env", ["picket-units", "list"])
        guard let output else {
            return findings.add(
                "units", .bad, "the helper that starts and stops units does not answer",
                "systemctl restart picket-units; then see: journalctl -u picket-units")
        }
        let known = String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
        let missing = units.filter { !known.contains($0) }
        findings.add(
            "units", missing.isEmpty ? .ok : .bad,
            missing.isEmpty
                ? "picket-units starts and stops \(Text.list(units))"
                : "picket-units does not know \(Text.list(missing))",
            missing.isEmpty
                ? nil
                : "the configuration must be root's alone to write; see: journalctl -u picket-units"
        )
    }

    private func lookAtLines(_ settings: Configuration, _ findings: inout Findings) {
        for case .relay(let relay) in settings.fence {
            for supply in relay.supplies {
                for line in [supply.line] + supply.feedback.lines {
                    if let pin = line.pin {
                        lookAtDevice("line", "/dev/i2c-\(pin.bus)", "enable the bus", &findings)
                    } else if let error = GPIOLine.look(line) {
                        let held = error.description.contains("\"picket\" uses it")
                        findings.add(
                            "line", held ? .ok : .bad,
                            held ? "line \(line.name) is the agent's" : error.description,
                            held ? nil : "picket init, as root, shows the lines and who uses them")
                    } else {
                        findings.add("line", .ok, "line \(line.name) is there, and free")
                    }
                }
            }
        }
    }

    private func lookAtWatchdog(_ settings: Configuration, _ findings: inout Findings) {
        guard let watchdog = settings.watchdog else { return }
        for device in watchdog.devices.isEmpty ? [nil] : watchdog.devices.map(Optional.some) {
            do throws(DeviceError) {
                let path = try WatchdogDevice.find(
                    device, board: settings.board?.watchdog?.identity)
                let identity = WatchdogDevice.attribute("identity", of: path) ?? "unknown"
                lookAtDevice("watchdog", path, "load its driver", &findings, "(\(identity))")
                if let holder = WatchdogDevice.holder(of: path), !holder.hasPrefix("picketd ") {
                    findings.add(
                        "watchdog", .bad, "\(path) is held by \(holder)",
                        "end that; if it is systemd: RuntimeWatchdogSec=off, as in HARDWARE.md")
                }
            } catch {
                findings.add(
                    "watchdog", .bad, error.description,
                    "load its driver (modprobe); picket init shows those that are there")
            }
        }
    }

    /// It is there, and the agent's user may use it.
    private func lookAtDevice(
        _ check: String, _ path: String, _ remedy: String, _ findings: inout Findings,
        _ what: String = ""
    ) {
        let text = what.isEmpty ? path : "\(path) \(what)"
        var status = stat()
        guard unsafe stat(path, &status) == 0 else {
            return findings.add(check, .bad, "\(text) is not there", remedy)
        }
        let group = unsafe picket_group_id("picket")
        if group >= 0, Int64(status.st_gid) != group || status.st_mode & 0o060 != 0o060 {
            findings.add(
                check, .bad, "\(text) does not belong to the group picket",
                "install udev/60-picket.rules; udevadm control --reload; udevadm trigger")
        } else {
            findings.add(check, .ok, "\(text) is there")
        }
    }

    // MARK: The system

    private func lookAtSystem(_ findings: inout Findings) {
        let source =
            (try? DurableFile.line(
                "/sys/devices/system/clocksource/clocksource0/current_clocksource")) ?? nil
        if let source {
            let slow = ["jiffies", "acpi_pm", "hpet", "refined-jiffies"].contains(source)
            findings.add(
                "clock", slow ? .weak : .ok, "the clock source is \(source)",
                slow ? "look in dmesg why the faster one was given up" : nil)
        }
    }

    /// What systemd does with the watchdog, where it is asked.
    private var runtimeWatchdog: String? {
        let output = Program.output(
            "/usr/bin/env", ["systemctl", "show", "-p", "RuntimeWatchdogUSec", "--value"])
        guard let output else { return nil }
        let text = String(decoding: output, as: UTF8.self).trimmingCharacters(
            in: .whitespacesAndNewlines)
        return text.isEmpty || text == "0" || text == "infinity" || text == "off" ? nil : text
    }

    // MARK: The agent's own word

    private func askAgent(_ findings: inout Findings) {
        let status: StatusModel
        do { status = try agent.status() } catch {
            let failure = error as? Failure
            // The mistakes of a configuration that was to name the socket are told above.
            if failure?.exit == .usage { return }
            return findings.add(
                "agent", .bad, failure?.text ?? "no agent",
                failure?.code == "forbidden" ? Self.rights : "systemctl start picketd")
        }
        findings.add("agent", .ok, "picketd \(status.version) of \(status.node) answers")
        if !status.simulated.isEmpty {
            findings.add(
                "simulated", .bad, "simulated: \(status.simulated.joined(separator: ", "))",
                "on a rack: nothing; on a node: end the drill, or name a real board")
        }
        if let fault = status.watchdog.fault {
            let holder = runtimeWatchdog
            findings.add(
                "watchdog", .bad, fault,
                holder.map {
                    "systemd has it (RuntimeWatchdogSec, \($0)): set RuntimeWatchdogSec=off"
                } ?? "picket init shows the watchdogs and who has them; HARDWARE.md, Watchdog")
        } else {
            findings.add(
                "watchdog", status.watchdog.armed ? .ok : .weak,
                status.watchdog.armed
                    ? "\(status.watchdog.identity ?? "it") is armed by the agent"
                    : "none is armed",
                status.watchdog.armed ? nil : "watchdog: { timeout: 10s }")
        }
        aboutPeer(status, &findings)
        aboutDisks(status, &findings)
        aboutProcess(status, &findings)
        for sensor in status.sensors {
            let well = ["normal", "warn"].contains(sensor.state)
            findings.add(
                "sensor", well ? .ok : .weak,
                "\(sensor.name) is \(sensor.state)" + (sensor.fault.map { ": \($0)" } ?? ""),
                well ? nil : "its wiring and address; picket init --scan shows what answers")
        }
    }

    private func aboutPeer(_ status: StatusModel, _ findings: inout Findings) {
        let inContact = status.contact == "established"
        findings.add(
            "peer", inContact ? .ok : .bad, "contact with \(status.peer): \(status.contact)",
            inContact ? nil : "see that it is on, that its agent runs, and that it has the same key"
        )
        for link in status.links {
            findings.add(
                "link", link.up ? .ok : inContact ? .weak : .bad,
                "\(link.local) to \(link.remote) \(link.up ? "carries both ways" : "does not carry both ways")",
                link.up ? nil : "cable, address, firewall (UDP)")
        }
        if inContact {
            findings.add(
                "agreement", status.configurationAgrees ? .ok : .bad,
                status.configurationAgrees
                    ? "both nodes have the same configuration" : "the configurations differ",
                status.configurationAgrees ? nil : "compare /etc/picket/picket.yaml on both nodes")
        }
        let passed = status.relayTest == "passed"
        findings.add(
            "relay", passed ? .ok : status.relayTest == "failed" ? .bad : .weak,
            "the relay's self-test: \(status.relayTest)",
            passed ? nil : "picket history; the wiring, boards/README.md")
        aboutCuts(status.fence, &findings)
        for group in status.groups where group.maintenance == true {
            findings.add(
                "maintenance", .weak, "hands are off \(group.name): nobody takes it over",
                "picket maintenance off \(group.name)")
        }
    }

    /// A self-test cuts nothing.
    private func aboutCuts(_ fence: StatusModel.Fence, _ findings: inout Findings) {
        for (level, cut) in zip(fence.levels, fence.cuts ?? []) {
            if cut.failed {
                findings.add(
                    "real cut", .bad, "the last real fence by \(level) failed",
                    "mend it; picket clear; picket drill failover --live")
            } else if let age = cut.ageMs {
                findings.add(
                    "real cut", .ok,
                    "\(level) was last seen to cut \(Text.span(.milliseconds(Int64(age)))) ago")
            } else {
                findings.add(
                    "real cut", .weak, "\(level) was never seen to cut",
                    "picket drill failover --live")
            }
        }
    }

    /// A disk that takes nothing is bad once no term is left on it that the node could take over at.
    private func aboutDisks(_ status: StatusModel, _ findings: inout Findings) {
        if let place = status.process.volatileState {
            findings.add(
                "state file", .bad, "the state directory lies on \(place)",
                "put it on a disk: what is there is forgotten with the power")
        }
        guard let mine = status.stateWritten, let theirs = status.peerState.stateWritten else {
            return
        }
        if mine {
            findings.add("state file", .ok, "the state file can be written")
        } else {
            findings.add(
                "state file", status.fence.gap == "not_persisted" ? .bad : .weak,
                "the state file cannot be written", "free space on the disk, or mend it")
        }
        if !theirs {
            let lacking = status.groups.contains {
                $0.role == "holding" && $0.peerEligible == false
            }
            findings.add(
                "state file", lacking ? .bad : .weak,
                "the state file of \(status.peer) cannot be written",
                "free space on the disk of \(status.peer), or mend it")
        }
    }

    private func aboutProcess(_ status: StatusModel, _ findings: inout Findings) {
        findings.add(
            "real time", status.process.realTime ? .ok : .weak,
            status.process.realTimeRefused ?? "real-time priority",
            status.process.realTime ? nil : "LimitRTPRIO= and CAP_SYS_NICE, as in picketd.service")
        findings.add(
            "memory", status.process.lockedMemory ? .ok : .weak,
            status.process.lockedMemoryRefused ?? "locked in memory",
            status.process.lockedMemory ? nil : "LimitMEMLOCK=infinity, as in picketd.service")
    }
}

/// The findings, in the order in which things were looked at.
struct Findings {
    enum Verdict: String { case ok, weak, bad }
    struct Finding {
        var check: String
        var verdict: Verdict
        var text: String
        var remedy: String?
    }
    private(set) var all: [Finding] = []

    mutating func add(
        _ check: String, _ verdict: Verdict, _ text: String, _ remedy: String? = nil
    ) {
        all.append(Finding(check: check, verdict: verdict, text: text, remedy: remedy))
    }

    func show(json: Bool) {
        let bad = all.filter { $0.verdict == .bad }.count
        let weak = all.filter { $0.verdict == .weak }.count
        if json {
            Terminal.write(
                JSONWriter.line { json in
                    json.field("type", "doctor")
                    json.field("verdict", bad > 0 ? "bad" : weak > 0 ? "weak" : "ok")
                    json.array("findings") { json in
                        for one in all {
                            json.object {
                                $0.field("check", one.check)
                                $0.field("verdict", one.verdict.rawValue)
                                $0.field("text", one.text)
                                $0.field("remedy", one.remedy)
                            }
                        }
                    }
                })
            return
        }
        for one in all {
            let mark =
                switch one.verdict {
                case .ok: Terminal.paint("ok  ", .green)
                case .weak: Terminal.paint("weak", .yellow)
                case .bad: Terminal.paint("BAD ", .red)
                }
            Terminal.say("\(mark)  \(one.check): \(one.text)")
            if let remedy = one.remedy { Terminal.say("      → \(remedy)") }
        }
        Terminal.say(
            bad == 0 && weak == 0
                ? "All is well." : "\(bad) bad, \(weak) weak, \(all.count - bad - weak) well.")
    }
}
