"""A user for programs that refuse to run as root (PostgreSQL), and folders that user may enter.

Contract: `unprivileged_user()` is None for an ordinary user, who runs everything as himself. For root it is
`nobody`; files of that user live under `shared_state_folder()`, because `nobody` may not enter root's home.
"""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.errors import OperatorError

STATE_FOLDERS = (Path("/var/lib/okxbot"), Path("/var/tmp/okxbot-root"))


@dataclass(frozen=True)
class SystemUser:
    name: str
    uid: int
    gid: int


def unprivileged_user() -> SystemUser | None:
    if os.getuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise OperatorError(
            "PostgreSQL does not run as root and this machine has no user `nobody`; start as an ordinary user"
        ) from None
    return SystemUser("nobody", entry.pw_uid, entry.pw_gid)


def others_may_enter(folder: Path) -> bool:
    """Whether a user who owns nothing here may enter `folder` and every folder above it."""
    folder = folder.resolve()
    for part in (folder, *folder.parents):
        try:
            if not part.stat().st_mode & stat.S_IXOTH:
                return False
        except OSError:
            return False
    return True


def shared_state_folder() -> Path:
    """A folder owned by root that everybody may enter and only root may change."""
    for folder in STATE_FOLDERS:
        try:
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            found = folder.lstat()
        except OSError:
            continue
        # In a world-writable place somebody else may have put it there first.
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
            folder.chmod(0o755)
            return folder
    places = " or ".join(str(folder) for folder in STATE_FOLDERS)
    raise OperatorError(f"root needs a folder for the database at {places}, and neither can be made")


def give_to(user: SystemUser | None, path: Path) -> None:
    if user is not None:
        os.chown(path, user.uid, user.gid)


def spawn_options(user: SystemUser | None) -> dict[str, Any]:
    """Arguments of `subprocess.Popen` that start a program as `user`."""
    if user is None:
        return {}
    return {"user": user.uid, "group": user.gid, "extra_groups": [], "cwd": "/"}
