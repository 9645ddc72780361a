import CPicket

/// The owner of an open file descriptor: closes it when it goes.
public struct Descriptor: ~Copyable, Sendable {
    public let raw: Int32

    public init(owning raw: Int32) { self.raw = raw }

    deinit { close(raw) }

    /// The number of bytes read: 0 at the end; `nil` where there is nothing now, or an error.
    public func read(into buffer: inout [UInt8]) -> Int? {
        let count = unsafe CPicket.read(raw, &buffer, buffer.count)
        return count < 0 ? nil : count
    }

    /// All that there is to the end of a file or, of an endless one, the first `limit` bytes.
    public func readAll(limit: Int, named name: String) throws(SystemError) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while bytes.count < limit {
            let count = unsafe CPicket.read(raw, &buffer, buffer.count)
            if count < 0 {
                if picket_errno() == EINTR { continue }
                throw SystemError("read", name, errno: picket_errno())
            }
            if count == 0 { break }
            bytes.append(contentsOf: buffer[..<count])
        }
        return bytes.count > limit ? Array(bytes[..<limit]) : bytes
    }

    /// Writes all of it, waiting as long as it takes.
    public func writeAll(_ bytes: [UInt8], named name: String) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            let rest = done == 0 ? bytes : Array(bytes[done...])
            let count = unsafe CPicket.write(raw, rest, rest.count)
            if count < 0 {
                if picket_errno() == EINTR { continue }
                throw SystemError("write", name, errno: picket_errno())
            }
            done += count
        }
    }

    /// A regular file, to be read. To open a pipe or a device could mean to wait.
    static func openFile(_ path: String) throws(SystemError) -> Descriptor {
        let file = try open(path, picket_read_only)
        var status = stat()
        _ = try checked(unsafe fstat(file.raw, &status), "stat", path)
        guard status.st_mode & 0o170000 == 0o100000 else {
            throw SystemError("open", path, errno: EINVAL)
        }
        return file
    }

    static func open(_ path: String, _ flags: Int32, mode: UInt32 = 0)
        throws(SystemError) -> Descriptor
    {
        Descriptor(owning: try checked(unsafe picket_open_file(path, flags, mode), "open", path))
    }
}
