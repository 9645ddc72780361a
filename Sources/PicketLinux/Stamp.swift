/// The clocks of one moment, as a file says when it was written.
///
/// A board's wall clock may begin in 1970 at each boot and step at any time. So within one boot the
/// clock that counts from the boot tells how much has passed. Later it is the wall clock, where that
/// was synchronised then and is now. Otherwise nothing was seen to pass, and a file that is to outlive
/// boots is renewed while the agent runs.
///
///     boot 6f1c…
///     at 81200000000
///     wall 1764000000000000000 1

public import PicketCore
import PicketText

public struct Stamp: Equatable, Sendable {
    /// The kernel's name of the boot.
    let boot: String
    public let at: Instant
    /// In nanoseconds.
    let wall: Int64
    let isSynchronised: Bool

    public init(boot: String, at: Instant, wall: Int64, isSynchronised: Bool) {
        self.boot = boot
        self.at = at
        self.wall = wall
        self.isSynchronised = isSynchronised
    }

    public var text: String {
        "boot \(boot)\nat \(at.nanoseconds)\nwall \(wall) \(isSynchronised ? 1 : 0)\n"
    }

    /// Of the words of a file's lines; `nil` if they do not tell.
    public init?(_ lines: [[String]]) {
        func words(_ kind: String) -> [String]? {
            lines.last { $0.count >= 2 && $0[0] == kind }
        }
        guard let boot = words("boot"), let at = words("at").flatMap({ Int64($0[1]) }),
            let wall = words("wall"), let stamp = Int64(wall[1])
        else { return nil }
        self.init(
            boot: boot[1], at: Instant(nanoseconds: at), wall: stamp,
            isSynchronised: wall.count == 3 && wall[2] == "1")
    }

    /// How much was seen to pass from then until now.
    public func passed(until now: Stamp) -> Duration {
        var passed = boot == now.boot ? max(.zero, now.at - at) : .zero
        guard isSynchronised && now.isSynchronised || planted(.unsynchronisedBelieved) else {
            return passed
        }
        let (age, overflow) = now.wall.subtractingReportingOverflow(wall)
        if !overflow { passed = max(passed, Duration(nanoseconds: age)) }
        return passed
    }
}
