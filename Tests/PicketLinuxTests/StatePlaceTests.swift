import CPicket
import Testing

@testable import PicketLinux

struct StatePlaceTests {
    static let (ext4, tmpfs, ramfs, overlay): (Int64, Int64, Int64, Int64) = (
        0xEF53, 0x0102_1994, 0x8584_58f6, 0x794c_7630
    )
    /// As a board with a read-only disk has it, and a data partition below it.
    static let mounts = """
        21 1 0:20 / / rw,noatime shared:1 - overlay overlay rw,lowerdir=/l,upperdir=/ram/up\\040per,workdir=/w
        30 21 8:2 / /var/lib/picket rw - ext4 /dev/sda2 rw

        """

    func why(_ path: String, _ kinds: [String: Int64]) -> String? {
        StatePlace.whyVolatile(path, Self.mounts) { kinds[$0] ?? -1 }
    }

    @Test func `memory is told from a disk`() {
        #expect(why("/state", ["/state": Self.ext4]) == nil)
        #expect(why("/state", ["/state": Self.tmpfs]) == "a tmpfs")
        #expect(why("/state", ["/state": Self.ramfs]) == "a ramfs")
    }

    @Test func `an overlay is what its upper directory is`() {
        let told = why("/state", ["/state": Self.overlay, "/ram/up per": Self.tmpfs])
        #expect(told?.contains("/ram/up per") == true)
        #expect(why("/state", ["/state": Self.overlay, "/ram/up per": Self.ext4]) == nil)
        #expect(why("/state", ["/state": Self.overlay])?.contains("out of sight") == true)
        // The mount that is nearest counts, and a name that only begins alike does not.
        #expect(why("/var/lib/picket/x", ["/var/lib/picket/x": Self.overlay]) == nil)
        #expect(why("/var/lib/picket2", ["/var/lib/picket2": Self.overlay]) != nil)
    }

    @Test(.enabled(if: geteuid() == 0, "only root may mount"))
    func `a tmpfs is seen on this computer`() throws {
        let scratch = Scratch()
        let place = scratch.file("state")
        try #require(unsafe mkdir(place, 0o755) == 0)
        try #require(unsafe picket_mount_small(place, "size=64k") == 0)
        defer { _ = unsafe picket_unmount(place) }
        #expect(StatePlace.whyVolatile(place) == "a tmpfs")
        #expect(StatePlace.whyVolatile("/nowhere") == nil)
    }
}
