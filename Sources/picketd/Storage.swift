/// What goes to disk, by a worker: a disk may take its time, and the loop must not.
///
/// It takes requests in order. The state file's bytes are made here too, because they need the wall
/// clock, and where that is simulated somebody else has to be asked. The run note lies in memory,
/// and is written at once.

import PicketControl
import PicketCore
import PicketLinux

enum StorageRequest: Sendable {
    case memory(Memory, ticket: UInt32)
    /// A line of the history.
    case history([UInt8])
    /// The newest lines of the history, for a caller.
    case tail(count: Int, caller: UInt32)
    /// A file of its own, replaced durably; `nil` removes it.
    case file(path: String, [UInt8]?)
    /// The ages of fences and moves anew.
    case ages
    /// The state file's second copy.
    case copy
    /// The state file has more groups from now on.
    case groups(MemoryFile)
    /// What the file of a method's program is like.
    case look(String, method: Int)
}

enum StorageAnswer: Sendable {
    case persisted(ticket: UInt32)
    case notPersisted(ticket: UInt32, String)
    case notWritten(String)
    case tail(caller: UInt32, [[UInt8]])
    case looked(String, method: Int)
    /// By how many nanoseconds the node's wall clock is ahead of the computer's.
    case wallOffset(Int64)
}

final class Storage: Part {
    private let requests: BoundedQueue<StorageRequest>
    /// By ticket.
    private let looks: BoundedQueue<UInt32>
    private let answers: BoundedQueue<StorageAnswer>
    private var noteFile: RunNoteFile
    /// As it was read, with the groups that were added since.
    private var memoryFile: MemoryFile
    /// The worker does not know of the added groups, because its queue was full.
    private var owesGroups = false
    /// What runs here, as it was noted last.
    private(set) var noted: RunNote
    private var wallOffset: Int64
    private var agesDue: Instant
    /// When nothing was to be remembered for so long.
    private var copyDue: Instant
    private let restored: String?
    /// Why the note of the agent before this one tells nothing.
    private let damage: String?
    /// The state file takes what it is given.
    private(set) var isStateWritten = true

    init(
        _ memory: MemoryFile, _ loaded: Memory?, history: String, _ noteFile: RunNoteFile,
        _ noted: RunNote, damage: String?, _ hardware: Hardware, wallOffset: Int64, at now: Instant
    ) throws(SystemError) {
        let requests = try BoundedQueue<StorageRequest>(capacity: 512)
        let answers = try BoundedQueue<StorageAnswer>(capacity: 1024)
        let looks = try BoundedQueue<UInt32>(capacity: 2)
        self.requests = requests
        self.looks = looks
        self.answers = answers
        self.noteFile = noteFile
        memoryFile = memory
        self.noted = noted
        self.wallOffset = wallOffset
        agesDue = now + .seconds(300)
        copyDue = now + Storage.quiet
        restored = memory.restored
        self.damage = damage
        try Worker.start("storage") {
            var worker = StorageWorker(
                memory: memory, latest: loaded, history: HistoryFile(path: history),
                wallClock: hardware.wallClock(), answers: answers)
            while true {
                if let request = requests.wait() { worker.serve(request) }
            }
        }
        // A disk may take its time for a look, and what is to be written does not wait for that.
        try Worker.start("storage-look") {
            while true {
                guard let ticket = looks.wait() else { continue }
                do throws(SystemError) {
                    try memory.tryDisk()
                    _ = answers.push(.persisted(ticket: ticket))
                } catch {
                    _ = answers.push(.notPersisted(ticket: ticket, error.description))
                }
            }
        }
    }

    private static let quiet = Duration.seconds(2)

    /// By the node's wall clock.
    var wallMilliseconds: Int64 { (WallClock.now() + wallOffset) / 1_000_000 }

    func stamp(at now: Instant) -> Stamp {
        Stamp(
            boot: noteFile.boot, at: now, wall: WallClock.now() + wallOffset,
            isSynchronised: WallClock.isSynchronised)
    }

    /// False where too much is waiting for the disk already.
    func ask(_ request: StorageRequest) -> Bool { requests.push(request) }

    /// A file of its own; `nil` removes it. One that cannot be asked for is lost.
    func write(_ path: String, _ text: String?) {
        _ = ask(.file(path: path, text.map { Array($0.utf8) }))
    }

    func persist(_ memory: Memory, ticket: UInt32, _ agent: Agent) {
        copyDue = agent.now + Storage.quiet
        if owesGroups { owesGroups = !ask(.groups(memoryFile)) }
        if owesGroups || !ask(.memory(memory, ticket: ticket)) {
            agent.follow(.persistFailed(ticket: ticket))
        }
    }

    /// One that is not answered is told of in time.
    func lookAtDisk(_ ticket: UInt32) { _ = looks.push(ticket) }

    /// An older agent may follow, which would leave the copy beside a newer state. The next of this
    /// release writes it anew.
    func dropCopy() { write(memoryFile.copyPath, nil) }

    /// What the state file said of groups that the configuration did not have.
    func memories(of added: [String]) -> [GroupMemory] {
        var file = memoryFile
        return file.add(added)
    }

    /// The changed configuration has these as well; and then the names of all, by their places.
    func add(_ added: [String], _ groups: [String]) {
        guard !added.isEmpty else { return }
        _ = memoryFile.add(added)
        noteFile = RunNoteFile(path: noteFile.path, boot: noteFile.boot, groups: groups)
        owesGroups = !ask(.groups(memoryFile))
    }

