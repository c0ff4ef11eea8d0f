"""A Linux board in QEMU: Debian's arm64 kernel, busybox and dropbear, reached through ssh.

Nothing is installed: apt resolves and fetches the arm64 packages into a folder of its own (26 MB,
kept in the user's cache), and their files go into an initial RAM disk together with the user's key.
"""

from __future__ import annotations

import gzip
import re
import shutil
import socket
import stat
import subprocess
import time
from pathlib import Path

from edgemnv2.cache import cache_folder
from edgemnv2.errors import RunnerError
from edgemnv2.runners import debian_root

KERNEL = "linux-image-cloud-arm64"  # the one for virtual machines: a third of the usual one
PROGRAMS = ("busybox-static", "dropbear-bin")
TOOLS = ("qemu-system-aarch64", "apt-get", "dpkg-deb", "ssh", "ssh-keygen")
CORES = 2
_BOOT_SECONDS = 240

_MODULES = ("virtio_mmio", "virtio_net")
# The addresses are those of QEMU's user-mode network.
_INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in {modules}; do insmod /modules/$module.ko; done
ip link set lo up
ip address add 10.0.2.15/24 dev eth0
ip link set eth0 up
exec /bin/dropbear -F -E -s -R
"""


class GuestUnavailable(Exception):  # noqa: N818 - a fact, not a fault
    """What the guest is made of cannot be had here; the text says what."""


def missing_tools() -> list[str]:
    """Programs that the guest needs and this machine lacks."""
    return [name for name in TOOLS if shutil.which(name) is None]


def fetch_packages() -> Path:
    """A folder of unpacked arm64 packages, from the cache or from this machine's Debian mirror."""
    try:
        return debian_root.fetch_packages(
            cache_folder() / "arm64-guest", "arm64", PROGRAMS, metas=[KERNEL]
        )
    except RunnerError as error:
        raise GuestUnavailable(str(error)) from error


def ram_disk(root: Path, public_key: str) -> bytes:
    """The initial RAM disk: busybox, dropbear with its libraries, the network's modules, a key."""
    modules = _modules(root)
    files: dict[str, tuple[int, bytes]] = {
        "init": (0o755, _INIT.format(modules=" ".join(modules)).encode()),
        "bin/busybox": (0o755, (root / "bin/busybox").read_bytes()),
        "bin/dropbear": (0o755, (root / "usr/sbin/dropbear").read_bytes()),
        "etc/passwd": (0o644, b"root:*:0:0:root:/root:/bin/sh\n"),
        "etc/group": (0o644, b"root:x:0:\n"),
        "etc/shells": (0o644, b"/bin/sh\n"),
        "root/.ssh/authorized_keys": (0o600, public_key.encode()),
    }
    for name, data in modules.items():
        files[f"modules/{name}.ko"] = 0o644, data
    loader = "ld-linux-aarch64.so.1"
    for folder in ("lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu"):
        for library in (root / folder).glob("lib*.so.*"):
            files[f"lib/{library.name}"] = 0o755, library.read_bytes()
        if (root / folder / loader).exists():
            files[f"lib/{loader}"] = 0o755, (root / folder / loader).read_bytes()
    folders = {"proc", "sys", "dev", "tmp", "var", "var/log", "var/run", "run", "etc/dropbear"}
    for path in files:
        folders |= {str(parent) for parent in Path(path).parents if str(parent) != "."}
    entries = [(name, stat.S_IFDIR | 0o755, b"") for name in sorted(folders)]
    entries += [(name, stat.S_IFREG | mode, data) for name, (mode, data) in files.items()]
    return gzip.compress(_cpio(entries), 1)


def _modules(root: Path) -> dict[str, bytes]:
    """The network's kernel modules and what they depend on, in the order of loading."""
    paths = {path.stem: path for path in root.glob("lib/modules/**/*.ko")}
    ordered: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in ordered or name not in paths:  # some are part of the kernel
            return
        data = paths[name].read_bytes()
        needed = re.search(rb"\0depends=([\w,-]*)\0", data)
        for other in needed[1].decode().split(",") if needed else ():
            add(other)
        ordered[name] = data

    for name in _MODULES:
        add(name)
    return ordered


def _cpio(entries: list[tuple[str, int, bytes]]) -> bytes:
    """An archive as the kernel unpacks it (Linux, initramfs buffer format: "newc")."""
    parts = []
    trailer = ("TRAILER!!!", 0, b"")
    for number, (name, mode, data) in enumerate([*entries, trailer], 1):
        text = name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        # inode, mode, uid, gid, links, time, size, device (4), name's length, checksum (unused)
        fields = (number, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(text), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + text
        for part in (head, data):
            parts += [part, b"\0" * (-len(part) % 4)]
    return b"".join(parts)


class Guest:
    """A running guest: `address` and `options` are what `SshRunner` takes."""

    def __init__(self, folder: Path, *, machine: str = "cortex-a72") -> None:
        root = fetch_packages() / "root"
        key = folder / "key"
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
        subprocess.run(command, check=True)
        (folder / "ram_disk").write_bytes(ram_disk(root, key.with_suffix(".pub").read_text()))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        self.address = f"root@127.0.0.1:{port}"
        self.options = ["-F", "none", "-i", str(key), "-o", "IdentitiesOnly=yes"]
        self.options += ["-o", "StrictHostKeyChecking=accept-new"]
        self.options += ["-o", f"UserKnownHostsFile={folder}/known"]
        (kernel,) = (root / "boot").glob("vmlinuz-*")
        emulator = ["qemu-system-aarch64", "-M", "virt", "-cpu", machine, "-smp", str(CORES)]
        emulator += ["-m", "512", "-nographic", "-no-reboot", "-kernel", str(kernel)]
        emulator += ["-initrd", str(folder / "ram_disk"), "-append", "quiet panic=-1"]
        emulator += ["-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"]
        emulator += ["-device", "virtio-net-device,netdev=net"]
        self._console = folder / "console"
        with self._console.open("wb") as console:
            self._process = subprocess.Popen(
                emulator, stdin=subprocess.DEVNULL, stdout=console, stderr=console
            )
        started = time.monotonic()
        try:
            self._await(port)
        except BaseException:
            self.stop()
            raise
        self.boot_seconds = time.monotonic() - started

    def shell(self, command: str) -> str:
        """What `command` prints in the guest."""
        _, _, port = self.address.rpartition(":")
        ssh = ["ssh", *self.options, "-p", port, "root@127.0.0.1", command]
        return subprocess.run(ssh, check=True, capture_output=True, text=True).stdout

    def stop(self) -> None:
        """Switch it off."""
        self._process.kill()
        self._process.wait()

    def _await(self, port: int) -> None:
        """Returns when sshd in the guest answers."""
        deadline = time.monotonic() + _BOOT_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", port), 5) as probe:
                    # QEMU accepts before the guest does; only the guest has a banner.
                    if probe.recv(4) == b"SSH-":
                        return
            except OSError:
                pass
            time.sleep(0.5)
        tail = self._console.read_text(errors="replace").splitlines()[-5:]
        raise RuntimeError(f"the guest did not come up: {tail}")
