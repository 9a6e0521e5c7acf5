"""fab: the remote namespace. `fab -H staging deploy`, `fab -H staging rollback --to=NAME`.

Every task imports what it needs when it runs, so that `fab --list` and `--help` stay quick.
"""

from pathlib import Path

from fabric.main import program
from invoke.collection import Collection

from pipeline import command_line, streams

from . import env, keys
from .deploy import attach, cancel, deploy
from .rollback import rollback
from .server import cleanup, doctor, health, history, logs, releases, restart, setup, status, unlock
from .targets import FleetExecutor
from .trust import trust

streams.survive()
# Fabric's documented hook for host look-ups: several -H names become one call on one fleet.
program.executor_class = FleetExecutor

ns = Collection(
    deploy,
    rollback,
    attach,
    cancel,
    status,
    health,
    logs,
    restart,
    releases,
    history,
    unlock,
    cleanup,
    doctor,
    setup,
    trust,
    Collection("keys", rotate=keys.rotate),
    Collection("env", list=env.names, set=env.assign, unset=env.unset),
)
# Fabric would read our standard input away from the shell that called us.
ns.configure({"run": {"in_stream": False, "encoding": "utf-8"}})

command_line.judge_first(program, Path(__file__).parents[1])