    func note(_ note: RunNote, _ agent: Agent) {
        let isLater = note.terms != noted.terms || note.goneTerm != noted.goneTerm
        noted = note
        do throws(SystemError) { try noteFile.store(note) } catch {
            if isLater { noteFile.spoil() }
            agent.tell(.runNotNoted(reason: error.description))
        }
    }

    override var due: Instant { min(agesDue, copyDue) }

    override func pass(_ agent: Agent) {
        if agent.now >= agesDue {
            agesDue = agent.now + .seconds(300)
            _ = ask(.ages)
        }
        if agent.now >= copyDue {
            copyDue = .distantFuture
            _ = ask(.copy)
        }
    }

    override func open(_ agent: Agent) throws(SystemError) {
        try agent.wait(on: answers.raw, of: self)
        if let restored { agent.tell(.stateRestored(reason: restored)) }
        if let damage { agent.tell(.runNoteDamaged(reason: damage)) }
    }

    override func drain(_ agent: Agent) {
        guard !ready.isEmpty else { return }
        answers.clear()
        while let answer = answers.pop() {
            switch answer {
            case .persisted(let ticket): agent.handle(.persisted(ticket: ticket))
            case .notPersisted(let ticket, let reason):
                if isStateWritten { agent.log(.error, reason) }
                agent.handle(.persistFailed(ticket: ticket))
            case .notWritten(let reason): agent.log(.warning, "not written: \(reason)")
            case .tail(let caller, let lines): agent.control.deliver(lines, to: caller)
            case .wallOffset(let offset): wallOffset = offset
            case .looked(let program, let method): agent.fences.looked(program, method, agent)
            }
        }
    }

    override func observe(_ trace: Trace, _ agent: Agent) {
        switch trace.kind {
        case .persistFailed: isStateWritten = false
        case .persistRecovered: isStateWritten = true
        default: break
        }
    }

    /// At the end: waits until everything asked for is on disk, at most so long.
    func finish(within limit: Duration) {
        var clock = Clock()
        let deadline = clock.now() + limit
        _ = ask(.tail(count: 0, caller: 0))
        while clock.now() < deadline {
            while let answer = answers.pop() {
                if case .tail(caller: 0, _) = answer { return }
            }
            Worker.sleep(.milliseconds(1))
        }
    }
}

private struct StorageWorker {
    var memory: MemoryFile
    /// What was to be remembered last.
    var latest: Memory?
    var history: HistoryFile
    var wallClock: SimulatedWallClock
    let answers: BoundedQueue<StorageAnswer>
    var clock = Clock()
    var offset: Int64 = 0
    var historyFails = false

    mutating func serve(_ request: StorageRequest) {
        switch request {
        case .memory(let value, let ticket): store(value, ticket)
        case .history(let line):
            do throws(SystemError) {
                try history.append(line)
                noteOutcome(nil)
            } catch { noteOutcome(error) }
        case .ages: renewAges()
        case .copy: report { [memory] () throws(SystemError) in try memory.renewCopy() }
        case .groups(let file): memory = file
        case .look(let path, let method):
            if let program = DurableFile.stamp(path) {
                _ = answers.push(.looked(program, method: method))
            }
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
        }
    }

    private mutating func store(_ value: Memory, _ ticket: UInt32) {
        look()
        let (now, wall) = (clock.now(), WallClock.now() + offset)
        let bytes = memory.encode(value, now: now, wall: wall)
        do throws(SystemError) {
            if value.fences != latest?.fences ?? [] || value.moves != latest?.moves ?? [] {
                try storeAges(of: value, now, wall)
            }
            try memory.store(bytes)
            latest = value
            _ = answers.push(.persisted(ticket: ticket))
        } catch {
            _ = answers.push(.notPersisted(ticket: ticket, error.description))
        }
    }

    private func storeAges(
        of value: Memory, _ now: Instant, _ wall: Int64
    ) throws(SystemError) {
        let ages = memory.encodeAges(
            value, now: now, wall: wall, isSynchronised: WallClock.isSynchronised)
        try DurableFile.replace(memory.agesPath, with: ages)
    }

    /// What has passed meanwhile is on disk for the next boot. Where the disk takes nothing, less
    /// has passed then.
    private mutating func renewAges() {
        guard let latest else { return }
        let now = clock.now()
        let isYoung = { (at: Instant) in now - at < .seconds(86_400) }
        guard latest.fences.contains(where: isYoung) || latest.moves.contains(where: isYoung)
        else { return }
        look()
        do throws(SystemError) {
            try storeAges(of: latest, now, WallClock.now() + offset)
        } catch {}
    }

    /// Said once, until it works again.
    private mutating func report(_ body: () throws(SystemError) -> Void) {
        do throws(SystemError) {
            try body()
            noteOutcome(nil)
        } catch { noteOutcome(error) }
    }

    private mutating func noteOutcome(_ error: SystemError?) {
        if let error, !historyFails { _ = answers.push(.notWritten(error.description)) }
        historyFails = error != nil
    }

    private mutating func look() {
        guard let now = wallClock.offset() else { return }
        offset = now
        _ = answers.push(.wallOffset(now))
    }
}
