"""Watching one host's activation from here: a thread that reads, a state that others ask."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec
from tenacity import Retrying, retry_if_exception_type, wait_fixed

from pipeline.errors import Locked, Problem, RolledBack, Unreachable
from pipeline.release import activation as activations
from pipeline.release import health, shell
from pipeline.release.activation import TERMINAL, Activation
from pipeline.release.fleet import LOST, NO_ROOM, TAKEN, Fleet, Member, change, lost
from pipeline.release.health import Look
from pipeline.remote import connection as connections
from pipeline.remote import execute

_KEPT_LOOKS = 2000
_CODES = (0, 1, TAKEN, LOST, NO_ROOM)
"""What the scripts end with that launch and watch; anything else is a shell that failed."""
_RECOVERY = 600
"""Seconds for the release before to stop, start and answer."""
_SILENCE = 40
"""Seconds without a line after which the connection counts as lost; watch.sh speaks every 10."""


@dataclass(frozen=True)
class Progress:
    """What is known of the activation; phases come with the host's time in 1/100 s."""

    phases: tuple[tuple[str, int], ...] = ()
    looks: tuple[Look, ...] = ()
    before: str = ""
    reason: str = ""
    """Why the server rolls back, in its words."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Other lines of the journal, by their first word."""
    removed: tuple[str, ...] = ()
    """What the clean-up after a kept release has removed."""
    error: Problem | None = None

    @property
    def phase(self) -> str:
        """The newest phase, empty before the first."""
        return self.phases[-1][0] if self.phases else ""

    @property
    def not_begun(self) -> bool:
        """The host refused it before anything was touched there."""
        return isinstance(self.error, (Locked, RolledBack)) and not self.phases

    @property
    def ended(self) -> bool:
        """Nothing more will come: a terminal phase, or an error of ours."""
        return self.phase in TERMINAL or self.error is not None

    def at(self, phase: str) -> int | None:
        """Return when `phase` began, or None."""
        return next((at for name, at in self.phases if name == phase), None)

    def with_line(self, line: str) -> "Progress":
        """Return the progress after one more line of the watch script."""
        word, _, rest = line.partition("\t")
        if word == "phase" and "\t" in rest:
            name, at = rest.split("\t", 1)
            if at.isdigit() and (name, int(at)) not in self.phases:
                return replace(self, phases=(*self.phases, (name, int(at))))
        elif word == "before":
            return replace(self, before=rest)
        elif word == "reason":
            return replace(self, reason=_text(rest))
        elif word in ("after", "front", "unproven", "trouble", "watching", "migrated"):
            return replace(self, notes={**self.notes, word: rest})
        elif word == "removed":
            return replace(self, removed=(*self.removed, rest))
        elif word == "seen":
            try:
                look = health.parse(line)
            except ValueError:
                # Half a line, of a connection that broke; the next look comes in 0.1 s.
                return self
            return replace(self, looks=(*self.looks, look)[-_KEPT_LOOKS:])
        return self


