import CPicket
import PicketCore

public enum Directory {
    /// The names in a directory, sorted; none where it is not there.
    public static func names(_ path: String) -> [String] {
        guard let directory = unsafe picket_directory_open(path) else { return [] }
        defer { unsafe picket_directory_close(directory) }
        var names: [String] = []
        while let name = unsafe picket_directory_next(directory) {
            unsafe names.append(String(cString: name))
        }
        names.sortShort { $0 < $1 }
        return names
    }
}
