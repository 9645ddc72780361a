/// What an agent on a simulated rack and the rack say to each other.
///
/// The rack listens on one unix SOCK_SEQPACKET socket per node. A datagram of the agent's is one
/// request, as text. The rack answers it with one datagram; only `watchdog feed` has no answer. A
/// connection carries one request at a time. So each of the agent's worker threads has a connection
/// of its own, and a device that hangs, hangs its own connection only.
///
///     node                                 ok boot=UUID run=DIRECTORY state=DIRECTORY reset=power|watchdog
///     clock                                ok SECONDS          offset of this node's wall clock
///     links                                ok HOST:PORT>HOST:PORT …      bind here, send there: 0.1.0
///     links configured                     ok HOST:PORT>HOST:PORT=OWN>PEER …      the same, for the
///                                          link of these ends in the configuration
///     i2c BUS 0xADDRESS w HEX|- r COUNT    ok HEX|-  nak  timeout  arbitration
///     line set NAME on|off                 ok  error TEXT
///     line get NAME                        ok on|off  error TEXT
///     watchdog open MILLISECONDS           ok MILLISECONDS  error TEXT
///     watchdog feed
///     watchdog disarm                      ok  error TEXT
///
/// Names hold no spaces. A line is *on* when the supply that it drives or senses is connected,
/// whatever the electrical level. A bus that hangs does not answer until it is released.

import PicketCore

public enum RackRequest: Equatable, Sendable {
    case node
    case clock
    case formerLinks
    case links
    case transfer(bus: String, address: UInt8, write: [UInt8], read: Int)
    case setLine(String, on: Bool)
    case getLine(String)
    case openWatchdog(milliseconds: Int)
    case feedWatchdog
    case disarmWatchdog

    public var text: String {
        switch self {
        case .node: "node"
        case .clock: "clock"
        case .formerLinks: "links"
        case .links: "links configured"
        case .transfer(let bus, let address, let write, let read):
            "i2c \(bus) 0x\(Hex.text([address])) w \(Hex.text(write)) r \(read)"
        case .setLine(let name, let on): "line set \(name) \(on ? "on" : "off")"
        case .getLine(let name): "line get \(name)"
        case .openWatchdog(let milliseconds): "watchdog open \(milliseconds)"
        case .feedWatchdog: "watchdog feed"
        case .disarmWatchdog: "watchdog disarm"
        }
    }

    /// `nil` for anything that is not a whole request.
    public init?(text: String) {
        let words = text.parts(between: " ")
        switch words.first {
        case "node" where words.count == 1: self = .node
        case "clock" where words.count == 1: self = .clock
        case "links" where words.count == 1: self = .formerLinks
        case "links" where words == ["links", "configured"]: self = .links
        case "i2c":
            guard let transfer = RackRequest(transfer: words) else { return nil }
            self = transfer
        case "line":
            guard let line = RackRequest(line: words) else { return nil }
            self = line
        case "watchdog":
            guard let watchdog = RackRequest(watchdog: words) else { return nil }
            self = watchdog
        default: return nil
        }
    }

    private init?(transfer words: [String]) {
        guard words.count == 7, words[3] == "w", words[5] == "r",
            words[2].utf8.count == 4, words[2].hasPrefix("0x"),
            let address = Hex.bytes(words[2].dropping(first: 2)), address.count == 1,
            let write = Hex.bytes(words[4]), let read = Int(words[6]), read >= 0, read <= 255
        else { return nil }
        self = .transfer(bus: words[1], address: address[0], write: write, read: read)
    }

    private init?(line words: [String]) {
        if words.count == 3, words[1] == "get" {
            self = .getLine(words[2])
        } else if words.count == 4, words[1] == "set", words[3] == "on" || words[3] == "off" {
            self = .setLine(words[2], on: words[3] == "on")
        } else {
            return nil
        }
    }

    private init?(watchdog words: [String]) {
        if words.count == 3, words[1] == "open", let milliseconds = Int(words[2]) {
            self = .openWatchdog(milliseconds: milliseconds)
        } else if words.count == 2, words[1] == "feed" {
            self = .feedWatchdog
        } else if words.count == 2, words[1] == "disarm" {
            self = .disarmWatchdog
        } else {
            return nil
        }
    }
}

