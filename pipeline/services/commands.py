"""`inv services.up / down / status`: text or JSON out, an exit code back."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from pipeline import printable
from pipeline.errors import ExitCode, Problem
from pipeline.formats import print_json
from pipeline.services import compose, docker, probes
from pipeline.services.named import DOCUMENTED, Service, named
from pipeline.services.probes import Fault, Trouble

ANSWER = 30.0
"""Seconds for a service to answer from outside of a container whose health check has passed."""

_PAUSE = 0.2


@dataclass(frozen=True)
class State:
    """One service and what is wrong with it; None: it answers."""

    service: Service
    trouble: Trouble | None


def look(app: Path, environ: Mapping[str, str]) -> list[State]:
    """Return the state of what the application names, or of the documented two if it names none."""
    services = named(app, environ) or list(DOCUMENTED)
    return [*map(State, services, probes.ask_all(services))]


def status(app: Path, environ: Mapping[str, str], *, format: str) -> int:
    """Print which services answer; 1 if one does not. Starts nothing and does not ask docker."""
    states = look(app, environ)
    _report(states, format, [])
    return ExitCode.CHECK_FAILED if any(state.trouble for state in states) else ExitCode.DONE


def up(app: Path, environ: Mapping[str, str], *, format: str) -> int:
    """Start what does not answer, and wait until it does. What answers already is left alone.

    Raises Problem, before anything is started or with the last words of what was.
    """
    states = look(app, environ)
    missing = [state.service for state in states if state.trouble]
    if missing:
        _require_startable(states)
        project = docker.project(app, environ)
        # All are in the file, so that a service has the same name in every call.
        local = [state.service for state in states if state.service.is_local]
        called = compose.names(local)
        names = [called[service] for service in missing]
        sys.stderr.write(f"starting {', '.join(names)} ({project.name})\n")
        project.up(compose.compose_file(local), compose.secrets(local), *names)
        for service in missing:
            trouble = wait_for(service, ANSWER)
            if trouble:
                raise Problem(
                    f"{service.kind} was started and does not answer at {service.address}: "
                    f"{trouble.text}",
                    remedy="inv services.down, then up again",
                    detail=project.last_words(called[service]),
                )
        states = [State(state.service, None) for state in states]
    _report(states, format, missing)
    return ExitCode.DONE


def down(app: Path, environ: Mapping[str, str], *, format: str) -> int:
    """Remove the containers that `up` has started, with their data; nothing else is stopped."""
    project = docker.project(app, environ)
    had = project.containers()
    if had:
        project.down()
    if format == "json":
        print_json({"project": project.name, "removed": len(had)})
        return ExitCode.DONE
    removed = f"removed {len(had)} containers" if had else "nothing to remove"
    sys.stdout.write(f"{removed} ({project.name})\n")
    for state in look(app, environ):
        if not state.trouble:
            text = f"{state.service.kind} {probes.answering(state.service)}: it is not ours"
            sys.stdout.write(f"{text}\n")
    return ExitCode.DONE


def wait_for(service: Service, seconds: float) -> Trouble | None:
    """Ask until the service answers, for that many seconds; return the last trouble, or None."""
    asking = Retrying(
        retry=retry_if_result(lambda trouble: trouble is not None),
        stop=stop_after_delay(seconds),
        wait=wait_fixed(_PAUSE),
        retry_error_callback=lambda state: state.outcome and state.outcome.result(),
    )
    found: Trouble | None = asking(probes.ask, service)
    return found


def _require_startable(states: Sequence[State]) -> None:
    """Raise Problem if something that does not answer cannot be started here."""
    for state in states:
        service, trouble = state.service, state.trouble
        if trouble is None:
            continue
        what = f"{service.kind} at {service.address} ({service.named_in}): {trouble.text}"
        if not service.is_local:
            raise Problem(what, remedy="nothing was started: it is not on this machine")
        if trouble.fault is not Fault.CLOSED:
            remedy = "nothing was started: its port is taken; see to what listens there"
            raise Problem(what, remedy=remedy)


def _report(states: Sequence[State], format: str, started: Sequence[Service]) -> None:
    if format == "json":
        content = [
            {
                "service": state.service.kind,
                "address": state.service.address,
                "named_in": state.service.named_in,
                "answers": state.trouble is None,
                "started": state.service in started,
                "fault": state.trouble.fault if state.trouble else None,
                "reason": state.trouble.text if state.trouble else "",
            }
            for state in states
        ]
        print_json(content)
        return
    for state in states:
        service = state.service
        line = (
            probes.complaint(service, state.trouble)
            if state.trouble
            else f"{service.kind} {probes.answering(service)}"
        )
        told = "started" if service in started else "dead" if state.trouble else "ok"
        sys.stdout.write(f"{told:<7} {printable.line(line)}\n")
