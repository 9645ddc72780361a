/// Ethernet frames with IPv4 and UDP in them.
enum Frame {
    /// Ethernet's, IPv4's without options, and UDP's.
    static let headers = 42

    /// What a datagram to this port carries; `nil` for all other frames.
    static func payload(of frame: ArraySlice<UInt8>, port: UInt16) -> ArraySlice<UInt8>? {
        let frame = Array(frame)
        guard frame.count >= headers, frame[12] == 0x08, frame[13] == 0x00, frame[14] >> 4 == 4,
            frame[23] == 17
        else { return nil }
        let start = 14 + Int(frame[14] & 15) * 4
        guard frame.count >= start + 8,
            UInt16(frame[start + 2]) << 8 | UInt16(frame[start + 3]) == port
        else { return nil }
        let length = Int(frame[start + 4]) << 8 | Int(frame[start + 5])
        guard length >= 8, start + length <= frame.count else { return nil }
        return frame[(start + 8)..<(start + length)]
    }

    /// The same frame with other content, its lengths and checksums made right.
    static func with(payload: [UInt8], like frame: [UInt8]) -> [UInt8] {
        guard frame.count >= headers, frame[12] == 0x08, frame[13] == 0x00, frame[23] == 17
        else { return payload }
        let start = 14 + Int(frame[14] & 15) * 4
        guard frame.count >= start + 8 else { return payload }
        var new = Array(frame[..<(start + 8)]) + payload
        let datagram = payload.count + 8
        let whole = new.count - 14
        (new[16], new[17]) = (UInt8(whole >> 8), UInt8(whole & 0xFF))
        (new[start + 4], new[start + 5]) = (UInt8(datagram >> 8), UInt8(datagram & 0xFF))
        // UDP over IPv4 may leave its checksum out.
        (new[start + 6], new[start + 7]) = (0, 0)
        (new[24], new[25]) = (0, 0)
        var sum = stride(from: 14, to: start, by: 2).reduce(UInt32(0)) {
            $0 + (UInt32(new[$1]) << 8 | UInt32(new[$1 + 1]))
        }
        while sum > 0xFFFF { sum = (sum & 0xFFFF) + (sum >> 16) }
        (new[24], new[25]) = (UInt8(~sum >> 8 & 0xFF), UInt8(~sum & 0xFF))
        return new
    }
}
