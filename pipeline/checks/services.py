"""Whether the services answer that the test configuration names: asked before tests start.

Without them a suite fails test by test, or not at all before its time-out, and neither says
anything about the code.
"""

from collections.abc import Mapping
from pathlib import Path

from pipeline.checks.verdicts import Judgement, unknown


def all_answer(app: Path, environ: Mapping[str, str]) -> Judgement | None:
    """Return unknown, naming every service that does not answer; None if all do. A preflight."""
    # The table is imported by every `inv`, what asks services only by who asks them.
    from pipeline.services import named, probes

    services = named.named(app, environ)
    dead = [
        probes.complaint(service, trouble)
        for service, trouble in zip(services, probes.ask_all(services), strict=True)
        if trouble
    ]
    return unknown(f"not tested: {'; '.join(dead)}") if dead else None
