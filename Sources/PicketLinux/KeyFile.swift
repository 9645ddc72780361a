import CPicket
import PicketCore

public enum KeyFile {
    public static let length = 32

    /// The pair's key.
    ///
    /// - Throws: `FileError.refused` if others than its owner may read or change it, or if it is
    ///   not exactly 32 bytes.
    public static func load(_ path: String) throws(FileError) -> [UInt8] {
        let bytes: [UInt8]
        let mode: UInt32
        do throws(SystemError) {
            let file = try Descriptor.openFile(path)
            var status = stat()
            _ = try checked(unsafe fstat(file.raw, &status), "stat", path)
            mode = status.st_mode
            bytes = try file.readAll(limit: length + 1, named: path)
        } catch { throw .system(error) }
        guard mode & 0o077 == 0 else {
            throw .refused(
                path: path,
                reason: "others than its owner may read it (mode \(String(mode & 0o777, radix: 8))"
                    + "): chmod 600 \(path)")
        }
        guard bytes.count == length else {
            throw .refused(
                path: path,
                reason: "a key is exactly \(length) bytes, this file has "
                    + (bytes.count > length ? "more" : "\(bytes.count)")
                    + ": make one with picket keygen")
        }
        return bytes
    }
}
