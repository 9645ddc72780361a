/// What is going to happen, in the order of time; of two at one instant the one that was put first.
///
/// The items lie still in slots, and the heap moves small entries that own nothing.
struct Queue<Item> {
    private struct Entry {
        var at: Int64
        var order: UInt64
        var slot: Int

        func before(_ other: Entry) -> Bool {
            at != other.at ? at < other.at : order < other.order
        }
    }

    private var heap: [Entry] = []
    private var order: UInt64 = 0
    private var slots: [Item?] = []
    private var free: [Int] = []

    var nextAt: Int64 { heap.first?.at ?? .max }

    mutating func put(_ item: Item, at: Int64) {
        order += 1
        let slot: Int
        if let last = free.popLast() {
            slot = last
            slots[slot] = item
        } else {
            slot = slots.count
            slots.append(item)
        }
        let entry = Entry(at: at, order: order, slot: slot)
        heap.append(entry)
        var hole = heap.count - 1
        while hole > 0 {
            let parent = (hole - 1) / 2
            guard entry.before(heap[parent]) else { break }
            heap[hole] = heap[parent]
            hole = parent
        }
        heap[hole] = entry
    }

    mutating func take() -> Item {
        let first = heap[0].slot
        let last = heap.removeLast()
        if !heap.isEmpty { sink(last) }
        free.append(first)
        return slots[first].take()!
    }

    /// Puts the entry in the place of the first one, and from there where it belongs.
    private mutating func sink(_ entry: Entry) {
        var hole = 0
        while true {
            var child = 2 * hole + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].before(heap[child]) { child += 1 }
            guard heap[child].before(entry) else { break }
            heap[hole] = heap[child]
            hole = child
        }
        heap[hole] = entry
    }
}
