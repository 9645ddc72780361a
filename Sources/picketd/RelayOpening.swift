/// Opens the wires of one relay level: all of them, or none.
///
/// Every line is looked at before the first one is requested, so that a level that cannot be opened
/// as a whole drives nothing. Each relay's line is requested with the level of *on* in the same
/// step, unless the agent before this one left it with the service manager; then it is taken over
/// as it is.

import PicketCore
import PicketHardware
import PicketLinux
import PicketText

struct RelayOpening: Sendable {
    typealias Supply = FenceWorker<DeviceLine, DeviceLine, RelayMailbox>.Supply

    let relay: RelayDescription
    private let sensors: [SensorDescription]
    private let hardware: Hardware
    /// For each supply the descriptor that holds its line, if there is one yet.
    private var kept: [Kept?] = []

    private struct Kept: Sendable {
        var raw: Int32
        /// By the agent before this one; else by an opening that failed half-way, or is to be
        /// done again.
        var inherited: Bool
    }

    init(
        _ relay: RelayDescription, sensors: [SensorDescription], _ hardware: Hardware,
        kept lines: inout KeptLines
    ) {
        self.relay = relay
        self.sensors = sensors
        self.hardware = hardware
        for supply in relay.supplies {
            kept.append(
                lines.take(RelayOpening.keptName(supply)).map { Kept(raw: $0, inherited: true) })
        }
    }

    private static func keptName(_ supply: SupplyDescription) -> String {
        KeptLines.name(supply.line, onIsHigh: supply.isHigh(on: true))
    }

    mutating func open(_ notes: inout [String]) throws(DeviceError) -> [Supply] {
        if let supplies = try simulated() { return supplies }
        for (index, supply) in relay.supplies.enumerated() {
            guard let one = kept[index], !GPIOLine.isAlive(one.raw) else { continue }
            KeptLines.letGo(one.raw, RelayOpening.keptName(supply))
            kept[index] = nil
        }
        for (index, supply) in relay.supplies.enumerated() {
            if supply.line.pin == nil, kept[index] == nil,
                let error = GPIOLine.look(supply.line)
            {
                throw error
            }
            for line in supply.feedback.lines where line.pin == nil {
                if let error = GPIOLine.look(line) { throw error }
            }
        }
        var expanders: [(pin: ExpanderPin, chip: Expander<DeviceBus>)] = []
        // The feedback first: a supply that cannot be verified is not touched.
        var senses: [DeviceLine?] = []
        for supply in relay.supplies { senses.append(try feedback(supply, &expanders)) }
        var supplies: [Supply] = []
        for (index, supply) in relay.supplies.enumerated() {
            let line = try driven(supply, index, &expanders, &notes)
            supplies.append(Supply(line: line, sense: senses[index]))
        }
        return supplies
    }

    private mutating func driven(
        _ supply: SupplyDescription, _ index: Int,
        _ expanders: inout [(pin: ExpanderPin, chip: Expander<DeviceBus>)],
        _ notes: inout [String]
    ) throws(DeviceError) -> DeviceLine {
        let onIsHigh = supply.isHigh(on: true)
        if let pin = supply.line.pin {
            let chip = expander(pin, &expanders)
            let wire = DeviceLine(chip, pin: pin.number, onIsHigh: onIsHigh)
            do throws(LineError) { try chip.drive() } catch {
                throw RelayOpening.unreachable(supply.line, pin, error)
            }
            return wire
        }
        if let one = kept[index], let line = GPIOLine(adopting: one.raw) {
            let wire = DeviceLine(line, onIsHigh: onIsHigh)
            if one.inherited {
                notes.append(
                    "line \(supply.line.name): taken over as the agent before this one left it")
            }
            return wire
        }
        let line = try GPIOLine(supply.line, .drive(high: onIsHigh))
        kept[index] = KeptLines.keep(line, as: RelayOpening.keptName(supply))
            .map { Kept(raw: $0, inherited: false) }
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
            return DeviceLine(try GPIOLine(line, .sense), onIsHigh: line.active == .high)
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

    private func simulated() throws(DeviceError) -> [Supply]? {
        var supplies: [Supply] = []
        for supply in relay.supplies {
            guard let (line, sense) = try hardware.simulatedWires(supply) else { return nil }
            supplies.append(Supply(line: line, sense: sense))
            if case .sensor(let name, let offBelow, let onAbove) = supply.feedback {
                supplies[supplies.count - 1].sense = try rail(name, offBelow, onAbove)
            }
        }
        return supplies
    }
}
