/// A stream by which one virtual machine, or its QEMU, talks to the rack in lines. The rack listens.
/// One virtual machine at a time is connected.
import CPicket
import Foundation
import PicketRack

final class MachineSocket {
    let path: String
    private let loop: EventLoop
    private let listener: Int32
    private var connection: Int32 = -1
    private var text: [UInt8] = []
    private var buffer = [UInt8](repeating: 0, count: 65_536)
    var connected: () -> Void = {}
    var received: (_ line: ArraySlice<UInt8>) -> Void = { _ in }
    var ended: () -> Void = {}

    init(path: String, loop: EventLoop) throws(RackFailure) {
        self.path = path
        self.loop = loop
        listener = unsafe picket_unix_listen(path, picket_kind_stream)
        guard listener >= 0 else {
            throw RackFailure("cannot listen at \(path): errno \(picket_errno())")
        }
        loop.watch(listener) { [unowned self] in accept() }
    }

    deinit {
        close()
        loop.unwatch(listener)
        CPicket.close(listener)
    }

    private func accept() {
        let accepted = picket_accept(listener)
        guard accepted >= 0 else { return }
        close()
        connection = accepted
        loop.watch(connection) { [unowned self] in receive() }
        connected()
    }

    func close() {
        guard connection >= 0 else { return }
        loop.unwatch(connection)
        CPicket.close(connection)
        connection = -1
        text = []
    }

    private func receive() {
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe recv(connection, $0.baseAddress, $0.count, picket_msg_dontwait)
        }
        if count < 0, picket_errno() == EAGAIN { return }
        guard count > 0 else {
            close()
            return ended()
        }
        text += buffer[..<count]
        var start = 0
        while let end = text[start...].firstIndex(of: UInt8(ascii: "\n")) {
            let line = text[start..<end]
            start = end + 1
            received(line)
            // The line may have ended the connection.
            guard connection >= 0 else { return }
        }
        text.removeFirst(start)
    }

    /// Lines are short and the other end reads: none waits here.
    func send(_ line: String) {
        guard connection >= 0 else { return }
        let bytes = Array((line + "\n").utf8)
        _ = unsafe bytes.withUnsafeBytes {
            unsafe CPicket.send(connection, $0.baseAddress, $0.count, picket_msg_nosignal)
        }
    }
}
