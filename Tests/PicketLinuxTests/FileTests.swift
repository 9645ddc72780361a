import CPicket
import PicketCore
import Testing

@testable import PicketLinux

struct MemoryFileTests {
    let scratch = Scratch()
    let now = Instant(nanoseconds: 5_000_000_000_000)
    let wall: Int64 = 1_764_000_000_000_000_000
    let memory = Memory(
        groups: [
            GroupMemory(term: Term(7), holder: .me), GroupMemory(term: Term(9), holder: .peer),
        ],
        alone: true, maintenance: Maintenance(isOn: true, count: 4, by: .high),
        fences: [Instant(nanoseconds: 4_000_000_000_000)],
        moves: [Instant(nanoseconds: 4_500_000_000_000)])

    @Test func `what was stored is what is loaded`() throws {
        var file = MemoryFile(path: scratch.file("state"), groups: ["a", "b"])
        #expect(try file.load(now: now, wall: wall) == nil)
        try DurableFile.replace(file.path, with: file.encode(memory, now: now, wall: wall))
        #expect(try file.load(now: now, wall: wall) == memory)
    }

    @Test func `maintenance of one group is kept, in lines that 0_1_0 takes for a group's`() throws
    {
        var memory = memory
        memory.groups[1].maintenance = Maintenance(isOn: true, count: 3, by: .high)
        memory.groups[0].maintenance = Maintenance(isOn: false, count: 2, by: .low)
        var file = MemoryFile(path: "", groups: ["a", "b"])
        let bytes = file.encode(memory, now: now, wall: wall)
        #expect(try file.decode(bytes, now: now, wall: wall) == memory)
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.contains("group #maintained:b 8 me\n"))
        var note = RunNote(holdings: [], terms: [.never, .never], contact: true, clockOffset: nil)
        note.maintained = memory.groups.map { $0.maintenance }
        let noted = RunNoteFile(path: "", boot: "B", groups: ["a", "b"])
        #expect(try noted.decode(noted.encode(note)) == .init(note: note, unknown: []))
    }

    @Test func `that the fence is not believed is kept, in a line that 0_1_0 takes for a group`()
        throws
    {
        var memory = memory
        memory.distrusted = true
        var file = MemoryFile(path: "", groups: ["a", "b"])
        let bytes = file.encode(memory, now: now, wall: wall)
        #expect(try file.decode(bytes, now: now, wall: wall) == memory)
        memory.distrusted = false
        let mended = file.encode(memory, now: now, wall: wall)
        #expect(try file.decode(mended, now: now, wall: wall) == memory)
    }

    @Test func `that a copy is not in step is kept, and an older file says nothing of it`() throws {
        var memory = memory
        memory.groups[1].isOutOfStep = true
        #expect(try kept(memory) == memory)
        var file = MemoryFile(path: "", groups: ["a", "b"])
        let text = String(decoding: file.encode(memory, now: now, wall: wall), as: UTF8.self)
        #expect(text.contains("group #out-of-step:b 1 nobody\n"))
        memory.groups[1].isOutOfStep = false
        let cleared = file.encode(memory, now: now, wall: wall)
        #expect(try file.decode(cleared, now: now, wall: wall) == memory)
    }

    @Test func `data terms are kept, also of a group that left the configuration`() throws {
        var memory = memory
        memory.groups[0].data = DataTerms(own: Term(9), heard: Term(2), isLast: true)
        memory.groups[1].data = DataTerms(own: Term(3), heard: Term(8), isLast: false)
        #expect(try kept(memory) == memory)
        memory.groups[0].branch = Branch(
            position: DataPosition(epoch: .max, number: .max), isDiverged: true)
        memory.groups[1].branch = Branch(position: DataPosition(epoch: 1, number: 0))
        #expect(try kept(memory) == memory)
        memory.groups[1].branch = Branch(position: .none, isDiverged: true)
        #expect(try kept(memory) == memory)
    }

    /// An older file has no such line, and one that says nothing is passed over.
    @Test func `a branch is read where there is one`() throws {
        let head = "picket-memory 1\nalone 0\nmaintenance 0\ngroup a 7 me\ngroup #ran:a 5 me\n"
        let branch = DataPosition(epoch: 4, number: 9)
        for (line, expected) in [
            ("", Branch.none), ("#branch:4:9:a 1 nobody", Branch(position: branch)),
            ("#branch:4:9:a 1 me", Branch(position: branch, isDiverged: true)),
            ("#branch:4:a 1 me", .none), ("#branch:4:-9:a 1 me", .none),
        ] {
            var file = MemoryFile(path: "", groups: ["a"])
            let text = head + (line.isEmpty ? "" : "group \(line)\n")
            let loaded = try file.decode(SealedText.seal(text), now: now, wall: wall)
            #expect(loaded.groups[0].branch == expected, "\(line)")
            #expect(loaded.groups[0].data.own == Term(5))
        }
    }

    /// 0.1.0 knows these lines alone, and keeps a group that it does not have.
    @Test func `data terms stand in lines that 0.1.0 reads, and go with what it left`() throws {
        var memory = memory
        memory.groups[0].data = DataTerms(own: Term(9), heard: Term(2), isLast: true)
        memory.groups[0].branch = Branch(position: DataPosition(epoch: 3, number: 5))
        memory.groups[0].holder = .me
        let file = MemoryFile(path: "", groups: ["a", "b"])
        let text = String(
            decoding: file.encode(memory, now: now, wall: wall), as: UTF8.self)
        let lines = text.split(separator: "\n").dropFirst().dropLast()
            .map { $0.split(separator: " ") }
        for line in lines {
            #expect(
                line[0] == "group" && line.count == 4
                    || ["alone", "maintenance", "fence", "move"].contains(line[0])
                        && line.count == 2
            )
        }
        var later = memory
        later.groups[0].holder = .peer
        let other = String(decoding: file.encode(later, now: now, wall: wall), as: UTF8.self)
        let own = try #require(lines.first { $0[1] == "a" }).joined(separator: " ")
        let changed = try #require(
            other.split(separator: "\n").first { $0.hasPrefix("group a ") })
        var again = MemoryFile(path: "", groups: ["a", "b"])
        let body = text.split(separator: "\n").dropLast().joined(separator: "\n") + "\n"
        let sealed = SealedText.seal(body.replacing(own, with: changed))
        let loaded = try again.decode(sealed, now: now, wall: wall)
        #expect(loaded.groups[0].data == .never && loaded.groups[0].branch == .none)
        #expect(loaded.groups[0].holder == .peer)
    }

    @Test func `groups may be put in another order`() throws {
        let bytes = MemoryFile(path: "", groups: ["a", "b"]).encode(memory, now: now, wall: wall)
        var file = MemoryFile(path: "", groups: ["b", "new", "a"])
        let loaded = try file.decode(bytes, now: now, wall: wall)
        #expect(loaded.groups == [memory.groups[1], GroupMemory(), memory.groups[0]])
    }

    @Test func `the terms of a group that left the configuration are kept`() throws {
        #expect(try kept(memory) == memory)
    }

    @Test func `the others' terms are above those of a group that left the configuration`() throws {
        let bytes = MemoryFile(path: "", groups: ["a", "b"]).encode(memory, now: now, wall: wall)
        var without = MemoryFile(path: "", groups: ["a"])
        let loaded = try without.decode(bytes, now: now, wall: wall)
        #expect(loaded.goneTerm == memory.groups[1].term)
        #expect(loaded.groups == [memory.groups[0]])
    }

    /// By agents of which the one between lists the first group alone.
    private func kept(_ memory: Memory) throws -> Memory {
        let bytes = MemoryFile(path: "", groups: ["a", "b"]).encode(memory, now: now, wall: wall)
        var without = MemoryFile(path: "", groups: ["a"])
        let loaded = try without.decode(bytes, now: now, wall: wall)
        var again = MemoryFile(path: "", groups: ["a", "b"])
        return try again.decode(
            without.encode(loaded, now: now, wall: wall), now: now, wall: wall)
    }

    @Test(arguments: [60, 0] as [Int64])
    func `without ages the wall clock tells`(step: Int64) throws {
        var memory = memory
        memory.fences = [now]
        var file = MemoryFile(path: "", groups: ["a", "b"])
        let bytes = file.encode(memory, now: now, wall: wall)
        let rebooted = Instant(nanoseconds: 1_000_000_000)
        let loaded = try file.decode(bytes, now: rebooted, wall: wall + step * 1_000_000_000)
        #expect(loaded.fences == [rebooted - .seconds(step)])
    }

    @Test func `a stamp from the future tells nothing`() throws {
        var file = MemoryFile(path: "", groups: ["a", "b"])
        let bytes = file.encode(memory, now: now, wall: wall)
        let loaded = try file.decode(bytes, now: now, wall: 0)
        #expect(loaded.fences == [] && loaded.moves == [])
        #expect(loaded.groups == memory.groups)
    }

    struct Ages: Sendable {
        var what: String
        var boot: String
        /// Between the writing and the reading, by the wall clock, which is kept right then and now.
        var wall: Int64
        var then: Bool
        var now: Bool
        var age: Int64

        init(
            _ what: String, _ boot: String, wall: Int64, _ then: Bool, _ now: Bool, age: Int64
        ) {
            self.what = what
            self.boot = boot
            self.wall = wall
            self.then = then
            self.now = now
            self.age = age
        }
    }

    /// The entry is 10 s old when it is written, and it is read 20 s later by the clock that counts.
    @Test(arguments: [
        Ages("one boot", "A", wall: 20, false, false, age: 30),
        Ages("one boot, the wall clock fell", "A", wall: -86_400, true, true, age: 30),
        Ages("another boot: what was seen to pass", "B", wall: 86_400, false, false, age: 10),
        Ages("another boot, right then", "B", wall: 86_400, true, false, age: 10),
        Ages("another boot, right now", "B", wall: 86_400, false, true, age: 10),
        Ages("another boot, right both times", "B", wall: 86_400, true, true, age: 86_410),
        Ages("another boot, from the future", "B", wall: -86_400, true, true, age: 10),
    ])
    func `an age is what is known to have passed`(_ ages: Ages) throws {
        var memory = memory
        memory.fences = [now - .seconds(10)]
        let wrote = MemoryFile(path: "", groups: ["a", "b"], boot: "A")
        var reads = MemoryFile(path: "", groups: ["a", "b"], boot: ages.boot)
        let later = now + .seconds(20)
        let loaded = try reads.decode(
            wrote.encode(memory, now: now, wall: wall),
            ages: wrote.encodeAges(memory, now: now, wall: wall, isSynchronised: ages.then),
            now: later, wall: wall + ages.wall * 1_000_000_000, isSynchronised: ages.now)
        #expect(loaded.fences == [later - .seconds(ages.age)], "\(ages.what)")
    }

    @Test func `damaged ages tell nothing`() throws {
        var file = MemoryFile(path: "", groups: ["a", "b"], boot: "A")
        let bytes = file.encode(memory, now: now, wall: wall)
        let ages = file.encodeAges(memory, now: now, wall: wall)
        let wrong: [[UInt8]] = [
            [], [0, 0, 0], Array(ages.dropLast(7)), ages + ages, ages.reversed(),
        ]
        for damaged in wrong {
            #expect(try file.decode(bytes, ages: damaged, now: now, wall: wall) == memory)
        }
    }

    @Test func `every damaged byte is noticed`() throws {
        var file = MemoryFile(path: "/state", groups: ["a", "b"])
        let bytes = file.encode(memory, now: now, wall: wall)
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 1
            #expect(throws: FileError.self) {
                try file.decode(damaged, now: now, wall: wall)
            }
            #expect(throws: FileError.self) {
                try file.decode(Array(bytes[..<index]), now: now, wall: wall)
            }
        }
    }

    /// Torn, a block of NULs, glued lines, nothing, not there.
    @Test(
        arguments: [
            { Array($0.dropLast(9)) }, { $0.map { _ in 0 } },
            { $0.filter { $0 != UInt8(ascii: "\n") } }, { _ in [] }, { _ in nil },
        ] as [@Sendable ([UInt8]) -> [UInt8]?])
    func `what its disk has damaged is restored from its copy, while that is the same`(
        damage: @Sendable ([UInt8]) -> [UInt8]?
    ) throws {
        let scratch = Scratch()
        var file = MemoryFile(path: scratch.file("memory"), groups: ["a", "b"])
        func harm() throws {
            let bytes = try #require(try DurableFile.read(file.path))
            if let bytes = damage(bytes) { return try DurableFile.replace(file.path, with: bytes) }
            try DurableFile.remove(file.path)
        }
        let isGone = damage([0]) == nil
        try file.store(file.encode(memory, now: now, wall: wall))
        #expect(try file.load(now: now, wall: wall) == memory && file.restored == nil)
        try harm()
        if isGone {
            #expect(try file.load(now: now, wall: wall) == nil)
        } else {
            #expect(throws: FileError.self) { try file.load(now: now, wall: wall) }
        }

        try file.store(file.encode(memory, now: now, wall: wall))
        try file.renewCopy()
        try harm()
        #expect(try file.load(now: now, wall: wall) == memory && file.restored != nil)
        var again = MemoryFile(path: file.path, groups: ["a", "b"])
        #expect(try again.load(now: now, wall: wall) == memory && again.restored == nil)

        // The copy is of before: it must not come back.
        var next = memory
        next.groups[0].term = Term(memory.groups[0].term.value + 1)
        try again.store(again.encode(next, now: now, wall: wall))
        try harm()
        if isGone {
            #expect(try again.load(now: now, wall: wall) == nil)
        } else {
            #expect(throws: FileError.self) { try again.load(now: now, wall: wall) }
        }
    }

    /// A directory cannot be read.
    @Test func `what cannot be read is as good as damaged`() throws {
        var file = MemoryFile(path: scratch.file("memory"), groups: ["a", "b"])
        let bytes = file.encode(memory, now: now, wall: wall)
        try file.store(bytes)
        try DurableFile.makeDirectory(file.copyPath)
        try DurableFile.makeDirectory(file.agesPath)
        #expect(try file.load(now: now, wall: wall) == memory && file.restored == nil)
        try DurableFile.remove(file.path)
        #expect(throws: FileError.self) { try file.load(now: now, wall: wall) }
        #expect(unsafe rmdir(file.copyPath) == 0)
        try DurableFile.replace(file.copyPath, with: bytes)
        try DurableFile.makeDirectory(file.path)
        #expect(try file.load(now: now, wall: wall) == memory && file.restored != nil)
        try DurableFile.remove(file.copyPath)
        let refused = #expect(throws: FileError.self) {
            try file.load(now: now, wall: wall)
        }
        #expect(refused?.reason.contains("move it and \(file.copyPath) away") == true)
    }

    @Test func `a file that could not be restored leaves its copy as it is`() throws {
        var file = MemoryFile(path: scratch.file("memory"), groups: ["a", "b"])
        let bytes = file.encode(memory, now: now, wall: wall)
        try file.store(bytes)
        try file.renewCopy()
        try DurableFile.replace(file.path, with: Array(bytes.dropLast(9)))
        // Where the new one would be written.
        try DurableFile.makeDirectory(file.path + ".new")
        #expect(try file.load(now: now, wall: wall) == memory)
        #expect(try DurableFile.read(file.path) != bytes)
        try file.renewCopy()
        #expect(try DurableFile.read(file.copyPath) == bytes)
        // A copy that is damaged as well makes no blank one.
        try DurableFile.remove(file.path)
        try DurableFile.replace(file.copyPath, with: Array(bytes.dropLast(9)))
        #expect(throws: FileError.self) { try file.load(now: now, wall: wall) }
    }

    @Test(arguments: [
        "picket-memory 2\n", "picket-memory 1\nalone 2\n", "picket-memory 1\nfence\n",
        "picket-memory 1\ngroup a -1 me\n", "picket-memory 1\ngroup a 1 them\n",
        "picket-memory 1\ngroup a 9223372036854775809 me\n",
    ])
    func `what is not understood is refused`(text: String) {
        var file = MemoryFile(path: "/state", groups: ["a"])
        #expect(throws: FileError.self) {
            try file.decode(SealedText.seal(text), now: now, wall: wall)
        }
    }

    /// As 0.1.0 wrote it, but for the version of maintenance, which is in the line of a group that
    /// 0.1.0 does not have, and keeps. What an agent writes today, that release must read: it refuses
    /// a file with a line that it does not know.
    @Test func `the file is as 0.1.0 had it`() throws {
        let text = """
            picket-memory 1
            alone 1
            maintenance 1
            group a 7 me
            group b 9 peer
            group #maintenance 10 nobody
            fence 1763999000000000000
            move 1763999500000000000

            """
        var file = MemoryFile(path: "", groups: ["a", "b"])
        #expect(try file.decode(SealedText.seal(text), now: now, wall: wall) == memory)
        #expect(file.encode(memory, now: now, wall: wall) == SealedText.seal(text))
    }

    @Test(arguments: [true, false])
    func `maintenance of 0.1.0 has no version`(on: Bool) throws {
        var file = MemoryFile(path: "", groups: ["a"])
        let text = "picket-memory 1\nmaintenance \(on ? 1 : 0)\ngroup a 7 me\n"
        let loaded = try file.decode(SealedText.seal(text), now: now, wall: wall)
        #expect(loaded.maintenance == Maintenance(isOn: on, count: 0, by: .low))
        let note = RunNoteFile(path: "", boot: "B", groups: ["a"])
        let noted = try note.decode(
            SealedText.seal("picket-run 1\nboot B\nmaintenance \(on ? 1 : 0)\n"))
        #expect(noted.note.maintenance == Maintenance(isOn: on, count: 0, by: .low))
    }

    @Test func `a newer agent may have added lines, and an older one lacked some`() throws {
        var file = MemoryFile(path: "", groups: ["a", "b"])
        let text = "picket-memory 1\n \nlease a 5\ngroup b 9 peer\nlatest\n"
        let loaded = try file.decode(SealedText.seal(text), now: now, wall: wall)
        #expect(loaded == Memory(groups: [GroupMemory(), memory.groups[1]]))
    }

    @Test func `a try whether the disk takes a file leaves nothing, and fails as the file would`()
        throws
    {
        let path = try scratch.write("state", [1, 2, 3])
        try DurableFile.tryWriting([4], beside: path)
        #expect(try DurableFile.read(path) == [1, 2, 3])
        #expect(try DurableFile.read(path + ".try") == nil)
        #expect(throws: SystemError.self) {
            try DurableFile.tryWriting([4], beside: scratch.path + "/missing/state")
        }
    }

    @Test func `a failed write leaves the old file`() throws {
        let path = try scratch.write("state", [1, 2, 3])
        #expect(throws: SystemError.self) {
            try DurableFile.replace(scratch.path + "/missing/state", with: [4])
        }
        try DurableFile.makeDirectory(path + ".new")
        #expect(throws: SystemError.self) { try DurableFile.replace(path, with: [4]) }
        #expect(try DurableFile.read(path) == [1, 2, 3])
    }
}

