import PicketCore
import PicketProof
import Testing

@testable import PicketWire

struct HelloTests {
    let start = Instant.at(milliseconds: 0)

    @Test func `two nodes find each other with three hellos`() {
        let a = Node(.low, session: 1)
        let b = Node(.high, session: 2)
        #expect(carry(a.hello(at: start)!, from: a, to: b, at: start) == 3)
        #expect(a.channel.peerSession == SessionID(2) && b.channel.peerSession == SessionID(1))
        #expect(b.open(a.message()!).isMessage && a.open(b.message()!).isMessage)
    }

    @Test func `the caller can send after one round trip`() throws {
        let a = Node(.low, session: 1)
        let b = Node(.high, session: 2)
        let answer = try #require(b.answer(a.hello(at: start)!, at: start))
        let proof = try #require(a.answer(answer, at: start))
        let message = try #require(a.message())
        #expect(b.open(proof) == .hello(answer: false, established: SessionID(1), isNew: true))
        #expect(b.open(message).isMessage)
    }

    @Test func `both may begin at once`() {
        let a = Node(.low, session: 1)
        let b = Node(.high, session: 2)
        let (fromA, fromB) = (a.hello(at: start)!, b.hello(at: start)!)
        carry(fromA, from: a, to: b, at: start)
        carry(fromB, from: b, to: a, at: start)
        #expect(b.open(a.message()!).isMessage && a.open(b.message()!).isMessage)
    }

    /// Every interleaving that two queues can give, drawn at random, with loss and duplication.
    @Test(arguments: 1...200) func `hellos converge and end, however they are mixed`(seed: UInt64) {
        var chance = Chance(seed: seed)
        var nodes = [Node(.low, session: 1), Node(.high, session: 2)]
        var underWay: [(to: Int, datagram: [UInt8])] = []
        var sent = 0
        var now = start
        for round in 0..<400 {
            now = now + .milliseconds(10)
            for index in 0...1 where round < 300 {
                guard let hello = nodes[index].hello(at: now) else { continue }
                for _ in 0..<2 { underWay.append((1 - index, hello)) }
            }
            if round == 100 {
                nodes[Int(seed % 2)] = Node(seed % 2 == 0 ? .low : .high, session: 3)
            }
            for _ in 0..<4 where !underWay.isEmpty {
                let place = Int.random(in: 0..<underWay.count, using: &chance)
                let (to, datagram) = underWay[place]
                if Int.random(in: 0..<10, using: &chance) > 0 { underWay.remove(at: place) }
                if Int.random(in: 0..<10, using: &chance) < 3 { continue }
                sent += 1
                guard let answer = nodes[to].answer(datagram, at: now) else { continue }
                underWay.append((1 - to, answer))
            }
        }
        #expect(nodes[0].channel.peerSession == nodes[1].channel.session)
        #expect(nodes[1].channel.peerSession == nodes[0].channel.session)
        // Silent apart from what `silence` asks for.
        #expect(underWay.count < 60 && sent < 400)
        let message = nodes[0].message()!
        #expect(nodes[1].open(message).isMessage)
    }

    @Test(arguments: [NodeID.low, .high])
    func `a restarted agent is established again with three hellos`(restarted: NodeID) {
        var (a, b) = establishedPair()
        let now = Instant.at(milliseconds: 5000)
        if restarted == .low {
            a = Node(.low, session: 101, at: now)
            #expect(carry(a.hello(at: now)!, from: a, to: b, at: now) == 3)
        } else {
            b = Node(.high, session: 201, at: now)
            #expect(carry(b.hello(at: now)!, from: b, to: a, at: now) == 3)
        }
        #expect(a.channel.peerSession == b.channel.session)
        #expect(b.channel.peerSession == a.channel.session)
        #expect(b.open(a.message()!).isMessage && a.open(b.message()!).isMessage)
    }

    @Test func `both may restart at once`() {
        let now = Instant.at(milliseconds: 5000)
        let a = Node(.low, session: 101, at: now)
        let b = Node(.high, session: 201, at: now)
        carry(b.hello(at: now)!, from: b, to: a, at: now)
        #expect(b.open(a.message()!).isMessage && a.open(b.message()!).isMessage)
    }

    @Test func `the old session stays until the new one has proved itself`() throws {
        let (a, b) = establishedPair()
        let c = Node(.low, session: 101)
        let answer = try #require(b.answer(c.hello(at: start)!, at: start))
        #expect(b.channel.peerSession == SessionID(100))
        #expect(b.open(a.message()!).isMessage)
        let proof = try #require(c.answer(answer, at: start))
        #expect(b.open(proof) == .hello(answer: false, established: SessionID(101), isNew: true))
        #expect(b.open(a.message()!) == .dropped(.retired))
    }

