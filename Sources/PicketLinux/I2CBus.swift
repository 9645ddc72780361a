/// An I2C bus of the kernel's, /dev/i2c-N (Linux Documentation/i2c/dev-interface.rst).
///
/// An address that a driver of the kernel has is refused, and never forced: that driver's readings
/// are to be had in hwmon. The adapter's reports are kept apart as the kernel's fault codes have it
/// (Documentation/i2c/fault-codes.rst): no acknowledgement, a hang, lost arbitration, an adapter
/// that is gone. A hung bus is freed by the adapter's driver, which clocks it out of the device as
/// far as it can; here it is only tried again, and not at once.

import CPicket
public import PicketCore
public import PicketHardware

public struct I2CBus: ~Copyable, ActuatorBus {
    private let descriptor: Descriptor
    /// It does plain I2C transactions, and not only those that SMBus has.
    private let plain: Bool

    /// How often a transaction is tried when it lost arbitration, or was not acknowledged: a device
    /// may be busy with a conversion.
    private static let tries = 3

    public init(number: Int) throws(BusError) {
        var plain = false
        let result = unsafe picket_i2c_open(Int32(number), &plain)
        if result < 0 { throw I2CBus.failure(-result, 0) }
        descriptor = Descriptor(owning: result)
        self.plain = plain
    }

    public mutating func transaction(
        address: UInt8, write: [UInt8], read count: Int
    ) throws(BusError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        _ = try transact(address, write, &bytes, notAfter: .distantFuture)
        return bytes
    }

    public mutating func write(
        _ bytes: [UInt8], to address: UInt8, notAfter: Instant
    ) throws(BusError) -> Bool {
        var nothing: [UInt8] = []
        return try transact(address, bytes, &nothing, notAfter: notAfter)
    }

    /// False where nothing was sent, because `notAfter` had passed.
    private mutating func transact(
        _ address: UInt8, _ write: [UInt8], _ bytes: inout [UInt8], notAfter: Instant
    ) throws(BusError) -> Bool {
        var clock = Clock()
        var failed: BusError?
        var tried = 1
        while true {
            if notAfter < .distantFuture, clock.now() > notAfter {
                guard let failed else { return false }
                throw failed
            }
            let result = unsafe picket_i2c_transfer(
                descriptor.raw, plain, address, write, Int32(write.count), &bytes,
                Int32(bytes.count))
            if result >= 0 { return true }
            let error = I2CBus.failure(-result, address)
            switch error {
            case .nak, .arbitrationLost: break
            case .timeout, .vanished, .claimed, .other: throw error
            }
            if tried == I2CBus.tries { throw error }
            (failed, tried) = (error, tried + 1)
            Worker.sleep(.milliseconds(1))
        }
    }

    private static func failure(_ errno: Int32, _ address: UInt8) -> BusError {
        switch errno {
        case ENXIO, EREMOTEIO: address == 0 ? .vanished : .nak(address: address)
        case ETIMEDOUT: .timeout
        case EAGAIN: .arbitrationLost
        case ENODEV, ENOENT, ESHUTDOWN: .vanished
        case EBUSY: .claimed(address: address)
        default: .other(errno: errno)
        }
    }
}
