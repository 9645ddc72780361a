/// Reads the configuration, its boards and its keys again, off the loop: their disk may take longer
/// than the peer waits for a sign of life.

import PicketConfig
import PicketControl
import PicketLinux
import PicketWire

final class ConfigurationReader {
    /// What is to be done with what is read.
    enum Wish: Sendable {
        case reload
        /// End for an agent that will start with the file, where these groups run.
        case pause(caller: UInt32, Request, running: [String])

        var isReload: Bool { if case .reload = self { true } else { false } }
    }

    enum Found: Sendable {
        case read(Configuration, [Key])
        case refused([String])
    }

    private let results: BoundedQueue<Found>
    private let read: @Sendable (Wish) -> Found
    /// The first is under way. Each is read for by itself: what was read before may be older than
    /// the wish.
    private var wishes: [Wish] = []

    init(_ read: @escaping @Sendable (Wish) -> Found) throws(SystemError) {
        results = try BoundedQueue<Found>(capacity: 1)
        self.read = read
    }

    /// Readable when something was found.
    var raw: Int32 { results.raw }

    var isReloading: Bool { wishes.contains { $0.isReload } }

    /// Reads in a thread of its own. `take` gives what is found.
    func ask(_ wish: Wish) {
        if wish.isReload, wishes.dropFirst().contains(where: { $0.isReload }) { return }
        wishes.append(wish)
        if wishes.count == 1 { begin(wish) }
    }

    func take() -> (wish: Wish, found: Found)? {
        results.clear()
        guard let found = results.pop() else { return nil }
        let wish = wishes.removeFirst()
        if let next = wishes.first { begin(next) }
        return (wish, found)
    }

    private func begin(_ wish: Wish) {
        let (results, read) = (results, read)
        do throws(SystemError) {
            try Worker.start("configuration", stackBytes: 512 * 1024) {
                _ = results.push(read(wish))
            }
        } catch { _ = results.push(.refused([error.description])) }
    }
}

extension Startup {
    static func read(
        _ options: Options, for wish: ConfigurationReader.Wish
    ) -> ConfigurationReader.Found {
        do throws(StartupError) {
            switch wish {
            case .reload:
                let settings = try load(options)
                return .read(settings, try keys(settings.keys))
            case .pause(_, _, let running):
                let settings = try load(options, running: running)
                return .read(settings, try verify(settings, options))
            }
        } catch { return .refused(error.lines) }
    }
}
