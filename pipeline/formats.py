"""The forms in which `inv` and `fab` report."""

import sys


def print_json(value: object) -> None:
    """Print one JSON document for programs, one key a line and without known secrets."""
    import msgspec

    from pipeline import printable, redaction

    text = as_json(redaction.cleaned(msgspec.to_builtins(value)))
    sys.stdout.write(printable.json(text) + "\n")


def as_json(value: object) -> str:
    """Return a JSON document, one key a line."""
    import msgspec

    try:
        return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    except UnicodeEncodeError:  # a name that is not UTF-8
        import json

        return json.dumps(msgspec.to_builtins(value), indent=2)
