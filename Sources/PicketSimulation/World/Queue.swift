/// What is going to happen, in the order of time; of two at one instant the one that was put first.
///
/// The items lie still in slots; small entries that own nothing are kept in order, the next one last.
/// There are few of them, and what is put is mostly what will happen soon.
struct Queue<Item> {
    private struct Entry {
        var at: Int64
        var slot: Int
    }

    private var entries: [Entry] = []
    private var slots: [Item?] = []
    private var free: [Int] = []

    /// `.max` where nothing is.
    private(set) var nextAt = Int64.max

    mutating func put(_ item: Item, at: Int64) {
        let slot: Int
        if let last = free.popLast() {
            slot = last
            slots[slot] = item
        } else {
            slot = slots.count
            slots.append(item)
        }
        let entry = Entry(at: at, slot: slot)
        entries.append(entry)
        var hole = entries.count - 1
        while hole > 0, entries[hole - 1].at <= at {
            entries[hole] = entries[hole - 1]
            hole -= 1
        }
        entries[hole] = entry
        nextAt = min(nextAt, at)
    }

    /// There must be one.
    mutating func take() -> Item {
        let slot = entries.removeLast().slot
        nextAt = entries.last?.at ?? .max
        free.append(slot)
        return slots[slot].take()!
    }
}
