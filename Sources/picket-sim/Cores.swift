import ArgumentParser
import Foundation

/// Plays parts that do not depend on each other, as many at once as there are cores. What each came
/// to is taken in the order of the parts, so that all is told alike on one core and on many.
///
/// Each part has a process of its own, and no thread: a planted bug is switched on for a whole
/// process, and the simulation build counts references for a single thread.
enum Cores {
    /// The time that this process and its ended children had on any core.
    static var seconds: Double {
        var spent = tms()
        _ = unsafe times(&spent)
        let ticks = spent.tms_utime + spent.tms_stime + spent.tms_cutime + spent.tms_cstime
        return Double(ticks) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// - Parameters:
    ///   - goesOn: whether another part is to be begun.
    ///   - brokenOff: what a part came to whose process did not end as it should; without it, that
    ///     ends all.
    ///   - play: is called in the part's process, and prints nothing.
    ///   - take: returns whether to go on.
    static func play<Outcome: Codable>(
        _ parts: Int, on cores: Int, while goesOn: () -> Bool = { true },
        naming name: (Int) -> String, brokenOff: ((Int) -> Outcome)? = nil,
        _ play: (Int) -> Outcome, take: (Int, Outcome) -> Bool
    ) throws {
        var workers: [Worker] = []
        defer { for worker in workers { worker.kill() } }
        var outcomes: [Int: Outcome] = [:]
        var (begun, taken) = (0, 0)
        while true {
            while workers.count < cores, begun < parts, goesOn() {
                workers.append(try Worker(begun) { try JSONEncoder().encode(play($0)) })
                begun += 1
            }
            guard !workers.isEmpty else { return }
            let worker = workers.remove(at: Worker.firstReady(of: workers))
            let told = try? JSONDecoder().decode(Outcome.self, from: worker.end())
            guard let outcome = told ?? brokenOff?(worker.part) else {
                Story.complain("\(name(worker.part)): its process broke off")
                throw ExitCode(1)
            }
            outcomes[worker.part] = outcome
            while let next = outcomes.removeValue(forKey: taken) {
                defer { taken += 1 }
                guard take(taken, next) else { return }
            }
        }
    }
}

/// A process that plays one part, and writes what it came to into a pipe.
private struct Worker {
    let part: Int
    private let id: pid_t
    private let pipe = Pipe()

    init(_ part: Int, _ play: (Int) throws -> Data) throws {
        self.part = part
        // What is buffered would be printed by both.
        fflush(nil)
        id = fork()
        guard id >= 0 else {
            Story.complain("no further process can be begun")
            throw ExitCode(1)
        }
        if id == 0 {
            if let outcome = try? play(part) { pipe.fileHandleForWriting.write(outcome) }
            _exit(0)
        }
        try pipe.fileHandleForWriting.close()
    }

    /// The place of one that has written, or ended. Waits for it.
    static func firstReady(of workers: [Worker]) -> Int {
        var states = workers.map {
            pollfd(
                fd: $0.pipe.fileHandleForReading.fileDescriptor, events: Int16(POLLIN), revents: 0)
        }
        while true {
            _ = unsafe poll(&states, nfds_t(states.count), -1)
            if let ready = states.firstIndex(where: { $0.revents != 0 }) { return ready }
        }
    }

    /// Waits for its end. Returns what it has written.
    func end() -> Data {
        let outcome = try? pipe.fileHandleForReading.readToEnd()
        _ = waitpid(id, nil, 0)
        return outcome ?? Data()
    }

    func kill() {
        _ = Foundation.kill(id, SIGKILL)
        _ = waitpid(id, nil, 0)
    }
}

struct CoresOption: ParsableArguments {
    @Option(help: "How many worlds are played at once.")
    var cores = ProcessInfo.processInfo.activeProcessorCount

    func validate() throws {
        guard cores > 0 else { throw ValidationError("--cores \(cores): expected 1 or more") }
    }
}
