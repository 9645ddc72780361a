/// The lab's devices, with the tests in the place of a guest's driver.
import CPicket
import Foundation
import PicketCore
import PicketHardware
import PicketRackClient
import Testing

@testable import PicketLab
@testable import PicketRack

/// Two pages of a guest's memory at physical 0x1000, and at 0x7000_0000 in QEMU.
@safe private final class Guest {
    static let size = 8192
    let memory: GuestMemory
    let bytes: UnsafeMutableRawPointer

    init() throws {
        let path = NSTemporaryDirectory() + "picket-guest.\(UInt64.random(in: 0 ... .max))"
        let file = unsafe picket_open(path, O_RDWR | O_CREAT, 0o600)
        _ = unsafe unlink(path)
        let grown = ftruncate(file, Self.size)
        try #require(grown == 0)
        unsafe bytes = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
        let region = GuestMemory.Description(
            guest: 0x1000, size: UInt64(Self.size), user: 0x7000_0000, offset: 0)
        let mapped = GuestMemory([region], [file])
        memory = try #require(mapped)
    }

    deinit { unsafe munmap(bytes, Self.size) }

    /// Descriptors lie at 0, the available ring at 512, the used one at 1024, of 8 entries.
    var queue: VirtualQueue {
        var queue = VirtualQueue()
        queue.size = 8
        queue.descriptors = 0x7000_0000
        queue.available = 0x7000_0000 + 512
        queue.used = 0x7000_0000 + 1024
        queue.running = true
        return queue
    }

    func put<Number: FixedWidthInteger>(_ number: Number, at offset: Int) {
        unsafe bytes.storeBytes(of: number, toByteOffset: offset, as: Number.self)
    }
    func word(at offset: Int) -> UInt16 {
        unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
    }

    func describe(
        _ index: Int, _ address: UInt64, _ length: UInt32, _ flags: UInt16, next: UInt16 = 0,
        table: Int = 0
    ) {
        let start = table + 16 * index
        put(address, at: start)
        put(length, at: start + 8)
        put(flags, at: start + 12)
        put(next, at: start + 14)
    }

    /// Makes the chain available.
    func offer(_ head: UInt16) {
        let index = word(at: 514)
        put(head, at: 516 + 2 * Int(index % 8))
        put(index &+ 1, at: 514)
    }
}

struct VirtualQueueTests {
    @Test func `a chain's bytes are read, and its answer is given back`() throws {
        let guest = try Guest()
        var queue = guest.queue
        guest.put(UInt32(0x0403_0201), at: 4096)
        guest.describe(0, 0x2000, 4, 1, next: 3)
        guest.describe(3, 0x2100, 2, 2)
        guest.offer(0)
        let taken = queue.take(from: guest.memory, eventIndex: false)
        let request = try #require(taken)
        #expect(request.bytes == [1, 2, 3, 4])
        #expect(request.room == 2)
        #expect(request.put([9, 8, 7]) == 2)
        queue.complete([(request.head, 2)], in: guest.memory)
        #expect(guest.word(at: 4096 + 256) == 0x0809)
        #expect(guest.word(at: 1024 + 2) == 1)
        #expect(guest.word(at: 1024 + 8) == 2)
        #expect(queue.take(from: guest.memory, eventIndex: false) == nil)
    }

    @Test func `an indirect table is followed, and the next kick is asked for`() throws {
        let guest = try Guest()
        var queue = guest.queue
        guest.describe(5, 0x1000 + 2048, 32, 4)
        guest.describe(0, 0x2000, 1, 1, next: 1, table: 2048)
        guest.describe(1, 0x2001, 1, 2, table: 2048)
        guest.offer(5)
        let taken = queue.take(from: guest.memory, eventIndex: true)
        let request = try #require(taken)
        #expect(request.head == 5)
        #expect(request.bytes.count == 1)
        #expect(request.room == 1)
        #expect(queue.take(from: guest.memory, eventIndex: true) == nil)
        #expect(guest.word(at: 1024 + 4 + 64) == 1)
    }

