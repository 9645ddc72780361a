/// The contact that feeds a node, the line that drives it and the line that shows it.
package import PicketCore

package final class SimulatedRelay {
    package let plan: SupplyPlan
    /// Whose agent drives the line.
    package let driver: NodeID
    /// Whom the contact feeds.
    let fed: NodeID
    /// It is switched by a fence agent, and stays as it is when the node goes dark that switched it.
    private let isOutlet: Bool
    /// There is no power before its contact.
    var isDead = false
    /// The line's value.
    private(set) var commanded = true
    private(set) var contact = true
    private(set) var fault: Fault = .none
    var feedback: Feedback = .truthful
    /// The wires between the two nodes that have parted.
    var parted: Set<Lead> = [] { didSet { settle() } }
    /// The contact has moved.
    var moved: () -> Void = {}

    private let loop: EventLoop
    private var pending: [EventLoop.TimerID] = []

    enum Fault: Equatable {
        case none
        /// Welded: the supply stays connected.
        case stuckOn
        case stuckOff
        /// So long from the line's edge to the contact's.
        case slow(Duration)
        /// When it is switched, the contact chatters for 8 ms before it rests.
        case bouncing
    }
    enum Feedback: Equatable { case truthful, saysOn, saysOff, inverted }

    enum Lead: CaseIterable {
        /// The contact falls to rest.
        case relay
        case sense
    }

    init(plan: SupplyPlan, driver: NodeID, isOutlet: Bool = false, loop: EventLoop) {
        self.plan = plan
        self.driver = driver
        self.fed = driver.peer
        self.isOutlet = isOutlet
        self.loop = loop
    }

    func drive(on: Bool) {
        commanded = on
        settle()
    }

    func set(_ fault: Fault) {
        self.fault = fault
        settle()
    }

    /// The driver lost its power, or reset: the line falls to rest.
    func driverDied() { if !isOutlet { drive(on: plan.normallyClosed) } }

    /// Power passes it.
    var feeds: Bool { contact && !isDead }

    /// What the sense line reads, or the other one of two contacts, while the supply is so.
    func reads(live: Bool, opposite: Bool = false) -> Bool {
        if parted.contains(.sense) { return plan.opposite == nil && plan.partedReadsOn }
        return switch feedback {
        case .truthful: live != opposite
        case .inverted: live == opposite
        // A line says so; two contacts then read alike.
        case .saysOn: opposite ? !live : true
        case .saysOff: opposite ? !live : false
        }
    }

    private func settle() {
        for timer in pending { loop.cancel(timer) }
        pending = []
        if parted.contains(.relay) { return move(to: plan.normallyClosed, after: plan.delay) }
        switch fault {
        case .none: move(to: commanded, after: plan.delay)
        case .stuckOn: move(to: true, after: .zero)
        case .stuckOff: move(to: false, after: .zero)
        case .slow(let delay): move(to: commanded, after: delay)
        case .bouncing where contact == commanded: break
        case .bouncing:
            for step in 0..<5 {
                let on = commanded == (step % 2 == 0)
                move(to: on, after: plan.delay + .milliseconds(2) * Int64(step))
            }
        }
    }

    private func move(to on: Bool, after delay: Duration) {
        // Before the line's driver is answered.
        if delay == .zero { return arrive(on) }
        pending.append(
            loop.after(delay) { [unowned self] in arrive(on) })
    }

    private func arrive(_ on: Bool) {
        guard contact != on else { return }
        contact = on
        moved()
    }
}