struct StartedFileTests {
    let groups = [
        StartedFile.Group(name: "a", resources: 7), StartedFile.Group(name: "b", resources: .max),
    ]

    @Test func `what was started comes back in its boot alone`() throws {
        let scratch = Scratch()
        let file = StartedFile(path: scratch.file("started"), boot: "B")
        #expect(file.load() == [])
        try file.store(groups)
        #expect(file.load() == groups)
        #expect(StartedFile(path: file.path, boot: "C").load() == [])
    }

    @Test func `a damaged file tells nothing`() {
        let file = StartedFile(path: "", boot: "B")
        var bytes = file.encode(groups)
        bytes[20] ^= 1
        #expect(file.decode(bytes) == [])
    }
}

struct RunNoteFileTests {
    let note = RunNote(
        holdings: [Holding(group: 1, term: Term(4))], terms: [.never, Term(5)], contact: true,
        clockOffset: Duration(nanoseconds: -5), word: true,
        maintenance: Maintenance(isOn: true, count: 4, by: .high))

    @Test func `a note of this boot comes back, with what is no longer configured named`() throws {
        let scratch = Scratch()
        let file = RunNoteFile(path: scratch.file("note"), boot: "B", groups: ["a", "b"])
        #expect(try file.load() == .init(note: .blank, unknown: []))
        try file.store(note)
        #expect(try file.load() == .init(note: note, unknown: []))
        let fewer = RunNoteFile(path: file.path, boot: "B", groups: ["a"])
        #expect(try fewer.load().unknown == ["b"])
        #expect(try fewer.load().note.goneTerm == Term(5))
        try fewer.store(try fewer.load().note)
        #expect(try fewer.load().note.goneTerm == Term(5))
    }

