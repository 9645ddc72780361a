/// What keeps a unit of a group from being started without a warrant, whoever asks systemd for it.
///
/// A generator of systemd's (systemd/picket-guard) gives each of the configuration's units a drop-in
/// with `AssertPathExists=` on its warrant. It is an assertion because a condition that is not met
/// would pass for a start that went well. A warrant is written before the start of the unit, and
/// goes before its stop. There is no guard where the agent is disabled or gone.
///
/// systemd runs generators at boot and when it is told to read its files again. So the helper tells
/// it where the guard is not that of the file which was just read.

import PicketCore
import PicketLinux

enum Guard {
    static let file = "50-picket.conf"

    /// Whether just these units are guarded.
    static func isRight(for units: [String], in generated: String) -> Bool {
        var guarded: [String] = []
        for name in Directory.names(generated) where name.hasSuffix(".d") {
            if Directory.names(generated + "/" + name).contains(file) {
                guarded.append(name.dropping(last: 2))
            }
        }
        return guarded.count == units.count && units.allSatisfy(guarded.contains)
    }
}
