public import PicketCore

/// An I/O expander that drives relays: NXP PCF8574 (data sheet Rev. 5) or Microchip MCP23017
/// (DS20001952C).
///
/// Its lines share it by reference, because one byte on the wire sets eight pins. It is told of all
/// its outputs before the first is driven, so that nothing it writes for one of them moves another.
///
/// *PCF8574*: no registers; the port is written and read as it is. A pin that is written 1 is an
/// input with a weak pull-up (§8.1), so every pin that is no output of ours is written 1. It sinks
/// 25 mA and sources 100 µA: a relay hangs on it active low.
///
/// *MCP23017*, IOCON.BANK = 0 as after a reset (table 3-3): the output latch is written before the
/// direction, so that a pin has its level when it becomes an output. Pins that are not ours keep
/// their state. A chip that lost its power meanwhile has all pins as inputs (table 3-1), and every
/// write sets both anew.
public final class Expander<B: ActuatorBus> {
    private let kind: ExpanderPin.Kind
    private let address: UInt8
    private var bus: B
    private let outputs: UInt16
    /// Electrical, of `outputs`.
    private var levels: UInt16

    private static var direction: UInt8 { 0x00 }
    private static var port: UInt8 { 0x12 }
    private static var latch: UInt8 { 0x14 }

    /// Drives nothing yet.
    public init(
        _ kind: ExpanderPin.Kind, address: UInt8, bus: B, outputs: UInt16, levels: UInt16
    ) {
        self.kind = kind
        self.address = address
        self.bus = bus
        self.outputs = outputs
        self.levels = levels & outputs
    }

    /// Drives all outputs as they stand, and nothing more once the clock has passed `unlessAfter`.
    ///
    /// - Throws: `late` where nothing was driven.
    public func drive(unlessAfter: Instant = .distantFuture) throws(LineError) {
        switch kind {
        case .pcf8574:
            guard try write([UInt8(truncatingIfNeeded: levels | ~outputs)], unlessAfter)
            else { throw .late }
        case .mcp23017:
            let latch = try pair(Self.latch) & ~outputs | levels
            guard try write(Self.latch, latch, unlessAfter) else { throw .late }
            let direction = try pair(Self.direction)
            guard direction & outputs != 0 else { return }
            // The latch has moved already: `late` would say that nothing was driven.
            guard try write(Self.direction, direction & ~outputs, unlessAfter)
            else { throw .timeout }
        }
    }

    public func set(
        _ pin: UInt8, high: Bool, unlessAfter: Instant = .distantFuture
    ) throws(LineError) {
        let bit = UInt16(1) << UInt16(pin)
        let before = levels
        levels = high ? levels | bit : levels & ~bit
        do throws(LineError) { try drive(unlessAfter: unlessAfter) } catch {
            if error == .late { levels = before }
            throw error
        }
    }

    /// The level at the pin itself.
    public func read(_ pin: UInt8) throws(LineError) -> Bool {
        let port: UInt16
        switch kind {
        case .pcf8574: port = UInt16(try transact([], 1)[0])
        case .mcp23017: port = try pair(Self.port)
        }
        return port >> UInt16(pin) & 1 != 0
    }

    /// Registers A and B of a kind follow each other; A has the low pins.
    private func pair(_ register: UInt8) throws(LineError) -> UInt16 {
        let bytes = try transact([register], 2)
        return UInt16(bytes[1]) << 8 | UInt16(bytes[0])
    }

    private func write(
        _ register: UInt8, _ value: UInt16, _ unlessAfter: Instant
    ) throws(LineError) -> Bool {
        try write(
            [register, UInt8(truncatingIfNeeded: value), UInt8(truncatingIfNeeded: value >> 8)],
            unlessAfter)
    }

    private func write(_ bytes: [UInt8], _ unlessAfter: Instant) throws(LineError) -> Bool {
        do throws(BusError) {
            return try bus.write(bytes, to: address, notAfter: unlessAfter)
        } catch { throw Self.failure(error) }
    }

    private func transact(_ write: [UInt8], _ count: Int) throws(LineError) -> [UInt8] {
        let bytes: [UInt8]
        do throws(BusError) {
            bytes = try bus.transaction(address: address, write: write, read: count)
        } catch { throw Self.failure(error) }
        guard bytes.count == count else { throw .undecided }
        return bytes
    }

    private static func failure(_ error: BusError) -> LineError {
        switch error {
        case .timeout: .timeout
        case .nak, .vanished: .vanished
        case .arbitrationLost, .claimed: .undecided
        case .other(let errno): .other(errno: errno)
        }
    }
}
