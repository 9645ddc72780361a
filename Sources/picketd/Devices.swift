/// The devices that the agent works with: the kernel's, or with `--rack` those of a simulated rack.
///
/// One type for each kind of device, which is either: the fence and the sensors' drivers are
/// generic, and are in the program once.

import PicketConfig
import PicketCore
import PicketHardware
import PicketLinux
import PicketRackClient

/// A bus, opened when it is first needed, and anew after it vanished. Shared by reference.
///
/// After a hang or a loss the bus has rest, for longer each time: what is asked of it meanwhile
/// fails as the last transaction did.
final class DeviceBus: ActuatorBus {
    let number: Int
    private let rack: String?
    private var simulated: RackBus?
    private var kernel: I2CBus?
    private var clock = Clock()
    private var rest = Duration.zero
    private var restsUntil: Instant?
    private var failure = BusError.vanished

    private static let shortestRest = Duration.milliseconds(100)
    private static let longestRest = Duration.seconds(5)

    init(number: Int, rack: String?) {
        self.number = number
        self.rack = rack
    }

    func transaction(
        address: UInt8, write: [UInt8], read count: Int
    ) throws(BusError) -> [UInt8] {
        try mayTry()
        do throws(BusError) {
            let bytes = try attempt(address, write, count)
            (rest, restsUntil) = (.zero, nil)
            return bytes
        } catch { throw noted(error) }
    }

    func write(
        _ bytes: [UInt8], to address: UInt8, notAfter: Instant
    ) throws(BusError) -> Bool {
        try mayTry()
        do throws(BusError) {
            if rack != nil {
                if clock.now() > notAfter { return false }
                _ = try attempt(address, bytes, 0)
                return true
            }
            if kernel == nil { kernel = try I2CBus(number: number) }
            let sent = try kernel!.write(bytes, to: address, notAfter: notAfter)
            if sent { (rest, restsUntil) = (.zero, nil) }
            return sent
        } catch { throw noted(error) }
    }

    private func mayTry() throws(BusError) {
        if let restsUntil, clock.now() < restsUntil { throw failure }
    }

    private func noted(_ error: BusError) -> BusError {
        switch error {
        case .timeout, .vanished: giveRest(after: error)
        case .nak, .arbitrationLost, .claimed, .other: break
        }
        return error
    }

    private func giveRest(after error: BusError) {
        if error == .vanished {
            simulated = nil
            kernel = nil
        }
        guard rack == nil else { return }
        failure = error
        rest = min(max(rest * 2, DeviceBus.shortestRest), DeviceBus.longestRest)
        restsUntil = clock.now() + rest
    }

    private func attempt(
        _ address: UInt8, _ write: [UInt8], _ count: Int
    ) throws(BusError) -> [UInt8] {
        if let rack {
            if simulated == nil {
                do throws(RackError) {
                    simulated = try RackBus(path: rack, number: number)
                } catch { throw .vanished }
            }
            return try simulated!.transaction(address: address, write: write, read: count)
        }
        if kernel == nil { kernel = try I2CBus(number: number) }
        return try kernel!.transaction(address: address, write: write, read: count)
    }
}

struct WorkerDelay: Delay {
    mutating func delay(_ duration: Duration) { Worker.sleep(duration) }
}

/// A relay's line or its feedback, whatever carries it.
final class Wire: RelayLine, SenseLine {
    private var relay: RackRelay?
    private var sense: RackSense?
    private var line: GPIOLine?
    private var rail: RailSense<DeviceBus, WorkerDelay>?
    private var expander: Expander<DeviceBus>?
    private var pin: UInt8 = 0
    /// Electrically, when the supply is on.
    private var onIsHigh = true
    /// Becomes readable at an edge; below 0: it does not.
    private(set) var edges: Int32 = -1

    init(_ relay: consuming RackRelay) { self.relay = consume relay }
    init(_ sense: consuming RackSense) { self.sense = consume sense }
    init(_ line: consuming GPIOLine, onIsHigh: Bool) {
        if line.tellsEdges { edges = line.raw }
        self.line = consume line
        self.onIsHigh = onIsHigh
    }
    init(_ rail: RailSense<DeviceBus, WorkerDelay>) { self.rail = rail }
    init(_ expander: Expander<DeviceBus>, pin: UInt8, onIsHigh: Bool) {
        self.expander = expander
        self.pin = pin
        self.onIsHigh = onIsHigh
    }

    func set(on: Bool, unlessAfter: Instant) throws(LineError) {
        if line != nil {
            try line!.set(high: on == onIsHigh)
        } else if let expander {
            try expander.set(pin, high: on == onIsHigh, unlessAfter: unlessAfter)
        } else if relay != nil {
            try relay!.set(on: on, unlessAfter: unlessAfter)
        } else {
            throw .vanished
        }
    }

    func read() throws(LineError) -> Bool {
        if line != nil { return try line!.isHigh() == onIsHigh }
        if let expander { return try expander.read(pin) == onIsHigh }
        if rail != nil { return try rail!.read() }
        if relay != nil { return try relay!.read() }
        if sense != nil { return try sense!.read() }
        throw .vanished
    }
}

/// A hardware watchdog of either kind. Whoever drops it without `disarm` leaves it armed.
final class Watchdog {
    let identity: String
    let timeout: Duration
    let stoppable: Bool
    /// What the kernel's driver knows of the reset before; 0 on a rack.
    let bootStatus: UInt32
    private var simulated: RackWatchdog?
    private var kernel: WatchdogDevice?

    init(_ device: consuming RackWatchdog) {
        (identity, timeout, stoppable, bootStatus) = ("rack", device.timeout, true, 0)
        simulated = consume device
    }

    init(_ device: consuming WatchdogDevice) {
        identity = "\(device.identity) (\(device.path))"
        timeout = device.timeout
        stoppable = device.stoppable
        bootStatus = device.bootStatus
        kernel = consume device
    }

    func feed() throws(WatchdogError) {
        if kernel != nil { try kernel!.feed() } else { try simulated?.feed() }
    }

    func disarm() throws(WatchdogError) {
        if let device = simulated.take() { try device.disarm() }
        if let device = kernel.take() { try device.disarm() }
    }
}
