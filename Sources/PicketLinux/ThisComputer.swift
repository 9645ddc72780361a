/// What this computer calls itself.
public enum ThisComputer {
    /// The device tree's model, or the board's or product's name of the firmware's tables; `nil`
    /// where neither is told.
    public static var model: String? {
        for path in [
            "/proc/device-tree/model", "/sys/class/dmi/id/board_name",
            "/sys/class/dmi/id/product_name",
        ] {
            if let text = (try? DurableFile.line(path)) ?? nil, !text.isEmpty { return text }
        }
        return nil
    }

    /// Its host name up to the first point; `nil` where it has none.
    public static var name: String? {
        let text = (try? DurableFile.line("/proc/sys/kernel/hostname")) ?? nil
        return text?.split(separator: ".").first.map { String($0) }
    }
}