/// What the rack answers; which cases fit depends on the request.
public enum RackAnswer: Equatable, Sendable {
    /// The words after `ok`.
    case ok([String])
    case nak
    case timeout
    case arbitration
    case error(String)

    public static let done = RackAnswer.ok([])

    public var text: String {
        switch self {
        case .ok(let words): words.reduce("ok") { "\($0) \($1)" }
        case .nak: "nak"
        case .timeout: "timeout"
        case .arbitration: "arbitration"
        case .error(let reason): "error \(reason)"
        }
    }

    public init?(text: String) {
        let words = text.parts(between: " ")
        switch words.first {
        case "ok": self = .ok(Array(words.dropFirst()))
        case "nak" where words.count == 1: self = .nak
        case "timeout" where words.count == 1: self = .timeout
        case "arbitration" where words.count == 1: self = .arbitration
        case "error":
            self = .error(words.dropFirst().reduce("") { $0.isEmpty ? $1 : "\($0) \($1)" })
        default: return nil
        }
    }
}

/// One power-on of a node, as the rack tells it to the agent.
public struct RackNode: Equatable, Sendable {
    /// A UUID; another one after each power-on.
    public var bootID: String
    /// Empty at each power-on.
    public var runDirectory: String
    /// Survives power cuts.
    public var stateDirectory: String
    /// What ended the life before: `power` or `watchdog`.
    public var resetCause = "power"

    public init(bootID: String, runDirectory: String, stateDirectory: String) {
        self.bootID = bootID
        self.runDirectory = runDirectory
        self.stateDirectory = stateDirectory
    }

    public var answer: RackAnswer {
        .ok([
            "boot=\(bootID)", "run=\(runDirectory)", "state=\(stateDirectory)",
            "reset=\(resetCause)",
        ])
    }

    public init?(_ answer: RackAnswer) {
        guard case .ok(let words) = answer else { return nil }
        guard let boot = value("boot", words), let run = value("run", words),
            let state = value("state", words)
        else { return nil }
        self.init(bootID: boot, runDirectory: run, stateDirectory: state)
        if let reset = value("reset", words) { resetCause = reset }
    }
}

/// What stands after `name=` in one of the words.
private func value(_ name: String, _ words: [String]) -> String? {
    for word in words where word.hasPrefix(name + "=") {
        return word.dropping(first: name.utf8.count + 1)
    }
    return nil
}

/// An IPv4 address and port, of the rack's switch or of an agent behind it.
public struct RackAddress: Equatable, Sendable {
    /// Dotted decimal.
    public var host: String
    public var port: UInt16

    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    public var text: String { "\(host):\(port)" }

    public init?(text: String) {
        let parts = text.parts(between: ":")
        guard parts.count == 2, let port = UInt16(parts[1]) else { return nil }
        self.init(host: parts[0], port: port)
    }
}

/// One link of the pair as an agent on the rack sees it.
public struct RackLink: Equatable, Sendable {
    /// The agent binds here …
    public var bind: RackAddress
    /// … and sends to the switch here.
    public var peer: RackAddress
    /// The node's own end, as the configuration has it, and its peer's.
    public var own: String
    public var other: String

    public init(bind: RackAddress, peer: RackAddress, own: String, other: String) {
        self.bind = bind
        self.peer = peer
        self.own = own
        self.other = other
    }

    public var text: String { "\(former)=\(own)>\(other)" }
    /// As an agent of 0.1.0 reads it.
    public var former: String { "\(bind.text)>\(peer.text)" }

    public init?(text: String) {
        let sides = text.parts(between: "=")
        guard sides.count == 2 else { return nil }
        let (ends, configured) = (sides[0].parts(between: ">"), sides[1].parts(between: ">"))
        guard ends.count == 2, configured.count == 2, let bind = RackAddress(text: ends[0]),
            let peer = RackAddress(text: ends[1])
        else { return nil }
        self.init(bind: bind, peer: peer, own: configured[0], other: configured[1])
    }
}

/// Bytes as lower-case hexadecimal digits; `-` for none.
public enum Hex {
    public static func text(_ bytes: [UInt8]) -> String {
        guard !bytes.isEmpty else { return "-" }
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    public static func bytes(_ text: String) -> [UInt8]? {
        guard text != "-" else { return [] }
        let digits = Array(text.utf8)
        guard digits.count % 2 == 0, !digits.isEmpty else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = value(digits[index]), let low = value(digits[index + 1])
            else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
