import ArgumentParser
import Foundation
import PicketControl

/// The exit codes, as `picket --help` and docs/CLI.md list them.
enum Exit: Int32 {
    case done = 0
    case refused = 1
    case usage = 2
    case unreachable = 3
    case unprotected = 4
    case inconclusive = 5
}

/// Why a command did not do what it was asked, in words for the person who typed it.
struct Failure: Error {
    var exit: Exit
    /// A short name for programs, as in the agent's error objects.
    var code: String
    var text: String

    init(_ exit: Exit, _ code: String, _ text: String) {
        self.exit = exit
        self.code = code
        self.text = text
    }
}

/// A command whose failures are told as its output is: in words, or as JSON.
protocol PicketCommand: ParsableCommand {
    var json: Bool { get }
    func act() throws
}

extension PicketCommand {
    func run() throws {
        do {
            try act()
        } catch let failure as Failure {
            if json {
                Terminal.write(Reply.failure(failure.code, failure.text))
            } else {
                Terminal.complain("picket: \(failure.text)")
            }
            throw ExitCode(failure.exit.rawValue)
        }
    }
}
