/// Which sequence numbers came already: the newest one, and one bit for each of the last
/// `ReplayWindow.reach` numbers (the scheme of RFC 6479). A number behind the window is taken for a
/// replay.
internal import PicketCore

struct ReplayWindow {
    private static let words = 32
    /// One word is always being cleared.
    static let reach = UInt64((words - 1) * 64)

    private(set) var newest: UInt64 = 0
    private var bits = [UInt64](repeating: 0, count: words)

    enum Standing: Equatable {
        case new
        case seen
        case tooOld
    }

    func standing(of sequence: UInt64) -> Standing {
        if sequence > newest || planted(.replaysTaken) { return .new }
        if newest - sequence >= ReplayWindow.reach { return .tooOld }
        return bits[word(sequence)] & bit(sequence) == 0 ? .new : .seen
    }

    /// Notes a number that is not too old.
    mutating func insert(_ sequence: UInt64) {
        if sequence > newest {
            let passed = min(sequence / 64 - newest / 64, UInt64(ReplayWindow.words))
            var block = sequence / 64
            for _ in 0..<passed {
                bits[Int(block % UInt64(ReplayWindow.words))] = 0
                block &-= 1
            }
            newest = sequence
        }
        bits[word(sequence)] |= bit(sequence)
    }

    private func word(_ sequence: UInt64) -> Int {
        Int(sequence / 64 % UInt64(ReplayWindow.words))
    }
    private func bit(_ sequence: UInt64) -> UInt64 { 1 << (sequence % 64) }
}
