/// Reads the configuration, its boards and its keys again, off the loop: their disk may take longer
/// than the peer waits for a sign of life.

import PicketConfig
import PicketLinux
import PicketWire

final class ConfigurationReader {
    enum Found: Sendable {
        case read(Configuration, [Key])
        case refused([String])
    }

    private let results: BoundedQueue<Found>
    private(set) var isUnderWay = false
    /// Asked for while it was under way: what is read then may be older than the wish.
    private var again = false

    init() throws(SystemError) { results = try BoundedQueue<Found>(capacity: 1) }

    /// Readable when something was found.
    var raw: Int32 { results.raw }

    /// Reads in a thread of its own. Where that is under way already, `take` says that it is to
    /// begin again.
    func begin(_ read: @escaping @Sendable () -> Found) throws(SystemError) {
        guard !isUnderWay else {
            again = true
            return
        }
        let results = results
        try Worker.start("configuration", stackBytes: 512 * 1024) { _ = results.push(read()) }
        isUnderWay = true
    }

    func take() -> (found: Found, again: Bool)? {
        results.clear()
        guard let found = results.pop() else { return nil }
        defer { again = false }
        isUnderWay = false
        return (found, again)
    }
}

extension Startup {
    static func read(_ options: Options) -> ConfigurationReader.Found {
        do throws(StartupError) {
            let settings = try load(options)
            return .read(settings, try keys(settings.keys))
        } catch { return .refused(error.lines) }
    }
}
