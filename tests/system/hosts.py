"""Real hosts for tests: Debian under systemd, on a disk and at an address of their own."""

import socket
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from tests.system import cgroups, leftovers
from tests.system.lab import Lab

# Nothing of the tests' own environment reaches a host.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
# The host gives itself its address, so that it is there after any kind of reboot.
ADDRESS_UNIT = """\
[Unit]
Description=Address of this test host
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/ip addr add {address}/24 dev host0
ExecStart=/usr/sbin/ip link set host0 up
"""


class HostFailed(Exception):
    """Something that a test asked of a host went wrong; the message holds what it said."""


class Host:
    """One host: a disk that outlives its boots, and at most one running system on it.

    `ip` is its address, `host_key` the public line of its ssh host key, `root` its disk as seen
    from outside. Nothing runs before `boot`.
    """

    def __init__(self, lab: Lab, name: str | None = None) -> None:
        self._lab = lab
        self._directory, address = lab.next_place()
        self._machine = f"{lab.directory.name}{self._directory.name}"
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0
        self.ip = str(address)
        self.name = name or self._machine
        self.root = self._directory / "root"
        self.console = self._directory / "console"
        self._make_disk()
        self.host_key = " ".join(self.read("/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])

    @property
    def known_hosts_line(self) -> str:
        """The line for a known_hosts file that vouches for this host."""
        return f"{self.ip} {self.host_key}"

    @property
    def leader(self) -> int:
        """The pid, outside, of the running system's PID 1; 0 when the host is off."""
        if not self._leader or not leftovers.identity(self._leader):
            self._leader = next(filter(_is_first, cgroups.pids(self._machine)), 0)
        return self._leader

    def boot(self, *, wait: bool = True) -> None:
        """Start the system on this host's disk; with `wait`, return when it is up.

        Works again after `power_cut`: the disk is as it was. Raises HostFailed as
        `wait_running` does.
        """
        if self._nspawn and self._nspawn.poll() is None:
            raise HostFailed(f"{self.name} is running already")
        argv = [
            "systemd-nspawn",
            f"--directory={self.root}",
            f"--machine={self._machine}",
            f"--network-bridge={self._lab.bridge}",
            "--boot",
            "--register=no",  # neither machined nor a bus is needed outside
            "--keep-unit",
            "--settings=no",
            "--link-journal=no",
            "--resolv-conf=off",
            "--timezone=off",
            "--console=pipe",
        ]
        entry = [str(path) for path in cgroups.make(self._machine)]
        enter = f'for file in {" ".join(entry)}; do echo $$ >"$file" || exit; done; exec "$@"'
        with self.console.open("ab") as console:
            self._nspawn = subprocess.Popen(
                ["sh", "-c", enter, "sh", *argv],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        if wait:
            self.wait_running()

    def wait_running(self, patience: float = 60) -> str:
        """Return systemd's state, "running" or "degraded", once sshd answers as well.

        Raises HostFailed with the end of the console when that takes over `patience` seconds
        or the host ends.
        """
        limit = time.monotonic() + patience
        while self._nspawn is not None and self._nspawn.poll() is None:
            state = self._try_state()
            if state in ("running", "degraded") and self._sshd_answers():
                return state
            if time.monotonic() > limit:
                raise HostFailed(f"{self.name} is {state or 'not up'} after {patience} s{self}")
            time.sleep(0.03)
        raise HostFailed(f"{self.name} is not running{self}")

    def power_cut(self) -> None:
        """End the system as a power cut does: nothing in it gets a chance. The disk stays."""
        if self._nspawn is None:
            raise HostFailed(f"{self.name} was never booted")
        cgroups.end(self._machine)
        self._nspawn.wait(20)
        self._leader = 0

    def reboot(self) -> None:
        """Reboot in good order, stopping every service, and wait until it is up again."""
        self.run(["systemctl", "reboot"], check=False)  # ends under the command
        self.wait_off()
        self.boot()

    def wait_off(self, patience: float = 60) -> None:
        """Return once the system has ended by itself (`poweroff`)."""
        if self._nspawn is not None:
            self._nspawn.wait(patience)
            self._leader = 0

    def close(self) -> None:
        """End the system, unmount and remove the disk. May be called twice."""
        leftovers.end_host(self._directory)
        if self._nspawn is not None:
            self._nspawn.wait(20)
        self._leader = 0

    def run(
        self,
        command: str | Sequence[str],
        *,
        check: bool = True,
        input: str | None = None,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` as root in the running system; a string is for its /bin/sh.

        Goes past ssh and the network: for looking at a host, not for testing access to it.
        Raises HostFailed with the output when it exits non-zero, unless `check` is off; and
        subprocess.TimeoutExpired after `timeout` seconds.
        """
        if not self.leader:
            raise HostFailed(f"{self.name} is off{self}")
        return self._in(["nsenter", "-t", str(self.leader), "-a"], command, check, input, timeout)

    def read(self, path: str) -> str:
        """Return the text of a file of the host, running or not."""
        return self._at_disk(["cat", path]).stdout

    def write(self, path: str, text: str, *, mode: int = 0o644, owner: str = "root") -> None:
        """Write a file of the host, running or not; makes missing directories (root, 755)."""
        script = (
            'umask 022; mkdir -p "${1%/*}" && rm -f "$1" && (umask 077; cat >"$1") && '
            'chown "$3" "$1" && chmod "$2" "$1"'
        )
        self._at_disk(["sh", "-c", script, "sh", path, f"{mode:o}", owner], text)

    def exists(self, path: str) -> bool:
        """Tell whether the host has `path` (a link counts by itself)."""
        script = '[ -e "$1" ] || [ -L "$1" ]'
        return self._at_disk(["sh", "-c", script, "sh", path], check=False).returncode == 0

    def link_down(self) -> None:
        """Pull the network cable: what is under way hangs, as on a dead line."""
        subprocess.run(["ip", "link", "set", f"vb-{self._machine}", "down"], check=True)

    def link_up(self) -> None:
        """Put the cable back."""
        subprocess.run(["ip", "link", "set", f"vb-{self._machine}", "up"], check=True)

    def small_disk(self, path: str, megabytes: int) -> None:
        """Give `path` a disk of its own of that size. Before `boot`; outlives boots."""
        if self.leader:
            raise HostFailed(f"{self.name} is running; a disk can be added only before boot")
        point = self.root / path.lstrip("/")
        point.mkdir(parents=True, exist_ok=True)
        options = f"size={megabytes}m,mode=755"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "qusto", str(point)], check=True)

    def image_disk(self, path: str, megabytes: int) -> None:
        """Give `path` a disk of its own in a file: `disk_now` and `power_cut_to` go with it.

        Before `boot`. It has ext4, as a server has.
        """
        image = self._directory / "image"
        subprocess.run(["truncate", "-s", f"{megabytes}M", str(image)], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
        self._mount_image(path)

    def disk_now(self) -> Path:
        """Return a copy of the image as it is: without what only the host's memory holds."""
        copy = self._directory / "image.cut"
        subprocess.run(["cp", str(self._directory / "image"), str(copy)], check=True)
        return copy

    def power_cut_to(self, copy: Path, path: str) -> None:
        """Cut the power; what the disk at `path` holds then is `copy`. The host is off."""
        self.power_cut()
        subprocess.run(["umount", str(self.root / path.lstrip("/"))], check=True)
        copy.rename(self._directory / "image")
        self._mount_image(path)

    def _mount_image(self, path: str) -> None:
        point = self.root / path.lstrip("/")
        point.mkdir(parents=True, exist_ok=True)
        words = ["mount", "-o", "loop", str(self._directory / "image"), str(point)]
        subprocess.run(words, check=True)

    def fill_disk(self, path: str, *, leave_kb: int = 0) -> None:
        """Fill the disk that holds directory `path`, but for `leave_kb` KiB.

        Refuses disks of more than 256 MB: make it a `small_disk` first, or the tests' machine
        itself runs full.
        """
        free = int(self._at_disk(["df", "--output=avail", "-k", path]).stdout.split()[1])
        if free > 256 * 1024:
            raise HostFailed(f"{path} on {self.name} has {free} KiB free: not a small disk")
        script = f"dd if=/dev/zero of='{path}/.filled' bs=1024 count={max(free - leave_kb, 0)}"
        self._at_disk(["sh", "-c", f"{script} 2>&1; sync"])
        if leave_kb == 0:  # the last bytes, in a block that dd had no more room for
            self._at_disk(["sh", "-c", f"cat /dev/zero >>'{path}/.filled' 2>/dev/null || :"])

    def free_disk(self, path: str) -> None:
        """Undo `fill_disk`."""
        self._at_disk(["rm", "-f", f"{path}/.filled"])

    def journal(self, unit: str = "", lines: int = 60) -> str:
        """Return the newest lines of the host's journal, all or one unit's."""
        of_unit = ["-u", unit] if unit else []
        argv = ["journalctl", "--no-pager", "-q", "-o", "short-precise", "-n", str(lines)]
        return self.run([*argv, *of_unit]).stdout

    def __str__(self) -> str:
        """Return the end of the console, for messages of failures."""
        text = self.console.read_text(errors="replace") if self.console.exists() else ""
        return "".join(f"\n  {line}" for line in text.splitlines()[-15:])

    def _make_disk(self) -> None:
        for part in ("up", "work", "root"):
            (self._directory / part).mkdir(parents=True)
        options = ",".join(
            (
                f"lowerdir={self._lab.tree}",
                f"upperdir={self._directory}/up",
                f"workdir={self._directory}/work",
            )
        )
        subprocess.run(
            ["mount", "-t", "overlay", self._machine, "-o", options, str(self.root)], check=True
        )
        key = self.root / "etc/ssh/ssh_host_ed25519_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        # `--hostname` did not take (research/hosts.md); sudo wants its own name in /etc/hosts.
        self.write("/etc/hostname", f"{self.name}\n")
        self.write("/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n::1 localhost\n")
        self.write("/etc/machine-id", f"{uuid.uuid4().hex}\n")
        self.write("/root/.ssh/authorized_keys", f"{self._lab.keys.public}\n", mode=0o600)
        unit = "/etc/systemd/system/test-address.service"
        self.write(unit, ADDRESS_UNIT.format(address=self.ip))
        wants = self.root / "etc/systemd/system/sysinit.target.wants"
        wants.mkdir(exist_ok=True)
        (wants / "test-address.service").symlink_to(unit)

    def _at_disk(
        self, argv: Sequence[str], text: str | None = None, *, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        if self.leader:
            return self.run(argv, input=text, check=check)
        return self._in(["chroot", str(self.root)], argv, check, text, 60)

    def _in(
        self,
        enter: Sequence[str],
        command: str | Sequence[str],
        check: bool,
        text: str | None,
        timeout: float,
    ) -> subprocess.CompletedProcess[str]:
        argv = ["sh", "-c", command] if isinstance(command, str) else list(command)
        ended = subprocess.run(
            [*enter, *argv],
            input=text or "",  # never the tests' own standard input
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            cwd="/",
            timeout=timeout,
            check=False,
        )
        if check and ended.returncode:
            said = f"{ended.stdout}{ended.stderr}".rstrip()
            raise HostFailed(f"{command!r} exited {ended.returncode} on {self.name}:\n{said}")
        return ended

    def _try_state(self) -> str:
        """Return systemd's word for its state, '' while it cannot be asked."""
        if not self.leader:
            return ""
        return self.run(["systemctl", "is-system-running"], check=False).stdout.strip()

    def _sshd_answers(self) -> bool:
        try:
            with socket.create_connection((self.ip, 22), timeout=1) as line:
                line.settimeout(5)
                return line.recv(4) == b"SSH-"
        except OSError:
            return False


def _is_first(pid: int) -> bool:
    """Tell whether `pid` is the PID 1 of a pid namespace below ours."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    pids = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
    return len(pids) > 1 and pids[-1] == "1"