@dataclass
class Watch:
    """Follows the activation on one host in a thread, until it ends.

    `script` is run there first: what launches the activation, or what only watches it, and what
    is to be done once it is kept. `news` is set whenever something has been heard.
    """

    fleet: Fleet
    member: Member
    activation: Activation
    script: str
    news: threading.Event
    complaint: str = ""
    """What the script wrote to its standard error."""
    heard: float = 0.0
    """When its last line came, on this machine's clock."""
    _input: execute.Input = field(default_factory=execute.Input)
    _progress: Progress = field(default_factory=Progress)
    _thread: threading.Thread | None = None

    @property
    def progress(self) -> Progress:
        """The newest state; frozen, so it may be read from any thread."""
        return self._progress

    def start(self) -> None:
        """Run the script on the host and begin to watch."""
        self._thread = threading.Thread(
            target=self._follow, name=f"watch {self.member}", daemon=True
        )
        self._thread.start()

    def tell(self, verdict: str) -> None:
        """Give the activation its verdict, over a new connection if this one has dropped."""
        self._input.send(f"{verdict}\n#{self.activation.id}\n".encode())

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end, at most `timeout` seconds; tell whether it has come."""
        if self._thread is not None:
            self._thread.join(timeout)
            return not self._thread.is_alive()
        return True

    def _follow(self) -> None:
        try:
            self._run_and_read()
        except Problem as problem:
            self._progress = replace(self._progress, error=problem)
        self.news.set()

    def _run_and_read(self) -> None:
        fleet, member = self.fleet, self.member
        environment, layout = fleet.environment, fleet.layout
        script = self.script
        again = activations.watch(layout, environment, self.activation.id)
        patience = activations.verdict_seconds(environment, len(fleet.members)) * 2
        silence = max(_SILENCE, 2 * environment.health.timeout + 20)
        self.heard = time.monotonic()
        for attempt in Retrying(
            # Not from the beginning: a migration may have taken long.
            stop=lambda _: time.monotonic() - self.heard > patience,
            wait=wait_fixed(1),
            retry=retry_if_exception_type(Unreachable),
            reraise=True,
        ):
            with attempt:
                if attempt.retry_state.attempt_number > 1:
                    # The line dropped. The server goes on by itself; look at it again.
                    member.connection.close()
                    connections.open_connection(member.connection, environment, member.host)
                    script = again
                output = execute.sh(
                    member.connection,
                    script,
                    stdin=self._input,
                    on_line=self._read,
                    timeout=silence,
                )
                if output.code not in _CODES:
                    said = output.err.strip().splitlines() or ["no word why"]
                    raise Unreachable(
                        f"{member}: the activation could not be watched there (exit "
                        f"{output.code}): {said[-1]}"
                    )
        self.complaint = output.err
        if output.code == LOST and not self._progress.phases:
            raise lost(str(member), environment.name)
        if output.code == NO_ROOM and not self._progress.phases:
            raise RolledBack(
                f"{member}: the activation could not be put in place; nothing was stopped there",
                remedy="is the disk full? `fab doctor` looks",
                detail=output.err,
            )
        if output.code == TAKEN and output.err.startswith("sudo:"):
            raise RolledBack(
                f"{member}: the activation could not be started, and nothing was stopped there: "
                f"sudo refused: {output.err.strip()}",
                remedy=f"`fab -H {environment.name} doctor` asks sudo for each line that a deploy "
                "needs",
            )
        if output.code == TAKEN and not self._progress.phases:
            raise Locked(
                f"{member}: the activation could not be started: {output.err.strip()}",
                remedy="another one is running there, or sudo does not allow it: "
                f"`fab -H {environment.name} doctor` asks it",
            )
        if not self._progress.phases:
            raise RolledBack(
                f"{member}: the activation did not begin; nothing was stopped there",
                remedy=f"`fab -H {environment.name} doctor` looks at what it needs",
                detail=output.err,
            )
        if not self._progress.ended:
            self._recover(again)
        if not self._progress.ended:
            raise Problem(
                f"{member}: the activation vanished in phase {self._progress.phase or 'none'}",
                remedy="look at `status`; the next deploy or rollback puts it right first",
                detail="\n".join(filter(None, [output.err, self.complaint])),
            )

    def _recover(self, again: str) -> None:
        """End what an activation that was killed has left open, and read how that went."""
        layout = self.fleet.layout
        script = shell.render("recover", BASE=str(layout.base), SERVICE=layout.service)
        try:
            ended = change(self.fleet, self.member, script, timeout=_RECOVERY)
        except Locked:  # since the line dropped; whoever holds it now does the same first
            return
        if ended.code == 0:
            execute.sh(self.member.connection, again, on_line=self._read)
        self.complaint = ended.err

    def _read(self, line: str) -> None:
        self.heard = time.monotonic()
        self._progress = self._progress.with_line(line)
        self.news.set()


def _text(text: str) -> str:
    """Return what a JSON string says, or the text itself where it is none."""
    try:
        return msgspec.json.decode(text, type=str)
    except msgspec.DecodeError:
        return text
