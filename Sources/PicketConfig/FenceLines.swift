import PicketHardware
import PicketText

/// The lines of all relay levels, each of which has one user.
///
/// A level has a worker of its own, which knows its own lines and no others. Two workers that drove
/// one line, or one expander, would move each other's relays.
struct FenceLines {
    private var known: [Use] = []

    private struct Use {
        var line: LineDescription
        var driven: Bool
        var level: Int
    }

    /// Fails at `found` if a line of this level cannot be used beside those before it.
    mutating func add(
        _ relay: RelayDescription, level: Int, sensors: [SensorDescription], at found: Found
    ) {
        for supply in relay.supplies {
            add(Use(line: supply.line, driven: true, level: level), at: found)
            if let pin = supply.line.pin, sensors.contains(where: { $0.bus == pin.bus }) {
                found.fail(
                    "line \(supply.line.name) is on /dev/i2c-\(pin.bus), where sensors are read: a"
                        + " sensor that holds up the bus would hold up the fence; put one of them on"
                        + " another bus")
            }
            for sense in supply.feedback.lines {
                add(Use(line: sense, driven: false, level: level), at: found)
            }
        }
    }

    private mutating func add(_ use: Use, at found: Found) {
        for other in known {
            guard let trouble = FenceLines.trouble(other, use) else { continue }
            found.fail(trouble)
            break
        }
        known.append(use)
    }

    private static func trouble(_ one: Use, _ other: Use) -> String? {
        // Two supplies of one level by one line are noted at the second.
        let noted = one.driven && other.driven && one.level == other.level
        if one.line.isSame(as: other.line) {
            if noted, one.line.name == other.line.name { return nil }
            return one.line.name == other.line.name
                ? "line \(one.line.name) twice"
                : "\(one.line.name) and \(other.line.name) are the same line"
        }
        guard let pin = one.line.pin, let beside = other.line.pin, pin.bus == beside.bus,
            pin.address == beside.address
        else { return nil }
        let chip = "the expander at \(Text.address(pin.address)) on /dev/i2c-\(pin.bus)"
        if pin.kind != beside.kind { return "\(chip) is stated as two kinds of chip" }
        guard one.driven, other.driven, one.level != other.level else { return nil }
        return "\(chip) drives relays of two levels, and a level drives all outputs of its chip;"
            + " write them as lines of one level"
    }
}

extension LineDescription {
    /// It may be written otherwise.
    func isSame(as other: LineDescription) -> Bool {
        if let pin, let beside = other.pin {
            return pin.sharesChip(with: beside) && pin.number == beside.number
        }
        if pin != nil || other.pin != nil { return name == other.name }
        if let chip, chip == other.chip, offset != nil { return offset == other.offset }
        return name == other.name
    }
}
