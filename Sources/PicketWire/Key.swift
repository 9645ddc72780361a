/// Keys, and the few functions of libsodium that the wire needs.
///
/// The pair's key never seals anything itself: every key in use is derived from it by keyed
/// BLAKE2b with a context of its own, so that a hello, each direction, and each pair of sessions
/// have keys of their own and nothing sealed for one purpose opens for another.
internal import CSodium
internal import PicketCore

public enum Sodium {
    /// Call once, before anything else of this module. False: no randomness is to be had, and
    /// the agent must not go on.
    public static func initialise() -> Bool { sodium_init() >= 0 }

    /// 64 bits of the system's randomness.
    public static func random() -> UInt64 {
        UInt64(randombytes_random()) << 32 | UInt64(randombytes_random())
    }
}

/// The pair's secret: 32 bytes, the same on both nodes. Wiped from memory with its last user.
public struct Key: Sendable {
    public static let size = 32

    /// Names the key in the header; derived from it by a one-way function. Never 0.
    public let id: UInt32
    let secret: Secret

    /// `nil` unless there are exactly 32 bytes. The caller wipes its own copy (`Key.wipe`).
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == Key.size else { return nil }
        secret = Secret(copying: bytes)
        id = secret.identifier()
    }

    /// Overwrites the bytes in place.
    public static func wipe(_ bytes: inout [UInt8]) {
        unsafe bytes.withUnsafeMutableBytes { buffer in
            guard let start = buffer.baseAddress else { return }
            unsafe sodium_memzero(start, buffer.count)
        }
    }

    /// What seals the hellos of one node.
    func helloSecret(from sender: NodeID) -> Secret {
        secret.derive("picket 1 hello", [UInt64(sender.rawValue)])
    }

    /// What seals the messages of one node in one pair of sessions.
    func sessionSecret(from sender: NodeID, low: UInt64, high: UInt64) -> Secret {
        secret.derive("picket 1 session", [UInt64(sender.rawValue), low, high])
    }
}

/// 32 secret bytes outside the reach of arrays' copies; overwritten when no longer used.
@safe final class Secret: @unchecked Sendable {
    private let bytes: UnsafeMutablePointer<UInt8>

    private init() { unsafe bytes = .allocate(capacity: Key.size) }

    init(copying source: [UInt8]) {
        precondition(source.count == Key.size)
        unsafe bytes = .allocate(capacity: Key.size)
        for index in 0..<Key.size { unsafe bytes[index] = source[index] }
    }

    deinit {
        unsafe sodium_memzero(bytes, Key.size)
        unsafe bytes.deallocate()
    }

    /// Keyed BLAKE2b-256 over a context and numbers of fixed width.
    func derive(_ context: StaticString, _ numbers: [UInt64]) -> Secret {
        let input = Secret.input(context, numbers)
        let derived = Secret()
        let size = unsafe crypto_generichash(
            derived.bytes, Key.size, input, UInt64(input.count), bytes, Key.size)
        precondition(size == 0, "BLAKE2b refuses 32-byte keys")
        return derived
    }

    func identifier() -> UInt32 {
        let digest = derive("picket 1 key id", [])
        var id: UInt32 = 0
        for index in 0..<4 { unsafe id |= UInt32(digest.bytes[index]) << UInt32(8 * index) }
        return id == 0 ? 1 : id
    }

    private static func input(_ context: StaticString, _ numbers: [UInt64]) -> [UInt8] {
        var input: [UInt8] = []
        for index in 0..<context.utf8CodeUnitCount {
            unsafe input.append(context.utf8Start[index])
        }
        input.append(0)
        for number in numbers { input.write(number) }
        return input
    }

    /// Appends the sealed `plain` to `datagram`, whose present content is bound to it.
    func seal(_ plain: [UInt8], nonce: [UInt8], into datagram: inout [UInt8]) {
        precondition(nonce.count == Wire.nonceLength)
        let header = datagram.count
        datagram.append(contentsOf: plain)
        datagram.append(contentsOf: repeatElement(0, count: Wire.tagLength))
        unsafe datagram.withUnsafeMutableBufferPointer { buffer in
            let start = buffer.baseAddress!
            var length: UInt64 = 0
            _ = unsafe crypto_aead_xchacha20poly1305_ietf_encrypt(
                start + header, &length, plain, UInt64(plain.count), start, UInt64(header), nil,
                nonce, bytes)
        }
    }

    /// Opens `datagram[sealed]` into `plain`, with all that stands before it bound to it. The
    /// number of bytes, or `nil` if it is not authentic.
    func open(
        _ datagram: [UInt8], sealed: Range<Int>, nonce: [UInt8],
        into plain: inout [UInt8]
    ) -> Int? {
        precondition(nonce.count == Wire.nonceLength && sealed.upperBound <= datagram.count)
        precondition(sealed.count <= plain.count)
        guard sealed.count >= Wire.tagLength else { return nil }
        var length: UInt64 = 0
        let result = unsafe datagram.withUnsafeBufferPointer { source in
            unsafe plain.withUnsafeMutableBufferPointer { target in
                unsafe crypto_aead_xchacha20poly1305_ietf_decrypt(
                    target.baseAddress!, &length, nil, source.baseAddress! + sealed.lowerBound,
                    UInt64(sealed.count), source.baseAddress!, UInt64(sealed.lowerBound), nonce,
                    bytes)
            }
        }
        return result == 0 ? Int(length) : nil
    }
}
