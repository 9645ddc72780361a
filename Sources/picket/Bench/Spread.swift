import Foundation

/// The middle and the tail of some measurements.
struct Spread {
    let sorted: [Double]

    init?(_ values: [Double]) {
        guard !values.isEmpty else { return nil }
        sorted = values.sorted()
    }

    var median: Double { sorted[sorted.count / 2] }
    var least: Double { sorted[0] }
    var most: Double { sorted[sorted.count - 1] }
    /// The nearest rank; with fewer than a hundred values it is the largest.
    var p99: Double {
        sorted[min(sorted.count - 1, Int((Double(sorted.count) * 0.99).rounded(.up)) - 1)]
    }

    func text(_ unit: String, digits: Int = 1) -> String {
        func show(_ value: Double) -> String { String(format: "%.\(digits)f", value) }
        return
            "median \(show(median))  p99 \(show(p99))  min \(show(least))  max \(show(most)) \(unit)"
            + "  (n=\(sorted.count))"
    }
}
