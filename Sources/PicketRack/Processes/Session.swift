/// Processes of the rack's own, each the leader of a session.
package import CPicket
import PicketCore

/// Of this whole program: orphans below it become its children, and are reaped while the loop runs.
package func adoptOrphans(in loop: EventLoop) {
    _ = picket_become_subreaper()
    loop.every(.milliseconds(100)) { reapChildren() }
}

package func reapChildren() {
    var status: Int32 = 0
    while unsafe waitpid(-1, &status, WNOHANG) > 0 {}
}

/// The live processes of a session, and all that come from them. What left the session is found below
/// what started it; or, when that is gone, among this program's own children, which are orphans but
/// for the leaders of the `other` sessions.
func processes(of session: pid_t, other leaders: [pid_t]) -> [pid_t] {
    var table = [picket_process](repeating: picket_process(), count: 8192)
    let count = unsafe picket_processes(&table, Int32(table.count))
    let all = table[..<max(0, Int(count))]
    var found: Set<pid_t> = []
    var before = -1
    while found.count > before {
        before = found.count
        for process in all {
            let isOrphan = process.parent == getpid() && !leaders.contains(process.id)
            if process.session == session || isOrphan || found.contains(process.parent) {
                found.insert(process.id)
            }
        }
    }
    return all.map(\.id).filter(found.contains)
}

/// Starts a process as the leader of its own session. `nil` if that fails.
package func spawnSession(
    _ arguments: [String], environment: [String], input: Int32, output: Int32, error: Int32
) -> pid_t? {
    var argumentPointers = unsafe arguments.map { unsafe strdup($0) }
    var environmentPointers = unsafe environment.map { unsafe strdup($0) }
    unsafe argumentPointers.append(nil)
    unsafe environmentPointers.append(nil)
    defer {
        unsafe argumentPointers.forEach { unsafe free($0) }
        unsafe environmentPointers.forEach { unsafe free($0) }
    }
    var child: pid_t = 0
    let result = unsafe picket_spawn_session(
        &child, argumentPointers, environmentPointers, input, output, error)
    return result == 0 ? child : nil
}

/// A wait status in words.
package func ending(_ status: Int32) -> String {
    let signal = status & 0x7F
    return signal == 0 ? "exit \(status >> 8)" : "signal \(signal)"
}
