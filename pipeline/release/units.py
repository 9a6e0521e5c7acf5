"""The files that `setup` puts on a server: units, sudoers lines. Pure text builders.

Facts behind the unit (measured; research/qusto-detail.md section 8): SIGTERM is a clean stop and
the BEAM is the main process, so there is no ExecStop and Type=exec; two releases of one name need
RELEASE_DISTRIBUTION=none; a release's tmp holds computed secrets, so it lies outside the release;
systemd gives no LANG, and the BEAM then prints broken UTF-8; the soft limit of 1024 files is what
the BEAM would use.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.release import shell
from pipeline.release.layout import Layout
from pipeline.remote.inventory import Environment

_HARDENING = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
PrivateTmp=yes
PrivateDevices=yes
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service"""
"""What a release does without (systemd.exec(5)); `systemd-analyze security` says 1.5 of 10 with it,
8.4 without most of it. Not MemoryDenyWriteExecute, since the BEAM compiles at run time, and not
ProcSubset, since its os_mon reads /proc/meminfo."""


_RESTART_STEPS_SINCE = 254
"""The first systemd that knows RestartSteps= and RestartMaxDelaySec= (systemd.service(5))."""

_GROWING_RESTARTS = "RestartSteps=5\nRestartMaxDelaySec=60\n"

HEALTH_KEY = "X-QustoHealth"
"""The key of the unit, of no meaning to systemd, that tells other environments our address."""


@dataclass(frozen=True)
class HostFile:
    """One file of the system, root's."""

    path: PurePosixPath
    mode: str
    text: str


def host_files(layout: Layout, environment: Environment, systemd: int) -> list[HostFile]:
    """Return every unit and drop-in of one environment, the sudoers file last.

    `systemd` is the version on the host, 0 where it is unknown.
    """
    units = layout.root / "etc/systemd/system"
    module = environment.release_module
    return [
        HostFile(units / f"{layout.service}.service", "644", service(layout, environment, systemd)),
        HostFile(
            units / f"{layout.service}-migrate.service",
            "644",
            oneshot(layout, environment, "migrate", f"{module}.migrate()"),
        ),
        HostFile(
            units / f"{layout.service}-pending.service",
            "644",
            oneshot(layout, environment, "pending", f"{module}.pending_streaks()"),
        ),
        HostFile(
            units / f"{layout.service}-createdb.service",
            "644",
            oneshot(layout, environment, "createdb", f"{module}.createdb()"),
        ),
        HostFile(units / f"{layout.service}-recover.service", "644", recover(layout, environment)),
        HostFile(units / f"{layout.service}-rescue.service", "644", rescue(layout, environment)),
        HostFile(layout.boot_script, "755", boot_script(layout)),
        *(dump_files(layout, environment) if environment.backup_database else ()),
        HostFile(
            layout.root / "etc/logrotate.d" / layout.activation_unit,
            "644",
            logrotate(layout, environment),
        ),
        HostFile(
            layout.root / "etc/sudoers.d" / f"qusto-deploy-{layout.environment}",
            "440",
            sudoers(layout, environment),
        ),
    ]


def service(layout: Layout, environment: Environment, systemd: int) -> str:
    """Return the unit of the application itself.

    It never gives up: a database that is away for a minute must not need an operator. Only the
    health gate judges a release.
    """
    growing = _GROWING_RESTARTS if systemd >= _RESTART_STEPS_SINCE else ""
    return f"""\
# Written by `fab setup`; changes here are lost.
[Unit]
Description=Qusto Analytics ({layout.environment})
After=network-online.target postgresql.service clickhouse-server.service
After={layout.service}-recover.service
Wants=network-online.target
ConditionPathExists={layout.current}
StartLimitIntervalSec=0
{HEALTH_KEY}={environment.health.url}

[Service]
Type=exec
{_identity(layout, environment)}
Environment=PHX_SERVER=true
WorkingDirectory={layout.current}
ExecStart={layout.current}/bin/{environment.release} start
Restart=always
RestartSec=5
{growing}KillMode=mixed
TimeoutStopSec=60
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
"""


def oneshot(layout: Layout, environment: Environment, what: str, expression: str) -> str:
    """Return a unit that evaluates `expression` in the release that is being prepared.

    Its output goes to a file of the service user's own directory (not one that the deploy user
    could turn into a link for root to write through) and to the journal.
    """
    evaluate = f'bin/{environment.release} eval "{expression}" >{layout.output(what)} 2>&1'
    title = f"{what} of the release being deployed"
    return _once(layout, environment, what, title, f"WorkingDirectory={layout.candidate}", evaluate)


def dump_files(layout: Layout, environment: Environment) -> list[HostFile]:
    """Return the unit that dumps the database, and the script that it runs.

    The command stands in the script: in a unit systemd would read % and $ for its own.
    """
    place = f"WorkingDirectory={layout.dumps}\nReadWritePaths={layout.dumps}"
    run = f"/bin/sh {layout.dump_script} 2>{layout.output('dump')}"
    title = "dump of the database before migrations"
    unit = _once(layout, environment, "dump", title, place, run)
    script = shell.SHEBANG + shell.render(
        "dump",
        DUMPS=str(layout.dumps),
        CANDIDATE=str(layout.candidate),
        KEEP=environment.keep,
        COMMAND=environment.backup_database,
    )
    return [
        HostFile(
            layout.root / "etc/systemd/system" / f"{layout.service}-dump.service", "644", unit
        ),
        HostFile(layout.dump_script, "755", script),
    ]


