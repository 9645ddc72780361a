/// A number with its unit. The number is in the unit itself: volts, never millivolts.
public struct Quantity: Equatable, Sendable {
    public var value: Double
    public var unit: Unit

    public init(_ value: Double, _ unit: Unit) {
        self.value = value
        self.unit = unit
    }
}

public enum Unit: Equatable, Sendable {
    case celsius
    case volts
    case amperes
    case watts
    case ohms
    /// The register's number itself.
    case raw
    /// The configuration's own word, such as `rpm` or `%`.
    case named(String)

    public init(symbol: String) {
        switch symbol {
        case "C": self = .celsius
        case "V": self = .volts
        case "A": self = .amperes
        case "W": self = .watts
        case "Ohm": self = .ohms
        case "": self = .raw
        default: self = .named(symbol)
        }
    }

    /// As it is written after the number.
    public var symbol: String {
        switch self {
        case .celsius: "C"
        case .volts: "V"
        case .amperes: "A"
        case .watts: "W"
        case .ohms: "Ohm"
        case .raw: ""
        case .named(let name): name
        }
    }
}

/// One successful read: the bits as the device gave them, and what they mean. The bits tell a
/// value that is stuck from one that is merely steady after rounding.
public struct Sample: Equatable, Sendable {
    public var bits: UInt64
    public var quantity: Quantity

    public init(bits: UInt64, quantity: Quantity) {
        self.bits = bits
        self.quantity = quantity
    }
}

/// The state of a sensor, as far as it is known. A failed read is never a value, and never 0 °C.
public enum Reading: Equatable, Sendable {
    case value(Quantity)
    /// Nothing new for longer than `stale_after`; `last` is `nil` if there never was a value.
    case stale(last: Quantity?)
    case failed(SensorFault)
}

/// Why there is no value.
public enum SensorFault: Error, Equatable, Sendable {
    /// The driver could not read it.
    case unreadable(SensorError)
    /// The same bits for longer than `stuck_after`.
    case stuck
    /// Outside the values that the sensor or its place can have.
    case implausible(Quantity)
    /// It changed faster than its place can.
    case tooFast(Quantity)
    /// A drill's failure.
    case injected
}

/// A driver's failure. It names the register that it was about.
public struct SensorError: Error, Equatable, Sendable {
    /// As the datasheet calls it.
    public var register: String
    public var problem: Problem

    public enum Problem: Equatable, Sendable {
        case bus(BusError)
        /// The device said that the number cannot hold the measured value.
        case overflow
        /// The conversion was not complete in its time.
        case notReady
        /// Another device answers at this address.
        case wrongDevice
        /// The bytes that came do not match their checksum.
        case checksum
        /// The bus gave more or fewer bytes than were asked for.
        case shortAnswer
    }

    public init(_ register: String, _ problem: Problem) {
        self.register = register
        self.problem = problem
    }
}
