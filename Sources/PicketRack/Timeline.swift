/// Prints what happens, one line for each event: when, who says so, what.
///
/// What an agent says is read from its history a moment later, so lines wait 80 ms to be put into
/// the order of their times.
import CPicket
import PicketConfig
import PicketControl
import PicketCore
import PicketText

package final class Timeline {
    private let began: Instant
    private let json: Bool
    private let colour: Bool
    private let verbose: Bool
    private let width: Int
    private var waiting: [RackEvent] = []

    /// Colour only on a terminal, and not against NO_COLOR (no-color.org).
    package init(rack: Rack, json: Bool, verbose: Bool) {
        began = rack.began
        self.json = json
        self.verbose = verbose
        colour = Timeline.wantsColour
        width = max(rack.plan.names.low.count, rack.plan.names.high.count)
        rack.listen { event in
            let place = self.waiting.lastIndex { $0.at <= event.at }.map { $0 + 1 } ?? 0
            self.waiting.insert(event, at: place)
        }
        rack.loop.every(.milliseconds(20)) { [unowned rack] in
            self.print(until: rack.loop.now - .milliseconds(80))
        }
    }

    /// Prints what still waits.
    package func finish() { print(until: .distantFuture) }

    private func print(until limit: Instant) {
        while let event = waiting.first, event.at <= limit {
            tell(event)
            waiting.removeFirst()
        }
    }

    static var wantsColour: Bool {
        guard isatty(1) == 1 else { return false }
        return unsafe getenv("NO_COLOR").map { unsafe $0.pointee == 0 } ?? true
    }

    private func tell(_ event: RackEvent) {
        if json {
            Timeline.write(line(of: event))
        } else if verbose || event.severity != .quiet {
            Timeline.write(Array((text(of: event) + "\n").utf8))
        }
    }

    private func line(of event: RackEvent) -> [UInt8] {
        JSONWriter.line { json in
            json.field("type", "event")
            json.field("ms", Double((event.at - began).microseconds) / 1000)
            json.field("source", event.source.rawValue)
            json.field("node", event.node)
            json.field("kind", event.kind)
            if let group = event.group { json.field("group", group) }
            if let cause = event.cause { json.field("cause", cause) }
            json.field("text", event.text)
        }
    }

    /// `   1.234  east  agent     West is silent …`
    func text(of event: RackEvent) -> String {
        let node = event.node ?? ""
        let who = event.source.rawValue
        let line =
            "\(Text.offset(event.at - began))  "
            + node.padding(to: width) + "  " + who.padding(to: 8) + "  " + event.text
        guard colour, let code = Timeline.code(event.severity, event.source) else { return line }
        return "\u{1B}[\(code)m\(line)\u{1B}[0m"
    }

    static func code(_ severity: RackEvent.Severity, _ source: RackEvent.Source) -> String? {
        switch severity {
        case .alarm: "1;31"
        case .warning: "33"
        case .good: source == .scenario ? "1;36" : "32"
        case .quiet: "2"
        case .normal: nil
        }
    }

    package static func write(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe CPicket.write(1, $0.baseAddress, $0.count)
            }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}

extension String {
    func padding(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
