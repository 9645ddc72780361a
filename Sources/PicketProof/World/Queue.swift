/// The happenings to come, in the order of their times. Of two at one instant, the one that was put
/// first happens first.
///
/// The list is kept in order, the next one last, because it is short and most new entries will
/// happen soon.
struct Queue<Item> {
    private var entries: [(at: Int64, item: Item)] = []

    /// `.max` where there is none.
    private(set) var nextAt = Int64.max

    mutating func put(_ item: Item, at: Int64) {
        if at < nextAt {
            entries.append((at, item))
            nextAt = at
        } else {
            var place = entries.count - 1
            while place > 0, entries[place - 1].at <= at { place -= 1 }
            entries.insert((at, item), at: place)
        }
    }

    /// There must be one.
    mutating func take() -> Item {
        let item = entries.removeLast().item
        nextAt = entries.last?.at ?? .max
        return item
    }
}
