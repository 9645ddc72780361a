public import PicketCore

/// The two wires of a power relay: the one that drives it and the one that shows what it did.
///
/// Both speak logically: *on* means that the supply is connected. `LineDescription` and the opener
/// of the line decide what that is electrically (active level, wiring).

/// Drives one supply of the peer.
///
/// A conforming type requests its line with the value *on* in the same step, so that no glitch
/// cuts the peer at start, crash or restart; and it owns the line.
public protocol RelayLine: ~Copyable {
    /// Drives the line, unless the clock has passed `unlessAfter`. Anything that stands between the
    /// call and the line looks at the clock again, last (`late`). Returns when the line has the
    /// value, not when the contact has moved.
    mutating func set(on: Bool, unlessAfter: Instant) throws(LineError)
    /// The value that the line has now, read back from the hardware, not remembered.
    mutating func read() throws(LineError) -> Bool
}

extension RelayLine where Self: ~Copyable {
    public mutating func set(on: Bool) throws(LineError) {
        try set(on: on, unlessAfter: .distantFuture)
    }
}

/// Shows whether one supply of the peer is on: power-good, an opto-coupler, a rail's voltage.
public protocol SenseLine: ~Copyable {
    mutating func read() throws(LineError) -> Bool
}

public enum LineError: Error, Equatable, Sendable {
    /// The line is not open, or its chip does not answer.
    case vanished
    /// Its chip was taken away. Should it come back, the line has to be opened anew.
    case gone
    /// The instant after which it was not to be driven had passed, and it was not driven.
    case late
    case timeout
    /// A rail sensor's answer was neither *on* nor *off*, or two contacts that must differ did not.
    case undecided
    /// Another error of the system, an errno of errno(3).
    case other(errno: Int32)
}
