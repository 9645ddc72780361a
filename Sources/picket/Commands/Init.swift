import ArgumentParser
import CPicket
import Foundation
import PicketConfig
import PicketHardware
import PicketLinux
import PicketText

struct InitCommand: PicketCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Looks at this computer and writes a draft of a configuration.",
        discussion: """
            Finds the board, GPIO chips and their named lines, I2C buses, hwmon devices and \
            watchdogs, and who holds what. Drives nothing. With --scan it also reads one byte from each \
            address of each bus, and the identity of what answers where only sensors live (0x18 to \
            0x1f, 0x40 to 0x4f); it never writes to a chip that it does not know.

            The draft fences nobody until it is edited.

            EXAMPLE
              sudo picket init --scan --output draft.yaml
            """)
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "Where to write it; a file that is there is not replaced.", valueName: "file"))
    var output: String?
    @Flag(name: .long, help: "Look for chips on the I2C buses.") var scan = false
    @Option(name: .long, help: ArgumentHelp("The directory of board files.", valueName: "path"))
    var boards: String?
    @Flag(name: .long, help: "Failures as one line of JSON.") var json = false

    func act() throws {
        let text =
            try DraftConfiguration(scan: scan, boards: boards).lines().joined(separator: "\n")
            + "\n"
        guard let output else { return Terminal.write(Array(text.utf8)) }
        let descriptor = unsafe picket_open_file(
            output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw refusal(output, picket_errno()) }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        guard unsafe CPicket.write(descriptor, bytes, bytes.count) == bytes.count else {
            let errno = picket_errno()
            unsafe unlink(output)
            throw refusal(output, errno)
        }
        Terminal.say(
            "Wrote \(output). Next: edit it; picket keygen; picket check \(output); picket doctor.")
    }

    private func refusal(_ output: String, _ errno: Int32) -> Failure {
        if errno == EEXIST {
            return Failure(.refused, "exists", "\(output) is there already; it is not replaced.")
        }
        return Failure(
            .refused, "unwritable", "\(output) cannot be written: \(SystemError.text(of: errno)).")
    }
}

/// A configuration with comments, drawn from what this computer shows.
struct DraftConfiguration {
    var scan = false
    var boards: String?

    func lines() throws -> [String] {
        let model = ThisComputer.model
        let board = try ConfigurationFile.library(boards).files.compactMap { try? Board.load($0) }
            .first { board in board.models.contains { model?.hasPrefix($0) ?? false } }
        var host = ThisComputer.name ?? "east"
        if host == "localhost" { host = "east" }
        var lines = [
            "# A draft, from what this computer shows. It fences nobody until you edit it.",
            "# This computer calls itself \(model ?? "nothing"); "
                + (board.map { "board \($0.name)." } ?? "there is no board file for it."),
            "node: \(host)", "",
            "pair:",
            "  name: rack1",
            "  key: /etc/picket/pair.key      # picket keygen; the same on both nodes",
            "  detect_within: 1s",
            "  nodes:                         # one UDP end for each link; two links are better than one",
            "    \(host): { links: [192.0.2.1:7780] }",
            "    \(host == "west" ? "east" : "west"): { links: [192.0.2.2:7780] }", "",
        ]
        if let board { lines.append("board: \(board.name)") }
        lines += watchdogs(board) + Self.sensors(suggestedSensors()) + relays(board)
        lines += [
            "",
            "groups: {}                      # what is active on one node at a time;"
                + " see CONFIGURATION.md",
        ]
        return lines
    }

    // MARK: Watchdogs

    private func watchdogs(_ board: Board?) -> [String] {
        var lines: [String] = []
        for name in Directory.names("/sys/class/watchdog") {
            let path = "/dev/\(name)"
            let identity = WatchdogDevice.attribute("identity", of: path) ?? "unknown"
            let state = WatchdogDevice.attribute("state", of: path) ?? "unknown"
            lines.append(
                "# \(path): \(identity), \(state)"
                    + (WatchdogDevice.holder(of: path).map { ", held by \($0)" } ?? ""))
        }
        if lines.isEmpty {
            return ["# No watchdog was found; its driver may not be loaded.", "watchdog: none"]
        }
        return lines + ["watchdog: { timeout: 10s }"]
    }

