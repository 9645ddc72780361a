/// Starts of the agent that failed, one after the other, under a service manager.
///
/// The manager starts the agent again without end, because a node without an agent fences nobody and
/// what keeps the agent from starting may go away by itself (a disk that comes late, an address, a
/// socket that somebody else holds). So that this costs little, an agent that fails to start
/// waits before it ends: not at first, then ever longer.

import PicketCore
import PicketLinux

enum FailedStarts {
    /// As many bytes as starts have failed. Under /run, so a boot begins anew.
    private static var path: String? {
        Environment["RUNTIME_DIRECTORY"].map { $0 + "/failed-starts" }
    }

    /// Counts one more, and waits.
    static func wait() {
        guard let path else { return }
        var count = 0
        do throws(SystemError) {
            count = try DurableFile.read(path)?.count ?? 0
            try DurableFile.replace(
                path, with: [UInt8](repeating: UInt8(ascii: "."), count: min(count + 1, 100)),
                durable: false)
        } catch { count = 100 }
        let pause = pause(after: count)
        if pause > .zero { Worker.sleep(pause) }
    }

    /// The agent runs.
    static func forget() {
        guard let path else { return }
        do throws(SystemError) { try DurableFile.remove(path) } catch {}
    }

    /// - Parameter count: starts that failed before this one.
    static func pause(after count: Int) -> Duration {
        count < 5 ? .zero : min(.seconds(30), .seconds(1) * (1 << Int64(min(count - 5, 5))))
    }
}
