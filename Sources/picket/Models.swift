import Foundation

// The agent's replies, as far as the command line shows them. It skips anything that it does not
// know.

struct StatusModel: Decodable {
    struct Protection: Decodable {
        struct Line: Decodable {
            var failure: String
            var verdict: String
            var text: String
        }
        var verdict: String
        var lines: [Line]
    }
    struct Watchdog: Decodable {
        var armed: Bool
        var timeoutMs: Double
        var identity: String?
        var fault: String?
        var lastReset: String?
    }
    struct Peer: Decodable {
        var phase: String?
        var health: Int?
        var maintenance: Bool
        var drill: Bool
        var simulated: Bool
        var watchdogMs: Int
        var relayTest: String
        /// An older agent does not tell.
        var stateWritten: Bool?
    }
    struct RealCut: Decodable {
        var ageMs: Double?
        var failed: Bool
    }
    struct Fence: Decodable {
        var state: String
        var gap: String?
        var levels: [String]
        /// An older agent does not tell.
        var cuts: [RealCut]?
        var orderedInWindow: Int
        var budget: Int
        var movesInWindow: Int
        var fencesRefillMs: Double?
        var movesRefillMs: Double?
        var moveBudget: Int
    }
    struct Group: Decodable {
        var name: String
        var role: String
        var running: Bool
        var eligible: Bool
        var term: UInt64
        var sync: String
        var peerRole: String?
        var peerRunning: Bool
        var peerTerm: UInt64
        var peerSync: String
        /// An older agent does not tell.
        var peerEligible: Bool?
        var lastHolder: String?
        var prefer: String?
        var enabled: Bool?
        var failback: String?
        var asked: Bool?
        /// An older agent does not tell.
        var obstacle: String?
        var blockedMs: Double?
        var waitsForCopy: Bool?
        /// An older agent does not tell.
        var diverged: Bool?
        /// Of a strict group that is held here.
        var replication: String?
        var commitsWait: Bool?
        /// Of one that the peer holds.
        var outOfStep: Bool?
        /// An older agent does not tell.
        var maintenance: Bool?
    }
    struct Sensor: Decodable {
        var name: String
        var state: String
        var value: Double?
        var unit: String
        var ageMs: Double?
        var simulated: Bool
        var fault: String?
    }
    struct Link: Decodable {
        var link: Int
        var local: String
        var remote: String
        var up: Bool
        var blocked: Bool
        var silenceMs: Double?
    }
    struct Apply: Decodable {
        var text: String
    }
    struct HealthReason: Decodable {
        var text: String
        var takes: Int?
    }
    struct Key: Decodable {
        var inUse: String?
        var configured: Int
    }
    struct Process: Decodable {
        var pid: Int
        var realTime: Bool
        var realTimeRefused: String?
        var lockedMemory: Bool
        var lockedMemoryRefused: String?
        var worstDelayMs: Double
        /// An older agent does not tell.
        var volatileState: String?
    }

    var version: String
    var pair: String
    var node: String
    var peer: String
    var uptimeMs: Double
    var simulated: [String]
    var protection: Protection
    var phase: String
    var contact: String
    var ageMs: Double?
    var roundTripMs: Double?
    var armed: Bool
    var maintenance: Bool
    var drill: Bool
    var drillRequest: String?
    var apply: Apply?
    var health: Int
    var healthSimulated: Bool
    /// An older agent does not tell.
    var healthReasons: [HealthReason]?
    var configurationAgrees: Bool
    var receipt: String?
    /// An older agent does not tell.
    var stateWritten: Bool?
    var watchdog: Watchdog
    var relayTest: String
    var peerState: Peer
    var fence: Fence
    var groups: [Group]
    var sensors: [Sensor]
    var links: [Link]
    /// An older agent does not tell.
    var key: Key?
    var process: Process

    static func decode(_ line: Data) throws -> StatusModel {
        try ReplyModel.decode(StatusModel.self, "status", from: line)
    }

    /// There is contact with the peer.
    var isPeerHeard: Bool { contact == "established" || contact == "suspected" }

    /// The node that has the group, and whether all of it runs there; `nil` if no node has it.
    func holder(of group: Group) -> (node: String, running: Bool)? {
        if group.role == "holding" || group.role == "releasing" { return (node, group.running) }
        if group.peerRole == "holding" || group.peerRole == "releasing" {
            return (peer, group.peerRunning)
        }
        return nil
    }
}

struct HistoryModel: Decodable {
    var time: String
    var node: String
    var severity: String
    var kind: String
    var group: String?
    var simulated: Bool?
    var text: String
}

struct ResultModel: Decodable {
    var accepted: Bool
    var refusal: String?
    var text: String

    static func accepted(_ line: Data) throws -> ResultModel {
        let result = try ReplyModel.decode(ResultModel.self, "result", from: line)
        guard result.accepted else {
            throw Failure(.refused, result.refusal ?? "refused", result.text)
        }
        return result
    }
}

struct ProgressModel: Decodable {
    var offsetMs: Double
    var severity: String
    var text: String
}

struct ReportModel: Decodable {
    var report: String
    var verdict: String
    var conclusion: String
}

/// The fields that every reply has.
struct ReplyModel: Decodable {
    var type: String
    var code: String?
    var text: String?

    static let decoder: JSONDecoder = {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }()

    static func type(of line: Data) -> String? {
        try? decoder.decode(ReplyModel.self, from: line).type
    }

    /// - Throws: the agent's own error, if the line is one.
    static func decode<Model: Decodable>(
        _ model: Model.Type, _ type: String, from line: Data
    ) throws -> Model {
        do {
            let reply = try decoder.decode(ReplyModel.self, from: line)
            if reply.type == "error" {
                let code = reply.code ?? "error"
                throw Failure(
                    ["unknown_name", "malformed"].contains(code) ? .usage : .refused, code,
                    reply.text ?? "refused.")
            }
            guard reply.type == type else { throw unknown("a line of type \(reply.type)") }
            return try decoder.decode(model, from: line)
        } catch let error as DecodingError {
            throw unknown("a line that is no \(type) (\(error))")
        }
    }

    private static func unknown(_ what: String) -> Failure {
        Failure(
            .refused, "unknown_reply",
            "the agent answered with \(what); is it of another version than this command?")
    }
}
