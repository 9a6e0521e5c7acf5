"""The forms in which `inv` and `fab` report."""

import sys


def print_json(value: object) -> None:
    """Print one JSON document for programs, one key a line and without known secrets."""
    import msgspec

    from pipeline import printable, redaction

    text = msgspec.json.encode(redaction.cleaned(msgspec.to_builtins(value)))
    sys.stdout.write(printable.json(msgspec.json.format(text, indent=2).decode()) + "\n")
