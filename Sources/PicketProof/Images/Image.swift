/// The machine as a few bytes, for the exhaustive checker; not part of any agent's binary.
///
/// Two machines with the same image behave alike for ever, whatever is done to both. So the image
/// leaves out fields that only a trace or a status shows. It writes numbers that count upwards
/// without end by their place in an order:
///
///   - instants as whole steps before or after `now`; an instant so long past that no rule looks
///     for it any more, as the horizon;
///   - sequence numbers by their rank among those that something still refers to (the caller knows
///     them all, and gives the ranks);
///   - generations as *the present one* or *an older one*; tickets and orders likewise;
///   - fences and moves by their number.
///
/// All time lies on a grid of one step, give or take a nanosecond. An instant off the grid is a
/// broken assumption, and stops the program.

package import PicketCore

package struct ImageWriter {
    package private(set) var bytes: [UInt8] = []
    /// Instants are counted from this one.
    package var base: Instant
    var now: Int64 { base.nanoseconds }
    let step: Int64
    let horizon: Int64

    /// - Parameters:
    ///   - step: of the grid of time.
    ///   - horizon: steps after which the past is all the same.
    package init(now: Instant, step: Duration, horizon: Int64) {
        base = now
        self.step = step.nanoseconds
        self.horizon = horizon
        bytes.reserveCapacity(256)
    }

    package mutating func put(_ byte: UInt8) { bytes.append(byte) }
    package mutating func put(_ flag: Bool) { bytes.append(flag ? 1 : 0) }
    package mutating func put(_ term: Term) {
        let leaps = term.value / Machine.leap
        let rest = term.value % Machine.leap
        precondition(leaps < 16 && rest < 4_096, "a term beyond the image's range")
        bytes.append(UInt8(truncatingIfNeeded: rest))
        bytes.append(UInt8(truncatingIfNeeded: rest >> 8 | leaps << 4))
    }

    /// Whole steps of time that passed, at most the horizon.
    package mutating func put(age: Int64) {
        let steps = age / step
        if steps >= horizon {
            bytes.append(UInt8(horizon))
            return
        }
        precondition(age >= 0 && steps * step == age, "an age off the grid: \(age)")
        bytes.append(UInt8(steps))
    }

    package mutating func put(past instant: Instant) { put(age: now - instant.nanoseconds) }

    /// Steps before or after now; a few nanoseconds before a step are distinguished from the step
    /// itself.
    package mutating func put(exact instant: Instant) {
        if instant == .distantFuture {
            bytes.append(127)
            return
        }
        let wait = max(-horizon * step, instant.nanoseconds - now)
        let steps = (wait + 16 + 64 * step) / step - 64
        let early = steps * step != wait
        precondition(
            steps * step - wait <= 16 && steps < 63, "an instant off the grid: \(wait)")
        bytes.append(UInt8(bitPattern: Int8(steps * 2 - (early ? 1 : 0))))
    }

    /// The first step at which `now >= instant`: nobody looks at these between the steps.
    package mutating func put(until instant: Instant) {
        if instant == .distantFuture {
            bytes.append(255)
            return
        }
        let wait = max(0, instant.nanoseconds - now)
        let steps = (wait + step - 1) / step
        precondition(steps < 254, "an instant too far ahead")
        bytes.append(UInt8(steps))
    }

    /// `put(until:)`, or for `nil` the code that none of its instants has.
    package mutating func put(optional instant: Instant?) {
        if let instant { put(until: instant) } else { bytes.append(254) }
    }

    package mutating func clear() { bytes.removeAll(keepingCapacity: true) }
}

package struct ImageReader {
    let bytes: [UInt8]
    package private(set) var at: Int
    private(set) var now: Int64
    let step: Int64

    package init(_ bytes: [UInt8], at: Int, now: Instant, step: Duration) {
        self.bytes = bytes
        self.at = at
        self.now = now.nanoseconds
        self.step = step.nanoseconds
    }

    /// From here on instants are counted from another one.
    package mutating func move(to now: Instant) { self.now = now.nanoseconds }

    package mutating func byte() -> UInt8 {
        at += 1
        return bytes[at - 1]
    }
    package mutating func flag() -> Bool { byte() != 0 }
    package mutating func term() -> Term {
        let low = UInt64(byte())
        let high = UInt64(byte())
        return Term((high >> 4) * Machine.leap + (low | (high & 15) << 8))
    }
    package mutating func past() -> Instant {
        Instant(nanoseconds: now - Int64(byte()) * step)
    }
    package mutating func age() -> Int64 { Int64(byte()) * step }
    package mutating func exact() -> Instant {
        let code = Int64(Int8(bitPattern: byte()))
        if code == 127 { return .distantFuture }
        let early = code & 1 != 0
        return Instant(nanoseconds: now + (code + (early ? 1 : 0)) / 2 * step - (early ? 1 : 0))
    }
    package mutating func until() -> Instant {
        let code = Int64(byte())
        return code == 255 ? .distantFuture : Instant(nanoseconds: now + code * step)
    }
    package mutating func optional() -> Instant? {
        guard bytes[at] == 254 else { return until() }
        at += 1
        return nil
    }
    /// `nil` for 0.
    package mutating func session() -> SessionID? {
        let value = UInt64(byte())
        return value == 0 ? nil : SessionID(value)
    }
}

/// The order of one session's sequence numbers that something still refers to.
package struct Ranks {
    private var used: UInt64 = 0
    package init() {}

    package mutating func use(_ sequence: UInt64) {
        guard sequence > 0 else { return }
        precondition(sequence < 64, "too many sequence numbers between two images")
        used |= 1 << sequence
    }
    /// 1 for the lowest, 0 for none.
    package func rank(_ sequence: UInt64) -> UInt64 {
        sequence == 0 ? 0 : UInt64((used & (2 << sequence &- 1)).nonzeroBitCount)
    }
    /// The rank of the last one.
    var highest: Int { used.nonzeroBitCount }
    func isUsed(_ sequence: UInt64) -> Bool { sequence < 64 && used & (1 << sequence) != 0 }
}
