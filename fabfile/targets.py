"""From -H names to hosts of hosts.toml; makes it impossible to run a remote task locally.

Without -H, stock Fabric hands a task a plain Context, whose `run` works on the operator's own
machine. Our tasks never see a Context: they get a Target, and connect themselves.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fabric import task
from fabric.executor import Executor

from pipeline import redaction
from pipeline.errors import speaking


class FleetExecutor(Executor):  # type: ignore[misc]  # fabric has no types
    """One call per task, whatever the number of -H names; the task works on all of them."""

    def normalize_hosts(self, hosts: Any) -> list[dict[str, str]]:
        """Return the names as one, for `on_target` to take apart."""
        names = [host if isinstance(host, str) else host["host"] for host in hosts or ()]
        return [{"host": ",".join(names)}] if names else []


def hosts_file(variables: Mapping[str, str]) -> Path:
    """Return the hosts.toml that commands read."""
    from pipeline import settings

    return Path(variables.get("QUSTO_HOSTS") or settings.PROJECT / "hosts.toml")


def on_target(**helps: str) -> Callable[[Callable[..., None]], Any]:
    """Make a task whose first argument is the Target that -H names; `helps` explain its options."""

    def decorate(body: Callable[..., None]) -> Any:
        @functools.wraps(body)
        def wrapper(context: Any, *args: Any, **kwargs: Any) -> None:
            from pipeline import settings
            from pipeline.remote import inventory

            named = str(getattr(context, "original_host", "") or "")
            names = [name.strip() for name in named.split(",") if name.strip()]
            variables = settings.environment()
            target = inventory.resolve(names, hosts_file(variables), variables)
            redaction.learn([target.environment.key, target.environment.key_passphrase])
            redaction.allow(inventory.public_texts(target.environment))
            from pipeline.remote import translation

            with translation.boundary(target.environment.name):
                body(target, *args, **kwargs)

        wrapped: Any = speaking(wrapper)
        wrapped.__signature__ = inspect.signature(body)
        return task(wrapped, help=helps, auto_shortflags=False)

    return decorate
