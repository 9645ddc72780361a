/// Whether what is written to a directory outlives a loss of power.
///
/// A state that lies in memory is forgotten with the power, and terms begin anew (S4). A board whose
/// disk is kept read-only often has an overlay with its changes in memory; there nothing else shows
/// that they are lost.

import CPicket
import PicketCore

public enum StatePlace {
    /// Why what is written there is forgotten with the power; `nil` if nothing speaks for that.
    public static func whyVolatile(_ path: String) -> String? {
        let mounts: [UInt8]
        do throws(SystemError) {
            let file = "/proc/self/mountinfo"
            mounts = try Descriptor.open(file, picket_read_only).readAll(
                limit: 1 << 20, named: file)
        } catch { return nil }
        return whyVolatile(path, String(decoding: mounts, as: UTF8.self)) {
            unsafe picket_file_system($0)
        }
    }

    /// - Parameter kind: the magic number of a path's file system (statfs(2)), or -1.
    static func whyVolatile(
        _ path: String, _ mounts: String, _ kind: (String) -> Int64
    ) -> String? {
        switch kind(path) {
        case tmpfs: return "a tmpfs"
        case ramfs: return "a ramfs"
        case overlayfs: break
        default: return nil
        }
        guard let upper = upperDirectory(of: path, mounts) else { return nil }
        switch kind(upper) {
        case tmpfs, ramfs: return "an overlay whose changes lie in memory, in \(upper)"
        case -1: return "an overlay, and where its changes lie, \(upper), is out of sight"
        default: return nil
        }
    }

    // linux/magic.h
    private static let tmpfs: Int64 = 0x0102_1994
    private static let ramfs: Int64 = 0x8584_58f6
    private static let overlayfs: Int64 = 0x794c_7630

    /// Of the overlay that the path lies on: the mount whose point is the longest above it, and of two
    /// such the later one (proc_pid_mountinfo(5)).
    private static func upperDirectory(of path: String, _ mounts: String) -> String? {
        var best: (length: Int, upper: String?) = (-1, nil)
        for line in mounts.parts(between: "\n") {
            let words = line.parts(between: " ")
            guard words.count > 9, let dash = words.firstIndex(of: "-"), dash + 3 < words.count
            else { continue }
            let point = unescaped(words[4])
            guard point == "/" || path == point || path.hasPrefix(point + "/"),
                point.utf8.count >= best.length
            else { continue }
            var upper: String?
            for option in words[dash + 3].parts(between: ",") where option.hasPrefix("upperdir=") {
                upper = unescaped(String(decoding: option.utf8.dropFirst(9), as: UTF8.self))
            }
            best = (point.utf8.count, upper)
        }
        return best.upper
    }

    /// `\040` is a space.
    private static func unescaped(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                digits.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "7") })
            {
                var value = 0
                for digit in digits { value = value * 8 + Int(digit & 7) }
                bytes.append(UInt8(truncatingIfNeeded: value))
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
