/// Which of its processes an agent's successor must end.
///
/// A process outlives the agent that started it. A start that goes on after its agent's death could
/// bring something up that the next agent has stopped, and a fence agent could cut a peer that has
/// been heard again. So each of these is noted by a file below /run before it is started, and its
/// environment begins with the same name. An agent that starts first ends the processes that the
/// one before it left behind; one that only reads (a probe that follows) is noted too, and it does
/// not matter when it ends. If a process has ended well, those that it left running bear the name
/// of no note.

internal import CPicket
public import PicketCore

struct ActionNotes: Sendable {
    static let variable = "PICKET_RUN="
    /// How the name begins of what may end later.
    static let follower = "follower-"
    /// What stands before the name of the group that it starts.
    static let starts = "starts "
    let directory: String
    /// The agent's session: no name comes twice in a boot.
    let session: String

    func name(_ id: UInt32, follows: Bool) -> String {
        "\(follows ? ActionNotes.follower : "")\(session)-\(id)"
    }

    /// A note that cannot be written (a full /run) keeps nothing from being stopped.
    func begin(_ name: String, starting group: String) {
        let file = unsafe picket_open_file(
            directory + "/" + name, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        if file >= 0 { _ = close(file) }
        if !group.isEmpty { append("\(ActionNotes.starts)\(group)", to: name) }
    }

    /// Its group outlives its leader, because what the leader started may hang in the kernel.
    func began(_ name: String, group: Int32) { append("\(group)", to: name) }

    private func append(_ line: String, to name: String) {
        let path = directory + "/" + name
        do throws(SystemError) {
            try Descriptor.open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
                .writeAll(Array("\(line)\n".utf8), named: path)
        } catch { return }
    }

    func end(_ name: String) { _ = unsafe unlink(directory + "/" + name) }
}

public enum LeftBehind {
    public struct End: Equatable, Sendable {
        /// The notes of those that have not ended within the time, but for what only reads. The
        /// others are removed.
        public var left: [String] = []
        /// The names of the groups that they were starting. Nobody has heard what came of that.
        public var interrupted: [String] = []

        public init(left: [String] = [], interrupted: [String] = []) {
            self.left = left
            self.interrupted = interrupted
        }
    }

    /// Kills every process that agents before this one have noted in the directory and that still
    /// runs, and waits for its end.
    public static func end(notedIn directory: String, within limit: Duration) -> End {
        var clock = Clock()
        let until = clock.now() + limit
        var all = End()
        for name in Directory.names(directory) {
            let mark = ActionNotes.variable + name
            let text = (try? DurableFile.read(directory + "/" + name)) ?? []
            var group: Int32 = 0
            for bytes in text.split(separator: 10) {
                let line = String(decoding: bytes, as: UTF8.self)
                if line.hasPrefix(ActionNotes.starts) {
                    all.interrupted.append(line.dropping(first: ActionNotes.starts.utf8.count))
                } else if let process = Int32(line) {
                    group = process
                }
            }
            let matters = !name.hasPrefix(ActionNotes.follower)
            while unsafe picket_kill_marked(mark, group) > 0, matters, clock.now() < until {
                Worker.sleep(.milliseconds(5))
            }
            if matters, unsafe picket_kill_marked(mark, group) > 0 {
                all.left.append(name)
            } else {
                _ = unsafe unlink(directory + "/" + name)
            }
        }
        return all
    }
}
