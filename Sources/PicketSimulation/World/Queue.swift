/// What is going to happen, in the order of time; of two at one instant the one that was put first.
struct Queue<Item> {
    private struct Entry {
        var at: Int64
        var order: UInt64
        var item: Item

        func before(_ other: Entry) -> Bool {
            at != other.at ? at < other.at : order < other.order
        }
    }

    private var heap: [Entry] = []
    private var order: UInt64 = 0

    var nextAt: Int64 { heap.first?.at ?? .max }

    mutating func put(_ item: Item, at: Int64) {
        order += 1
        let entry = Entry(at: at, order: order, item: item)
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
        let first = heap[0].item
        let last = heap.removeLast()
        guard !heap.isEmpty else { return first }
        var hole = 0
        while true {
            var child = 2 * hole + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].before(heap[child]) { child += 1 }
            guard heap[child].before(last) else { break }
            heap[hole] = heap[child]
            hole = child
        }
        heap[hole] = last
        return first
    }
}