def _once(
    layout: Layout, environment: Environment, what: str, title: str, place: str, run: str
) -> str:
    """Return a oneshot unit whose command `run` leaves its words in the output file of `what`.

    They may hold what the environment holds: the service user writes them, and beside it only the
    deploy user's group reads them. The directory's set-group-id bit hands that group on. It is no
    RuntimeDirectory=: systemd would give that back to the service's group before each process.
    """
    output = layout.output(what)
    group = f'"$$(id -gn {environment.user})"'
    own = f"install -d -o {environment.service_user} -g {group} -m 2750 {output.parent}"
    fresh = f"mkdir -p {output.parent}; rm -f {output}; umask 027; : >{output}; umask 022"
    return f"""\
# Written by `fab setup`; changes here are lost.
[Unit]
Description=Qusto Analytics ({layout.environment}): {title}
StartLimitIntervalSec=0

[Service]
Type=oneshot
{_identity(layout, environment)}
ReadWritePaths=-{output.parent}
{place}
ExecStartPre=+/bin/sh -c '{own}'
ExecStart=/bin/sh -c '{fresh}; {run}; code=$$?; cat {output}; exit $$code'
TimeoutStartSec={max(3600, environment.migrate_timeout + 60)}
"""


def recover(layout: Layout, environment: Environment) -> str:
    """Return the unit that ends, at boot and before the service, what an activation left open."""
    return f"""\
# Written by `fab setup`; changes here are lost.
[Unit]
Description=Qusto Analytics ({layout.environment}): put right an activation cut short by a reboot
Before={layout.service}.service
ConditionPathExists={layout.activate}

[Service]
Type=oneshot
User={environment.user}
ExecStart=-{layout.activate} boot
ExecStart=/bin/sh {layout.boot_script}

[Install]
WantedBy=multi-user.target
"""


def rescue(layout: Layout, environment: Environment) -> str:
    """Return the unit that puts right, while the host runs, an activation that was killed.

    systemd starts it when the activation's unit fails. One that has closed its journal (it rolled
    back, which is no success) is left alone. 10: it rolled back.
    """
    return f"""\
# Written by `fab setup`; changes here are lost.
[Unit]
Description=Qusto Analytics ({layout.environment}): put right an activation that was killed
ConditionPathExists={layout.activate}

[Service]
Type=oneshot
User={environment.user}
Environment=RESCUE=1
ExecStart={layout.activate} boot
SuccessExitStatus=10
"""


def boot_script(layout: Layout) -> str:
    """Return the script that proves at boot what `current` names."""
    places = {"BASE": str(layout.base), "BACKUPS": str(layout.backups)}
    return shell.SHEBANG + shell.render("verify", "boot", **places)


def logrotate(layout: Layout, environment: Environment) -> str:
    """Return the rule for the history: a megabyte is about a thousand deploys.

    The survey reads the newest rotated file too, so that it must not be compressed.
    """
    return f"""\
# Written by `fab setup`; changes here are lost.
{layout.deploy}/history.jsonl {{
    su {environment.user} {environment.user}
    size 1M
    rotate 9
    delaycompress
    compress
    missingok
    notifempty
    nocreate
}}
"""


def sudo_lines(layout: Layout, environment: Environment) -> list[str]:
    """Return the only commands that the deploy user may run as root, word for word."""
    systemctl = "/usr/bin/systemctl"
    return [
        *(
            f"{systemctl} {verb} {layout.service}.service"
            for verb in ("start", "stop", "restart", "reset-failed")
        ),
        f"{systemctl} kill --signal=TERM {layout.service}.service",
        *(f"{systemctl} {verb} {layout.service}-migrate.service" for verb in ("start", "stop")),
        f"{systemctl} start {layout.service}-pending.service",
        f"{systemctl} start {layout.service}-createdb.service",
        *(
            [f"{systemctl} start {layout.service}-dump.service"]
            if environment.backup_database
            else []
        ),
        f"/usr/bin/systemd-run --collect --quiet --uid={environment.user} --service-type=exec "
        f"--property=OnFailure={layout.service}-rescue.service --unit={layout.activation_unit} "
        f"{layout.activate}",
    ]


def sudoers(layout: Layout, environment: Environment) -> str:
    """Return the drop-in that allows `sudo_lines` and nothing else."""
    rules = "".join(
        f"{environment.user} ALL=(root) NOPASSWD: {line}\n"
        for line in sudo_lines(layout, environment)
    )
    return f"# Written by `fab setup`; changes here are lost.\n{rules}"


def _identity(layout: Layout, environment: Environment) -> str:
    state = layout.state
    private = state / "tmp"
    return f"""\
User={environment.service_user}
Group={environment.service_user}
EnvironmentFile={layout.env_file}
Environment=LANG=C.UTF-8 HOME={state} RELEASE_DISTRIBUTION=none RELEASE_TMP={private}
Environment=ERL_CRASH_DUMP={state}/erl_crash.dump
StateDirectory={state.name}
{_HARDENING}"""
