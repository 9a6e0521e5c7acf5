"""The forms in which `inv` and `fab` report."""

import sys

from pipeline.errors import UsageProblem


def require_known(format: str) -> None:
    """Refuse a --format that no report has. Raises UsageProblem."""
    if format not in ("text", "json"):
        raise UsageProblem(f"--format {format!r} is not known", remedy="use text or json")


def print_json(value: object) -> None:
    """Print one JSON document for programs, one key a line and without known secrets."""
    import msgspec

    from pipeline import redaction

    text = msgspec.json.encode(redaction.cleaned(msgspec.to_builtins(value)))
    sys.stdout.write(msgspec.json.format(text, indent=2).decode() + "\n")
