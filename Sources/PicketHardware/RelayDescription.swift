public import PicketCore

/// The relay level of fencing as the configuration describes it: every supply of the peer, how each
/// is cut and seen, and the times of it.
public struct RelayDescription: Equatable, Sendable {
    /// At least one; the peer is off when all are.
    public var supplies: [SupplyDescription]
    /// From the order to the rail known to be off. Without feedback it plays no part.
    public var offWithin: Duration
    /// How long the supplies stay off, so that every capacitor is empty. Without feedback it also
    /// stands in for verification.
    public var offTime: Duration
    /// From switching on to the rail known to be on.
    public var onWithin: Duration
    public var policy: AfterFence

    public enum AfterFence: UInt8, Sendable {
        /// On again after `offTime`.
        case reboot
        /// Stays off until the operator switches it on.
        case off
    }

    public init(
        supplies: [SupplyDescription], offWithin: Duration = .milliseconds(50),
        offTime: Duration = .seconds(5), onWithin: Duration = .seconds(1),
        policy: AfterFence = .reboot
    ) {
        self.supplies = supplies
        self.offWithin = offWithin
        self.offTime = offTime
        self.onWithin = onWithin
        self.policy = policy
    }

    /// Every supply has feedback.
    public var verified: Bool { supplies.allSatisfy { $0.feedback != .none } }
}

public struct SupplyDescription: Equatable, Sendable {
    public var line: LineDescription
    public var wiring: Wiring
    public var feedback: Feedback

    public enum Wiring: UInt8, Sendable {
        /// The supply passes the contact of a relay at rest: a dead agent leaves the peer powered.
        case normallyClosed
        case normallyOpen
    }

    public enum Feedback: Equatable, Sendable {
        /// `verify: none`, said expressly.
        case none
        case line(LineDescription)
        /// A voltage sensor of this name on the peer's rail: below `offBelow` volts it is off,
        /// above `onAbove` it is on, between them it is neither.
        case sensor(name: String, offBelow: Double, onAbove: Double)
    }

    public init(
        line: LineDescription, wiring: Wiring = .normallyClosed, feedback: Feedback
    ) {
        self.line = line
        self.wiring = wiring
        self.feedback = feedback
    }

    /// Whether the line is electrically high when the supply is on (or off).
    public func isHigh(on: Bool) -> Bool {
        let energised = on == (wiring == .normallyOpen)
        return energised == (line.active == .high)
    }
}

/// A GPIO line, by name or by its place on a chip. The name is what people and the rack call it.
public struct LineDescription: Equatable, Sendable {
    public var name: String
    /// A chip's name (`gpiochip0`), label or path; `nil`: find the line by its name.
    public var chip: String?
    /// On `chip`.
    public var offset: UInt32?
    /// The electrical level that energises the relay, or by which a sense line says *on*.
    public var active: Active
    public var bias = Bias.asIs
    public var drive = Drive.pushPull
    /// The board file says the place: the kernel may not call that line by another name.
    public var byBoard = false
    /// It is a pin of an I2C expander, not of a GPIO chip.
    public var pin: ExpanderPin?

    public enum Active: UInt8, Sendable { case high, low }
    public enum Bias: UInt8, Sendable { case asIs, none, pullUp, pullDown }
    public enum Drive: UInt8, Sendable { case pushPull, openDrain, openSource }

    public init(
        name: String, chip: String? = nil, offset: UInt32? = nil, active: Active = .high
    ) {
        self.name = name
        self.chip = chip
        self.offset = offset
        self.active = active
    }
}

/// A pin of an I/O expander that this program drives itself, over I2C.
public struct ExpanderPin: Equatable, Sendable {
    public var kind: Kind
    /// The N of /dev/i2c-N.
    public var bus: Int
    public var address: UInt8
    /// 0…7; 0…15 of an MCP23017, whose GPB0 is 8.
    public var number: UInt8

    public enum Kind: UInt8, Sendable {
        case pcf8574, mcp23017
        public var pins: Int { self == .pcf8574 ? 8 : 16 }
    }

    public init(kind: Kind, bus: Int, address: UInt8, number: UInt8) {
        self.kind = kind
        self.bus = bus
        self.address = address
        self.number = number
    }

    public func sharesChip(with other: ExpanderPin) -> Bool {
        kind == other.kind && bus == other.bus && address == other.address
    }
}
