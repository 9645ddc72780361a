import CPicket
import PicketCore

public enum Directory {
    /// The names in a directory but for its own and its parent's, sorted; none where it is not
    /// there.
    public static func names(_ path: String) -> [String] {
        guard let directory = unsafe picket_directory_open(path) else { return [] }
        defer { unsafe picket_directory_close(directory) }
        var names: [String] = []
        while let entry = unsafe picket_directory_next(directory) {
            let name = unsafe String(cString: entry)
            if name != "." && name != ".." { names.append(name) }
        }
        names.sortShort { $0 < $1 }
        return names
    }

    /// Where board files lie; of two with one name the first is meant. The operator's own, then
    /// what came with this program, whether it lies in bin or sbin.
    public static var boards: [String] {
        ["/etc/picket/boards", program + "/../share/picket/boards"]
    }

    /// Where this program lies, by its true name.
    private static var program: String {
        var name = [CChar](repeating: 0, count: 4096)
        let count = unsafe readlink("/proc/self/exe", &name, name.count)
        let bytes = name.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }
        return DurableFile.parent(of: String(decoding: bytes, as: UTF8.self))
    }
}
