internal import CPicket

/// A network interface by its name: it may come later than the agent, go, and come back as another.
public enum NetworkInterface {
    /// There is none of this name now. False where that cannot be told.
    public static func isGone(_ name: String) -> Bool { unsafe picket_interface_gone(name) }
}
