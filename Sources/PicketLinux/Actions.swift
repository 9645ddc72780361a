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
    let directory: String
    /// The agent's session: no name comes twice in a boot.
    let session: String

    func name(_ id: UInt32, follows: Bool) -> String {
        "\(follows ? ActionNotes.follower : "")\(session)-\(id)"
    }

    /// A note that cannot be written (a full /run) keeps nothing from being stopped.
    func begin(_ name: String) {
        let file = unsafe picket_open_file(
            directory + "/" + name, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        if file >= 0 { _ = close(file) }
    }

    /// Its group outlives its leader, because what the leader started may hang in the kernel.
    func began(_ name: String, group: Int32) {
        let text = Array("\(group)\n".utf8)
        let path = directory + "/" + name
        do throws(SystemError) {
            try Descriptor.open(path, O_WRONLY | O_CLOEXEC).writeAll(text, named: path)
        } catch { return }
    }

    func end(_ name: String) { _ = unsafe unlink(directory + "/" + name) }
}

public enum LeftBehind {
    /// Kills every process that agents before this one have noted in the directory and that still
    /// runs, and waits for its end.
    ///
    /// - Returns: The notes of those that have not ended within the time, but for what only reads;
    ///   the others are removed.
    public static func end(notedIn directory: String, within limit: Duration) -> [String] {
        var clock = Clock()
        let until = clock.now() + limit
        var left: [String] = []
        for name in Directory.names(directory) {
            let mark = ActionNotes.variable + name
            let noted = try? DurableFile.line(directory + "/" + name)
            let group = noted.flatMap { Int32($0) } ?? 0
            let matters = !name.hasPrefix(ActionNotes.follower)
            while unsafe picket_kill_marked(mark, group) > 0, matters, clock.now() < until {
                Worker.sleep(.milliseconds(5))
            }
            if matters, unsafe picket_kill_marked(mark, group) > 0 {
                left.append(name)
            } else {
                _ = unsafe unlink(directory + "/" + name)
            }
        }
        return left
    }
}
