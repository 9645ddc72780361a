package import PicketCore
package import PicketRackClient

/// An I2C bus of a node.
package final class SimulatedBus {
    private(set) var devices: [UInt8: SimulatedDevice] = [:]
    private(set) var hung = false
    /// Answers that a hung bus owes.
    private var waiting: [(RackAnswer) -> Void] = []

    package init() {}

    func device(at address: UInt8) -> SimulatedDevice {
        if let device = devices[address] { return device }
        let device = SimulatedDevice(address: address)
        devices[address] = device
        return device
    }

    package func transfer(
        address: UInt8, write: [UInt8], read: Int, at now: Instant,
        answer: @escaping (RackAnswer) -> Void
    ) {
        guard let device = devices[address] else { return answer(hung ? .timeout : .nak) }
        if hung || device.fault == .hang {
            waiting.append(answer)
            return
        }
        if device.fault == .timeout { return answer(.timeout) }
        if device.fault == .contended { return answer(.arbitration) }
        guard let bytes = device.transaction(write: write, read: read, at: now)
        else { return answer(.nak) }
        answer(.ok([Hex.text(bytes)]))
    }

    func hang(_ hang: Bool) {
        hung = hang
        release()
    }

    /// Whoever waits learns that the transfer failed, if the bus moves again.
    func release() {
        guard !hung, !devices.values.contains(where: { $0.fault == .hang }) else { return }
        for answer in waiting { answer(.timeout) }
        waiting = []
    }

    /// The node lost its power: nobody waits any more.
    package func forget() { waiting = [] }
}
