/// What became of the real fences by a level, for as long as the level is the same: a self-test says
/// that a relay answers, and only a cut that was seen says that it cuts.
///
/// It is kept in a file of its own, which is renewed every hour: on a board without a wall clock its
/// age grows by what the agent has seen (`Stamp`). One that cannot be read is as good as none: the
/// level has then never cut.

import PicketControl
import PicketCore
import PicketLinux
import PicketText

struct FenceRecord: Equatable {
    /// Of the last real cut that was seen, by the clock of this boot, also of an earlier one; `nil` if
    /// there was none since the last that failed.
    private(set) var cutAt: Instant?
    /// The last real fence failed.
    private(set) var failed = false
    /// The newest self-test in contact passed: what its feedback says counts also where the peer
    /// cannot be asked.
    private(set) var passed = false
    /// Of a level that is a program: what its file was like when it cut. `nil` until that was looked at.
    private(set) var program: String?

    static func path(_ stateDirectory: String, level: Int) -> String {
        "\(stateDirectory)/fence-\(level + 1)-cut"
    }

    static let renewEvery = Duration.seconds(3600)

    mutating func fenced(_ cut: Bool, at now: Instant) {
        cutAt = cut ? now : nil
        failed = !cut
        program = nil
    }

    /// Another program was never seen to cut, whatever the one before it did. Returns whether that is
    /// new.
    mutating func sees(_ program: String) -> Bool {
        guard cutAt != nil, program != self.program else { return false }
        if self.program != nil { cutAt = nil }
        self.program = program
        return true
    }

    /// Returns whether that is new.
    mutating func tested(_ passed: Bool) -> Bool {
        defer { self.passed = passed }
        return self.passed != passed
    }

    /// The operator has mended what failed.
    mutating func clear() { failed = false }

    /// Kind and value on each line; what was cut, by its age in milliseconds.
    func text(level digest: UInt64, _ now: Stamp) -> String {
        let age = cutAt.map { "\((now.at - $0).milliseconds)" } ?? "never"
        return "level \(Text.hex(digest))\ncut \(age)\nfailed \(failed ? 1 : 0)\n"
            + "passed \(passed ? 1 : 0)\n" + (program.map { "program \($0)\n" } ?? "") + now.text
    }

    static func read(_ path: String, level digest: UInt64, _ now: Stamp) -> FenceRecord {
        do throws(SystemError) {
            let bytes = try DurableFile.read(path, limit: 512) ?? []
            return FenceRecord(String(decoding: bytes, as: UTF8.self), level: digest, now)
        } catch { return FenceRecord() }
    }

    init() {}

    init(_ text: String, level digest: UInt64, _ now: Stamp) {
        let lines = text.parts(between: "\n").map { $0.parts(between: " ") }
        guard lines.contains(["level", Text.hex(digest)]) else { return }
        failed = lines.contains(["failed", "1"])
        passed = lines.contains(["passed", "1"])
        program = lines.first { $0.count == 2 && $0[0] == "program" }?[1]
        guard let written = Stamp(lines),
            let cut = lines.first(where: { $0.count == 2 && $0[0] == "cut" }),
            let age = Int64(cut[1]), age >= 0
        else { return }
        cutAt = now.at - written.passed(until: now) - .milliseconds(age)
    }
}
