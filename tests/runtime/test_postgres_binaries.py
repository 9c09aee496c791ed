"""Root's checkout may lie where nobody else may enter: PostgreSQL's programs are copied and run from the copy."""

import os
from pathlib import Path

import pytest

from runtime import postgres_binaries
from runtime.unprivileged import others_may_enter, unprivileged_user


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user runs PostgreSQL as himself, from where it is")
def test_copied_programs_run_as_the_unprivileged_user() -> None:
    installation = postgres_binaries.wheel_installation()
    assert installation is not None
    copy = postgres_binaries._copied(installation)
    assert others_may_enter(copy / "bin")
    assert "PostgreSQL" in (postgres_binaries.version_of(copy / "bin", unprivileged_user()) or "")
    # A second start copies nothing.
    before = copy.stat().st_ino
    assert postgres_binaries._copied(installation).stat().st_ino == before


def test_folder_below_a_private_one_cannot_be_entered(tmp_path: Path) -> None:
    inner = tmp_path / "private" / "inner"
    inner.mkdir(parents=True)
    inner.parent.chmod(0o700)
    assert not others_may_enter(inner)
