/// The hardware that the agent works with: this computer's, or with `--rack` that of a simulated
/// rack.
///
/// The value is made once, at the start. It opens buses, wires and watchdogs, and says by which
/// boot, clock, directories and addresses the node goes. No other file knows which of the two it
/// is.
///
/// Each kind of device has one type here, which stands for a real device or a simulated one. So the
/// fence and the sensors' drivers, which are generic, are compiled into the program only once.

import PicketConfig
import PicketCore
import PicketHardware
import PicketLinux
import PicketRackClient

struct Hardware: Sendable {
    /// The rack's socket of this node.
    private let rack: String?

    init(rack: String? = nil) { self.rack = rack }

    var isSimulated: Bool { rack != nil }

    /// Said at the start, where nothing is real.
    var warning: String? {
        rack == nil
            ? nil : "SIMULATED: hardware and links are those of a rack, nothing is real"
    }

    /// What is not real here, as a status names it.
    var simulatedAs: String? { rack == nil ? nil : "rack" }

    /// Where this node's life is kept, by which boot and clock it goes, and its links.
    struct Ground {
        var boot: String
        var paths: Paths
        var links: [Ends]
        /// By how many nanoseconds the node's wall clock is off the computer's.
        var wallOffset: Int64 = 0
        /// What ended the node's life before this boot, where the hardware tells.
        var reset = Reset.untold

        /// Bind here, send there.
        struct Ends {
            var bind: (host: String, port: UInt16)
            var peer: (host: String, port: UInt16)
        }
        enum Reset {
            /// The agent finds out by itself.
            case untold
            case told(String?)
        }
    }

    /// One of `links` for each link of the configuration.
    func ground(_ settings: Configuration) throws(StartupError) -> Ground {
        guard let rack else {
            let links = settings.links.map { link in
                let (mine, theirs) = (link[settings.me], link[settings.me.peer])
                return Ground.Ends(
                    bind: (mine.host, mine.port), peer: (theirs.host, theirs.port))
            }
            do throws(SystemError) {
                return Ground(boot: try BootID.read(), paths: settings.paths, links: links)
            } catch { throw .failed(error.description) }
        }
        var ground: Ground
        let links: [RackLink]
        do throws(RackError) { (ground, links) = try simulatedGround(rack, settings.paths) } catch {
            throw .failed("rack \(rack): \(error.text)")
        }
        for link in settings.links {
            let (own, other) = (link[settings.me].text, link[settings.me.peer].text)
            guard let known = links.first(where: { $0.own == own && $0.other == other }) else {
                throw .failed("rack \(rack): it has no link \(own) to \(other)")
            }
            ground.links.append(
                Ground.Ends(
                    bind: (known.bind.host, known.bind.port),
                    peer: (known.peer.host, known.peer.port)))
        }
        return ground
    }

    /// Where the agent keeps what a reboot empties, unless its file says otherwise, and this boot.
    var usualRunDirectory: (path: String, boot: String)? {
        guard let rack else { return (try? BootID.read()).map { (Paths().runDirectory, $0) } }
        return (try? RackClient(path: rack).node()).map { ($0.runDirectory, $0.bootID) }
    }

    private func simulatedGround(
        _ rack: String, _ paths: Paths
    ) throws(RackError) -> (Ground, [RackLink]) {
        let client = try RackClient(path: rack)
        let node = try client.node()
        var paths = paths
        paths.runDirectory = node.runDirectory
        paths.stateDirectory = node.stateDirectory
        paths.controlSocket = node.runDirectory + "/picketd.sock"
        let ground = Ground(
            boot: node.bootID, paths: paths, links: [],
            wallOffset: try client.wallClockOffset() * 1_000_000_000, reset: .told(node.resetCause))
        return (ground, try client.links())
    }

    /// The statements of the configuration or its board's file that this computer contradicts. A
    /// device that is merely missing may come yet, and is alarmed.
    func contradictions(_ settings: Configuration) -> [String] {
        guard rack == nil else { return [] }
        var wrong: [String] = []
        if let board = settings.board, !board.models.isEmpty, let model = ThisComputer.model,
            !board.models.contains(where: { model.hasPrefix($0) })
        {
            wrong.append(
                "the file of board \(board.name) is not for this node, which calls itself "
                    + model)
        }
        for case .relay(let relay) in settings.fence {
            for supply in relay.supplies {
                for line in [supply.line] + supply.feedback.lines where line.pin == nil {
                    if let error = GPIOLine.look(line), error.contradiction {
                        wrong.append(error.description)
                    }
                }
            }
        }
        return wrong
    }

    // MARK: Devices

    func bus(_ number: Int) -> DeviceBus { DeviceBus(number: number, rack: rack) }

    func watchdog(
        _ wanted: WatchdogSettings, _ device: String?, identity: String?
    ) throws(DeviceError) -> Watchdog {
        if let rack {
            do throws(RackError) {
                return Watchdog(try RackWatchdog(path: rack, timeout: wanted.timeout))
            } catch { throw DeviceError(error.text) }
        }
        let path = try WatchdogDevice.find(device, board: identity)
        return Watchdog(
            try WatchdogDevice.open(
                path, timeout: wanted.timeout, pretimeout: wanted.pretimeout ?? .zero))
    }

