/// A device's register: its number, and the name by which an error speaks of it.
struct Register {
    let number: UInt8
    let name: String

    init(_ number: UInt8, _ name: String) {
        self.number = number
        self.name = name
    }

    func read<B: Bus & ~Copyable>(_ bus: inout B, _ address: UInt8, _ count: Int)
        throws(SensorError) -> [UInt8]
    {
        let bytes = try transact(&bus, address, [number], count)
        guard bytes.count == count else { throw SensorError(name, .shortAnswer) }
        return bytes
    }

    /// The most significant byte comes first.
    func read16<B: Bus & ~Copyable>(_ bus: inout B, _ address: UInt8) throws(SensorError)
        -> UInt16
    {
        let bytes = try read(&bus, address, 2)
        return UInt16(bytes[0]) << 8 | UInt16(bytes[1])
    }

    func write16<B: Bus & ~Copyable>(_ bus: inout B, _ address: UInt8, _ value: UInt16)
        throws(SensorError)
    {
        let bytes = [number, UInt8(value >> 8), UInt8(truncatingIfNeeded: value)]
        _ = try transact(&bus, address, bytes, 0)
    }

    private func transact<B: Bus & ~Copyable>(
        _ bus: inout B, _ address: UInt8, _ bytes: [UInt8], _ count: Int
    ) throws(SensorError) -> [UInt8] {
        do throws(BusError) {
            return try bus.transaction(address: address, write: bytes, read: count)
        } catch {
            throw SensorError(name, .bus(error))
        }
    }
}
