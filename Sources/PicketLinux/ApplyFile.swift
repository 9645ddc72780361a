/// A configuration that was offered by `picket apply` and is not settled yet: what it takes to go on
/// with it, or to take it back, also after a restart of the agent.
///
///     picket-apply 1
///     id 5ac0…
///     by peer
///     old 93ab…
///     new 77f1…
///     within 300
///     until 812345678901
///     boot 6f1c…
///     verdict open
///     checksum 8d3f…
///
/// The new text lies beside the note, the old one beside the file in place. Which of the two is in
/// place is told by that file itself, and by nothing else, so no crash can make the note wrong. What
/// was decided stays noted until the peer has heard of it.

public import PicketCore
import PicketText

public struct OpenApply: Hashable, Sendable {
    public enum Verdict: String, Sendable, CaseIterable {
        case open
        /// The new file stays.
        case kept
        /// The old one is in place again, or still.
        case back
    }

    public var id: UInt64
    /// The peer's operator, or one here.
    public var byPeer: Bool
    /// Digests of this node's file.
    public var old: UInt64
    public var new: UInt64
    /// In seconds; 0 where it stays as soon as both nodes have it.
    public var within: UInt32
    /// When the old one comes back, by the clock of `boot`; `nil` as long as the new one was not
    /// in place.
    public var until: Instant?
    public var boot: String
    public var verdict = Verdict.open

    public init(
        id: UInt64, byPeer: Bool, old: UInt64, new: UInt64, within: UInt32, boot: String
    ) {
        self.id = id
        self.byPeer = byPeer
        self.old = old
        self.new = new
        self.within = within
        self.boot = boot
    }
}

public struct ApplyFile: Sendable {
    public let path: String
    /// The new text.
    public var text: String { path + ".yaml" }

    static let title = "picket-apply 1"

    /// Which file it is. On its way to the peer the seal guards it against forgery.
    public static func digest(of file: [UInt8]) -> UInt64 { SealedText.checksum(file[...]) }

    public init(in directory: String) { path = directory + "/apply" }

    /// `nil` where nothing is open, or what was cannot be told any more: then the file in place stays.
    public func load() -> OpenApply? {
        guard let bytes = try? DurableFile.read(path) else { return nil }
        return decode(bytes)
    }

    /// - Parameter place: who may read that file may read the text.
    public func store(
        _ open: OpenApply, text bytes: [UInt8], like place: String? = nil
    ) throws(SystemError) {
        try DurableFile.replace(text, with: bytes, like: place)
        try store(open)
    }

    public func store(_ open: OpenApply) throws(SystemError) {
        try DurableFile.replace(path, with: encode(open))
    }

    public func remove() throws(SystemError) {
        try DurableFile.remove(path)
        try DurableFile.remove(text)
    }

    func encode(_ open: OpenApply) -> [UInt8] {
        SealedText.seal(
            """
            \(ApplyFile.title)
            id \(Text.hex(open.id))
            by \(open.byPeer ? "peer" : "me")
            old \(Text.hex(open.old))
            new \(Text.hex(open.new))
            within \(open.within)
            until \(open.until?.nanoseconds ?? 0)
            boot \(open.boot)
            verdict \(open.verdict.rawValue)

            """)
    }

    func decode(_ bytes: [UInt8]) -> OpenApply? {
        guard case .lines(let lines) = SealedText.open(bytes, title: ApplyFile.title) else {
            return nil
        }
        func word(_ name: String) -> String? { lines.first { $0.count == 2 && $0[0] == name }?[1] }
        func number(_ name: String) -> UInt64? { word(name).flatMap { UInt64($0, radix: 16) } }
        guard let id = number("id"), let by = word("by"), let old = number("old"),
            let new = number("new"), let within = word("within").flatMap({ UInt32($0) }),
            let until = word("until").flatMap({ Int64($0) }), let boot = word("boot"),
            // Notes before the first release that had them lacked it.
            let verdict = OpenApply.Verdict(rawValue: word("verdict") ?? "open")
        else { return nil }
        var open = OpenApply(
            id: id, byPeer: by == "peer", old: old, new: new, within: within, boot: boot)
        if until > 0 { open.until = Instant(nanoseconds: until) }
        open.verdict = verdict
        return open
    }
}
