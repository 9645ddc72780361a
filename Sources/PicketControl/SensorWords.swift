public import PicketHardware
import PicketText

/// The state of a sensor, in words that stand in the middle of a sentence or of a table.

extension Reading {
    /// - Parameter system: The system's text of an errno.
    public func words(_ system: (Int32) -> String) -> String {
        switch self {
        case .value(let quantity): quantity.words
        case .stale(let last):
            last.map { "nothing new since \($0.words)" } ?? "nothing was ever read"
        case .failed(let fault): fault.words(system)
        }
    }
}

extension Verdict {
    /// After "is", or after "has" where it failed.
    var words: String {
        if failed { return "failed" }
        return switch level {
        case .ok: "normal"
        case .unknown: "unknown"
        case .warn: "past its warning limit"
        case .critical: "past its critical limit"
        }
    }
}

extension SensorFault {
    /// - Parameter system: The system's text of an errno.
    public func words(_ system: (Int32) -> String) -> String {
        switch self {
        case .unreadable(let error): "\(error.register): \(error.problem.words(system))"
        case .stuck: "the same value for too long"
        case .implausible(let quantity): "\(quantity.words) is not plausible"
        case .tooFast(let quantity): "a jump to \(quantity.words) is not plausible"
        case .injected: "a drill's failure"
        }
    }
}

extension Quantity {
    fileprivate var words: String { Text.number(value) + unit.symbol }
}

extension SensorError.Problem {
    fileprivate func words(_ system: (Int32) -> String) -> String {
        switch self {
        case .bus(let error): error.words(system)
        case .overflow: "overflow"
        case .notReady: "the conversion did not end in time"
        case .wrongDevice: "another device answers at this address"
        case .checksum: "the answer does not match its checksum"
        case .shortAnswer: "the answer is too short"
        }
    }
}

extension BusError {
    fileprivate func words(_ system: (Int32) -> String) -> String {
        switch self {
        case .nak: "no acknowledgement: the device is absent, without power or busy"
        case .timeout: "the bus hangs"
        case .arbitrationLost: "arbitration lost"
        case .claimed: "a driver of the kernel has this address, and shows nothing in hwmon"
        case .vanished: "the bus is gone"
        case .other(let errno): system(errno)
        }
    }
}
