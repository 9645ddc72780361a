public import PicketCore

/// Watches one sensor: what it reads, how bad that is, and what a drill pretends.
///
/// A drill's values run through a track of their own, which starts as a copy of the real one and
/// takes a value whenever the real one does. The sensor's verdict is the worse of the two, so that
/// an injection can lower health and never raise it (S9), and a real failure during a drill shows.
public struct SensorMonitor: Sendable {
    private let description: SensorDescription
    private var real: SensorTrack
    private var drill: Drill?

    private struct Drill: Sendable {
        var injection: Injection
        var until: Instant
        var track: SensorTrack
        /// The sensor's sample when the drill began.
        var frozen: Sample?
    }
    private var newest: Sample?
    /// When the sensor itself last gave a value.
    public private(set) var readAt: Instant?

    /// The value or failure that a drill pretends.
    public enum Injection: Equatable, Sendable {
        /// In the sensor's own unit.
        case value(Double)
        case failure
        /// The sensor keeps giving the bits that it gave when the drill began.
        case stuck
    }

    public init(_ description: SensorDescription, at now: Instant) {
        self.description = description
        real = SensorTrack(description.watch, at: now)
    }

    public var name: String { description.name }
    public var unit: Unit { description.driver.unit }

    /// Whether it reads what a changed configuration has under this name.
    public func reads(_ sensor: SensorDescription) -> Bool { description.isReadAs(sensor) }

    /// From the next value on it is judged by these limits, which a drill's values are as well.
    public mutating func judge(by watch: SensorWatch) {
        real.judge(by: watch)
        drill?.track.judge(by: watch)
    }

    /// The sensor's own reading, never a pretended one.
    public var reading: Reading { real.reading }
    /// The reading that the drill pretends; `nil` outside a drill.
    public var injected: Reading? { drill?.track.reading }
    public var verdict: Verdict {
        guard let pretended = drill?.track.verdict else { return real.verdict }
        return planted(.drillRaisesHealth) ? pretended : max(real.verdict, pretended)
    }
    /// The drill made the verdict worse than it is.
    public var isSimulated: Bool {
        guard let pretended = drill?.track.verdict else { return false }
        return pretended > real.verdict
    }
    /// A reading was taken.
    ///
    /// - Returns: The verdict's change, if it made one.
    public mutating func take(_ sample: Sample, at now: Instant) -> SensorChange? {
        change(at: now) { monitor in
            monitor.newest = sample
            monitor.readAt = now
            monitor.real.take(sample, at: now)
            monitor.pretend(at: now)
        }
    }

    /// A reading failed.
    public mutating func fail(_ error: SensorError, at now: Instant) -> SensorChange? {
        change(at: now) { monitor in
            monitor.real.fail(.unreadable(error), at: now)
            monitor.pretend(at: now)
        }
    }

    /// Time has passed: values go stale and drills end. To be called at least every interval.
    public mutating func pass(at now: Instant) -> SensorChange? {
        change(at: now) { monitor in
            monitor.real.pass(at: now)
            monitor.drill?.track.pass(at: now)
        }
    }

    /// Pretends until the instant, at which the drill ends by itself. Replaces an earlier drill.
    public mutating func inject(_ injection: Injection, until: Instant, at now: Instant)
        -> SensorChange?
    {
        change(at: now) { monitor in
            var track = monitor.real
            if injection != .stuck { track.jump() }
            monitor.drill = Drill(
                injection: injection, until: until, track: track, frozen: monitor.newest)
        }
    }

    public mutating func endDrill(at now: Instant) -> SensorChange? {
        change(at: now) { monitor in monitor.drill = nil }
    }

    private mutating func pretend(at now: Instant) {
        guard let drill else { return }
        switch drill.injection {
        case .value(let value):
            let sample = Sample(bits: value.bitPattern, quantity: Quantity(value, unit))
            self.drill?.track.takeSteady(sample, at: now)
        case .failure: self.drill?.track.fail(.injected, at: now)
        case .stuck:
            if let frozen = drill.frozen {
                self.drill?.track.take(frozen, at: now)
            } else {
                self.drill?.track.fail(.injected, at: now)
            }
        }
    }

    // Otherwise each of its many callers would have a copy of its own, and the agent is to stay
    // small.
    @inline(never)
    private mutating func change(at now: Instant, _ body: (inout Self) -> Void) -> SensorChange? {
        let before = verdict
        let simulatedBefore = isSimulated
        if let until = drill?.until, now >= until { drill = nil }
        body(&self)
        guard verdict != before else { return nil }
        let simulated = isSimulated
        return SensorChange(
            from: before, to: verdict, reading: simulated ? injected ?? reading : reading,
            simulated: simulated || simulatedBefore)
    }
}

extension [SensorMonitor] {
    /// The sensors of a changed configuration, in its order. What is read as before goes on with what
    /// it knows. What is new, or is another chip now, is unknown until it is read, and what is gone
    /// counts for nothing any more.
    public func following(_ sensors: [SensorDescription], at now: Instant) -> [SensorMonitor] {
        var all: [SensorMonitor] = []
        for sensor in sensors {
            guard let known = firstIndex(where: { $0.reads(sensor) }) else {
                all.append(SensorMonitor(sensor, at: now))
                continue
            }
            all.append(self[known])
            all[all.count - 1].judge(by: sensor.watch)
        }
        if planted(.goneSensorCounts) {
            all += filter { known in !sensors.contains { known.reads($0) } }
        }
        return all
    }
}

extension SensorTrack {
    /// A drill means its constant value: it is neither stuck nor too fast.
    mutating func takeSteady(_ sample: Sample, at now: Instant) {
        jump()
        take(sample, at: now)
    }
}