    @Test func `whoever would replace the file is told of what runs in maintenance`() throws {
        let scratch = Scratch()
        var note = RunNote(
            holdings: [Holding(group: 0, term: Term(1)), Holding(group: 1, term: Term(4))],
            terms: [.never, .never], contact: true, clockOffset: nil,
            maintenance: .never, maintained: [.never, Maintenance(isOn: true, count: 1, by: .low)])
        let file = RunNoteFile(path: scratch.file("note"), boot: "B", groups: ["a", "b"])
        func found(names: [String] = ["a", "b"]) throws -> [Bool] {
            try file.store(note)
            let runs = try WhatRuns(in: scratch.path, boot: "B")
            #expect(runs.groups.map { $0.name } == names)
            return runs.groups.map { $0.isMaintained }
        }
        #expect(try found() == [false, true])
        note.maintenance = Maintenance(isOn: true, count: 1, by: .high)
        #expect(try found() == [true, true])
        #expect(try WhatRuns(in: scratch.path, boot: "B").isMaintained(nil))
        note.maintenance = .never
        // Hands are off a group that is not active here as well.
        note.holdings = []
        #expect(try found(names: []) == [])
        let runs = try WhatRuns(in: scratch.path, boot: "B")
        #expect(["a", "b", nil].map(runs.isMaintained) == [false, true, false])
        note.holdings = [Holding(group: 0, term: Term(1)), Holding(group: 1, term: Term(4))]
        note.maintenance = nil
        note.maintained = []
        #expect(try found() == [false, false])
    }

