import CPicket

public enum AddressAnnouncement {
    /// Tells the neighbours on `device` that this node has the address now, so that they do not go
    /// on sending to the node that had it: gratuitous ARP (RFC 5227 §3), or an unsolicited
    /// neighbour advertisement (RFC 4861 §7.2.6).
    ///
    /// - Returns: why not, where the system refuses it.
    public static func send(_ host: String, device: String) -> String? {
        let errno = unsafe picket_announce(device, host)
        return errno == 0 ? nil : SystemError.text(of: errno)
    }
}
