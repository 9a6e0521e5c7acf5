"""The forms in which `inv` reports."""

from pipeline.errors import UsageProblem


def require_known(format: str) -> None:
    """Refuse a --format that no report has. Raises UsageProblem."""
    if format not in ("text", "json"):
        raise UsageProblem(f"--format {format!r} is not known", remedy="use text or json")
