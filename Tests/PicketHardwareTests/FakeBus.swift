import PicketCore
import PicketHardware

/// A bus with one device of 16-bit registers.
struct FakeBus: Bus {
    var address: UInt8 = 0x48
    /// What a read of each register gives.
    var registers: [UInt8: [UInt8]] = [:]
    /// Thrown instead, once each, oldest first; `nil` lets a transaction pass.
    var faults: [BusError?] = []
    var written: [[UInt8]] = []
    /// Gives one byte less than asked for.
    var short = false

    mutating func transaction(address: UInt8, write: [UInt8], read count: Int)
        throws(BusError) -> [UInt8]
    {
        if !faults.isEmpty, let fault = faults.removeFirst() { throw fault }
        guard address == self.address else { throw .nak(address: address) }
        if write.count > 1 {
            written.append(write)
            registers[write[0]] = Array(write.dropFirst())
        }
        guard count > 0 else { return [] }
        let bytes = registers[write[0]] ?? []
        return Array(bytes.prefix(short ? count - 1 : count))
    }
}

struct CountingDelay: Delay {
    var total = Duration.zero
    mutating func delay(_ duration: Duration) { total = total + duration }
}
