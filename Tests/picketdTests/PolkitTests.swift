import Foundation
import Testing

/// What polkit lets the agent's user do, by its rule, in the engine that polkit runs it in.
struct PolkitTests {
    static let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../polkit").standardized
    static let duk = ["/usr/bin/duk", "/usr/local/bin/duk"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    /// A request to polkit as systemd makes it.
    struct Request {
        var details: [String: String] = [:]
        var action = "org.freedesktop.systemd1.manage-units"
        var user = "picket"
        var list: String? = "gateway.service\nbroker@1.service\n"

        static func unit(_ unit: String, _ verb: String) -> Request {
            Request(details: ["unit": unit, "verb": verb])
        }
    }

    private static func answer(_ request: Request) throws -> String {
        func json(_ value: Any) throws -> String {
            let data = try JSONSerialization.data(
                withJSONObject: value, options: .fragmentsAllowed)
            return String(decoding: data, as: UTF8.self)
        }
        let rule = try String(
            contentsOf: sources.appendingPathComponent("60-picket.rules"), encoding: .utf8)
        let script = """
            var answers = [];
            var polkit = {
                Result: { YES: "yes", NO: "no" },
                log: function () {},
                spawn: function (command) {
                    var list = \(try json(request.list ?? NSNull()));
                    if (list === null || command.join(" ") != "/bin/cat /run/picket-units") {
                        throw new Error("failed");
                    }
                    return list;
                },
                addRule: function (rule) {
                    var details = \(try json(request.details));
                    answers.push(rule({
                        id: \(try json(request.action)),
                        lookup: function (key) { return details[key]; }
                    }, { user: \(try json(request.user)) }) || "not this rule's");
                }
            };
            \(rule)
            print(answers.join(","));
            """
        let file = FileManager.default.temporaryDirectory
            .appendingPathComponent("picket-\(UUID().uuidString).js")
        defer { try? FileManager.default.removeItem(at: file) }
        try script.write(to: file, atomically: true, encoding: .utf8)
        return try output(of: #require(duk), [file.path])
    }

    private static func output(
        of program: String, _ arguments: [String], environment: [String: String] = [:]
    ) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.environment = environment
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let said = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return String(decoding: said, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test(
        .enabled(if: duk != nil, "needs Debian's package duktape: make deps"),
        arguments: [("gateway.service", "start"), ("broker@1.service", "stop")])
    func `the agent starts and stops the units of its configuration`(
        unit: String, verb: String
    ) throws {
        #expect(try PolkitTests.answer(.unit(unit, verb)) == "yes")
    }

    @Test(
        .enabled(if: duk != nil, "needs Debian's package duktape: make deps"),
        arguments: [
            // A transient unit (systemd-run), up to systemd 255 and later.
            Request(), .unit("run-u1.service", "start"),
            .unit("ssh.service", "stop"), .unit("gateway.servic", "start"), .unit("", "start"),
            .unit("gateway.service\nbroker@1.service", "start"),
            .unit("gateway.service", "restart"), .unit("gateway.service", "set-property"),
            .unit("gateway.service", "kill"),
            Request(details: ["unit": "gateway.service"]), Request(details: ["verb": "start"]),
            Request(details: ["unit": "gateway.service", "verb": "start"], user: "nobody"),
            Request(
                details: ["unit": "gateway.service", "verb": "start"],
                action: "org.freedesktop.systemd1.manage-unit-files"),
            Request(details: ["unit": "gateway.service", "verb": "start"], list: nil),
            Request(details: ["unit": "gateway.service", "verb": "start"], list: ""),
        ])
    func `and may do nothing else`(request: Request) throws {
        #expect(try PolkitTests.answer(request) == "not this rule's")
    }

    @Test func `the list has all names of each unit, and none that is free`() throws {
        let files = FileManager.default
        let directory = files.temporaryDirectory.appendingPathComponent("picket-\(UUID())")
        try files.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? files.removeItem(at: directory) }
        func program(_ name: String, _ text: String) throws -> String {
            let path = directory.appendingPathComponent(name).path
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            try files.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
            return path
        }
        let picketd = try program(
            "picketd",
            "#!/bin/sh\n[ \"$*\" = '--units --node east' ] || exit 2\n"
                + "printf '%s\\n' mysql.service missing.service 'dev-a\\x2db.mount' broker@1.service"
        )
        _ = try program(
            "systemctl",
            #"""
            #!/bin/sh
            shift 2
            for unit; do
                [ "$unit" = "$1" ] || echo
                case $unit in
                    mysql.service) echo 'Names=mariadb.service mysql.service'; file=/lib/mariadb.service ;;
                    missing.service) echo "Names=$unit"; file= ;;
                    *) printf '%s\n' "Names=$unit"; file=/etc/it ;;
                esac
                echo "FragmentPath=$file"
            done
            """#)
        let writer = try program(
            "write-units",
            String(
                contentsOf: PolkitTests.sources.appendingPathComponent("write-units"),
                encoding: .utf8
            ).replacingOccurrences(of: "/usr/local/sbin/picketd", with: picketd))
        let list = directory.appendingPathComponent("list").path
        _ = try PolkitTests.output(
            of: writer, [list, "--node", "east"],
            environment: ["PATH": "\(directory.path):/usr/bin:/bin"])
        #expect(
            try String(contentsOfFile: list, encoding: .utf8)
                == "mariadb.service\nmysql.service\ndev-a\\x2db.mount\nbroker@1.service\n")
        #expect(
            try files.attributesOfItem(atPath: list)[.posixPermissions] as? Int == 0o644)
    }
}
