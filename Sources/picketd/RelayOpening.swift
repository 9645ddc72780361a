/// Opens the wires of one relay level: all of them, or none.
///
/// Every line is looked at before the first one is requested, so that a level that cannot be opened
/// as a whole drives nothing. Each relay's line is requested with the level of *on* in the same
/// step, unless it is kept already (`KeptLines`): by a level that goes on under another setting, or
/// by the service manager for the agent before this one. Then it is taken over as it is.

import PicketCore
import PicketHardware
import PicketLinux
import PicketText

struct RelayOpening: Sendable {
    typealias Supply = FenceWorker<DeviceLine, DeviceLine, RelayMailbox>.Supply

    let relay: RelayDescription
    private let sensors: [SensorDescription]
    private let hardware: Hardware
    private let lines: KeptLines

    init(
        _ relay: RelayDescription, sensors: [SensorDescription], _ hardware: Hardware,
        _ lines: KeptLines
    ) {
        self.relay = relay
        self.sensors = sensors
        self.hardware = hardware
        self.lines = lines
    }

    /// Under which its lines are kept.
    static func names(_ relay: RelayDescription) -> [String] {
        var names: [String] = []
        for supply in relay.supplies {
            for (line, use) in uses(supply) { names.append(KeptLines.name(line, use)) }
        }
        return names
    }

    /// The lines of the kernel's.
    private static func uses(
        _ supply: SupplyDescription
    ) -> [(line: LineDescription, use: GPIOLine.Use)] {
        var uses = [(line: supply.line, use: GPIOLine.Use.drive(high: supply.isHigh(on: true)))]
        for line in supply.feedback.lines { uses.append((line, .sense)) }
        return uses.filter { $0.line.pin == nil }
    }

    /// Has the lines kept for a level that is to come, or says why they cannot be had. Moves nothing
    /// that the agent drives.
    func tryOut() -> String? {
        do throws(DeviceError) {
            var notes: [String] = []
            _ = try open(&notes, isTrial: true)
            return nil
        } catch { return error.description }
    }

    func open(
        _ notes: inout [String], isTrial: Bool = false
    ) throws(DeviceError) -> [Supply] {
        if let supplies = try simulated(isTrial) { return supplies }
        for supply in relay.supplies {
            for (line, use) in RelayOpening.uses(supply) {
                if let error = lines.look(line, use) { throw error }
            }
        }
        var expanders: [(pin: ExpanderPin, chip: Expander<DeviceBus>)] = []
        // The feedback first: a supply that cannot be verified is not touched.
        var senses: [DeviceLine?] = []
        for supply in relay.supplies { senses.append(try feedback(supply, &expanders)) }
        var supplies: [Supply] = []
        for (index, supply) in relay.supplies.enumerated() {
            let line = try driven(supply, isTrial, &expanders, &notes)
            supplies.append(Supply(line: line, sense: senses[index]))
        }
        return supplies
    }

    private func driven(
        _ supply: SupplyDescription, _ isTrial: Bool,
        _ expanders: inout [(pin: ExpanderPin, chip: Expander<DeviceBus>)],
        _ notes: inout [String]
    ) throws(DeviceError) -> DeviceLine {
        let onIsHigh = supply.isHigh(on: true)
        if let pin = supply.line.pin {
            let chip = expander(pin, &expanders)
            let wire = DeviceLine(chip, pin: pin.number, onIsHigh: onIsHigh)
            do throws(LineError) {
                // A level that has this chip still drives it.
                if isTrial { _ = try chip.read(pin.number) } else { try chip.drive() }
            } catch { throw RelayOpening.unreachable(supply.line, pin, error) }
            return wire
        }
        var inherited = false
        let line = try lines.line(supply.line, .drive(high: onIsHigh), inherited: &inherited)
        if inherited {
            notes.append(
                "line \(supply.line.name): taken over as the agent before this one left it")
        }
        return DeviceLine(line, onIsHigh: onIsHigh)
    }

    private func feedback(
        _ supply: SupplyDescription,
        _ expanders: inout [(pin: ExpanderPin, chip: Expander<DeviceBus>)]
    ) throws(DeviceError) -> DeviceLine? {
        switch supply.feedback {
        case .none: return nil
        case .line(let line): return try sense(line, &expanders)
        case .contacts(let on, let off):
            let contacts = try sense(on, &expanders)
            contacts.mustDiffer(from: try sense(off, &expanders))
            return contacts
        case .sensor(let name, let offBelow, let onAbove):
            return try rail(name, offBelow, onAbove)
        }
    }

    private func sense(
        _ line: LineDescription,
        _ expanders: inout [(pin: ExpanderPin, chip: Expander<DeviceBus>)]
    ) throws(DeviceError) -> DeviceLine {
        guard let pin = line.pin else {
            var inherited = false
            return DeviceLine(
                try lines.line(line, .sense, inherited: &inherited),
                onIsHigh: line.active == .high)
        }
        return DeviceLine(
            expander(pin, &expanders), pin: pin.number, onIsHigh: line.active == .high)
    }

    private func rail(
        _ name: String, _ offBelow: Double, _ onAbove: Double
    ) throws(DeviceError) -> DeviceLine {
        guard let sensor = sensors.first(where: { $0.name == name }) else {
            throw DeviceError("there is no sensor \(name)")
        }
        return DeviceLine(
            RailSense(
                sensor, bus: hardware.bus(sensor.bus), delay: WorkerDelay(),
                offBelow: offBelow, onAbove: onAbove))
    }

    /// One chip for all of its pins, told of all its outputs before it drives one.
    private func expander(
        _ pin: ExpanderPin, _ known: inout [(pin: ExpanderPin, chip: Expander<DeviceBus>)]
    ) -> Expander<DeviceBus> {
        for one in known where one.pin.sharesChip(with: pin) { return one.chip }
        var (outputs, levels): (UInt16, UInt16) = (0, 0)
        for supply in relay.supplies {
            guard let other = supply.line.pin, other.sharesChip(with: pin) else { continue }
            outputs |= 1 << UInt16(other.number)
            if supply.isHigh(on: true) { levels |= 1 << UInt16(other.number) }
        }
        let chip = Expander(
            pin.kind, address: pin.address, bus: hardware.bus(pin.bus),
            outputs: outputs, levels: levels)
        known.append((pin, chip))
        return chip
    }

    private static func unreachable(
        _ line: LineDescription, _ pin: ExpanderPin, _ error: LineError
    ) -> DeviceError {
        let why =
            switch error {
            case .vanished, .gone: "no answer: is the expander there, and has it power?"
            case .timeout, .late: "the bus hangs"
            case .undecided:
                "the bus is contended, or a driver of the kernel has the chip: then its pins are"
                    + " lines of a GPIO chip"
            case .other(let errno): SystemError.text(of: errno)
            }
        return DeviceError(
            "line \(line.name) (pin \(pin.number) of \(Text.address(pin.address)) on"
                + " /dev/i2c-\(pin.bus)): \(why)")
    }

    // MARK: Simulated

    private func simulated(_ isTrial: Bool) throws(DeviceError) -> [Supply]? {
        var supplies: [Supply] = []
        for supply in relay.supplies {
            guard let (line, sense) = try hardware.simulatedWires(supply, onlyLook: isTrial)
            else { return nil }
            supplies.append(Supply(line: line, sense: sense))
            if case .sensor(let name, let offBelow, let onAbove) = supply.feedback {
                supplies[supplies.count - 1].sense = try rail(name, offBelow, onAbove)
            }
        }
        return supplies
    }
}
