/// Reads the configuration, its boards and its keys again, off the loop: their disk may take longer
/// than the peer waits for a sign of life.

import PicketConfig
import PicketControl
import PicketCore
import PicketLinux
import PicketWire

final class ConfigurationReader: Part {
    /// What is to be done with the file that is read.
    enum Wish: Sendable {
        case reload
        /// End for an agent that will start with the file, where these groups run.
        case pause(caller: UInt32, Request, running: [RunningGroup])
        /// It has been taken up: others are to find it beside the note.
        case leave(Configuration)
        case apply(ApplyJob, ApplyFile)

        var isReload: Bool { if case .reload = self { true } else { false } }
    }

    enum Found: Sendable {
        case read(Configuration, [Key])
        case refused([String])
        case left
        case kept(OpenApply)
        indirect case done(ApplyJob.Done)
    }

    private let results: BoundedQueue<Found>
    private let read: @Sendable (Wish) -> Found
    /// The first is under way. Each wish is read for by itself, because an earlier reading may be
    /// older than the wish.
    private var wishes: [Wish] = []

    init(_ read: @escaping @Sendable (Wish) -> Found) throws(SystemError) {
        results = try BoundedQueue<Found>(capacity: 1)
        self.read = read
    }

    override func open(_ agent: Agent) throws(SystemError) {
        try agent.wait(on: results.raw, of: self)
    }

    override func close(_ agent: Agent) { agent.forget(results.raw) }

    var isReloading: Bool { wishes.contains { $0.isReload } }

    /// Reads in a thread of its own. `take` gives what is found.
    func ask(_ wish: Wish) {
        if wish.isReload, wishes.dropFirst().contains(where: { $0.isReload }) { return }
        wishes.append(wish)
        if wishes.count == 1 { begin(wish) }
    }

    func take() -> (wish: Wish, found: Found)? {
        results.clear()
        guard let found = results.pop() else { return nil }
        let wish = wishes.removeFirst()
        if let next = wishes.first { begin(next) }
        return (wish, found)
    }

    private func begin(_ wish: Wish) {
        let (results, read) = (results, read)
        do throws(SystemError) {
            try Worker.start("configuration", stackBytes: 512 * 1024) {
                _ = results.push(read(wish))
            }
        } catch { _ = results.push(.refused([error.description])) }
    }

    // MARK: What was found

    /// SIGHUP: the changed configuration as a whole, or nothing of it. Roles are untouched.
    func reload(_ agent: Agent) {
        if !isReloading { agent.service.reloading() }
        agent.log(.notice, "reading \(agent.options.configuration) again")
        ask(.reload)
    }

    override func drain(_ agent: Agent) {
        guard !ready.isEmpty, let (wish, found) = take() else { return }
        switch (wish, found) {
        case (.reload, .read(let new, let keys)): takeUp(new, keys, agent)
        case (.reload, .refused(let lines)): refuse(lines, agent)
        case (.pause(let caller, let request, _), .read(let new, let keys)):
            var left = ConfigurationReader.leavesBehind(from: agent.settings, to: new)
            if let refusal = agent.links.refusal(of: keys, new, agent) { left.append(refusal) }
            agent.control.pause(request, for: caller, refused: left.isEmpty ? nil : left, agent)
        case (.pause(let caller, let request, _), .refused(let lines)):
            agent.control.pause(request, for: caller, refused: lines, agent)
        case (.leave, .refused(let lines)):
            for line in lines { agent.log(.warning, line) }
        case (.apply, let found): agent.apply.done(found, agent)
        case (.leave, .read), (_, .left), (_, .kept), (_, .done): break
        }
        if wish.isReload, !isReloading { agent.service.ready(agent) }
    }

    /// Why it would not be taken up. It is asked for a configuration that is then let go.
    func refusal(of new: Configuration, _ keys: [Key], _ agent: Agent) -> String? {
        if new.me != agent.settings.me {
            let (found, expected) = (new.node, agent.names.node)
            return "node: found \(found), expected \(expected): write \"node:\" on a line of its"
                + " own, so that each node puts its own name there"
        }
        new.keepPlaces(of: agent.settings)
        let unable = ConfigurationReader.needsRestart(from: agent.settings, to: new)
        if !unable.isEmpty { return agent.narrator.sentence(.reloadNeedsRestart(for: unable)) }
        return ConfigurationReader.refusal(of: new, keys, agent)
    }

    /// Why it is not taken up, which is told as well; `nil` where it is.
    @discardableResult
    func takeUp(_ new: Configuration, _ keys: [Key], _ agent: Agent) -> String? {
        new.keepPlaces(of: agent.settings)
        let unable = ConfigurationReader.needsRestart(from: agent.settings, to: new)
        guard unable.isEmpty else { return refuse(.reloadNeedsRestart(for: unable), agent) }
        if let refusal = ConfigurationReader.refusal(of: new, keys, agent) {
            refuse([refusal], agent)
            return refusal
        }
        guard agent.takeUp(new) else { return refuse(.reloadOfAnotherPair, agent) }
        agent.links.replace(keys, new)
        leave(new, agent)
        for warning in new.warnings { agent.log(.warning, warning.text) }
        agent.tell(.reloaded)
        return nil
    }