    @Test(arguments: ["outside", "endless", "no such descriptor", "table in a table"])
    func `a chain that makes no sense stops the queue`(_ kind: String) throws {
        let guest = try Guest()
        var queue = guest.queue
        switch kind {
        case "outside": guest.describe(0, 0x2FFF, 2, 0)
        case "endless": guest.describe(0, 0x2000, 1, 1, next: 0)
        case "no such descriptor": guest.describe(0, 0x2000, 1, 1, next: 8)
        default:
            guest.describe(0, 0x1000 + 2048, 16, 4)
            guest.describe(0, 0x1000 + 2048, 16, 4, table: 2048)
        }
        guest.offer(0)
        #expect(queue.take(from: guest.memory, eventIndex: false) == nil)
        #expect(!queue.running)
    }
}

/// Takes the place of the vhost-user server.
private final class Answers: RequestAnswerer {
    var life = 0
    var given: [(queue: Int, bytes: [[UInt8]])] = []
    func answer(_ answers: [(request: QueueRequest, bytes: [UInt8])], queue: Int, life: Int) {
        if life == self.life { given.append((queue, answers.map(\.bytes))) }
    }
}

struct VirtualGPIOTests {
    private let answers = Answers()

    private func chip(holds: Bool) -> VirtualGPIO {
        let chip = VirtualGPIO(lines: ["RELAY", "SENSE"], holds: holds)
        chip.attach(to: answers)
        return chip
    }

    private func ask(
        _ chip: VirtualGPIO, _ kind: UInt8, _ line: UInt8, _ value: UInt8 = 0, queue: Int = 0
    ) -> [UInt8]? {
        var request = QueueRequest(head: 0, memory: GuestMemory())
        request.bytes = queue == 1 ? [line, 0] : [kind, 0, line, 0, value, 0, 0, 0]
        let before = answers.given.count
        chip.handle(request, queue: queue)
        return answers.given.count > before ? answers.given.last?.bytes.first : nil
    }

    @Test func `a line that is driven changes before the guest is answered`() {
        let chip = chip(holds: true)
        var seen: [String] = []
        chip.changed = { line, level in seen.append("\(line) \(level) \(answers.given.count)") }
        #expect(ask(chip, 5, 0, 1) == [0, 0])
        #expect(seen.isEmpty)
        #expect(ask(chip, 3, 0, 1) == [0, 0])
        #expect(seen == ["RELAY true 1"])
        #expect(ask(chip, 4, 0) == [0, 1])
        #expect(ask(chip, 1, 0) == [0] + Array("RELAY\0SENSE\0".utf8))
        #expect(ask(chip, 4, 2) == [1, 0])
    }

    @Test(arguments: [true, false])
    func `a released line does what the controller does, and a dead machine's falls`(holds: Bool) {
        let chip = chip(holds: holds)
        _ = ask(chip, 5, 0, 1)
        _ = ask(chip, 3, 0, 1)
        _ = ask(chip, 3, 0, 0)
        #expect(chip.level(of: "RELAY") == holds)
        chip.stopped()
        #expect(chip.level(of: "RELAY") == false)
    }

    @Test func `an edge is told once, to who waits or comes later`() {
        let chip = chip(holds: true)
        _ = ask(chip, 6, 1, 3)
        #expect(ask(chip, 0, 1, queue: 1) == nil)
        chip.drive("SENSE", true)
        #expect(answers.given.last?.queue == 1)
        #expect(answers.given.last?.bytes == [[1]])
        chip.drive("SENSE", false)
        #expect(ask(chip, 0, 1, queue: 1) == [1])
        #expect(ask(chip, 0, 1, queue: 1) == nil)
        // Told to wait no more, the request comes back unfired.
        _ = ask(chip, 6, 1, 0)
        #expect(answers.given.contains { $0.queue == 1 && $0.bytes == [[0]] })
    }