    // MARK: Sensors

    private func suggestedSensors() -> [String] {
        var lines: [String] = []
        for name in Directory.names("/sys/class/hwmon") where name.hasPrefix("hwmon") {
            let directory = "/sys/class/hwmon/\(name)"
            guard let chip = (try? DurableFile.line("\(directory)/name")) ?? nil else { continue }
            for file in Directory.names(directory) where file.hasSuffix("_input") {
                let input = String(file.dropLast(6))
                guard HwmonDescription.scale(of: input) != nil else { continue }
                lines.append(
                    "#   \(chip)_\(input): { driver: hwmon, chip: \(chip), input: \(input) }")
            }
        }
        for number in buses() {
            let name = (try? DurableFile.line("/sys/class/i2c-dev/i2c-\(number)/name")) ?? nil
            lines.append("# bus \(number): \(name ?? "unnamed")")
            if scan { lines += chips(on: number) }
        }
        return lines
    }

    /// Suggestions. None is taken until it is uncommented, like the key that they stand under.
    static func sensors(_ suggestions: [String]) -> [String] {
        suggestions.isEmpty
            ? ["", "sensors: {}"]
            : [
                "",
                "# sensors:                     # remove \"# \" here and before each line that you want",
            ]
                + suggestions
    }

    private func buses() -> [Int] {
        Directory.names("/dev").filter { $0.hasPrefix("i2c-") }
            .compactMap { Int($0.dropFirst(4)) }.sorted()
    }

    private func chips(on number: Int) -> [String] {
        guard var bus = try? I2CBus(number: number) else {
            return ["#   it cannot be opened"]
        }
        var lines: [String] = []
        for address in UInt8(0x08)...0x77 {
            do throws(BusError) {
                _ = try bus.transaction(address: address, write: [], read: 1)
                lines.append("#   \(Text.address(address)): \(identify(address, &bus))")
            } catch {
                switch error {
                case .claimed:
                    lines.append(
                        "#   \(Text.address(address)): a driver of the kernel has it")
                case .timeout, .vanished: return lines + ["#   the bus does not answer"]
                case .nak, .arbitrationLost, .other: continue
                }
            }
        }
        return lines
    }

    /// By the registers that hold an identity, where no other kind of chip takes a register's
    /// number for something to be done.
    private func identify(_ address: UInt8, _ bus: inout I2CBus) -> String {
        let known = DriverDescription.recognised(at: address) { register in
            let bytes = try? bus.transaction(address: address, write: [register], read: 2)
            return bytes.map { UInt16($0[0]) << 8 | UInt16($0[1]) }
        }
        if let known { return known.word + (known.identity?.doubt.map { ", \($0)" } ?? "") }
        // These cannot be told from others.
        var possible = DriverDescription.kinds
            .filter { $0.identity == nil && $0.canBe(at: address) }.map { $0.word }
        if (0x20...0x27).contains(address) { possible += ["pcf8574", "mcp23017"] }
        if possible.isEmpty { return "answers" }
        return
            "answers; \(Text.joined(possible)) \(possible.count == 1 ? "has" : "have") this address"
    }

    // MARK: Relays

    private func relays(_ board: Board?) -> [String] {
        var lines = ["", "# Lines that have a name, and who uses them:"]
        for number in 0..<32 {
            guard let first = GPIOLineSeen(chip: number, offset: 0) else { continue }
            lines.append("#   \(first.chip) [\(first.label)], \(first.lines) lines")
            for offset in 0..<min(first.lines, 256) {
                guard let line = GPIOLineSeen(chip: number, offset: offset), !line.name.isEmpty
                else { continue }
                let use = line.consumer.isEmpty ? "free" : "used by \(line.consumer)"
                lines.append("#     \(offset): \(line.name), \(use)")
            }
        }
        if lines.count == 2 {
            lines[1] = "# No GPIO chip was found, or only root may look at it."
        }
        return lines + [
            "# How each node cuts the power of the other one; boards/README.md draws the wiring, in which",
            "# a sense wire that has parted reads on, as unplugged: on says:",
            "#   - relay: { line: RELAY_PEER, active: low, off_within: 50ms, verify: { line: PEER_PGOOD, unplugged: on } }",
            "fence: none",
        ]
    }
}