    @Test func `a note that is spoiled tells nothing, and does not pass for none`() throws {
        let scratch = Scratch()
        let file = RunNoteFile(path: scratch.file("note"), boot: "B", groups: ["a", "b"])
        try file.store(note)
        file.spoil()
        #expect(throws: FileError.self) { try file.load() }
        #expect(throws: FileError.self) { try WhatRuns(in: scratch.path, boot: "B") }
        let started = [StartedFile.Group(name: "a", resources: 7), .init(name: "c", resources: 7)]
        let loaded = try file.load(started: started)
        #expect(loaded.note == .blank && loaded.unknown == ["c"] && loaded.damage != nil)
    }

    @Test func `a note of another boot is worthless`() throws {
        let file = RunNoteFile(path: "", boot: "B", groups: ["a", "b"])
        let other = RunNoteFile(path: "", boot: "C", groups: ["a", "b"])
        #expect(try other.decode(file.encode(note)) == .init(note: .blank, unknown: []))
    }

    /// As 0.1.0 wrote it, and must read it: it refuses a note with a line that it does not know.
    @Test func `the note is as 0.1.0 had it`() throws {
        let text = """
            picket-run 1
            boot B
            contact 1
            offset -5
            word 1
            maintenance 1
            term #maintenance 10
            holding b 4
            term a 0
            term b 5

            """
        let file = RunNoteFile(path: "", boot: "B", groups: ["a", "b"])
        #expect(try file.decode(SealedText.seal(text)) == .init(note: note, unknown: []))
        #expect(file.encode(note) == SealedText.seal(text))
    }

