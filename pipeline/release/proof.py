"""Reading what prove.sh says: whether the new release's own BEAM ran, and if not, why. Pure.

The reason is what the failing program itself said; a cause that nobody has told is not named.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.release import ecto

_SHOWN = 20
"""Lines of another program's output in an error."""


@dataclass(frozen=True)
class Proof:
    """One unit that was started, or what came of the attempt.

    `step` is the last one that began, `createdb` or `pending`; `output` is what the release
    printed in this run, `journal` what systemd logged of it.
    """

    step: str
    code: int
    ran: bool
    unit: dict[str, str]
    words: tuple[str, ...]
    output: tuple[str, ...]
    journal: tuple[str, ...]


@dataclass(frozen=True)
class Failure:
    """Why a release was not proved, what to do, and the evidence."""

    reason: str
    remedy: str
    detail: str


def parse(lines: Iterable[str]) -> Proof:
    """Return the last step in the script's output; lines of other tools are passed over."""
    found: dict[str, list[str]] = {}
    step = ""
    for line in lines:
        word, _, rest = line.rstrip("\n").partition("\t")
        if word == "step":
            step, found = rest, {}  # what a step before this one said is not this one's
        else:
            found.setdefault(word, []).append(rest)
    ended = found.get("ended", [""])[-1]
    return Proof(
        step=step,
        code=int(ended) if ended.isdigit() else 0,
        ran="ran" in found,
        unit=dict(text.split("=", 1) for text in found.get("unit", []) if "=" in text),
        words=tuple(found.get("words", ())),
        output=tuple(found.get("output", ())),
        journal=tuple(found.get("journal", ())),
    )


def failure(proof: Proof, service: str, env_file: str, environment: str) -> Failure:
    """Return why a proof failed, by the words of whoever failed."""
    unit = f"{service}-{proof.step}.service"
    said = _first(proof.words).rstrip(".") or "no word of explanation"
    if not proof.ran:
        return Failure(*_refused(proof, unit, said, environment))
    told = _systemd(proof.journal)
    result = proof.unit.get("Result", "")
    status = proof.unit.get("ExecMainStatus", "")
    if told:
        remedy = f"the journal of {unit} has all of it"
        if "environment files" in told:
            remedy = f"`fab -H {environment} setup --env-file=FILE` puts {env_file} there"
        return Failure(
            f"systemd could not start {unit}: {told}", remedy, shortened([*proof.journal])
        )
    how = f"ended with exit status {status}" if result == "exit-code" else f"ended by {result}"
    if own := ecto.reason(proof.output):
        how += f": {own}"
    what = {
        "createdb": "its own BEAM, started once to create the databases,",
        "dump": "`backup_database`, run as the service user with its environment,",
    }.get(proof.step, "its own BEAM, started once to list the pending migrations,")
    remedy = f"the journal of {unit} has all of it"
    if proof.step == "pending":
        remedy += "; if its databases are yet to be created: --create-databases"
    return Failure(f"{what} {how}", remedy, shortened([*proof.output] or [*proof.journal]))


def shortened(lines: Iterable[str], shown: int = _SHOWN) -> str:
    """Return at most `shown` lines, the first and the last ones, and how many are left out."""
    every = [line for line in lines if line.strip()]
    if len(every) <= shown:
        return "\n".join(every)
    head = shown // 4
    left = len(every) - shown
    return "\n".join([*every[:head], f"… {left} more lines …", *every[len(every) - shown + head :]])


def _refused(proof: Proof, unit: str, said: str, environment: str) -> tuple[str, str, str]:
    detail = shortened(proof.words[1:])
    if said.startswith("sudo:"):
        remedy = f"`fab -H {environment} doctor` asks sudo for each line that a deploy needs"
        return f"sudo refused `systemctl start {unit}`: {said}", remedy, detail
    remedy = f"as root: systemctl status {unit}"
    if proof.unit.get("LoadState") == "masked":
        remedy = f"as root: systemctl unmask {unit}; then `fab -H {environment} setup`"
    elif proof.unit.get("LoadState") == "not-found":
        remedy = f"`fab -H {environment} setup` writes that unit"
    return f"{unit} was not started: {said}", remedy, detail


def _first(lines: Iterable[str]) -> str:
    return next((line.strip() for line in lines if line.strip()), "")


def _systemd(journal: Iterable[str]) -> str:
    """Return systemd's own reason why it could not run the unit's process, "" if it could."""
    lines = list(journal)
    for mark in ("Failed to load", "Failed at step", "Failed to run"):
        for line in lines:
            if mark in line and ".service: " in line:
                return line.partition(".service: ")[2].strip()
    return ""
