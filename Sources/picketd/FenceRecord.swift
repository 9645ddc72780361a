/// What became of the real fences by a level, for as long as the level is the same: a self-test says
/// that a relay answers, and only a cut that was seen says that it cuts.
///
/// It is kept in a file of its own. One that cannot be read is as good as none: the level has then
/// never cut.

import PicketControl
import PicketCore
import PicketLinux
import PicketText

struct FenceRecord: Equatable {
    /// Of the last real cut that was seen, by the wall clock; `nil` if there was none since the last
    /// that failed.
    private(set) var cutMilliseconds: Int64?
    /// The last real fence failed.
    private(set) var failed = false
    /// The newest self-test in contact passed: what its feedback says counts also where the peer
    /// cannot be asked.
    private(set) var passed = false

    static func path(_ stateDirectory: String, level: Int) -> String {
        "\(stateDirectory)/fence-\(level + 1)-cut"
    }

    mutating func fenced(_ cut: Bool, milliseconds: Int64) {
        cutMilliseconds = cut ? milliseconds : nil
        failed = !cut
    }

    /// Returns whether that is new.
    mutating func tested(_ passed: Bool) -> Bool {
        defer { self.passed = passed }
        return self.passed != passed
    }

    /// The operator has mended what failed.
    mutating func clear() { failed = false }

    /// One word and number for each line.
    func text(level digest: UInt64) -> String {
        "level \(Text.hex(digest))\ncut \(cutMilliseconds ?? 0)\nfailed \(failed ? 1 : 0)\n"
            + "passed \(passed ? 1 : 0)\n"
    }

    static func read(_ path: String, level digest: UInt64) -> FenceRecord {
        var record = FenceRecord()
        do throws(SystemError) {
            guard let bytes = try DurableFile.read(path, limit: 256) else { return record }
            let lines = String(decoding: bytes, as: UTF8.self).parts(between: "\n")
            guard lines.count >= 3, lines[0] == "level \(Text.hex(digest))",
                lines[1].hasPrefix("cut "), let at = Int64(lines[1].dropping(first: 4))
            else { return record }
            record.cutMilliseconds = at > 0 ? at : nil
            record.failed = lines[2] == "failed 1"
            record.passed = lines.count > 3 && lines[3] == "passed 1"
        } catch {}
        return record
    }
}