    /// To 0.1.0 it is a term of a group that it does not have: it stops the group at its start.
    @Test func `a start under way is noted as such`() throws {
        var note = note
        note.holdings.append(Holding(group: 0, term: Term(7), isPartial: true))
        note.holdings.sort { $0.group < $1.group }
        let file = RunNoteFile(path: "", boot: "B", groups: ["a", "b"])
        let bytes = file.encode(note)
        #expect(String(decoding: bytes, as: UTF8.self).contains("\nterm #partial:a 7\n"))
        #expect(try file.decode(bytes) == .init(note: note, unknown: []))
        #expect(
            try RunNoteFile(path: "", boot: "B", groups: ["b"]).decode(bytes).unknown == ["a"])
    }

    @Test func `a newer agent may have added lines to the note`() throws {
        let file = RunNoteFile(path: "", boot: "B", groups: ["a"])
        let text = "picket-run 1\nboot B\n \nlease a 5\nholding a 4\nlatest\n"
        let loaded = try file.decode(SealedText.seal(text))
        #expect(loaded.note.holdings == [Holding(group: 0, term: Term(4))])
    }

    @Test(arguments: ["contact 2", "offset", "holding a", "term a -1"])
    func `a line that does not say what it should is refused`(line: String) {
        let file = RunNoteFile(path: "", boot: "B", groups: ["a"])
        #expect(throws: FileError.self) {
            try file.decode(SealedText.seal("picket-run 1\nboot B\n\(line)\n"))
        }
    }

    @Test func `a damaged note is refused`() {
        let file = RunNoteFile(path: "", boot: "B", groups: ["a", "b"])
        var bytes = file.encode(note)
        bytes[20] ^= 4
        #expect(throws: FileError.self) { try file.decode(bytes) }
    }

    @Test func `to an agent a damaged note is one that tells nothing of what was started`() throws {
        let scratch = Scratch()
        let path = try scratch.write("note", Array("picket-run 1\nbo".utf8))
        let file = RunNoteFile(path: path, boot: "B", groups: ["a", "b"])
        #expect(throws: FileError.self) { try file.load() }
        let loaded = try file.load(started: [
            StartedFile.Group(name: "b", resources: 1), StartedFile.Group(name: "c", resources: 2),
        ])
        #expect(loaded.note == .blank && loaded.unknown == ["c"] && loaded.damage != nil)
    }

    @Test func `the kernel names its boot`() throws {
        #expect(try BootID.read().utf8.count == 36)
    }
}

