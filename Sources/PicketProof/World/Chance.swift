/// The only source of randomness of the proof and of the tests: SplitMix64 (Steele, Lea, Flood
/// 2014) over one seed, so that a failure is played again by its seed.
public struct Chance: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// 0 ..< `bound`, which must be positive.
    public mutating func below(_ bound: Int64) -> Int64 {
        Int64(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    public mutating func percent(_ percent: Int) -> Bool {
        percent > 0 && below(100) < Int64(percent)
    }

    public mutating func one<Element>(of choices: [Element]) -> Element {
        choices[Int(below(Int64(choices.count)))]
    }

    /// A generator of its own, so that the draws of one part do not change those of another.
    public mutating func fork() -> Chance { Chance(seed: next()) }
}
