import CPicket
import Foundation

/// Output to the terminal, and input from it. Colour only where somebody sees it.
enum Terminal {
    static let isInteractive = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1
    static let isScreen = isatty(STDOUT_FILENO) == 1
    static let hasColour: Bool = {
        let environment = ProcessInfo.processInfo.environment
        guard isScreen, (environment["NO_COLOR"] ?? "").isEmpty else { return false }
        return environment["TERM"] != nil && environment["TERM"] != "dumb"
    }()

    enum Colour: String { case red = "31", green = "32", yellow = "33", bold = "1", faint = "2" }

    static func paint(_ text: String, _ colour: Colour) -> String {
        hasColour ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text
    }

    static func say(_ text: String) { write(Array((text + "\n").utf8)) }

    static func complain(_ text: String) {
        put(Array((text + (text.hasSuffix("\n") ? "" : "\n")).utf8), on: STDERR_FILENO)
    }

    /// Every line is out when this returns, so that a reader of a pipe is never behind.
    static func write(_ bytes: [UInt8]) { put(bytes, on: STDOUT_FILENO) }

    /// Replaces the lines that were there before, in one write, so that nothing flickers. Where
    /// there is no screen they stand below one another.
    static func repaint(_ lines: [String]) {
        guard isScreen else { return say(lines.joined(separator: "\n") + "\n") }
        let text = lines.map { $0 + "\u{1B}[K\n" }.joined()
        write(Array(("\u{1B}[H" + text + "\u{1B}[J").utf8))
    }

    private static func put(_ bytes: [UInt8], on descriptor: Int32) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { buffer in
                unsafe CPicket.write(descriptor, buffer.baseAddress, buffer.count)
            }
            if count < 0 {
                if picket_errno() == EINTR { continue }
                exit(Exit.refused.rawValue)  // Nobody reads any more.
            }
            rest = rest.dropFirst(count)
        }
    }

    /// Has the operator type `word`; anything else ends the command.
    static func demand(_ word: String, before deed: String, yes: Bool) throws {
        complain(deed)
        if yes { return }
        guard isInteractive else {
            throw Failure(
                .refused, "not_confirmed",
                "not done: this is no terminal to ask on. Add --yes if it is meant.")
        }
        put(Array("Type \(word) to go on: ".utf8), on: STDERR_FILENO)
        guard readLine() == word else {
            throw Failure(.refused, "not_confirmed", "not done: \(word) was not typed.")
        }
    }
}

/// Columns that line up, two blanks apart, whatever is in them.
struct Table {
    private var rows: [[(text: String, colour: Terminal.Colour?)]] = []

    mutating func row(_ cells: [String], colour: [Int: Terminal.Colour] = [:]) {
        rows.append(cells.enumerated().map { ($1, colour[$0]) })
    }

    func lines(indent: Int = 2) -> [String] {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.text.count)
            }
        }
        return rows.map { row in
            var line = String(repeating: " ", count: indent)
            for (column, cell) in row.enumerated() {
                line += cell.colour.map { Terminal.paint(cell.text, $0) } ?? cell.text
                if column < row.count - 1 {
                    let gap = widths[column] - cell.text.count + 2
                    line += String(repeating: " ", count: gap)
                }
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}
