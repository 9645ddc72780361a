/// What the lab's virtual machines are made of, as Tests/Lab/build left it in a directory.
import CPicket
import Foundation
package import PicketRack

package struct LabKit {
    let directory: String
    /// `kvm` or `tcg`.
    let acceleration: String
    /// How many times as long as on a rack of processes a scenario may take.
    let patience: Int

    /// Debian with systemd and the installed package, in place of an initramfs with the programs.
    let installed: Bool

    /// - Parameter directory: `nil`: where `make lab` builds it.
    package init(directory: String?, installed: Bool = false) throws(RackFailure) {
        self.installed = installed
        let needed =
            ["vmlinux", "state.img", "accel", "tools"]
            + (installed ? ["system.cpio", "system.img"] : ["guest.cpio"])
        let places = directory.map { [$0] } ?? Shipped.directories.map { $0 + "/.build-lab" }
        let files = FileManager.default
        let whole = places.first { place in
            needed.allSatisfy { files.fileExists(atPath: "\(place)/\($0)") }
        }
        guard let whole else {
            throw RackFailure("there is no lab in \(places.joined(separator: ", ")): make lab")
        }
        self.directory = whole
        let text = (try? String(contentsOfFile: whole + "/accel", encoding: .utf8)) ?? "tcg"
        acceleration = text.trimmingCharacters(in: .whitespacesAndNewlines)
        patience = (acceleration == "kvm" ? 4 : 8) * (installed ? 2 : 1)
    }

    private var tools: String { directory + "/tools" }

    /// QEMU's libraries where they are not installed.
    var environment: [String] {
        let libraries = ["\(tools)/usr/lib/x86_64-linux-gnu", "\(tools)/lib/x86_64-linux-gnu"]
        return ["LD_LIBRARY_PATH=\(libraries.joined(separator: ":"))", "PATH=/usr/bin:/bin"]
    }

    /// What is the same for all virtual machines.
    func command() -> [String] {
        let memory = installed ? 512 : 160
        let image = installed ? "system" : "guest"
        var all = [
            // Before other work of this host, where that may be asked for.
            "/usr/bin/nice", "-n", "-10", "\(tools)/usr/bin/qemu-system-x86_64", "-L",
            "\(tools)/usr/share/seabios", "-L",
            "\(tools)/usr/share/qemu", "-nodefaults", "-display", "none", "-rtc", "base=utc",
            "-machine", "q35,accel=\(acceleration),usb=off,memory-backend=ram",
            "-cpu", acceleration == "kvm" ? "host" : "max", "-m", "\(memory)",
            "-object", "memory-backend-memfd,id=ram,size=\(memory)M,share=on",
            "-kernel", "\(directory)/vmlinux", "-initrd", "\(directory)/\(image).cpio",
            "-append", "console=ttyS0 quiet panic=0 unknown_nmi_panic",
            "-device", "i6300esb", "-action", "watchdog=reset", "-device", "virtio-rng-pci",
        ]
        if installed {
            // Whatever a virtual machine writes there is gone with its power.
            all += [
                "-drive",
                "if=none,id=system,format=raw,file=\(directory)/system.img,snapshot=on,"
                    + "file.locking=off", "-device", "virtio-blk-pci,drive=system,serial=system",
            ]
        }
        return all
    }
}
