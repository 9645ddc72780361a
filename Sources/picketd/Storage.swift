/// What goes to disk, by a worker: a disk may take its time, and the loop must not.
///
/// It takes requests in order. The state file's bytes are made here too, for they need the wall
/// clock, and on a rack that is the rack's to tell.

import PicketCore
import PicketLinux
import PicketRackClient

enum StorageRequest: Sendable {
    case memory(Memory, ticket: UInt32)
    /// A line of the history.
    case history([UInt8])
    /// The newest lines of the history, for a caller.
    case tail(count: Int, caller: UInt32)
    /// A file of its own, replaced durably; `nil` removes it.
    case file(path: String, [UInt8]?)
    /// The mark of a fence agent's level, at this path: that the peer's power is to be given back.
    case mark(path: String, level: Int)
    /// Only look at the wall clock.
    case clock
}

enum StorageAnswer: Sendable {
    case persisted(ticket: UInt32)
    case notPersisted(ticket: UInt32, String)
    case notWritten(String)
    /// Of this level; with what is wrong, if it could not be written.
    case marked(level: Int, String?)
    case tail(caller: UInt32, [[UInt8]])
    /// By how many nanoseconds the node's wall clock is off the machine's.
    case wallOffset(Int64)
}

final class Storage {
    private let requests: BoundedQueue<StorageRequest>
    private let answers: BoundedQueue<StorageAnswer>

    init(_ memory: MemoryFile, history: String, rack: String?) throws(SystemError) {
        let requests = try BoundedQueue<StorageRequest>(capacity: 512)
        let answers = try BoundedQueue<StorageAnswer>(capacity: 1024)
        self.requests = requests
        self.answers = answers
        try Worker.start("storage") {
            var worker = StorageWorker(
                memory: memory, history: HistoryFile(path: history), rack: rack, answers: answers)
            while true {
                if let request = requests.wait() { worker.serve(request) }
            }
        }
    }

    /// Readable when an answer is there.
    var raw: Int32 { answers.raw }

    /// False where too much is waiting for the disk already.
    func ask(_ request: StorageRequest) -> Bool { requests.push(request) }

    func clear() { answers.clear() }
    func next() -> StorageAnswer? { answers.pop() }
}

private struct StorageWorker {
    let memory: MemoryFile
    let history: HistoryFile
    let rack: String?
    let answers: BoundedQueue<StorageAnswer>
    var clock = Clock()
    var client: RackClient?
    var offset: Int64 = 0
    var historyFails = false

    mutating func serve(_ request: StorageRequest) {
        switch request {
        case .memory(let value, let ticket): store(value, ticket)
        case .history(let line):
            let history = history
            report { () throws(SystemError) in try history.append(line) }
        case .tail(let count, let caller):
            _ = answers.push(.tail(caller: caller, history.tail(count)))
        case .file(let path, let bytes):
            report { () throws(SystemError) in
                if let bytes {
                    try DurableFile.makeDirectory(DurableFile.parent(of: path))
                    try DurableFile.replace(path, with: bytes)
                } else {
                    try DurableFile.remove(path)
                }
            }
        case .mark(let path, let level):
            var trouble: String?
            do throws(SystemError) {
                try DurableFile.replace(path, with: Array(FenceMark.text.utf8))
            } catch { trouble = error.description }
            _ = answers.push(.marked(level: level, trouble))
        case .clock: look()
        }
    }

    private mutating func store(_ value: Memory, _ ticket: UInt32) {
        look()
        let bytes = memory.encode(value, now: clock.now(), wall: WallClock.now() + offset)
        do throws(SystemError) {
            try DurableFile.replace(memory.path, with: bytes)
            _ = answers.push(.persisted(ticket: ticket))
        } catch {
            _ = answers.push(.notPersisted(ticket: ticket, error.description))
        }
    }

    /// Said once, until it works again.
    private mutating func report(_ body: () throws(SystemError) -> Void) {
        do throws(SystemError) {
            try body()
            historyFails = false
        } catch {
            if !historyFails { _ = answers.push(.notWritten(error.description)) }
            historyFails = true
        }
    }

    private mutating func look() {
        guard let rack else { return }
        do throws(RackError) {
            if client == nil { client = try RackClient(path: rack) }
            guard let client else { return }
            offset = try client.wallClockOffset() * 1_000_000_000
            _ = answers.push(.wallOffset(offset))
        } catch { client = nil }
    }
}
