import Testing

/// Two pairs live at a time: they wait more than they work, and two cores are few. What takes
/// a whole computer for itself takes both seats. In the log a test's time includes its waiting.
struct Seats: SuiteTrait, TestTrait, TestScoping {
    fileprivate let count: Int
    let isRecursive = true

    func provideScope(
        for test: Test, testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        await Bench.shared.take(count)
        do {
            try await function()
            await Bench.shared.leave(count)
        } catch {
            await Bench.shared.leave(count)
            throw error
        }
    }
}

extension Trait where Self == Seats {
    static var besideAnother: Self { Seats(count: 1) }
    static var alone: Self { Seats(count: 2) }
}

/// Who comes first sits first, however many seats the others want.
private actor Bench {
    static let shared = Bench()
    private var free = 2
    private var queue: [(count: Int, sit: CheckedContinuation<Void, Never>)] = []

    func take(_ count: Int) async {
        await withCheckedContinuation { sit in
            queue.append((count, sit))
            admit()
        }
    }

    func leave(_ count: Int) {
        free += count
        admit()
    }

    private func admit() {
        while let first = queue.first, first.count <= free {
            queue.removeFirst()
            free -= first.count
            first.sit.resume()
        }
    }
}
