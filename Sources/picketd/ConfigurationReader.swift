/// Reads the configuration, its boards and its keys again, off the loop: their disk may take longer
/// than the peer waits for a sign of life.

import PicketConfig
import PicketControl
import PicketCore
import PicketLinux
import PicketText
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
        /// By level of its fence, what keeps it from being worked with (`FenceDesk.tryOut`).
        case read(Configuration, [Key], unfit: [String?] = [])
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
    /// What was read is being taken up: what is read next is to find that done.
    private var isDraining = false

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
        if wishes.count == 1, !isDraining { begin(wish) }
    }

    func take() -> (wish: Wish, found: Found)? {
        results.clear()
        guard let found = results.pop() else { return nil }
        return (wishes.removeFirst(), found)
    }

    /// After what was taken.
    func goOn() {
        if let next = wishes.first { begin(next) }
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
        isDraining = true
        defer {
            isDraining = false
            goOn()
        }
        switch (wish, found) {
        case (.reload, .read(let new, let keys, let unfit)): takeUp(new, keys, unfit, agent)
        case (.reload, .refused(let lines)): refuse(lines, agent)
        case (.pause(let caller, let request, _), .read(let new, let keys, _)):
            var left = new.leavesBehind(from: agent.settings).map { $0.what }
            if let refusal = agent.links.refusal(of: keys, new, agent) { left.append(refusal) }
            if let refusal = ConfigurationReader.links(against: new, agent) { left.append(refusal) }
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
    func refusal(
        of new: Configuration, _ keys: [Key], unfit: [String?], _ agent: Agent
    ) -> String? {
        defer { agent.fences.keepLines(agent) }
        if new.me != agent.settings.me {
            let (found, expected) = (new.node, agent.names.node)
            return "node: found \(found), expected \(expected): write \"node:\" on a line of its"
                + " own, so that each node puts its own name there"
        }
        new.keepPlaces(of: agent.settings)
        if let refusal = ConfigurationReader.never(new, agent) { return refusal }
        if let unable = ConfigurationReader.needsRestart(new, agent) {
            return agent.narrator.sentence(unable)
        }
        return ConfigurationReader.refusal(of: new, keys, unfit, agent)
    }

    /// Why it is not taken up, which is told as well; `nil` where it is.
    @discardableResult
    func takeUp(
        _ new: Configuration, _ keys: [Key], _ unfit: [String?], _ agent: Agent
    ) -> String? {
        defer { agent.fences.keepLines(agent) }
        new.keepPlaces(of: agent.settings)
        if let refusal = ConfigurationReader.never(new, agent) {
            refuse([refusal], agent)
            return refusal
        }
        if let unable = ConfigurationReader.needsRestart(new, agent) {
            return refuse(unable, agent)
        }
        if let refusal = ConfigurationReader.refusal(of: new, keys, unfit, agent) {
            refuse([refusal], agent)
            return refusal
        }
        do throws(StartupError) {
            guard try agent.takeUp(new) else { return refuse(.reloadOfAnotherPair, agent) }
        } catch {
            refuse(error.lines, agent)
            return Text.joined(error.lines, "\n")
        }
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

    /// Why an agent that lives cannot take the groups up now.
    private static func refusal(
        of new: Configuration, _ keys: [Key], _ unfit: [String?], _ agent: Agent
    ) -> String? {
        if let refusal = agent.links.refusal(of: keys, new, agent) { return refusal }
        if let refusal = links(against: new, agent) { return refusal }
        if let refusal = agent.drills.refusal(of: new, agent) { return refusal }
        if let refusal = agent.fences.refusal(of: new, unfit, agent) { return refusal }
        if agent.isBetweenLists {
            return
                "what the last reload changes is still being stopped, or a pause is being agreed:"
                + " reload once more"
        }
        return maintenance(against: new, agent)
    }

    /// It keeps no link on which the peer is heard: the peer would fence a node that goes by it.
    private static func links(against new: Configuration, _ agent: Agent) -> String? {
        agent.keepsContact(by: new.numbersOfLinks(in: agent.settings))
            ? nil : new.refusalOfLinks(from: agent.settings)
    }

    /// - Parameter new: Its groups stand at the places where the agent has them.
    static func maintenance(against new: Configuration, _ agent: Agent) -> String? {
        agent.maintained(changedBy: new.policy).map {
            new.refusal(ofMaintained: $0, pair: agent.status.maintenance)
        }
    }

    /// A group that is up here gains or loses data of its own: a restart would not take that up
    /// either, because the next agent is to find what runs.
    ///
    /// - Parameter new: as for `maintenance`.
    static func data(against new: Configuration, _ agent: Agent) -> String? {
        let former = agent.settings
        let changed = former.groups.indices.first {
            agent.runs($0) && new.changesData(of: former.groups[$0].name, from: former)
        }
        guard let changed else { return nil }
        let name = former.groups[changed].name
        return "\(new.place(of: "groups.\(name)")): group \(name) runs here, and the file changes"
            + " whether it has data of its own (sync): take it out of the files of both nodes and"
            + " reload them, which stops it; then put it in as it is to be, and reload again"
    }

    /// What is taken up neither now nor by an agent that follows by a pause, because it would not find
    /// what this one leaves.
    private static func never(_ new: Configuration, _ agent: Agent) -> String? {
        data(against: new, agent) ?? new.leavesBehind(from: agent.settings).first?.what
    }

    private static func needsRestart(_ new: Configuration, _ agent: Agent) -> Notice? {
        let unable = new.needsRestart(from: agent.settings)
        guard !unable.isEmpty else { return nil }
        return .reloadNeedsRestart(for: unable.map { "\($0.what) (\(new.place(of: $0.path)))" })
    }
}

extension Startup {
    static func read(
        _ options: Options, _ hardware: Hardware, _ lines: KeptLines,
        for wish: ConfigurationReader.Wish
    ) -> ConfigurationReader.Found {
        do throws(StartupError) {
            switch wish {
            case .reload:
                let settings = try load(options, hardware)
                return .read(
                    settings, try keys(settings.keys),
                    unfit: FenceDesk.tryOut(settings, hardware, lines))
            case .pause(_, _, let running):
                let settings = try load(options, hardware, running: running)
                return .read(settings, try verify(settings, hardware))
            case .leave(let settings):
                let ground = try hardware.ground(settings)
                do throws(SystemError) { try leave(settings, in: ground) } catch {
                    return .refused([error.description])
                }
                return .left
            case .apply(let job, let file): return try apply(job, file, options, hardware, lines)
            }
        } catch { return .refused(error.lines) }
    }
}
