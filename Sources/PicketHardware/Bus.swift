public import PicketCore

/// An I2C bus, as a controller uses it.
///
/// A driver is generic over `Bus`; it never learns whether the bus is /dev/i2c-N or a simulated
/// one. A call blocks, so each bus has a thread of its own and a hung bus delays nothing else.
///
/// On the wire, with `S` start, `Sr` repeated start, `P` stop, `A`/`N` acknowledge or not, upper
/// case from the controller and lower case from the device (NXP UM10204 §3.1):
///
///     write only   S ADDR+W a  BYTE a  BYTE a …  P
///     read only    S ADDR+R a  byte A  byte A …  byte N P
///     write, read  S ADDR+W a  BYTE a …  Sr ADDR+R a  byte A …  byte N P
///     neither      S ADDR+W a  P
///
/// The whole of it is one transaction: neither a stop condition nor another controller comes
/// between the writing and the reading.
public protocol Bus: ~Copyable {
    /// Writes all of `write`, then reads exactly `count` bytes.
    ///
    /// - Parameters:
    ///   - address: 7 bits, 0x08…0x77, without the read/write bit.
    ///   - count: 0…8192. The answer has exactly this many bytes, or the call throws.
    /// - Throws: After an error it is unknown what the device received.
    mutating func transaction(address: UInt8, write: [UInt8], read count: Int)
        throws(BusError) -> [UInt8]
}

/// A bus by which something is moved: a write that would come too late must not happen.
public protocol ActuatorBus: Bus, ~Copyable {
    /// Writes, and writes again after an error that passes. Each time it looks at the clock last,
    /// and writes only while that has not passed `notAfter`.
    ///
    /// - Returns: False where the instant had passed and nothing was sent.
    mutating func write(_ bytes: [UInt8], to address: UInt8, notAfter: Instant)
        throws(BusError) -> Bool
}

public enum BusError: Error, Equatable, Sendable {
    /// The device did not acknowledge its address or a byte: absent, unpowered or busy.
    case nak(address: UInt8)
    /// The transaction did not end in its time: a device holds the clock or data line low.
    case timeout
    /// Another controller won the bus, or a line did not follow the level that was driven.
    case arbitrationLost
    /// A driver of the kernel has the address: its readings are to be had from the kernel (hwmon).
    case claimed(address: UInt8)
    /// The bus is gone: its adapter was unplugged or its driver unbound.
    case vanished
    /// Another error of the system, an errno of errno(3).
    case other(errno: Int32)
}

/// Lets a driver wait for a conversion; the worker thread's own sleep.
public protocol Delay: ~Copyable {
    /// Returns no sooner than after this long.
    mutating func delay(_ duration: Duration)
}
