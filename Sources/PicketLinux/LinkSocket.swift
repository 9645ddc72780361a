/// One link's UDP socket.
///
/// It is bound to the link's own address (also before the interface has got it: a link may come up
/// after the agent) and never connected, because a connected socket is told of a peer that is not
/// there. Only the seal of a datagram tells who sent it. Its source address is looked at first
/// because a flood from elsewhere is then not worth a look at any seal.

import CPicket

/// A numeric address and a port: `10.0.0.1:7780`, `[fe80::1%eth0]:7780`.
public struct SocketAddress: Sendable {
    fileprivate var address: picket_address

    /// `nil` where `host` is not a numeric IPv4 or IPv6 address (with an optional %interface).
    public init?(host: String, port: UInt16) {
        address = picket_address()
        guard unsafe picket_address_parse(host, port, &address) else { return nil }
    }

    fileprivate init(boundTo socket: Int32) throws(SystemError) {
        address = picket_address()
        _ = try checked(unsafe picket_socket_name(socket, &address), "getsockname", "")
    }

    public var port: UInt16 {
        var copy = address
        return unsafe picket_address_port(&copy)
    }
}

public final class LinkSocket {
    private let descriptor: Descriptor
    private var peer: SocketAddress
    public var raw: Int32 { descriptor.raw }

    public enum Received: Equatable, Sendable {
        /// So many bytes are in the buffer.
        case datagram(count: Int)
        /// It was longer than the buffer, which now holds its beginning.
        case oversize(count: Int)
        /// It came from another address than the peer's on this link.
        case foreign
        case nothing
        case failed(errno: Int32)
    }

    public init(binding local: SocketAddress, to peer: SocketAddress, named name: String)
        throws(SystemError)
    {
        var own = local.address
        descriptor = Descriptor(
            owning: try checked(unsafe picket_link_bind(&own), "bind", name))
        self.peer = peer
    }

    public func localAddress() throws(SystemError) -> SocketAddress {
        try SocketAddress(boundTo: descriptor.raw)
    }

    public func redirect(to peer: SocketAddress) { self.peer = peer }

    /// The errno where it was not sent. Never waits: a full queue is a lost datagram.
    public func send(_ bytes: [UInt8], count: Int) -> Int32? {
        precondition(count <= bytes.count)
        let sent = unsafe picket_link_send(descriptor.raw, &peer.address, bytes, count)
        return sent < 0 ? picket_errno() : nil
    }

    public func receive(into buffer: inout [UInt8]) -> Received {
        var foreign = false
        let count = unsafe picket_link_receive(
            descriptor.raw, &peer.address, &buffer, buffer.count, &foreign)
        if count < 0 {
            let errno = picket_errno()
            return errno == EAGAIN || errno == EINTR ? .nothing : .failed(errno: errno)
        }
        if foreign { return .foreign }
        return count > buffer.count ? .oversize(count: count) : .datagram(count: count)
    }
}
