"""`okxbot clean`: databases of homes that are gone. Shows them; removes them only when told to."""

from runtime.orphans import find_orphans, remove


def run_clean(*, yes: bool) -> None:
    orphans = find_orphans()
    if not orphans:
        print("nothing to remove")
        return
    removable = [orphan for orphan in orphans if orphan.link is not None]
    for orphan in removable:
        if yes:
            remove(orphan)
        print(f"{'removed' if yes else 'would remove'} {orphan.line}")
    for orphan in orphans:
        if orphan.link is None:
            print(f"left alone: {orphan.line}; remove it by hand if no home of yours needs it")
    if removable and not yes:
        print("`okxbot clean --yes` removes them for good; a home on a disk that is not mounted looks deleted, too")
