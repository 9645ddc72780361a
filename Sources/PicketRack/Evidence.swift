/// Which node was active when, by the records that the groups' own processes write (picket-workload).
/// Nothing here comes from an agent.
import CPicket
import Foundation
package import PicketCore

package struct Record: Equatable {
    package var at: Instant
    var node: String
    var group: String
    var term: UInt64
    var process: Int32
    var kind: Kind

    enum Kind: UInt8 { case begin = 0x62, active = 0x61, end = 0x65 }

    static let size = 128

    /// `nil` if the bytes are no whole record.
    package init?(_ bytes: ArraySlice<UInt8>) {
        guard bytes.count == Record.size, bytes.last == UInt8(ascii: "\n") else { return nil }
        let words = bytes.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: true)
            .map { String(decoding: $0, as: UTF8.self) }
        guard words.count >= 6, let time = Int64(words[0]), let term = UInt64(words[3]),
            let process = Int32(words[4]), let kind = words[5].utf8.first.flatMap(Kind.init)
        else { return nil }
        at = Instant(nanoseconds: time)
        node = words[1]
        group = words[2]
        self.term = term
        self.process = process
        self.kind = kind
    }
}

/// The activity of one process. It counts as active all the time between its first and its last
/// record, because a process that was paused in between may write at any moment.
struct Activity: Equatable {
    var node: String
    var group: String
    var term: UInt64
    var process: Int32
    var first: Instant
    var last: Instant
    /// It stopped when told to, and was not killed.
    var ended: Bool
}

struct Evidence {
    /// In the order of their first records.
    private(set) var activities: [Activity] = []
    /// Records whose term is lower than one already seen of the group: a fencing token that fell.
    private(set) var fallenTerms = 0
    private var highestTerm: [String: UInt64] = [:]

    enum Finding: Equatable {
        case began(Activity)
        case ended(Activity)
        /// Two nodes are active at once. It is told once for each activity.
        case dual(Activity, with: String)
    }
    private var toldDual: Set<Int32> = []

    mutating func add(_ record: Record) -> [Finding] {
        var findings: [Finding] = []
        let index: Int
        if let known = activities.lastIndex(where: {
            $0.process == record.process && $0.group == record.group && !$0.ended
                && $0.node == record.node
        }), record.kind != .begin {
            index = known
            activities[index].last = max(activities[index].last, record.at)
        } else {
            activities.append(
                Activity(
                    node: record.node, group: record.group, term: record.term,
                    process: record.process, first: record.at, last: record.at, ended: false))
            index = activities.count - 1
            findings.append(.began(activities[index]))
            // A unit of systemd's is not told its term: 0.
            if record.term > 0, record.term < highestTerm[record.group] ?? 0 { fallenTerms += 1 }
        }
        highestTerm[record.group] = max(highestTerm[record.group] ?? 0, record.term)
        if record.kind == .end {
            activities[index].ended = true
            findings.append(.ended(activities[index]))
        }
        if let other = overlap(activities[index]), toldDual.insert(record.process).inserted {
            findings.append(.dual(activities[index], with: other.node))
        }
        return findings
    }

    private func overlap(_ activity: Activity) -> Activity? {
        activities.last {
            $0.group == activity.group && $0.node != activity.node && $0.last > activity.first
                && $0.first < activity.last
        }
    }

    /// The node on which the group runs now, if there is one. Its newest record is younger than
    /// `freshness`.
    func active(_ group: String, at now: Instant, freshness: Duration = .milliseconds(150))
        -> String?
    {
        activities.last { $0.group == group && !$0.ended && now - $0.last < freshness }?.node
    }

    /// For how long any group ran on both nodes; the sum over the groups.
    func dualActive() -> Duration {
        var sum = Duration.zero
        for (index, one) in activities.enumerated() {
            for other in activities[(index + 1)...]
            where other.group == one.group && other.node != one.node {
                let overlap = min(one.last, other.last) - max(one.first, other.first)
                if overlap > .zero { sum = sum + overlap }
            }
        }
        return sum
    }

    /// For how long the group ran nowhere, from its first record to `end`.
    func nowhere(_ group: String, until end: Instant) -> Duration {
        let mine = activities.filter { $0.group == group }.sorted { $0.first < $1.first }
        guard var covered = mine.first?.first else { return .zero }
        var sum = Duration.zero
        for activity in mine {
            if activity.first > covered { sum = sum + (activity.first - covered) }
            covered = max(covered, activity.last)
        }
        // A running workload writes every 2 ms; a busy computer may let it wait.
        if end - covered > .milliseconds(100) { sum = sum + (end - covered) }
        return sum
    }
}

/// Follows the log that the workloads append to.
final class WorkloadLog {
    let path: String
    private let descriptor: Int32
    private var rest: [UInt8] = []
    private var consumed: Int64 = 0
    /// Places that hold no record. Evidence with such a place proves nothing.
    private(set) var damaged = 0
    private var buffer = [UInt8](repeating: 0, count: 64 * 1024)

    init?(path: String) {
        self.path = path
        descriptor = unsafe picket_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        if descriptor < 0 { return nil }
    }

    deinit { close(descriptor) }

    func newRecords() -> [Record] {
        var records: [Record] = []
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe read(descriptor, $0.baseAddress, $0.count)
            }
            guard count > 0 else { break }
            consumed += Int64(count)
            rest += buffer[..<count]
            let whole = rest.count / Record.size * Record.size
            for start in stride(from: 0, to: whole, by: Record.size) {
                if let record = Record(rest[start..<(start + Record.size)]) {
                    records.append(record)
                } else {
                    damaged += 1
                }
            }
            rest.removeFirst(whole)
        }
        // The log of a rack that is left running does not fill the disk.
        if consumed > 1 << 20 { _ = picket_punch_hole(descriptor, consumed & ~0xFFFF) }
        return records
    }
}
