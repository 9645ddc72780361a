/// A split virtqueue, from the device's side (Virtual I/O Device 1.2, §2.7), with indirect
/// descriptors and event indices, which QEMU negotiates unasked.
///
/// Nothing in the rings and buffers is trusted, because the guest writes it. An address outside its
/// memory, or a chain without end, stops the queue and not the rack.
import CPicket

struct VirtualQueue {
    var size = 0
    /// QEMU's addresses of the three parts.
    var descriptors: UInt64 = 0
    var available: UInt64 = 0
    var used: UInt64 = 0
    /// The next of the available ring that was not taken yet.
    var next: UInt16 = 0
    var kick: Int32 = -1
    var call: Int32 = -1
    var running = false

    /// The driver's flags of a descriptor.
    private static let more: UInt16 = 1
    private static let deviceWrites: UInt16 = 2
    private static let indirect: UInt16 = 4
    private static let longest = 65_536

    /// The next request; `nil` when there is none.
    mutating func take(from memory: GuestMemory, eventIndex: Bool) -> QueueRequest? {
        guard running, size > 0,
            let ring = unsafe memory.place(user: available, count: 4 + 2 * size + 2)
        else { return nil }
        if unsafe picket_load16(ring + 2) == next {
            guard eventIndex, let mine = unsafe memory.place(user: used, count: 4 + 8 * size + 2)
            else { return nil }
            // Ask to be told of the next one, and look again, because it may have come in between.
            unsafe picket_store16(mine + 4 + 8 * size, next)
            picket_fence()
            if unsafe picket_load16(ring + 2) == next { return nil }
        }
        let head = unsafe picket_load16(ring + 4 + 2 * (Int(next) % size))
        next &+= 1
        guard let request = chain(head, memory) else {
            running = false
            return nil
        }
        return request
    }

    private func chain(_ head: UInt16, _ memory: GuestMemory) -> QueueRequest? {
        var request = QueueRequest(head: head, memory: memory)
        guard var table = unsafe memory.place(user: descriptors, count: 16 * size)
        else { return nil }
        var count = size
        var index = Int(head)
        for _ in 0...size {
            guard index < count else { return nil }
            let each = unsafe table + 16 * index
            let address = unsafe each.loadUnaligned(as: UInt64.self)
            let length = unsafe Int(each.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
            let flags = unsafe each.loadUnaligned(fromByteOffset: 12, as: UInt16.self)
            guard length <= Self.longest else { return nil }
            if flags & Self.indirect != 0 {
                guard unsafe table != memory.place(guest: address, count: length), length >= 16,
                    let inner = unsafe memory.place(guest: address, count: length)
                else { return nil }
                unsafe table = inner
                count = length / 16
                index = 0
                continue
            }
            if flags & Self.deviceWrites != 0 {
                request.answer.append((address, length))
            } else if length > 0 {
                guard let bytes = unsafe memory.place(guest: address, count: length)
                else { return nil }
                unsafe request.bytes += UnsafeRawBufferPointer(start: bytes, count: length)
            }
            guard flags & Self.more != 0 else { return request }
            index = unsafe Int(each.loadUnaligned(fromByteOffset: 14, as: UInt16.self))
        }
        return nil
    }

    /// Gives answered requests back, all at once, and interrupts the guest.
    func complete(_ answered: [(head: UInt16, length: Int)], in memory: GuestMemory) {
        guard !answered.isEmpty, size > 0,
            let ring = unsafe memory.place(user: used, count: 4 + 8 * size + 2)
        else { return }
        var index = unsafe picket_load16(ring + 2)
        for each in answered {
            let place = unsafe ring + 4 + 8 * (Int(index) % size)
            unsafe place.storeBytes(of: UInt32(each.head), as: UInt32.self)
            unsafe place.storeBytes(of: UInt32(each.length), toByteOffset: 4, as: UInt32.self)
            index &+= 1
        }
        unsafe picket_store16(ring + 2, index)
        guard call >= 0 else { return }
        var one: UInt64 = 1
        _ = unsafe write(call, &one, 8)
    }
}

/// A driver's request, and the place of its answer.
struct QueueRequest {
    let head: UInt16
    let memory: GuestMemory
    /// What the driver wrote.
    var bytes: [UInt8] = []
    /// Guest addresses and lengths.
    var answer: [(address: UInt64, length: Int)] = []

    init(head: UInt16, memory: GuestMemory) {
        self.head = head
        self.memory = memory
    }

    /// How many bytes the driver expects at most.
    var room: Int { answer.reduce(0) { $0 + $1.length } }

    /// Writes the answer, and returns how much of it fitted.
    func put(_ bytes: [UInt8]) -> Int {
        var rest = bytes[...]
        for part in answer where !rest.isEmpty {
            let piece = rest.prefix(part.length)
            guard let place = unsafe memory.place(guest: part.address, count: piece.count)
            else { break }
            unsafe piece.withUnsafeBytes { bytes in
                guard let start = bytes.baseAddress else { return }
                unsafe place.copyMemory(from: start, byteCount: bytes.count)
            }
            rest = rest.dropFirst(piece.count)
        }
        return bytes.count - rest.count
    }

    func word(at offset: Int) -> UInt16? {
        guard bytes.count >= offset + 2 else { return nil }
        return UInt16(bytes[offset]) | UInt16(bytes[offset + 1]) << 8
    }
}
