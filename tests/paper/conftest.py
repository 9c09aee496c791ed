"""A served paper exchange in lockstep, shared by the tests of one module; each test trades on from where the last stopped."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from paper.launch import ExchangeProcess, launch


@pytest.fixture(scope="module")
def exchange_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """`.rest_url`, `.ws_url`, `.account`, `.advance(n)`, `.get(path)`, `.post(path, body)`."""
    data: Path = tmp_path_factory.mktemp("exchange")
    server = launch(data, ["--speed", "lockstep", "--admin", "--warmup-bars", "600"])
    yield server
    server.stop()
