"""`fab setup`: carrying out the provisioning script on every host."""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from pipeline import redaction
from pipeline.errors import Problem, UsageProblem
from pipeline.release import envfile, provision
from pipeline.release import facts as hostfacts
from pipeline.release import fleet as fleets
from pipeline.release.facts import Facts
from pipeline.release.fleet import Fleet, Member
from pipeline.remote import execute, keys, known_hosts, login, sshconfig
from pipeline.remote.inventory import Environment, Host, Target


@dataclass(frozen=True)
class Prepared:
    """What setup did, or would do, on one host; `absent` is an environment file still to come.

    `first` tells that nothing has been deployed there yet.
    """

    host: str
    changed: tuple[str, ...]
    same: int
    absent: str
    kept: str
    first: bool = False
    kept_user: str = ""
    """Who goes on running the service, though hosts.toml names another user."""


def setup(
    target: Target,
    *,
    env_file: Path | None,
    deploy_key: str,
    replace_env: bool,
    migrate_user: bool,
    plan: bool,
) -> list[Prepared]:
    """Make every host of `target` ready for deploys; with `plan` only say what differs.

    Logs in as `setup_user` of hosts.toml: root, or a user who may use sudo without a password.
    `env_file` is the local file that becomes the service's environment (mode 600, root's); an
    existing other one is replaced only with `replace_env`. `deploy_key` is the public line that
    the deploy user gets; empty means the public half of the configured key. Where another user
    than `service_user` runs the service, that goes on, unless `migrate_user`: it stops the service.
    """
    environment = target.environment
    text = _environment_text(env_file)
    public = deploy_key or public_key(environment, target.hosts[0])
    with fleets.connected(target, user=environment.setup_user) as fleet:
        found = fleets.each(lambda member: _ask(fleet, member), fleet.members)

        def one(pair: tuple[Member, Facts]) -> Prepared:
            member, facts = pair
            old = facts.unit_user if facts.unit_user != environment.service_user else ""
            kept = "" if migrate_user else old
            script = provision.script(
                fleet.layout,
                structs.replace(environment, service_user=kept or environment.service_user),
                deploy_key=public,
                with_env=env_file is not None,
                replace_env=replace_env,
                plan=plan,
                systemd=facts.systemd,
                old_user=old if migrate_user else "",
            )
            return replace(_one(fleet, member, script, text), kept_user=kept)

        return fleets.each(one, list(zip(fleet.members, found, strict=True)))


def public_key(environment: Environment, host: Host | None = None) -> str:
    """Return the public line of the key that deploys will use. Raises UsageProblem.

    Without one in hosts.toml, it is the only key of the agent that ssh would ask for `host`.
    """
    where = f"hosts.toml [{environment.name}]"
    if environment.key or environment.key_file:
        text, name, _ = keys.configured(environment)
        passphrase = environment.key_passphrase
        if keys.is_encrypted(text) and not passphrase and (blob := login.public_blob(text)):
            return known_hosts.key_of(blob).line  # the agent holds the private half
        return keys.public_line(keys.private_key(text, f"{where}: {name}", passphrase or None))
    offered = login.agent_keys(sshconfig.route(environment, host).agent) if host else ()
    if len(offered) == 1:
        return keys.public_line(offered[0])
    raise UsageProblem(
        f"{where}: which key shall the deploy user get? The agent holds {len(offered)} keys",
        remedy="name one with --deploy-key FILE.pub, or set `key` or `key_file`",
    )


def _environment_text(path: Path | None) -> str:
    if path is None:
        return ""
    where = f"--env-file={path}"
    try:
        text = envfile.decoded(path.expanduser().read_bytes(), where)
    except OSError as error:
        raise UsageProblem(f"{where} cannot be read: {error.strerror}") from None
    found = envfile.parse(text, where, strict=True)
    redaction.learn(redaction.secrets_of({one.name: one.value for one in found}))
    return text


def _ask(fleet: Fleet, member: Member) -> Facts:
    """Return the facts of a host. Raises UsageProblem where another has the service's port."""
    script = hostfacts.script(fleet.layout, fleet.environment)
    ended = execute.sh(member.connection, as_root(fleet.environment, script), timeout=60)
    if ended.code:
        raise Problem(f"{member}: setup could not look at the host", detail=ended.err or ended.out)
    facts = hostfacts.parse(ended.out.splitlines())
    if conflict := hostfacts.port_conflict(facts, fleet.layout, fleet.environment):
        raise UsageProblem(
            f"{member}: {conflict}; nothing was changed",
            remedy=hostfacts.port_remedy(fleet.environment),
        )
    return facts


def _one(fleet: Fleet, member: Member, script: str, text: str) -> Prepared:
    ended = execute.sh(
        member.connection, as_root(fleet.environment, script), stdin=text.encode(), timeout=120
    )
    found: dict[str, list[str]] = {}
    for line in ended.out.splitlines():
        word, _, rest = line.partition("\t")
        found.setdefault(word, []).append(rest)
    if missing := found.get("missing"):
        raise UsageProblem(
            f"{member} lacks {', '.join(missing)}",
            remedy=f"install there: {' '.join(missing)} (and rsync, for small uploads)",
        )
    if ended.code:
        said = ended.err.splitlines() or ["no word why"]
        raise Problem(f"{member}: setup failed: {said[-1]}", detail="\n".join(said[:-1]))
    return Prepared(
        host=str(member),
        changed=tuple(found.get("changed", ())),
        same=len(found.get("same", ())),
        absent="".join(found.get("absent", ())),
        kept="".join(found.get("kept", ())),
        first="first" in found,
    )


def as_root(environment: Environment, script: str) -> str:
    """Return `script` so that `setup_user` runs it as root."""
    if environment.setup_user == "root":
        return script
    return f"exec sudo -n -- /bin/sh -c {shlex.quote(script)}"


def public_line_of(path: Path) -> str:
    """Return the public line in a .pub file; UsageProblem if it holds none."""
    try:
        words = path.expanduser().read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(f"--deploy-key={path} cannot be read: {error}") from None
    if len(words) < len(("kind", "key")) or not words[0].startswith(("ssh-", "ecdsa-", "sk-")):
        raise UsageProblem(
            f"--deploy-key={path} is not a public key", remedy="name the .pub file, not the key"
        )
    return " ".join(words[:2])
