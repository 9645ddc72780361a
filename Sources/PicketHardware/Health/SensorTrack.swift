internal import PicketCore

/// Judges one stream of samples of one sensor: real ones, or injected ones.
///
/// Two counts run side by side. *Values* in a row that agree on another level change the level: to
/// the mildest of a run that goes up, and to the worst of a run that goes down. *Failures* in a row
/// make the sensor failed. A failure between two values does not break a run of values: an
/// overheating sensor with a loose contact is still seen to overheat. A failed sensor keeps the
/// level of its last values if that was worse: a failure never raises health.
struct SensorTrack: Sendable {
    private var watch: SensorWatch
    /// When a value last came; before the first, when the track began.
    private var heardAt: Instant

    private(set) var reading: Reading = .stale(last: nil)
    private(set) var verdict = Verdict(.unknown)

    /// By values alone.
    private var level = Level.unknown
    private var run: (length: Int, level: Level) = (0, .unknown)
    private var values = 0
    private var failures = 0
    private var failed = false

    /// The last that was believed. A jump is judged from there, however often it is read again.
    private var last: (value: Double, at: Instant)?
    private var bits: (value: UInt64, since: Instant)?

    init(_ watch: SensorWatch, at now: Instant) {
        self.watch = watch
        heardAt = now
    }

    /// From the next value on it is judged by these limits.
    mutating func judge(by watch: SensorWatch) { self.watch = watch }

    /// Forgets the value that the next one would be compared with, but not how long ago it came.
    mutating func jump() {
        last = nil
        bits = nil
    }

    mutating func take(_ sample: Sample, at now: Instant) {
        let fault = fault(of: sample, at: now)
        heardAt = now
        if bits?.value != sample.bits { bits = (sample.bits, now) }
        if let fault {
            fail(fault, at: now)
        } else {
            last = (sample.quantity.value, now)
            accept(sample.quantity)
        }
    }

    mutating func fail(_ fault: SensorFault, at now: Instant) {
        reading = .failed(fault)
        values = 0
        failures += 1
        if failures >= watch.debounce { failed = true }
        conclude()
    }

    /// Time alone makes a value stale, and also a sensor that was never read at all.
    mutating func pass(at now: Instant) {
        guard now - heardAt > watch.staleAfter else { return }
        switch reading {
        case .value(let quantity): reading = .stale(last: quantity)
        case .stale, .failed: break
        }
        values = 0
        failed = true
        conclude()
    }

    private func fault(of sample: Sample, at now: Instant) -> SensorFault? {
        let value = sample.quantity.value
        guard value.isFinite else { return .implausible(sample.quantity) }
        if let plausible = watch.plausible, !plausible.contains(value) {
            return .implausible(sample.quantity)
        }
        if let limit = watch.rateLimit, let last, now > last.at {
            let seconds = Double((now - last.at).nanoseconds) / 1e9
            if (value - last.value).magnitude > limit * seconds { return .tooFast(sample.quantity) }
        }
        if let stuckAfter = watch.stuckAfter, let bits, bits.value == sample.bits,
            now - bits.since > stuckAfter
        {
            return .stuck
        }
        return nil
    }

    private mutating func accept(_ quantity: Quantity) {
        reading = .value(quantity)
        failures = 0
        values += 1
        if values >= watch.debounce || !failed { failed = false }
        debounce(target(quantity.value))
        conclude()
    }

    /// A level that holds is left only when the value has come back by the hysteresis.
    private func target(_ value: Double) -> Level {
        if crosses(watch.critical, value, held: level == .critical) { return .critical }
        if crosses(watch.warn, value, held: level == .warn || level == .critical) { return .warn }
        return .ok
    }

    private func crosses(_ thresholds: [Threshold], _ value: Double, held: Bool) -> Bool {
        let held = held && !planted(.hysteresisMissing)
        for threshold in thresholds {
            if threshold.isCrossed(by: value, hysteresis: held ? watch.hysteresis : 0) {
                return true
            }
        }
        return false
    }

    /// The first value of all is believed at once if it is good.
    private mutating func debounce(_ target: Level) {
        guard target != level else {
            run = (0, level)
            return
        }
        if level == .unknown && target == .ok {
            level = .ok
            run = (0, .ok)
            return
        }
        if run.length > 0 && (run.level > level) == (target > level) {
            let up = target > level
            run = (run.length + 1, up ? min(run.level, target) : max(run.level, target))
        } else {
            run = (1, target)
        }
        if run.length >= watch.debounce || planted(.debounceMissing) {
            level = run.level
            run = (0, level)
        }
    }

    private mutating func conclude() {
        let byValues = Verdict(level)
        guard failed else {
            verdict = byValues
            return
        }
        let byFailure =
            switch planted(.failedIsCritical) ? .critical : watch.onFail {
            case .warn: Verdict(.warn, failed: true)
            case .critical: Verdict(.critical, failed: true)
            case .ignore: Verdict(.unknown, failed: true)
            }
        verdict = max(byValues, byFailure)
    }
}
