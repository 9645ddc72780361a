import PicketHardware

extension HealthReason {
    /// Why health is not the best, as a clause.
    func words(_ names: Names) -> String {
        switch self {
        case .sensor(let index, let verdict, _):
            "sensor \(names.sensors[index]) \(verdict.failed ? "has" : "is") \(verdict.words)"
        case .watchdogUnarmed: "the watchdog is not armed"
        case .relayTestFailed: "the self-test of the fence has failed"
        case .linksDown(let count): count == 1 ? "a link is down" : "\(count) links are down"
        case .stateNotWritten: "the state cannot be written to disk"
        case .memoryNotLocked: "memory is not locked"
        case .notRealTime: "there is no real-time priority"
        }
    }
}
