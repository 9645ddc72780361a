/// Network addresses as text, checked here so that nothing later fails on them. Host names are
/// refused, because a failover must neither wait for a resolver nor follow one.

import PicketCore
import PicketText

enum AddressFamily { case ipv4, ipv6 }

func addressFamily(_ text: String) -> AddressFamily? {
    isIPv4(text) ? .ipv4 : isIPv6(text) ? .ipv6 : nil
}

private func isIPv4(_ text: String) -> Bool {
    let parts = text.parts(between: ".", keepingEmpty: true)
    guard parts.count == 4 else { return false }
    return parts.allSatisfy { part in
        let digits = Array(part.utf8)
        guard (1...3).contains(digits.count), digits.count == 1 || digits[0] != 0x30 else {
            return false
        }
        var value = 0
        for digit in digits {
            guard (0x30...0x39).contains(digit) else { return false }
            value = value * 10 + Int(digit - 0x30)
        }
        return value <= 255
    }
}

/// The sixteen-bit groups of an IPv6 address, the same for every spelling of it.
private func groups(_ host: String) -> [Int] {
    let parts = host.parts(between: ":", keepingEmpty: true)
    let stated = parts.filter { !$0.isEmpty }.map { wholeNumber("0x" + $0) ?? 0 }
    guard let gap = parts.firstIndex(where: { $0.isEmpty }) else { return stated }
    let before = parts[..<gap].count
    let zeros = Array(repeating: 0, count: 8 - stated.count)
    return Array(stated[..<before]) + zeros + Array(stated[before...])
}

/// The octets of an IPv4 address, and the groups of an IPv6 one.
private func numbers(_ host: String, _ family: AddressFamily) -> [Int] {
    family == .ipv6 ? groups(host) : host.parts(between: ".").map { wholeNumber($0) ?? 0 }
}

/// Its bits beyond the prefix are all zeros or all ones.
private func ends(_ host: String, beyond prefix: Int, inOnes: Bool) -> Bool {
    var left = prefix
    for octet in numbers(host, .ipv4) {
        let mask = left >= 8 ? 0 : 0xFF >> left
        if octet & mask != (inOnes ? mask : 0) { return false }
        left = max(0, left - 8)
    }
    return true
}

/// One spelling of all.
private func plain(_ host: String, isIPv6: Bool) -> String {
    isIPv6 ? Text.joined(groups(host).map { "\($0)" }, ":") : host
}

extension VirtualAddress {
    var plain: String { PicketConfig.plain(address, isIPv6: isIPv6) }
}

extension LinkAddress {
    var plain: String { PicketConfig.plain(host, isIPv6: isIPv6) }

    /// By the prefix that is usual. The file does not say which it is.
    func looksToBe(inSubnetOf other: LinkAddress) -> Bool {
        guard isIPv6 == other.isIPv6 else { return false }
        let family = isIPv6 ? AddressFamily.ipv6 : .ipv4
        let (mine, theirs) = (numbers(host, family), numbers(other.host, family))
        // On one machine, as in tests, there is but the loopback.
        let isLoopback = isIPv6 ? mine == [0, 0, 0, 0, 0, 0, 0, 1] : mine[0] == 127
        let usual = isIPv6 ? 4 : 3
        return !isLoopback && mine[..<usual] == theirs[..<usual]
    }
}

/// Says what an address is, if it is not the address of one node.
private func unfit(_ host: String, _ family: AddressFamily) -> String? {
    switch family {
    case .ipv4:
        let first = wholeNumber(host.parts(between: ".")[0]) ?? 0
        // RFC 1122 §3.2.1.3; RFC 5771; RFC 1112 §4
        if first == 0 { return "this one stands for any address" }
        return first >= 224 ? "this one is for many receivers" : nil
    case .ipv6:
        if host.utf8.allSatisfy({ $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "0") }) {
            return "this one stands for any address"
        }
        // RFC 4291 §2.5.6 and §2.7: fe80::/10 and ff00::/8
        switch wholeNumber("0x" + host.parts(between: ":", keepingEmpty: true)[0]) ?? 0 {
        case 0xFE80...0xFEBF:
            return "this one is link-local, and means nothing without its interface"
        case 0xFF00...: return "this one is for many receivers"
        default: return nil
        }
    }
}

