/// Wrong machines, for the proof's tools to find: one that finds none of them proves nothing.
///
/// Compiled only into the simulation build (`make sim`). Each case is one switch at one or two
/// places of Core, Wire or Hardware; `picket-sim bugs` tells which property each breaks, and who
/// found it.
#if PICKET_PLANTED_BUGS
    public enum PlantedBug: String, CaseIterable, Sendable {
        case noHeadStart

        /// The one that is switched on. Set before any machine is made, and never while one runs.
        nonisolated(unsafe) public static var active: PlantedBug?
    }

    @inline(__always)
    func planted(_ bug: PlantedBug) -> Bool { unsafe PlantedBug.active == bug }
#endif