struct KeyFileTests {
    let scratch = Scratch()

    @Test func `a key of 32 bytes that only its owner reads is taken`() throws {
        let key = (0..<32).map { UInt8($0) }
        #expect(try KeyFile.load(scratch.write("key", key)) == key)
    }

    @Test(arguments: [0, 31, 33, 5000])
    func `a key of another size is refused`(count: Int) throws {
        let path = try scratch.write("key", Array(repeating: 1, count: count))
        #expect(throws: FileError.self) { try KeyFile.load(path) }
    }

    @Test(arguments: [0o640, 0o604, 0o620, 0o644])
    func `a key that others reach is refused, and the remedy named`(mode: Int) throws {
        let path = try scratch.write("key", Array(repeating: 1, count: 32), mode: UInt32(mode))
        let error = #expect(throws: FileError.self) { try KeyFile.load(path) }
        #expect(error?.description.contains("chmod 600 \(path)") == true)
    }

    @Test func `nobody waits for a pipe in a file's place`() {
        let path = scratch.file("pipe")
        #expect(unsafe mkfifo(path, 0o600) == 0)
        #expect(throws: FileError.self) { try KeyFile.load(path) }
        #expect(throws: SystemError.self) { try DurableFile.read(path) }
    }

    @Test func `a directory is no key, and a missing file is named`() {
        #expect(throws: FileError.self) { try KeyFile.load("/tmp") }
        let error = #expect(throws: FileError.self) { try KeyFile.load("/nowhere/key") }
        #expect(error?.description == "open /nowhere/key: No such file or directory")
    }
}

