/// The configuration's units, from a file that nobody but root can have written.
///
/// The agent itself prints them (`picketd --units`), run by root: there is one reader of the
/// configuration. A file that cannot be read any more, as while it is being edited, leaves the
/// helper with the list that it has.

import CPicket
import PicketCore
import PicketLinux
import PicketText

struct Listing {
    let options: Options
    /// The file as it was when it was last read, and what picketd was given then.
    private var seen: Seen?

    private struct Seen: Equatable {
        var stamp: Stamp?
        var arguments: [String]
    }

    private struct Stamp: Equatable {
        var device: UInt64
        var node: UInt64
        var size: Int64
        var seconds: (Int64, Int64)
        var nanoseconds: (Int64, Int64)

        init?(_ path: String) {
            var status = stat()
            guard unsafe stat(path, &status) == 0 else { return nil }
            device = UInt64(status.st_dev)
            node = UInt64(status.st_ino)
            size = Int64(status.st_size)
            seconds = (Int64(status.st_mtim.tv_sec), Int64(status.st_ctim.tv_sec))
            nanoseconds = (Int64(status.st_mtim.tv_nsec), Int64(status.st_ctim.tv_nsec))
        }

        static func == (a: Stamp, b: Stamp) -> Bool {
            a.device == b.device && a.node == b.node && a.size == b.size
                && a.seconds == b.seconds && a.nanoseconds == b.nanoseconds
        }
    }

    init(_ options: Options) { self.options = options }

    /// What to run for the list, where the file is another one than last time.
    mutating func due() throws(Refusal) -> Launch? {
        let (configuration, arguments) = try options.sources()
        let now = Seen(stamp: Stamp(configuration), arguments: arguments)
        guard now != seen else { return nil }
        if let stranger = Listing.distrust(configuration) { throw Refusal(text: stranger) }
        seen = now
        return launch(arguments)
    }

    /// For the units of another file than the one in place.
    func launch(of file: String) throws(Refusal) -> Launch {
        var (_, arguments) = try options.sources()
        if let index = arguments.firstIndex(of: "--config") {
            arguments[index + 1] = file
        } else {
            arguments += ["--config", file]
        }
        return launch(arguments)
    }

    private func launch(_ arguments: [String]) -> Launch {
        Launch(
            arguments: ["picketd", "--units"] + arguments, environment: [Listing.path],
            mostLines: 2000)
    }

    /// As if it had never been read.
    mutating func forget() { seen = nil }

    static let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// Who else could have written the file, or put another in its place; `nil` if nobody but root,
    /// or whoever runs this.
    static func distrust(_ path: String) -> String? {
        guard let real = unsafe realpath(path, nil) else {
            return SystemError("open", path, errno: picket_errno()).description
        }
        let file = unsafe String(cString: real)
        unsafe free(real)
        return stranger(on: file) ?? stranger(on: DurableFile.parent(of: path))
    }

    private static func stranger(on path: String) -> String? {
        var path = path
        while true {
            var status = stat()
            guard unsafe stat(path, &status) == 0 else {
                return SystemError("stat", path, errno: picket_errno()).description
            }
            let isDirectory = status.st_mode & 0o170000 == 0o040000
            let isSticky = isDirectory && status.st_mode & 0o1000 != 0
            if status.st_uid != 0, status.st_uid != geteuid() {
                return "\(path) belongs to user \(status.st_uid), expected root: the units that the"
                    + " configuration names may be started by its word (chown root \(path))"
            }
            if status.st_mode & 0o022 != 0, !isSticky {
                return "\(path) can be written by others than root (mode"
                    + " \(String(status.st_mode & 0o7777, radix: 8))): chmod go-w \(path)"
            }
            if path == "/" || path == "." { return nil }
            path = DurableFile.parent(of: path)
        }
    }
}
