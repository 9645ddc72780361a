import CPicket

@testable import PicketLinux

/// A directory of one test's own, gone with it.
final class Scratch {
    let path: String

    init() {
        var template = Array("/tmp/picket-test-XXXXXX".utf8CString)
        path = unsafe String(cString: mkdtemp(&template))
    }

    deinit { unsafe system("rm -rf \(path)") }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    func write(_ name: String, _ bytes: [UInt8], mode: UInt32 = 0o600) throws -> String {
        let path = file(name)
        try DurableFile.replace(path, with: bytes)
        unsafe chmod(path, mode)
        return path
    }
}
