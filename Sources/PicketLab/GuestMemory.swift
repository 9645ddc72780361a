/// The memory of a virtual machine, as QEMU shares it with the processes that serve its devices.
///
/// QEMU hands over memfds (vhost-user's SET_MEM_TABLE). Two kinds of addresses point into them: the
/// guest's physical ones, by which descriptors name their buffers, and QEMU's own, by which the rings
/// are named.
import CPicket

final class GuestMemory {
    @safe
    private struct Region {
        var guest: UInt64
        var user: UInt64
        var size: UInt64
        var offset: UInt64
        var mapping: UnsafeMutableRawPointer
    }
    private var regions: [Region] = []

    struct Description {
        var guest: UInt64
        var size: UInt64
        var user: UInt64
        var offset: UInt64
    }

    init() {}

    /// Maps the regions and closes the descriptors. `nil` if one cannot be mapped.
    init?(_ descriptions: [Description], _ descriptors: [Int32]) {
        defer { for descriptor in descriptors { close(descriptor) } }
        guard descriptions.count == descriptors.count else { return nil }
        for (each, descriptor) in zip(descriptions, descriptors) {
            guard each.size <= 1 << 40, each.offset <= 1 << 40,
                let mapping = unsafe mmap(
                    nil, Int(each.size + each.offset), PROT_READ | PROT_WRITE, MAP_SHARED,
                    descriptor, 0),
                Int(bitPattern: mapping) != -1
            else { return nil }
            unsafe regions.append(
                Region(
                    guest: each.guest, user: each.user, size: each.size, offset: each.offset,
                    mapping: mapping))
        }
    }

    deinit {
        for region in regions {
            unsafe munmap(region.mapping, Int(region.size + region.offset))
        }
    }

    /// `nil` for what does not lie in one region as a whole.
    @unsafe
    func place(guest address: UInt64, count: Int) -> UnsafeMutableRawPointer? {
        unsafe find(address, count) { $0.guest }
    }

    @unsafe
    func place(user address: UInt64, count: Int) -> UnsafeMutableRawPointer? {
        unsafe find(address, count) { $0.user }
    }

    @unsafe
    private func find(
        _ address: UInt64, _ count: Int, _ base: (Region) -> UInt64
    ) -> UnsafeMutableRawPointer? {
        for region in regions {
            let start = base(region)
            guard address >= start, address - start < region.size,
                UInt64(count) <= region.size - (address - start)
            else { continue }
            return unsafe region.mapping + Int(address - start + region.offset)
        }
        return nil
    }
}
