/// What root's helper (picket-units) and those who ask it must have alike.

/// What `picket-units` ends with, where it is not what systemctl says.
public enum HelperExit {
    public static let wrong: Int32 = 2
    /// The helper says no: nothing was done.
    public static let refused: Int32 = 77
    /// The helper is not there, does not answer, or could not try.
    public static let unknown: Int32 = 75

    /// It tells nothing of the unit.
    public static func isUnknown(_ code: Int32) -> Bool { code == unknown || code == refused }
}
