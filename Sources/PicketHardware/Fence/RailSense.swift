/// A voltage sensor on a rail of the peer, as feedback of its supply.
///
/// Between the two limits the rail is neither on nor off: it is falling, or somebody else feeds it.
/// The sensor must have its power from this node; one that dies with the rail proves nothing, and
/// is unreadable, never *off*.
public struct RailSense<B: Bus, D: Delay>: SenseLine {
    private var sensor: Sensor
    private var bus: B
    private var delay: D
    /// Volts.
    private let offBelow: Double
    private let onAbove: Double

    public init(
        _ description: SensorDescription, bus: B, delay: D, offBelow: Double, onAbove: Double
    ) {
        precondition(offBelow <= onAbove, "a rail is not on and off at once")
        precondition(description.driver.unit == .volts, "a rail's feedback is a voltage")
        self.sensor = Sensor(description)
        self.bus = bus
        self.delay = delay
        self.offBelow = offBelow
        self.onAbove = onAbove
    }

    public mutating func read() throws(LineError) -> Bool {
        let volts: Double
        do throws(SensorError) {
            volts = try sensor.read(from: &bus, delay: &delay).quantity.value
        } catch {
            throw lineError(error.problem)
        }
        if volts < offBelow { return false }
        if volts > onAbove { return true }
        throw .undecided
    }

    private func lineError(_ problem: SensorError.Problem) -> LineError {
        switch problem {
        case .bus(.timeout): .timeout
        case .bus(.nak), .bus(.vanished): .vanished
        case .bus(.other(let errno)): .other(errno: errno)
        case .bus(.arbitrationLost), .bus(.claimed), .overflow, .notReady, .wrongDevice,
            .checksum, .shortAnswer:
            .undecided
        }
    }
}