    @Test func `a lost proof is made good by the message that follows`() throws {
        let (_, b) = establishedPair()
        let c = Node(.low, session: 101)
        let answer = try #require(b.answer(c.hello(at: start)!, at: start))
        _ = try #require(c.answer(answer, at: start))
        let now = Instant.at(milliseconds: 200)
        #expect(b.channel.nextHello > now)
        #expect(b.open(c.message()!, at: now) == .dropped(.unknownSession))
        #expect(b.channel.nextHello <= now)
        carry(b.hello(at: now)!, from: b, to: c, at: now)
        #expect(b.channel.peerSession == SessionID(101))
        #expect(b.open(c.message()!, at: now).isMessage)
        #expect(b.channel.nextHello > now)
    }

    @Test func `a recorded hello changes nothing, whenever it comes`() {
        var (a, b) = establishedPair()
        let recorded = a.sent
        #expect(!recorded.isEmpty)
        // With the session still there …
        for hello in recorded { _ = b.open(hello) }
        #expect(b.channel.peerSession == SessionID(100))
        // … after it was replaced …
        a = Node(.low, session: 101)
        carry(a.hello(at: start)!, from: a, to: b, at: start)
        for hello in recorded { #expect(b.open(hello) == .dropped(.retired)) }
        #expect(b.channel.peerSession == SessionID(101))
        // … and to another life of the receiver.
        b = Node(.high, session: 201)
        for hello in recorded { _ = b.open(hello) }
        #expect(b.channel.peerSession == nil)
        carry(b.hello(at: start)!, from: b, to: a, at: start)
        for hello in recorded { _ = b.open(hello) }
        #expect(b.channel.peerSession == SessionID(101))
        #expect(b.open(a.message()!).isMessage)
    }

    @Test func `an echo serves once`() throws {
        let b = Node(.high, session: 2)
        let a = Node(.low, session: 1)
        let c = Node(.low, session: 3)
        // Both are given the same challenge.
        let toA = try #require(b.answer(a.hello(at: start)!, at: start))
        let toC = try #require(b.answer(c.hello(at: start)!, at: start))
        let (proofA, proofC) = (a.answer(toA, at: start)!, c.answer(toC, at: start)!)
        #expect(b.open(proofA) == .hello(answer: false, established: SessionID(1), isNew: true))
        #expect(b.open(proofC) == .hello(answer: true, established: nil, isNew: true))
        #expect(b.channel.peerSession == SessionID(1))
    }

    @Test func `a whole recorded session gives no life and no order`() {
        var (a, b) = establishedPair()
        for _ in 0..<300 {
            _ = b.open(a.message()!)
            _ = a.open(b.message()!)
        }
        let (fromA, fromB) = (a.sent, b.sent)
        // In the same sessions.
        for datagram in fromA { #expect(!b.open(datagram).isMessage) }
        for datagram in fromB { #expect(!a.open(datagram).isMessage) }
        // After one of them restarted, before and after it is established.
        b = Node(.high, session: 201)
        for datagram in fromA { #expect(!b.open(datagram).isMessage) }
        #expect(b.channel.peerSession == nil)
        carry(b.hello(at: start)!, from: b, to: a, at: start)
        for datagram in fromA { #expect(!b.open(datagram).isMessage) }
        for datagram in fromB { #expect(!a.open(datagram).isMessage) }
        #expect(a.channel.peerSession == SessionID(201))
        // After both did.
        a = Node(.low, session: 101)
        carry(a.hello(at: start)!, from: a, to: b, at: start)
        for link in 0..<Limits.links {
            for datagram in fromA { #expect(!b.open(datagram, link: link).isMessage) }
            for datagram in fromB { #expect(!a.open(datagram, link: link).isMessage) }
        }
        #expect(a.channel.peerSession == SessionID(201) && b.channel.peerSession == SessionID(101))
        #expect(b.open(a.message()!).isMessage && a.open(b.message()!).isMessage)
    }

    @Test func `answers are limited in rate, by link`() {
        let b = Node(.high, session: 2)
        let hello = Node(.low, session: 1).hellos()
        let answered = (0..<1000).count { _ in b.answer(hello, at: start) != nil }
        #expect(answered == 8)
        #expect(b.answer(hello, link: 1, at: start) != nil)
        let second = (0..<1000).count { index in
            b.answer(hello, at: .at(milliseconds: Int64(index))) != nil
        }
        #expect((45...55).contains(second))
    }

    @Test func `recordings of earlier sessions do not use up what the peer is answered by`() {
        let b = Node(.high, session: 2)
        let asked = b.hello(at: start)!
        // b draws another challenge once a has proved its session.
        carry(asked, from: b, to: Node(.low, session: 1), at: start)
        let recorded = Node(.low, session: 4).hellos()
        for _ in 0..<1000 { _ = b.open(recorded) }
        #expect(b.answer(recorded, at: start) == nil)
        // a was restarted, and answers a copy of the old question.
        let a = Node(.low, session: 3)
        carry(a.answer(asked, at: start)!, from: a, to: b, at: start)
        #expect(b.channel.peerSession == SessionID(3))
    }

    @Test func `a flood of replays does not keep the peer out`() {
        let b = Node(.high, session: 2)
        let recorded = Node(.low, session: 1).hellos()
        for _ in 0..<1000 { _ = b.open(recorded) }
        let a = Node(.low, session: 3)
        // b's own hello brings a's proof, which is answered at any rate.
        carry(b.hello(at: start)!, from: b, to: a, at: start)
        #expect(a.channel.peerSession == SessionID(2) && b.channel.peerSession == SessionID(3))
    }

    @Test func `a recorded hello is new only once, also to the agent's next life`() {
        let before = Node(.low, session: 3, hellos: HelloMemory(life: 6))
        let a = Node(.low, session: 1, hellos: HelloMemory(life: 7))
        let b = Node(.high, session: 2)
        let second = start + .seconds(1)
        let hellos = [before, a].flatMap { [$0.hello(at: start)!, $0.hello(at: second)!] }
        #expect(hellos.map { b.open($0).isNewHello } == [true, true, true, true])
        #expect(hellos.map { b.open($0).isNewHello } == [false, false, false, false])
        let next = Node(.high, session: 4, hellos: b.channel.helloMemory)
        #expect(hellos.map { next.open($0).isNewHello } == [false, false, false, false])
        #expect(next.open(a.hello(at: second + .seconds(1))!).isNewHello)
        // However many lives were recorded.
        for life in 10..<110 as Range<UInt64> {
            let old = Node(.low, session: life, hellos: HelloMemory(life: 5))
            #expect(!next.open(old.hello(at: start)!).isNewHello)
        }
    }

    /// As after a loss of power that took the clock and the file with it.
    @Test func `who names my session is heard, whatever number it says`() {
        let a = Node(.low, session: 1)
        let b = Node(.high, session: 2, hellos: HelloMemory(life: 1, heard: 99 << 32))
        #expect(!b.open(a.hello(at: start)!).isNewHello)
        let answer = a.answer(b.hello(at: start)!, at: start)!
        #expect(b.open(answer).isNewHello)
        #expect(!b.open(answer).isNewHello)
    }

    @Test func `of two files each may be the newer one`() {
        let (run, disk) = (HelloMemory(life: 7, heard: 5), HelloMemory(life: 6, heard: 9))
        #expect(run.joined(with: disk) == HelloMemory(life: 7, heard: 9))
        #expect(disk.joined(with: run) == HelloMemory(life: 7, heard: 9))
        #expect(HelloMemory().joined(with: run) == run)
    }

    @Test func `numbers grow from life to life, with either clock or file`() {
        let life = HelloMemory(life: 1_800_000_000, heard: 5)
        #expect(life.next(wallSeconds: 1_800_000_900).life == 1_800_000_900)
        #expect(life.next(wallSeconds: 100) == HelloMemory(life: 1_800_000_001, heard: 5))
        #expect(HelloMemory().next(wallSeconds: 1_800_000_900).life == 1_800_000_900)
        #expect(HelloMemory().next(wallSeconds: -5).life == 1)
        #expect(HelloMemory(life: .max).next(wallSeconds: 1 << 40).life == .max)
    }

    @Test func `an answer is never larger than what it answers`() {
        let a = Node(.low, session: 1)
        let b = Node(.high, session: 2)
        let hello = a.hello(at: start)!
        let answer = b.answer(hello, at: start)!
        #expect(answer.count == hello.count && hello.count == Hello.length)
        #expect(a.answer(answer, at: start)!.count == hello.count)
    }

    @Test func `a banned session is refused for good`() {
        var (a, b) = establishedPair()
        b.channel.ban(SessionID(100))
        #expect(b.channel.peerSession == nil)
        #expect(b.open(a.message()!) == .dropped(.banned))
        #expect(b.message() == nil)
        let now = Instant.at(milliseconds: 9000)
        #expect(carry(a.hello(at: now)!, from: a, to: b, at: now) == 1)
        carry(b.hello(at: now)!, from: b, to: a, at: now)
        #expect(b.channel.peerSession == nil)
        // Fifteen more do not push it out of the ring.
        for session in 1000..<1015 as Range<UInt64> { b.channel.ban(SessionID(session)) }
        #expect(b.open(a.message()!) == .dropped(.banned))
        // Its next life is welcome.
        a = Node(.low, session: 101)
        carry(a.hello(at: now)!, from: a, to: b, at: now)
        #expect(b.open(a.message()!).isMessage)
    }

    @Test func `hellos are due while the peer is unknown or silent`() {
        let (a, b) = establishedPair()
        let pace = Channel.Pace()
        #expect(a.hello(at: start + .milliseconds(999)) == nil)
        let later = start + pace.silence
        #expect(a.hello(at: later) != nil)
        #expect(a.hello(at: later) == nil)
        #expect(a.channel.nextHello == later + pace.hello)
        _ = a.open(b.message()!, at: later)
        #expect(a.channel.nextHello == later + pace.silence)
        a.channel.ban(SessionID(200))
        #expect(a.channel.nextHello == later + pace.hello)
    }
}

struct RotationTests {
    let start = Instant.at(milliseconds: 0)
    let old = key(1)
    let new = key(2)

    @Test func `a key is rotated without a lost packet`() {
        let (a, b) = establishedPair(keys: [old])
        func exchange(_ expected: UInt32?) {
            #expect(b.open(a.message()!).isMessage)
            #expect(a.open(b.message()!).isMessage)
            if let expected { #expect(a.channel.keyInUse == expected) }
            if let expected { #expect(b.channel.keyInUse == expected) }
        }
        exchange(old.id)
        a.channel.replace(keys: [new, old])
        exchange(old.id)
        b.channel.replace(keys: [new, old])
        exchange(nil)
        exchange(new.id)
        b.channel.replace(keys: [new])
        exchange(new.id)
        a.channel.replace(keys: [new])
        exchange(new.id)
        #expect(a.channel.drops.total == 0 && b.channel.drops.total == 0)
        #expect(a.open(b.sent[0]) == .dropped(.unknownKey))
    }

    @Test func `keys that the peer lacks are known before they are taken`() {
        #expect(Node(.low, session: 1, keys: [old]).channel.peerHas(oneOf: [new]))
        let (a, b) = establishedPair(keys: [old])
        _ = a.open(b.message()!)
        #expect(a.channel.peerHas(oneOf: [new, old]) && !a.channel.peerHas(oneOf: [new]))
        b.channel.replace(keys: [new, old])
        #expect(!a.channel.peerHas(oneOf: [new]))
        _ = a.open(b.message()!)
        #expect(a.channel.peerHas(oneOf: [new]))
    }

    @Test func `packets under the old key still pass while both are valid`() {
        let (a, b) = establishedPair(keys: [old])
        let late = a.message()!
        b.channel.replace(keys: [new, old])
        a.channel.replace(keys: [new, old])
        _ = a.open(b.message()!)
        let early = a.message()!
        #expect(b.open(early).isMessage && b.open(late).isMessage)
    }

    @Test func `nodes meet while only one of them has the new key`() {
        let a = Node(.low, session: 1, keys: [new, old])
        let b = Node(.high, session: 2, keys: [old])
        for round in 0..<2 {
            let now = Instant.at(milliseconds: Int64(round) * 100)
            if let hello = a.hello(at: now) { carry(hello, from: a, to: b, at: now) }
        }
        #expect(a.channel.peerSession == SessionID(2) && b.channel.peerSession == SessionID(1))
        #expect(b.open(a.message()!).isMessage && a.open(b.message()!).isMessage)
        #expect(a.channel.keyInUse == old.id)
    }

    @Test func `a key is thirty-two bytes`() {
        #expect(Key([UInt8](repeating: 1, count: 31)) == nil)
        #expect(Key([UInt8](repeating: 1, count: 33)) == nil)
        #expect(Key([]) == nil)
        #expect(key(1).id != key(2).id)
        var bytes: [UInt8] = [1, 2, 3]
        Key.wipe(&bytes)
        #expect(bytes == [0, 0, 0])
    }
}
