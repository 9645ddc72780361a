internal import PicketCore

/// One sensor on a bus: whichever driver its description names.
///
/// The first read, and the first after a failure, prepares the chip anew: it may have been without
/// power meanwhile, and be as the factory left it.
public struct Sensor: Sendable {
    public let description: SensorDescription
    private var prepared = false

    public init(_ description: SensorDescription) { self.description = description }

    /// Blocks for as long as the bus does, for an ADS1115 some 7 ms at the most and for an SHT3x
    /// 16 ms; a TMP102 takes 35 ms more when it is prepared, an MCP9808 300 ms.
    public mutating func read<B: Bus & ~Copyable, D: Delay & ~Copyable>(
        from bus: inout B, delay: inout D
    ) throws(SensorError) -> Sample {
        let preparing = !prepared
        prepared = false
        let sample = try description.driver.read(
            &bus, description.address, &delay, preparing: preparing)
        prepared = true
        return sample
    }
}
