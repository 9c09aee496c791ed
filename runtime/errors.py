"""Trouble an operator can mend.

Contract: `OperatorError` carries one line saying what is wrong, where, and what to do. `cli.main.main` prints
that line and exits with status 2; a traceback is only ever shown for a defect of the program itself.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class OperatorError(Exception):
    """One line for the operator: what is wrong, where, and what to do about it."""


_REASONS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EROFS: "the file system is read-only; choose another folder with OKXBOT_HOME",
    errno.EACCES: "no permission; make it yours or choose another folder with OKXBOT_HOME",
    errno.EPERM: "not permitted; make it yours or choose another folder with OKXBOT_HOME",
    errno.ENOTDIR: "a part of this path is a file, not a folder; choose another folder with OKXBOT_HOME",
    errno.ENAMETOOLONG: "the path is too long; choose a shorter one with OKXBOT_HOME",
    errno.ENOENT: "it does not exist and cannot be made",
    errno.EEXIST: "a file is in its place; remove it or choose another folder with OKXBOT_HOME",
    errno.EISDIR: "a folder is in its place; remove it",
}


@contextmanager
def file_trouble(doing: str, path: Path) -> Iterator[None]:
    """Turn an operating system error met while `doing` something with `path` into an `OperatorError`."""
    try:
        yield
    except OSError as trouble:
        reason = _REASONS.get(trouble.errno or 0, trouble.strerror or str(trouble))
        raise OperatorError(f"cannot {doing} {trouble.filename or path}: {reason}") from trouble
