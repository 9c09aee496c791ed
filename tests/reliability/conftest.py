"""The lean bot for a module: durable PostgreSQL, Redis and a paper exchange of its own, because they are killed."""

from collections.abc import Iterator

import pytest

from soak.lean import LeanStack, lean_stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeanStack]:
    folder = tmp_path_factory.mktemp("lean")
    folder.chmod(0o755)
    with lean_stack(folder / "stack") as made:
        yield made
