/// Prints what happens, one line for each event: when, who says so, what.
///
/// What an agent says is read from its history a moment later. So each line waits 80 ms, and the lines
/// are put into the order of their times.
import PicketConfig
import PicketControl
import PicketCore
import PicketText

/// Where a rack is shown.
package struct Output {
    var colour: Bool
    var write: ([UInt8]) -> Void

    package init(colour: Bool, write: @escaping ([UInt8]) -> Void) {
        self.colour = colour
        self.write = write
    }
}

package final class Timeline {
    private let began: Instant
    private let output: Output
    private let json: Bool
    private let verbose: Bool
    private let width: Int
    private var waiting: [RackEvent] = []

    package init(rack: Rack, to output: Output, json: Bool = false, verbose: Bool = false) {
        began = rack.began
        self.json = json
        self.verbose = verbose
        self.output = output
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

    private func tell(_ event: RackEvent) {
        if json {
            output.write(line(of: event))
        } else if verbose || event.severity != .quiet {
            output.write(Array((text(of: event) + "\n").utf8))
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
        guard output.colour, let code = Timeline.code(event.severity, event.source) else {
            return line
        }
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
}

extension String {
    func padding(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
