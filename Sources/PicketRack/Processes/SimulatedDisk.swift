/// The file system under a node's state directory, which can be full.
///
/// As root it is a tmpfs of 512 KiB, filled to the last byte: the agent meets ENOSPC itself.
/// Otherwise the directory is made unwritable: the agent meets EACCES, which it has to survive
/// just the same.
import CPicket
import Foundation

final class SimulatedDisk {
    private let path: String
    private let mounted: Bool
    private(set) var isFull = false

    /// - Parameter small: ask for the tmpfs; without it, or without root, permissions must do.
    init(path: String, small: Bool) {
        self.path = path
        let wanted = small && geteuid() == 0
        mounted = unsafe wanted && picket_mount_small(path, "size=512k") == 0
    }

    /// How the disk is made full, for the timeline.
    var means: String {
        mounted ? "its tmpfs is filled" : "its state directory is made unwritable"
    }

    func fill() {
        isFull = true
        guard mounted else {
            _ = unsafe chmod(path, 0o555)
            return
        }
        let filler = unsafe picket_open(
            path + "/.filler", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard filler >= 0 else { return }
        defer { close(filler) }
        for size in [4096, 1] {
            let bytes = [UInt8](repeating: 0, count: size)
            while unsafe bytes.withUnsafeBytes({ unsafe write(filler, $0.baseAddress, $0.count) })
                > 0
            {}
        }
    }

    func free() {
        isFull = false
        if mounted {
            try? FileManager.default.removeItem(atPath: path + "/.filler")
        } else {
            _ = unsafe chmod(path, 0o755)
        }
    }

    func remove() {
        free()
        if mounted { _ = unsafe picket_unmount(path) }
    }
}
