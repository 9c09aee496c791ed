"""An exchange of its own for each client: market time stands still until the test plays a bar."""

from collections.abc import Iterator

import pytest

from paper.launch import ExchangeProcess, launch


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    process = launch(tmp_path_factory.mktemp("exchange"), ["--speed", "lockstep", "--admin", "--warmup-bars", "400"])
    yield process
    assert "Traceback" not in (process.data / "exchange.err").read_text()
    assert '"request_failed"' not in (process.data / "exchange.log").read_text()
    process.stop()
