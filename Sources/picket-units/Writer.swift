/// Puts a configuration in place, off the loop: a disk may take longer than systemd waits for the
/// helper's sign of life.
///
/// What was put there last is marked by its digest, so that the one before comes back only in its
/// place: what root has written there since is nobody else's to undo. Nor is it overwritten: who has a
/// file put there names the digest of the one that it replaces.

import CPicket
import PicketCore
import PicketLinux
import PicketText

final class Writer {
    enum Work: Sendable {
        /// In place of the file with this digest.
        case put([UInt8], over: String?)
        case giveBack
    }

    struct Order: Sendable {
        var caller: UInt32
        var place: String
        var work: Work
    }

    private let orders: BoundedQueue<Order>
    private let results: BoundedQueue<(caller: UInt32, answer: HelperAnswer)>
    private let givenUp: BoundedQueue<UInt32>

    /// - Parameter directory: for the mark.
    init(in directory: String) throws(SystemError) {
        let orders = try BoundedQueue<Order>(capacity: 1)
        let results = try BoundedQueue<(caller: UInt32, answer: HelperAnswer)>(capacity: 1)
        let givenUp = try BoundedQueue<UInt32>(capacity: 8)
        (self.orders, self.results, self.givenUp) = (orders, results, givenUp)
        try Worker.start("writer") {
            while true {
                guard let order = orders.wait() else { continue }
                let answer = Writer.answer(order, markIn: directory) {
                    var isGivenUp = false
                    while let caller = givenUp.pop() {
                        if caller == order.caller { isGivenUp = true }
                    }
                    return isGivenUp
                }
                _ = results.push((order.caller, answer))
            }
        }
    }

    /// Readable when it is done.
    var raw: Int32 { results.raw }

    /// One at a time: the next after the end of the one before.
    func begin(_ order: Order) { _ = orders.push(order) }

    /// Its caller is gone. What is in place by now stays.
    func giveUp(_ caller: UInt32) { _ = givenUp.push(caller) }

    func take() -> (caller: UInt32, answer: HelperAnswer)? {
        results.clear()
        return results.pop()
    }

    // MARK: In the worker's thread

    private static func answer(
        _ order: Order, markIn directory: String, unless isGivenUp: () -> Bool
    ) -> HelperAnswer {
        let mark = directory + "/taken"
        do throws(SystemError) {
            switch order.work {
            case .put(let text, let old):
                return try put(text, over: old, in: order.place, mark, unless: isGivenUp)
            case .giveBack: return try giveBack(order.place, mark, unless: isGivenUp)
            }
        } catch {
            guard error.errno == EROFS else { return .unknown(error.description) }
            return .refused(
                "\(error.description): picket-units.service may write where its ReadWritePaths="
                    + " says")
        }
    }

    private static func put(
        _ text: [UInt8], over expected: String?, in place: String, _ mark: String,
        unless isGivenUp: () -> Bool
    ) throws(SystemError) -> HelperAnswer {
        let old = try DurableFile.read(place) ?? []
        // The one before it is still the one before it.
        if old == text { return .ended(0) }
        if let expected, expected != Text.hex(ApplyFile.digest(of: old)) { return byHand(place) }
        try DurableFile.makeDirectory(DurableFile.parent(of: mark))
        try DurableFile.replace(mark, with: digest(of: text))
        try DurableFile.replace(place + ".before", with: old, like: place)
        return try replace(old, in: place, with: text, unless: isGivenUp)
    }

    private static func giveBack(
        _ place: String, _ mark: String, unless isGivenUp: () -> Bool
    ) throws(SystemError) -> HelperAnswer {
        let before = place + ".before"
        if let stranger = Listing.distrust(before) { return .refused(stranger) }
        let old = try DurableFile.read(before) ?? []
        let found = try DurableFile.read(place) ?? []
        if found == old { return .ended(0) }
        // The first helpers that put one there left no mark.
        if let marked = try DurableFile.read(mark), marked != digest(of: found) {
            return byHand(place)
        }
        return try replace(found, in: place, with: old, unless: isGivenUp)
    }

    private static func replace(
        _ old: [UInt8], in place: String, with text: [UInt8], unless isGivenUp: () -> Bool
    ) throws(SystemError) -> HelperAnswer {
        var isChanged = false
        do throws(SystemError) {
            try DurableFile.replace(place, with: text, like: place) {
                isChanged = DurableFile.differs(place, from: old)
                return isChanged || isGivenUp()
            }
        } catch {
            if isChanged { return byHand(place) }
            throw error
        }
        return .ended(0)
    }

    private static func byHand(_ place: String) -> HelperAnswer {
        .refused("\(place) was changed by hand since, and stays")
    }

    private static func digest(of text: [UInt8]) -> [UInt8] {
        Array("\(Text.hex(ApplyFile.digest(of: text)))\n".utf8)
    }
}
