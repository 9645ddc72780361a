/// The simulated rack's devices, as PicketHardware's protocols know them. Each has a connection of
/// its own; see `RackClient`.
public import PicketCore
public import PicketHardware

public struct RackBus: ~Copyable, Bus {
    private let client: RackClient
    private let name: String

    /// - Parameters:
    ///   - path: the rack's socket of this node.
    ///   - number: as N in /dev/i2c-N.
    public init(path: String, number: Int) throws(RackError) {
        client = try RackClient(path: path)
        name = "\(number)"
    }

    public mutating func transaction(
        address: UInt8, write: [UInt8], read count: Int
    ) throws(BusError) -> [UInt8] {
        let request = RackRequest.transfer(bus: name, address: address, write: write, read: count)
        let answer: RackAnswer
        do { answer = try client.ask(request) } catch { throw .vanished }
        switch answer {
        case .ok(let words):
            guard words.count == 1, let bytes = Hex.bytes(words[0]), bytes.count == count
            else { throw .vanished }
            return bytes
        case .nak: throw .nak(address: address)
        case .timeout: throw .timeout
        case .arbitration: throw .arbitrationLost
        case .error: throw .vanished
        }
    }
}

public struct RackRelay: ~Copyable, RelayLine {
    private let client: RackClient
    private let name: String

    /// Takes the line with the value *on*, as a real one is requested. If it is `kept`, the line has
    /// the value that the agent before this one left, as one that a service manager hands on.
    public init(path: String, line: String, kept: Bool = false) throws(RackError) {
        let client = try RackClient(path: path)
        _ = try client.words(kept ? .getLine(line) : .setLine(line, on: true))
        self.client = client
        name = line
    }

    /// The rack moves the line at once. So there is no need to look at the clock again.
    public mutating func set(on: Bool, unlessAfter: Instant) throws(LineError) {
        do { _ = try client.words(.setLine(name, on: on)) } catch { throw .vanished }
    }

    public mutating func read() throws(LineError) -> Bool { try client.readLine(name) }
}

public struct RackSense: ~Copyable, SenseLine {
    private let client: RackClient
    private let name: String

    public init(path: String, line: String) throws(RackError) {
        let client = try RackClient(path: path)
        _ = try client.words(.getLine(line))
        self.client = client
        name = line
    }

    public mutating func read() throws(LineError) -> Bool { try client.readLine(name) }
}

extension RackClient {
    fileprivate func readLine(_ name: String) throws(LineError) -> Bool {
        let words: [String]
        do { words = try self.words(.getLine(name)) } catch { throw .vanished }
        switch words.first {
        case "on": return true
        case "off": return false
        default: throw .undecided
        }
    }
}

public struct RackWatchdog: ~Copyable, HardwareWatchdog {
    private let client: RackClient
    public let timeout: Duration
    public var stoppable: Bool { true }

    /// Arms it, or takes over the armed one of an agent that died.
    public init(path: String, timeout: Duration) throws(RackError) {
        let client = try RackClient(path: path)
        let request = RackRequest.openWatchdog(milliseconds: Int(timeout.milliseconds))
        guard let word = try client.words(request).first, let milliseconds = Int64(word)
        else { throw .garbled("watchdog open") }
        self.client = client
        self.timeout = .milliseconds(milliseconds)
    }

    public mutating func feed() throws(WatchdogError) {
        do { try client.tell(.feedWatchdog) } catch { throw .absent }
    }

    public consuming func disarm() throws(WatchdogError) {
        do { _ = try client.words(.disarmWatchdog) } catch { throw .absent }
    }
}