    @Test func `a stuck line does not follow its driver`() {
        let chip = chip(holds: true)
        chip.stick("RELAY", false)
        _ = ask(chip, 5, 0, 1)
        _ = ask(chip, 3, 0, 1)
        #expect(ask(chip, 4, 0) == [0, 0])
        chip.stick("RELAY", nil)
        #expect(ask(chip, 4, 0) == [0, 1])
    }
}

struct VirtualI2CTests {
    private let answers = Answers()
    private let bus = SimulatedBus()

    private func adapter() -> VirtualI2C {
        let sensor = SimulatedSensor(
            settings: SensorDescription(
                name: "inlet", driver: .tmp102(TMP102()), bus: 1, address: 0x48),
            value: 25)
        sensor.set(.stuck, at: Instant(nanoseconds: 0))
        bus.device(at: 0x48).sensors.append(sensor)
        let adapter = VirtualI2C(bus: bus, loop: EventLoop())
        adapter.attach(to: answers)
        return adapter
    }

    private func message(
        _ address: UInt8, write: [UInt8] = [], read: Int = 0, last: Bool
    ) -> QueueRequest {
        var request = QueueRequest(head: 0, memory: GuestMemory())
        let flags: UInt8 = (last ? 0 : 1) | (read > 0 ? 2 : 0)
        request.bytes = [address << 1, 0, 0, 0, flags, 0, 0, 0] + write
        request.answer = [(0x1000, read + 1)]
        return request
    }

    @Test func `a write and the read after it are one transaction, answered together`() {
        let adapter = adapter()
        adapter.handle(message(0x48, write: [0], last: false), queue: 0)
        #expect(answers.given.isEmpty)
        adapter.handle(message(0x48, read: 2, last: true), queue: 0)
        #expect(answers.given.map(\.bytes) == [[[0], [0x19, 0x00, 0]]])
    }

    @Test func `who does not answer is told as a controller's driver would`() {
        let adapter = adapter()
        adapter.handle(message(0x50, read: 1, last: true), queue: 0)
        #expect(answers.given.map(\.bytes) == [[[0, UInt8(ENXIO)]]])
    }

    @Test func `a hung bus answers when it is released, and not a machine that was reset`() {
        let adapter = adapter()
        bus.hang(true)
        adapter.handle(message(0x48, write: [0], last: true), queue: 0)
        #expect(answers.given.isEmpty)
        bus.hang(false)
        #expect(answers.given.map(\.bytes) == [[[UInt8(ETIMEDOUT)]]])
        bus.hang(true)
        adapter.handle(message(0x48, write: [0], last: true), queue: 0)
        answers.life += 1
        adapter.stopped()
        bus.hang(false)
        #expect(answers.given.count == 1)
    }
}

struct FrameTests {
    private let frame: [UInt8] =
        [1, 0, 0x5E, 77, 0, 1, 0x52, 0x54, 0, 0x70, 0, 0xFF, 8, 0]
        + [0x45, 0, 0, 31, 0, 0, 0x40, 0, 1, 17, 0, 0, 192, 168, 255, 10, 239, 77, 0, 1]
        + [0x80, 0, 0x1E, 0x61, 0, 11, 0, 0] + [97, 98, 99]

    @Test func `a datagram's payload is found by its port`() {
        #expect(Frame.payload(of: frame[...], port: 7777).map(Array.init) == [97, 98, 99])
        #expect(Frame.payload(of: frame[...], port: 7778) == nil)
        #expect(Frame.payload(of: frame[..<44], port: 7777) == nil)
        #expect(Frame.payload(of: [], port: 7777) == nil)
    }

    @Test func `other content gets right lengths and a right checksum`() {
        let new = Frame.with(payload: [1, 2, 3, 4, 5], like: frame)
        #expect(Frame.payload(of: new[...], port: 7777).map(Array.init) == [1, 2, 3, 4, 5])
        var sum = stride(from: 14, to: 34, by: 2).reduce(0) {
            $0 + (Int(new[$1]) << 8 | Int(new[$1 + 1]))
        }
        while sum > 0xFFFF { sum = (sum & 0xFFFF) + (sum >> 16) }
        #expect(sum == 0xFFFF)
    }
}
