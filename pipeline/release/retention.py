"""Which releases and backups a clean-up removes. Order is by name; names are times."""

from collections.abc import Collection, Iterable

from pipeline.release import naming


def doomed(
    names: Iterable[str], *, keep: int, protected: Collection[str], failed: Collection[str] = ()
) -> list[str]:
    """Return the names to remove, oldest first.

    The newest `keep` good ones stay, and every `protected` one (the serving release, its
    predecessor). Failed ones do not push good ones out (capistrano#1885): the newest `keep` of
    them stay as evidence. What is not the name of a release is never touched.
    """
    ordered = sorted({name for name in names if naming.is_name(name)})
    good = [name for name in ordered if name not in failed]
    bad = [name for name in ordered if name in failed]
    staying = {*good[-keep:], *bad[-keep:], *protected}
    return [name for name in ordered if name not in staying]
