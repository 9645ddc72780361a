import CPicket
import PicketCore

/// A system call that the kernel refused: what was tried, on what, and why.
public struct SystemError: Error, Equatable, CustomStringConvertible {
    /// The call's name: `bind`, `open`.
    public let operation: String
    /// What it was tried on: a path, an address.
    public let object: String
    public let errno: Int32

    public init(_ operation: String, _ object: String, errno: Int32) {
        self.operation = operation
        self.object = object
        self.errno = errno
    }

    public var description: String {
        "\(operation) \(object): \(SystemError.text(of: errno))"
    }

    /// The C library's text of an errno.
    public static func text(of errno: Int32) -> String {
        unsafe String(cString: picket_error_text(errno))
    }
}

/// The result of a call that reports failure by -1 and errno.
func checked(
    _ result: Int32, _ operation: StaticString, _ object: @autoclosure () -> String
) throws(SystemError) -> Int32 {
    if result >= 0 { return result }
    let errno = picket_errno()
    throw SystemError(operation.description, object(), errno: errno)
}
