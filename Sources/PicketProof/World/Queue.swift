/// The happenings to come, in the order of their times. Of two at one instant, the one that was put
/// first happens first.
///
/// Both lists are kept in order, the next one last, because they are short and most new entries will
/// happen soon. They are two so that an item is moved in and out, and never copied to be looked at.
struct Queue<Item> {
    private var times: [Int64] = []
    private var items: [Item] = []

    /// `.max` where there is none.
    private(set) var nextAt = Int64.max

    mutating func put(_ item: consuming Item, at: Int64) {
        if at < nextAt {
            times.append(at)
            items.append(item)
            nextAt = at
        } else {
            times.append(at)
            var place = times.count - 1
            while place > 0, times[place - 1] <= at {
                times[place] = times[place - 1]
                place -= 1
            }
            times[place] = at
            items.insert(item, at: place)
        }
    }

    /// There must be one.
    mutating func take() -> Item {
        times.removeLast()
        nextAt = times.last ?? .max
        return items.removeLast()
    }
}
