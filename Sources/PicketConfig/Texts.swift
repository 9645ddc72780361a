/// Scalars that are text: names, paths, argument vectors.

import PicketCore
import PicketText

/// Why `text` is no name; `nil` if it is one. Names appear in paths, in messages, in environment
/// variables and on terminals.
func nameFault(_ text: String) -> String? {
    let bytes = Array(text.utf8)
    if bytes.isEmpty { return "found an empty name" }
    if bytes.count > 63 { return "found a name of \(bytes.count) characters, expected at most 63" }
    for (index, byte) in bytes.enumerated() {
        let alphanumeric =
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
            || (0x61...0x7A).contains(byte)
        let joint =
            byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
        if !alphanumeric && !(joint && index > 0) {
            return
                "found \(Text.quoted(text)), expected a name of letters, digits, '-', '_' and '.', "
                + "with a letter or digit first"
        }
    }
    return nil
}

extension Found {
    /// Letters, digits, `-`, `_` and `.`; a letter or digit first; at most 63.
    @inline(never)
    public func name() -> String? {
        guard let text = text("a name") else { return nil }
        if let fault = nameFault(text) {
            fail(fault)
            return nil
        }
        return text
    }

    /// Text of one line.
    @inline(never)
    public func line(_ what: String = "text", atMost limit: Int = 1000) -> String? {
        guard let text = text(what) else { return nil }
        if text.isEmpty || text.utf8.count > limit {
            expected("\(what) of 1 to \(limit) bytes")
            return nil
        }
        for byte in text.utf8 where byte < 0x20 {
            expected("\(what) in one line")
            return nil
        }
        return text
    }

    /// The name of a GPIO line: printable ASCII, at most 31 (GPIO_MAX_NAME_SIZE of linux/gpio.h,
    /// less its end).
    public func gpioLine() -> String? {
        let what = "the name of a GPIO line, at most 31 printable characters"
        guard let text = text(what) else { return nil }
        if text.utf8.isEmpty || text.utf8.count > 31
            || !text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        {
            expected(what)
            return nil
        }
        return text
    }

    /// An absolute path.
    @inline(never)
    public func path(atMost limit: Int = 4000) -> String? {
        let what = "an absolute path"
        guard let text = line(what, atMost: limit) else { return nil }
        if text.utf8.first != UInt8(ascii: "/") {
            expected(what)
            return nil
        }
        return text
    }

    /// An argument vector: a list with the program first. A string is refused, because a person who
    /// writes one expects a shell.
    @inline(never)
    public func arguments() -> [String]? {
        if case .scalar(let scalar) = node.content, !scalar.isNothing {
            var parts: [String] = []
            for part in scalar.text.parts(between: " ") {
                if parts.count == 6 {
                    parts.append("...")
                    break
                }
                parts.append(Text.quoted(part))
            }
            fail(
                "found \(description), expected a list of arguments: [\(Text.joined(parts))]; "
                    + "no shell runs it, so nothing would split or expand a string")
            return nil
        }
        guard let items = list("a list of arguments", atMost: 256) else { return nil }
        if items.isEmpty {
            fail("found an empty list, expected a program and its arguments")
            return nil
        }
        var all: [String] = []
        for item in items {
            guard case .scalar(let scalar) = item.node.content else {
                item.expected("an argument")
                continue
            }
            // An argument is taken as it is written, even where YAML would call it null.
            if scalar.text.utf8.contains(0) {
                item.expected("an argument without a NUL byte")
                continue
            }
            all.append(scalar.text)
        }
        if all.count != items.count { return nil }
        if all[0].isEmpty {
            items[0].expected("a program")
            return nil
        }
        return all
    }

    /// A mapping of names to texts, in the order of the file.
    public func settings(_ what: String) -> [Setting]? {
        guard let entries = entries(what, atMost: 64) else { return nil }
        var all: [Setting] = []
        for (name, value) in entries {
            if let text = value.line("text") { all.append(Setting(name: name, value: text)) }
        }
        return all
    }
}
