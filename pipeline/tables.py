"""Tables for people, as `fab` and the `inv github.…` tasks print them."""

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Any

from pipeline import printable

if TYPE_CHECKING:
    from rich.console import Console


def console(*, to_stderr: bool = False) -> "Console":
    """Return a console that folds nothing where the output is not a terminal."""
    from rich.console import Console

    found = Console(stderr=to_stderr)
    return found if found.is_terminal else Console(stderr=to_stderr, width=200)


def show(
    heads: Sequence[str], rows: Sequence[Sequence[Any]], nothing: str, whole: Container[str] = ()
) -> None:
    """Print the rows, or `nothing` where there are none; columns in `whole` are never folded."""
    from rich.table import Table
    from rich.text import Text

    out = console()
    if not rows:
        out.print(nothing)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(head, no_wrap=head in whole, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable.line(str(cell))) for cell in row))
    out.print(table)
