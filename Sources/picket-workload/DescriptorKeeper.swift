/// Does what systemd does for a service with `FileDescriptorStoreMax=`: keeps descriptors that the
/// agent hands over (sd_pid_notify_with_fds(3)), and gives them to the next agent
/// (sd_listen_fds(3)).
internal import CPicket

struct DescriptorKeeper {
    let socket: Int32
    private var held: [(name: String, descriptor: Int32)] = []
    private static let path = "/run/picket-notify"

    init?() {
        socket = unsafe picket_unix_datagram(Self.path)
        guard socket >= 0 else { return nil }
        _ = unsafe setenv("NOTIFY_SOCKET", Self.path, 1)
    }

    var kept: [Int32] { held.map { $0.descriptor } }

    mutating func drop() {
        receive()
        for each in held { close(each.descriptor) }
        held = []
    }

    mutating func receive() {
        while true {
            var buffer = [UInt8](repeating: 0, count: 4096)
            var taken = [Int32](repeating: -1, count: 8)
            var number: Int32 = 0
            let count = unsafe buffer.withUnsafeMutableBytes { buffer in
                unsafe picket_receive_descriptors(
                    socket, buffer.baseAddress, buffer.count, &taken, 8, &number)
            }
            guard count >= 0 else { return }
            obey(String(decoding: buffer[..<count], as: UTF8.self), Array(taken[..<Int(number)]))
        }
    }

    private mutating func obey(_ text: String, _ descriptors: [Int32]) {
        var name = "stored"
        var (stores, removes) = (false, false)
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1).map { String($0) }
            guard parts.count == 2 else { continue }
            switch parts[0] {
            case "FDNAME": name = parts[1]
            case "FDSTORE": stores = parts[1] == "1"
            case "FDSTOREREMOVE": removes = parts[1] == "1"
            default: break
            }
        }
        if removes || stores {
            for each in held where each.name == name { close(each.descriptor) }
            held.removeAll { $0.name == name }
        }
        for descriptor in descriptors {
            // Out of the way of the numbers that they get in the agent.
            if stores { held.append((name, picket_duplicate_above(descriptor, 100))) }
            close(descriptor)
        }
    }

    /// The program, told of the descriptors that it is given. Its own process number must be in its
    /// environment, so a shell becomes it.
    func command(_ program: String, _ arguments: [String]) -> (String, [String]) {
        guard !held.isEmpty else {
            _ = unsafe unsetenv("LISTEN_FDS")
            return (program, arguments)
        }
        var names = ""
        for each in held { names += (names.isEmpty ? "" : ":") + each.name }
        _ = unsafe setenv("LISTEN_FDS", "\(held.count)", 1)
        _ = unsafe setenv("LISTEN_FDNAMES", names, 1)
        let become = "export LISTEN_PID=$$; exec \"$0\" \"$@\""
        return ("/bin/sh", ["-c", become, program] + arguments)
    }
}