struct HistoryFileTests {
    static func entry(_ text: String) -> [UInt8] {
        Array("{\"type\":\"history\",\"text\":\"\(text)\"}\n".utf8)
    }

    @Test(.enabled(if: geteuid() == 0, "only root may mount a small disk"))
    func `what a full disk does not take is kept, and written when it takes something`() throws {
        let scratch = Scratch()
        let disk = scratch.file("disk")
        try #require(unsafe mkdir(disk, 0o755) == 0)
        try #require(unsafe picket_mount_small(disk, "size=8k") == 0)
        defer { _ = unsafe picket_unmount(disk) }
        var file = HistoryFile(path: disk + "/history")
        let line = Self.entry(String(repeating: "a", count: 2900))
        let filler = try scratch.write("disk/filler", [UInt8](repeating: 0, count: 4096))
        try file.append(line)
        let (second, short) = (Self.entry(String(repeating: "b", count: 2900)), Self.entry("c"))
        #expect(throws: SystemError.self) { try file.append(second) }
        // What it took of that is taken back.
        #expect(try DurableFile.read(file.path) == line)
        #expect(throws: SystemError.self) { try file.append(short) }
        #expect(file.tail(10) == [line, second, short])
        #expect(HistoryFile(path: file.path).tail(10) == [line])
        #expect(unsafe unlink(filler) == 0)
        try file.append(short)
        #expect(HistoryFile(path: file.path).tail(10) == [line, second, short, short])
    }

