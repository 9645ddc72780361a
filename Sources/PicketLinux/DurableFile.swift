/// Files that are whole or not there.
///
/// A new file is written beside the old one, synced, and renamed over it; then the directory is
/// synced. So after a power cut at any instruction there is either the old file or the new one. The
/// content carries a checksum, because a disk may lie. A file that does not match it is refused,
/// never guessed at.

import CPicket
import PicketCore

public enum DurableFile {
    /// The whole of it; `nil` where there is no such file. Only of a regular one.
    public static func read(_ path: String, limit: Int = 1 << 20)
        throws(SystemError) -> [UInt8]?
    {
        do throws(SystemError) {
            return try Descriptor.openFile(path).readAll(limit: limit, named: path)
        } catch {
            if error.operation == "open", error.errno == ENOENT { return nil }
            throw error
        }
    }

    /// Whether it is a link to another file.
    public static func isLink(_ path: String) -> Bool {
        var status = stat()
        return unsafe lstat(path, &status) == 0 && status.st_mode & 0o170000 == 0o120000
    }

    /// Another one where the file was changed or replaced by another, and the same where the same package
    /// was installed again; `nil` where there is none.
    public static func stamp(_ path: String) -> String? {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        return "\(status.st_size)-\(status.st_mtim.tv_sec)-\(status.st_mtim.tv_nsec)"
    }

    /// The whole of a regular file of this user's, and no link to another; `nil` where there is none.
    public static func read(_ path: String, owner: UInt32) throws(SystemError) -> [UInt8]? {
        let raw = unsafe picket_open_file(path, picket_read_only_no_link, 0)
        guard raw >= 0 else { return nil }
        let file = Descriptor(owning: raw)
        var status = stat()
        guard unsafe fstat(raw, &status) == 0, status.st_uid == owner,
            status.st_mode & 0o170000 == 0o100000
        else { return nil }
        return try file.readAll(limit: 1 << 20, named: path)
    }

    /// Whether something else is there by now, for whoever replaces what he has read.
    public static func differs(_ path: String, from bytes: [UInt8]) -> Bool {
        ((try? read(path)) ?? []) != bytes
    }

    /// Replaces the file. `durable` false leaves out the syncs, for a file that need not outlive a
    /// boot. With `like`, those who may read that file may read this one. What stands at `removing` in
    /// the same directory is gone before the new file has its name. It may be given up until then: a
    /// slow disk takes its time before.
    public static func replace(
        _ path: String, with bytes: [UInt8], durable: Bool = true, like: String? = nil,
        removing: String? = nil, unless isGivenUp: () -> Bool = { false }
    ) throws(SystemError) {
        let temporary = path + ".new"
        do throws(SystemError) {
            let file = try Descriptor.open(temporary, picket_write_new, mode: 0o600)
            try file.writeAll(bytes, named: temporary)
            var pattern = stat()
            if let like, unsafe stat(like, &pattern) == 0 {
                _ = try checked(
                    fchown(file.raw, uid_t.max, pattern.st_gid), "chown", temporary)
                _ = try checked(fchmod(file.raw, pattern.st_mode & 0o777), "chmod", temporary)
            }
            if durable { _ = try checked(fsync(file.raw), "fsync", temporary) }
            if isGivenUp() { throw SystemError("rename", path, errno: ECANCELED) }
        } catch {
            _ = unsafe unlink(temporary)
            throw error
        }
        if let removing, unsafe unlink(removing) != 0, picket_errno() != ENOENT {
            throw SystemError("unlink", removing, errno: picket_errno())
        }
        _ = try checked(unsafe rename(temporary, path), "rename", path)
        if durable {
            let directory = parent(of: path)
            let descriptor = try Descriptor.open(directory, picket_directory)
            _ = try checked(fsync(descriptor.raw), "fsync", directory)
        }
    }

    /// Whether `replace` would find room: another file is written and synced, and gone again. Both may
    /// be under way at once.
    public static func tryWriting(_ bytes: [UInt8], beside path: String) throws(SystemError) {
        let temporary = path + ".try"
        defer { _ = unsafe unlink(temporary) }
        let file = try Descriptor.open(temporary, picket_write_new, mode: 0o600)
        try file.writeAll(bytes, named: temporary)
        _ = try checked(fsync(file.raw), "fsync", temporary)
    }

    /// Removes the file, if it is there, durably.
    public static func remove(_ path: String) throws(SystemError) {
        if unsafe unlink(path) != 0 {
            if picket_errno() == ENOENT { return }
            throw SystemError("unlink", path, errno: picket_errno())
        }
        let directory = parent(of: path)
        let descriptor = try Descriptor.open(directory, picket_directory)
        _ = try checked(fsync(descriptor.raw), "fsync", directory)
    }

    /// Makes a directory and what is missing above it.
    public static func makeDirectory(_ path: String, mode: UInt32 = 0o755) throws(SystemError) {
        if unsafe mkdir(path, mode) == 0 || picket_errno() == EEXIST { return }
        guard picket_errno() == ENOENT, path.utf8.contains(UInt8(ascii: "/")) else {
            throw SystemError("mkdir", path, errno: picket_errno())
        }
        try makeDirectory(parent(of: path), mode: mode)
        if unsafe mkdir(path, mode) != 0 && picket_errno() != EEXIST {
            throw SystemError("mkdir", path, errno: picket_errno())
        }
    }

    public static func parent(of path: String) -> String {
        let bytes = Array(path.utf8)
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == 0 ? "/" : String(decoding: bytes[..<slash], as: UTF8.self)
    }
}

/// Lines of words under a title, closed by a checksum line.
enum SealedText {
    /// FNV-1a, 64 bits: every step is a bijection, so that no single damaged byte goes unseen.
    static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash
    }

    static func seal(_ text: String) -> [UInt8] {
        let body = Array(text.utf8)
        return body + Array("checksum \(String(checksum(body[...]), radix: 16))\n".utf8)
    }

    /// The lines between title and checksum, as words; or what is wrong with the file.
    static func open(_ bytes: [UInt8], title: String) -> Result {
        let ending = Array("checksum ".utf8)
        guard bytes.last == UInt8(ascii: "\n"),
            let newline = bytes.dropLast().lastIndex(of: UInt8(ascii: "\n"))
        else { return .damaged("it is cut short") }
        let last = bytes[(newline + 1)...].dropLast()
        let body = bytes[...newline]
        guard last.starts(with: ending),
            String(decoding: last.dropFirst(ending.count), as: UTF8.self)
                == String(checksum(body), radix: 16)
        else { return .damaged("its checksum does not match") }
        let lines = String(decoding: body, as: UTF8.self).parts(between: "\n")
        guard let first = lines.first, first == title else {
            return .damaged("it does not begin with \"\(title)\"")
        }
        return .lines(lines.dropFirst().map { $0.parts(between: " ") })
    }

    enum Result {
        case lines([[String]])
        case damaged(String)
    }
}

/// Why a file was not taken.
public enum FileError: Error, Equatable, CustomStringConvertible {
    case system(SystemError)
    /// The file is there, and is not what it should be.
    case refused(path: String, reason: String)

    public var description: String {
        switch self {
        case .system(let error): error.description
        case .refused(let path, _): "\(path): \(reason)"
        }
    }

    /// Without the path.
    public var reason: String {
        switch self {
        case .system(let error): error.description
        case .refused(_, let reason): reason
        }
    }
}