/// Says what an address is, if no node of its subnet can have it, or no client can reach it.
private func unfit(_ host: String, _ family: AddressFamily, _ prefix: Int) -> String? {
    let numbers = numbers(host, family)
    switch family {
    case .ipv4:
        if numbers[0] == 127 { return "this one never leaves its node" }
        // RFC 3021: two nodes share a /31.
        guard prefix < 31 else { return nil }
        if ends(host, beyond: prefix, inOnes: true) { return "this one is for all of its subnet" }
        return ends(host, beyond: prefix, inOnes: false) ? "this one is its subnet's own" : nil
    case .ipv6:
        return numbers == [0, 0, 0, 0, 0, 0, 0, 1] ? "this one never leaves its node" : nil
    }
}

/// RFC 4291 §2.2, forms 1 and 2 (without the dotted tail of form 3).
private func isIPv6(_ text: String) -> Bool {
    let parts = text.parts(between: ":", keepingEmpty: true)
    guard (3...9).contains(parts.count) else { return false }
    var groups = 0
    var gaps = 0
    for (index, part) in parts.enumerated() {
        if part.isEmpty {
            // A leading "::" leaves two empty parts, as a trailing one does. The outer of the two
            // is no gap; without the inner one it is a lone ":".
            if index == 0 || index == parts.count - 1 {
                if !parts[index == 0 ? 1 : index - 1].isEmpty { return false }
            } else {
                gaps += 1
            }
            continue
        }
        guard part.utf8.count <= 4, wholeNumber("0x" + part) != nil else { return false }
        groups += 1
    }
    return gaps == 0 ? groups == 8 && parts.count == 8 : gaps == 1 && groups <= 7
}

private func splitAtLast(_ text: String, _ separator: UInt8) -> (String, String)? {
    let bytes = Array(text.utf8)
    guard let index = bytes.lastIndex(of: separator) else { return nil }
    return (
        String(decoding: bytes[..<index], as: UTF8.self),
        String(decoding: bytes[(index + 1)...], as: UTF8.self)
    )
}

extension Found {
    /// `10.0.0.1:7780` or `"[fd00::1]:7780"`.
    public func linkAddress() -> LinkAddress? {
        let what = "an IP address and a UDP port, as 10.0.0.1:7780 or \"[fd00::1]:7780\""
        guard let text = text(what) else { return nil }
        if let family = addressFamily(text) {
            let example = family == .ipv4 ? "\(text):7780" : "\"[\(text)]:7780\""
            expected("a port behind the address: \(example)")
            return nil
        }
        guard let (address, portText) = splitAtLast(text, UInt8(ascii: ":")),
            let port = wholeNumber(portText)
        else {
            expected(what)
            return nil
        }
        guard (1...65535).contains(port) else {
            fail("found \(description), expected a port of 1 to 65535")
            return nil
        }
        var host = address
        let bracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if bracketed { host = host.dropping(first: 1, last: 1) }
        let family = addressFamily(host)
        if let family, let why = unfit(host, family) {
            fail("found \(description), expected the address of one node: \(why)")
            return nil
        }
        switch family {
        case .ipv4 where !bracketed:
            return LinkAddress(host: host, port: UInt16(port))
        case .ipv6 where bracketed:
            return LinkAddress(host: host, port: UInt16(port), isIPv6: true)
        default:
            expected(what + "; host names are not looked up")
            return nil
        }
    }

    /// `10.0.0.100/24@eth0`
    public func virtualAddress() -> VirtualAddress? {
        let what = "an address, its prefix and a network interface, as 10.0.0.100/24@eth0"
        guard let text = text(what) else { return nil }
        guard let (network, device) = splitAtLast(text, UInt8(ascii: "@")),
            let (address, prefixText) = splitAtLast(network, UInt8(ascii: "/")),
            let family = addressFamily(address), let prefix = wholeNumber(prefixText)
        else {
            expected(what)
            return nil
        }
        let longest = family == .ipv4 ? 32 : 128
        guard (1...longest).contains(prefix) else {
            fail("found \(description), expected a prefix of 1 to \(longest)")
            return nil
        }
        // It says which interface it means.
        let isLinkLocal = family == .ipv6 && (0xFE80...0xFEBF).contains(groups(address)[0])
        if let why = (isLinkLocal ? nil : unfit(address, family)) ?? unfit(address, family, prefix)
        {
            fail("found \(description), expected an address that clients can use: \(why)")
            return nil
        }
        // IFNAMSIZ is 16 with its end; dev_valid_name() of the kernel's net/core/dev.c.
        let valid =
            (1...15).contains(device.utf8.count) && device != "." && device != ".."
            && device.utf8.allSatisfy {
                (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ":")
            }
        guard valid else {
            fail("found \(description), expected a network interface behind the @, as eth0")
            return nil
        }
        return VirtualAddress(
            address: address, isIPv6: family == .ipv6, prefix: UInt8(prefix), device: device)
    }
}