    @Test func `the newest is kept, and not without end`() throws {
        let scratch = Scratch()
        var file = HistoryFile(path: scratch.path + "/missing/history")
        for number in 0..<600 { _ = try? file.append(Self.entry("\(number)")) }
        #expect(file.tail(1000).count == HistoryFile.mostKept)
        #expect(file.tail(1) == [Self.entry("599")])
    }

    /// What a power cut leaves, and what is shown of it.
    @Test(arguments: [
        "{\"type\":\"history\",\"te", "\0\0\0\0", "\0\0\n\0",
        "{\"type\":\"history\",\"text\":\"x\"",
        "{\"type\":\"history\",\"text\":\"\0\"}", "nothing", "\n\n", "{\"type\":", "}",
    ])
    func `what is left of a line is not shown, and the next line is`(left: String) throws {
        let scratch = Scratch()
        let first = Self.entry("{first}")
        let path = try scratch.write("history", first + Array(left.utf8))
        var file = HistoryFile(path: path)
        #expect(file.tail(10) == [first])
        try file.append(Self.entry("next"))
        #expect(file.tail(10) == [first, Self.entry("next")])
        // Also for who reads the file by its lines.
        let bytes = try #require(try DurableFile.read(path))
        #expect(bytes.split(separator: 10).last.map { $0 + [10] } == Self.entry("next")[...])
        // As an older agent appended: without a look at what is there.
        let glued = try scratch.write("glued", first + Array(left.utf8) + Self.entry("next"))
        #expect(HistoryFile(path: glued).tail(10) == [first, Self.entry("next")])
    }

    @Test func `two entries in one line are two`() throws {
        let scratch = Scratch()
        let (first, second) = (Self.entry("a \\\"{\\\" b"), Self.entry("c"))
        let path = try scratch.write("history", first.dropLast() + second)
        #expect(HistoryFile(path: path).tail(10) == [first, second])
    }

    @Test func `it turns over at its limit, and the tail reaches into the old file`() throws {
        let scratch = Scratch()
        var file = HistoryFile(path: scratch.file("history"), limit: 200)
        let entries = (0..<30).map { Self.entry("\($0)") }
        for entry in entries { try file.append(entry) }
        #expect(file.tail(3) == Array(entries.suffix(3)))
        let all = file.tail(1000)
        #expect(all.count >= 5 && all.count < 30 && all.last == entries.last)
        #expect(try DurableFile.read(file.path)!.count <= 240)
    }
}
