"""`fab setup`: the script that makes a host ready, as pure text."""

import shlex

from pipeline.release import shell, units
from pipeline.release.layout import Layout
from pipeline.remote.inventory import Environment


def script(
    layout: Layout,
    environment: Environment,
    *,
    deploy_key: str,
    with_env: bool,
    replace_env: bool,
    plan: bool,
    systemd: int = 0,
    old_user: str = "",
) -> str:
    """Return the script, to be run as root with the environment file on its standard input.

    `deploy_key` is the public line to authorize, `systemd` the version on the host, and
    `old_user` who has run the service, if that is to change. With `plan` it only says what differs.
    """
    variables = shell.assignments(
        {
            "PLAN": int(plan),
            "ROOT": str(layout.root),
            "BASE": str(layout.base),
            "BACKUPS": str(layout.backups),
            "STATE": str(layout.state),
            "SERVICE": layout.service,
            "SERVICE_USER": environment.service_user,
            "OLD_USER": old_user,
            "DEPLOY_USER": environment.user,
            "DEPLOY_HOME": str(layout.root / "home" / environment.user),
            "DEPLOY_KEY": deploy_key,
            "ENV_FILE": str(layout.env_file),
            "DUMPS": str(layout.dumps) if environment.backup_database else "",
            "WITH_ENV": int(with_env),
            "REPLACE_ENV": int(replace_env),
        }
    )
    wanted = units.host_files(layout, environment, systemd)
    places = "".join(
        f"place {shlex.quote(str(file.path))} {file.mode} {shlex.quote(file.text)}\n"
        for file in wanted
    )
    obsolete = [file for file in units.dump_files(layout, environment) if file not in wanted]
    gone = "".join(f"gone {shlex.quote(str(file.path))}\n" for file in obsolete)
    return variables + _bodies("trusted", "setup") + places + gone + shell.body("setup-end")


def _bodies(*names: str) -> str:
    return "".join(map(shell.body, names))