    /// A supply's relay, and the line that senses it, if one does. `nil` on a real node, where the
    /// kernel gives each line by itself.
    func simulatedWires(
        _ supply: SupplyDescription, onlyLook: Bool
    ) throws(DeviceError) -> (relay: DeviceLine, sense: DeviceLine?)? {
        guard let rack else { return nil }
        do throws(RackError) {
            // The rack's lines fall to rest with their node: one that rests *on* and is *off* was
            // left so by an agent.
            let relay = DeviceLine(
                try RackRelay(
                    path: rack, line: supply.line.name,
                    kept: onlyLook || supply.wiring == .normallyClosed))
            let lines = supply.feedback.lines
            guard let first = lines.first else { return (relay, nil) }
            let sense = DeviceLine(try RackSense(path: rack, line: first.name))
            for line in lines.dropFirst() {
                sense.mustDiffer(from: DeviceLine(try RackSense(path: rack, line: line.name)))
            }
            return (relay, sense)
        } catch { throw DeviceError("rack: \(error.text)") }
    }

    func wallClock() -> SimulatedWallClock { SimulatedWallClock(rack) }
}

/// The rack's wall clock, for one thread: asked anew at each use, because the rack may step it.
struct SimulatedWallClock {
    private let rack: String?
    private var client: RackClient?

    fileprivate init(_ rack: String?) { self.rack = rack }

    /// By how many nanoseconds it is off the computer's; `nil` where nobody tells.
    mutating func offset() -> Int64? {
        guard let rack else { return nil }
        do throws(RackError) {
            if client == nil { client = try RackClient(path: rack) }
            return try client.map { client throws(RackError) in
                try client.wallClockOffset() * 1_000_000_000
            }
        } catch {
            client = nil
            return nil
        }
    }
}

/// A bus, opened when it is first needed, and anew after it vanished. Shared by reference.
///
/// After a hang or a loss the bus has rest, for longer each time: every request meanwhile fails as
/// the last transaction did.
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

    fileprivate init(number: Int, rack: String?) {
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

    /// What the sensor reads: by its driver here, or by one of the kernel's that has its chip and
    /// reads it for all.
    func sample(_ sensor: inout Sensor, _ delay: inout WorkerDelay) throws(SensorError) -> Sample {
        if rack == nil, case .hwmon = sensor.description.driver {
            return try Hwmon.read(sensor.description)
        }
        let refusal: SensorError
        do throws(SensorError) {
            var bus = self
            return try sensor.read(from: &bus, delay: &delay)
        } catch { refusal = error }
        guard case .bus(.claimed) = refusal.problem else { throw refusal }
        do throws(SensorError) { return try Hwmon.read(sensor.description) } catch { throw refusal }
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
final class DeviceLine: RelayLine, SenseLine {
    private var relay: RackRelay?
    private var sense: RackSense?
    private var line: GPIOLine?
    private var rail: RailSense<DeviceBus, WorkerDelay>?
    private var expander: Expander<DeviceBus>?
    private var pin: UInt8 = 0
    /// Electrically, when the supply is on.
    private var onIsHigh = true
    /// The contact that is closed while there is no power.
    private var opposite: DeviceLine?
    /// Becomes readable at an edge; below 0: it does not.
    private(set) var edges: Int32 = -1

    fileprivate init(_ relay: consuming RackRelay) { self.relay = consume relay }
    fileprivate init(_ sense: consuming RackSense) { self.sense = consume sense }
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

    /// As a sense line it is one of two contacts.
    func mustDiffer(from opposite: DeviceLine) { self.opposite = opposite }

    func read() throws(LineError) -> Bool {
        guard let opposite else { return try readAlone() }
        return try SupplyDescription.says(on: readAlone(), off: opposite.readAlone())
    }

    private func readAlone() throws(LineError) -> Bool {
        if line != nil { return try line!.isHigh() == onIsHigh }
        if let expander { return try expander.read(pin) == onIsHigh }
        if rail != nil { return try rail!.read() }
        if relay != nil { return try relay!.read() }
        if sense != nil { return try sense!.read() }
        throw .vanished
    }
}

/// A hardware watchdog of either kind. Dropped without `disarm`, it stays armed.
final class Watchdog {
    let identity: String
    let timeout: Duration
    let stoppable: Bool
    /// What the kernel's driver knows of the reset before; 0 on a rack.
    let bootStatus: UInt32
    private var simulated: RackWatchdog?
    private var kernel: WatchdogDevice?

    fileprivate init(_ device: consuming RackWatchdog) {
        (identity, timeout, stoppable, bootStatus) = ("rack", device.timeout, true, 0)
        simulated = consume device
    }

    fileprivate init(_ device: consuming WatchdogDevice) {
        identity = "\(device.identity) (\(device.path))"
        timeout = device.timeout
        stoppable = device.stoppable
        bootStatus = device.bootStatus
        kernel = consume device
    }

    func feed() throws(WatchdogError) {
        guard simulated != nil else {
            try kernel?.feed()
            return
        }
        // A rack that does not answer is not a device that has vanished, so it is not opened anew.
        do throws(WatchdogError) { try simulated!.feed() } catch { throw .other(errno: 0) }
    }

    func disarm() throws(WatchdogError) {
        if let device = simulated.take() { try device.disarm() }
        if let device = kernel.take() { try device.disarm() }
    }
}