    private func refuse(_ notice: Notice, _ agent: Agent) -> String {
        agent.tell(notice)
        return agent.narrator.sentence(notice)
    }

    /// What is retired stands only in the file by which it was started, until it is stopped.
    private func leave(_ settings: Configuration, _ agent: Agent) {
        if !agent.isDropping { ask(.leave(settings)) }
    }

    override func observe(_ trace: Trace, _ agent: Agent) {
        if trace.kind == .retired || trace.kind == .changed { leave(agent.settings, agent) }
    }

    private func refuse(_ lines: [String], _ agent: Agent) {
        for line in lines { agent.log(.error, line) }
        agent.tell(.reloadRefused(errors: lines.count))
    }

    /// What would keep the next agent from finding what this one leaves for it. It would then stop
    /// the groups that run, though a pause promises that they go on.
    private static func leavesBehind(from old: Configuration, to new: Configuration) -> [String] {
        var all: [String] = []
        let (before, after) = (old.paths, new.paths)
        if old.me != new.me {
            all.append(
                "node: found \(new.node), expected \(old.node), as the agent that runs is called")
        }
        if before.runDirectory != after.runDirectory
            || before.stateDirectory != after.stateDirectory
        {
            all.append(
                "directories: found \(after.runDirectory) and \(after.stateDirectory), expected"
                    + " \(before.runDirectory) and \(before.stateDirectory), where this agent leaves"
                    + " what the next one needs: stop it by plan to move them")
        }
        return all
    }

    /// Why an agent that lives cannot take the groups up now.
    private static func refusal(
        of new: Configuration, _ keys: [Key], _ agent: Agent
    ) -> String? {
        if let refusal = agent.links.refusal(of: keys, new, agent) { return refusal }
        if agent.isBetweenLists {
            return
                "what the last reload changes is still being stopped, or a pause is being agreed:"
                + " reload once more"
        }
        return maintenance(against: new, agent)
    }

    /// - Parameter new: Its groups stand at the places where the agent has them.
    static func maintenance(against new: Configuration, _ agent: Agent) -> String? {
        guard let group = agent.maintained(changedBy: new.policy) else { return nil }
        let name = new.groups[group].name
        let place = new.place(of: "groups.\(name)")
        return "\(place): in maintenance nothing is started or stopped, and the file changes"
            + " what is up of it: end the maintenance first (picket maintenance off), or take this"
            + " group's change back"
    }

    /// What is bound to sockets, threads and files from the start, and where the file states it.
    private static func needsRestart(from old: Configuration, to new: Configuration) -> [String] {
        var all: [String] = []
        func add(_ what: String, at path: String) {
            all.append("\(what) (\(new.place(of: path)))")
        }
        if old.me != new.me { add("this node's name", at: "node") }
        for section in Configuration.Section.allCases
        where new.isBound(section, otherwiseThan: old) {
            add(section.text, at: section.key)
        }
        for (group, before) in old.policy.groups.enumerated() where before.listing == .listed {
            let (name, after) = (new.groups[group].name, new.policy.groups[group])
            if after.listing == .listed, (before.sync == nil) != (after.sync == nil) {
                add("whether group \(name) has data of its own (sync)", at: "groups.\(name)")
            }
        }
        if new.groups.count > Limits.groups {
            add("more than \(Limits.groups) groups, with those that it has had", at: "groups")
        }
        let (before, after) = (old.paths, new.paths)
        if before.stateDirectory != after.stateDirectory
            || before.runDirectory != after.runDirectory
        {
            add("the directories", at: "directories")
        } else if before != after {
            add("the control socket", at: "control")
        }
        return all
    }
}

extension Startup {
    static func read(
        _ options: Options, _ hardware: Hardware, for wish: ConfigurationReader.Wish
    ) -> ConfigurationReader.Found {
        do throws(StartupError) {
            switch wish {
            case .reload:
                let settings = try load(options, hardware)
                return .read(settings, try keys(settings.keys))
            case .pause(_, _, let running):
                let settings = try load(options, hardware, running: running)
                return .read(settings, try verify(settings, hardware))
            case .leave(let settings):
                let ground = try hardware.ground(settings)
                do throws(SystemError) { try leave(settings, in: ground) } catch {
                    return .refused([error.description])
                }
                return .left
            case .apply(let job, let file): return try apply(job, file, options, hardware)
            }
        } catch { return .refused(error.lines) }
    }
}
