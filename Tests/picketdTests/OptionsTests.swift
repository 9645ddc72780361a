import PicketCore
import PicketLinux
import Testing

@testable import picketd

struct OptionsTests {
    @Test func `what is given is taken`() throws {
        guard
            case .run(let options) = Options.parse([
                "--config", "a", "--node", "east", "--rack", "r", "--boards", "b", "--boards", "c",
                "--check", "--debug",
            ])
        else {
            Issue.record("not understood")
            return
        }
        #expect(options.configuration == "a" && options.node == "east" && options.rack == "r")
        #expect(options.boards == ["b", "c"] && options.checkOnly && options.debug)
    }

    @Test(arguments: [["--nonsense"], ["config"], ["--config"], ["--node"]])
    func `what is not understood is refused`(arguments: [String]) {
        guard case .wrong(let reason) = Options.parse(arguments) else {
            Issue.record("taken")
            return
        }
        #expect(reason.contains(arguments[0]))
    }
}

struct ProcessesTests {
    @Test func `a process is overdue once, and its end says what it was for`() {
        var processes = ProcessTable()
        let early = Instant(nanoseconds: 10)
        let id = processes.begin(.fenceAgent(method: 2), deadline: early)
        let other = processes.begin(.sync(1), deadline: .distantFuture)
        #expect(id != other && processes.nextDeadline == early)
        #expect(processes.overdue(at: early) == [id])
        #expect(processes.overdue(at: early).isEmpty)
        #expect(processes.nextDeadline == .distantFuture)
        _ = processes.spoke(other, "3.5s")
        let ended = processes.end(id)
        #expect(ended?.purpose == .fenceAgent(method: 2) && ended?.timedOut == true)
        let probe = processes.end(other)
        #expect(probe?.firstLine == "3.5s" && probe?.timedOut == false)
        #expect(processes.end(id) == nil)
    }

    @Test func `resources are given nothing that is meant for the agent`() {
        #expect(!ProcessTable().environment.contains { $0.hasPrefix("NOTIFY_SOCKET") })
    }
}
