import PicketCore
import PicketHardware
import Testing

struct RailSenseTests {
    /// An INA219 bus voltage register with CNVR, or a fault of the bus after the chip's preparation.
    func read(_ volts: Double, fault: BusError? = nil) throws(LineError) -> Bool {
        let bits = UInt16(volts * 250) << 3 | 0b10
        let bus = FakeBus(
            address: 0x40,
            registers: [
                0: [0x39, 0x9F], 2: [UInt8(bits >> 8), UInt8(truncatingIfNeeded: bits)],
            ], faults: [nil, fault])
        let rail = SensorDescription(
            name: "rail", driver: .ina219(INA219(measure: .busVoltage, shunt: 0.1)), bus: 1,
            address: 0x40)
        var sense = RailSense(
            rail, bus: bus, delay: CountingDelay(), offBelow: 0.8, onAbove: 4.5)
        return try sense.read()
    }

    @Test(arguments: [(5.0, true), (4.6, true), (0.7, false), (0, false)])
    func `a rail is on or off by its voltage`(volts: Double, on: Bool) throws {
        #expect(try read(volts) == on)
    }

    @Test(arguments: [0.8, 2, 4.4])
    func `a rail between the limits is neither`(volts: Double) {
        #expect(throws: LineError.undecided) { try read(volts) }
    }

    @Test(arguments: [
        (BusError.nak(address: 0x40), LineError.vanished), (.timeout, .timeout),
        (.vanished, .vanished), (.arbitrationLost, .undecided),
        (.other(errno: 5), .other(errno: 5)),
    ])
    func `a rail that cannot be read is not off`(fault: BusError, error: LineError) {
        #expect(throws: error) { try read(0, fault: fault) }
    }
}
