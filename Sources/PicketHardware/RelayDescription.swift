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

    /// What *off* proves where the peer has lost its supplies by itself, or the wires have parted:
    /// as much as the weakest of its sense lines does.
    public var offProves: SupplyDescription.Proof { weakest?.offProves ?? .always }

    /// `nil` where *off* is always proof.
    public var unproven: UnprovenFeedback? {
        guard let supply = weakest, supply.offProves != .always else { return nil }
        return UnprovenFeedback(
            name: supply.feedback.name, never: supply.offProves == .never)
    }

    /// The feedback that goes *off* may have parted together with a link, for all that is stated.
    public var mayShareLinksPlug: SupplyDescription? {
        supplies.first { $0.offProves == .edge && $0.plug == .unstated }
    }

    private var weakest: SupplyDescription? {
        supplies.max { $0.offProves < $1.offProves }
    }
}

/// The feedback of a node by which it could not be proven off, had it lost its supply by itself.
public struct UnprovenFeedback: Equatable, Sendable {
    public var name: String
    /// Not by a fence that takes its supply either.
    public var never: Bool

    public init(name: String, never: Bool) {
        self.name = name
        self.never = never
    }
}

public struct SupplyDescription: Equatable, Sendable {
    public var line: LineDescription
    public var wiring: Wiring
    public var feedback: Feedback
    /// It is stated that the feedback reads *on* where its wire has parted.
    public var partedReadsOn: Bool
    /// What is stated of the plug that the feedback's wire passes.
    public var plug: Plug

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
        /// Two contacts of one relay, of which always one is closed: `on` while there is power,
        /// `off` while there is none. Each line is active where its contact is closed.
        case contacts(on: LineDescription, off: LineDescription)

        /// As people know it.
        public var name: String {
            switch self {
            case .none: "none"
            case .sensor(let name, _, _): name
            case .line(let line): line.name
            case .contacts(let on, _): on.name
            }
        }

        /// The lines that it reads.
        public var lines: [LineDescription] {
            switch self {
            case .none, .sensor: []
            case .line(let line): [line]
            case .contacts(let on, let off): [on, off]
            }
        }
    }

    public enum Plug: UInt8, Sendable {
        /// It may carry a link of the pair too. Its wires then part within `plugPartsWithin`, so the
        /// supply must not be cut before (`TimingIntent.awaitsPlug`).
        case unstated
        /// It carries no link.
        case own
        /// It carries a link of the pair too.
        case link
    }

    /// What it proves that the feedback reads *off*. A wire that has parted reads something too.
    public enum Proof: UInt8, Comparable, Sendable {
        /// A parted wire reads *on*, or as neither.
        case always
        /// A parted wire may read *off*, so the feedback must have been seen to go from *on* to
        /// *off* when the supply was cut.
        case edge
        /// A parted wire may read *off*, and it parts together with the link, whose loss is why the
        /// supply is cut: even the edge may be the wire's own.
        case never

        public static func < (a: Proof, b: Proof) -> Bool { a.rawValue < b.rawValue }
    }

    public init(
        line: LineDescription, wiring: Wiring = .normallyClosed, feedback: Feedback,
        partedReadsOn: Bool = false, plug: Plug = .unstated
    ) {
        self.line = line
        self.wiring = wiring
        self.feedback = feedback
        self.partedReadsOn = partedReadsOn
        self.plug = plug
    }

    /// Where there is no feedback, the whole `offTime` stands in for it.
    public var offProves: Proof {
        switch feedback {
        case .none, .contacts: return .always
        case .line, .sensor:
            if partedReadsOn || planted(.partedCountsAsOff) { return .always }
            return plug == .link && !planted(.plugIgnored) ? .never : .edge
        }
    }

    /// What two contacts say that must always differ. Where they do not, a wire has parted or
    /// touches another, or the relay is between them.
    public static func says(on: Bool, off: Bool) throws(LineError) -> Bool {
        if on == off && !planted(.equalContactsAreOff) { throw .undecided }
        return on && !off
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
