import PicketText

/// Writes JSON (RFC 8259) into bytes: compact, one line, nothing to configure.
///
/// Its callers open and close by closures, so that the JSON is always well formed. A number that
/// JSON cannot say (infinite, not a number) becomes `null`.
public struct JSONWriter: Sendable {
    public private(set) var bytes: [UInt8] = []
    private var afterValue = false

    public init() {}

    /// One object and a line feed: a reply, a history entry.
    public static func line(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        writer.object(body)
        writer.bytes.append(UInt8(ascii: "\n"))
        return writer.bytes
    }

    public mutating func object(_ body: (inout JSONWriter) -> Void) {
        enclosed(UInt8(ascii: "{"), UInt8(ascii: "}"), body)
    }

    public mutating func object(_ key: String, _ body: (inout JSONWriter) -> Void) {
        self.key(key)
        object(body)
    }

    public mutating func array(_ key: String, _ body: (inout JSONWriter) -> Void) {
        self.key(key)
        enclosed(UInt8(ascii: "["), UInt8(ascii: "]"), body)
    }

    @inline(never)
    public mutating func field(_ key: String, _ value: String?) {
        self.key(key)
        guard let value else { return raw("null") }
        element(value)
    }

    @inline(never)
    public mutating func field(_ key: String, _ value: Int?) {
        self.key(key)
        raw(value.map { String($0) } ?? "null")
    }

    @inline(never)
    public mutating func field(_ key: String, _ value: Int64?) {
        self.key(key)
        raw(value.map { String($0) } ?? "null")
    }

    @inline(never)
    public mutating func field(_ key: String, _ value: UInt64?) {
        self.key(key)
        raw(value.map { String($0) } ?? "null")
    }

    @inline(never)
    public mutating func field(_ key: String, _ value: Bool) {
        self.key(key)
        raw(value ? "true" : "false")
    }

    /// Rounded to six digits after the point.
    @inline(never)
    public mutating func field(_ key: String, _ value: Double?) {
        self.key(key)
        guard let value, value.isFinite, abs(value) < 1e15 else { return raw("null") }
        raw(abs(value) < 1e9 ? Text.number(value, places: 6) : Text.number(value, places: 0))
    }

    /// A string as an element of an array.
    @inline(never)
    public mutating func element(_ value: String) {
        comma()
        quoted(value)
        afterValue = true
    }

    @inline(never)
    private mutating func enclosed(
        _ open: UInt8, _ close: UInt8, _ body: (inout JSONWriter) -> Void
    ) {
        comma()
        bytes.append(open)
        afterValue = false
        body(&self)
        bytes.append(close)
        afterValue = true
    }

    @inline(never)
    private mutating func key(_ key: String) {
        comma()
        quoted(key)
        bytes.append(UInt8(ascii: ":"))
        afterValue = false
    }

    private mutating func comma() {
        if afterValue { bytes.append(UInt8(ascii: ",")) }
    }

    @inline(never)
    private mutating func raw(_ text: String) {
        bytes.append(contentsOf: text.utf8)
        afterValue = true
    }

    /// A Swift string is valid Unicode; only quotation mark, backslash and control characters must
    /// be escaped. U+007F and the line separators pass, as the RFC permits.
    private mutating func quoted(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case UInt8(ascii: "\n"): bytes.append(contentsOf: "\\n".utf8)
            case UInt8(ascii: "\r"): bytes.append(contentsOf: "\\r".utf8)
            case UInt8(ascii: "\t"): bytes.append(contentsOf: "\\t".utf8)
            case 0..<0x20:
                bytes.append(contentsOf: "\\u\(Text.hex(UInt64(byte), digits: 4))".utf8)
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
