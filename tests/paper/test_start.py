"""Starting and ending the process: what belongs to one folder, one port, one market."""

import socket
from pathlib import Path

import pytest

from paper.launch import ExchangeDied, launch

FAST = ["--speed", "lockstep", "--warmup-bars", "30", "--instruments", "BTC-USDT-SWAP"]


def test_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ExchangeDied, match=f"exit 2: exchange: port {port}"):
            launch(tmp_path / "x", FAST, port=port)


def test_folder_serves_one_process_and_one_market(tmp_path: Path) -> None:
    server = launch(tmp_path / "x", FAST)
    try:
        with pytest.raises(ExchangeDied, match="another exchange is running"):
            launch(tmp_path / "x", FAST)
    finally:
        assert server.stop() == 0
    with pytest.raises(ExchangeDied, match="holds another market"):
        launch(tmp_path / "x", [*FAST, "--seed", "2"])


def test_file_in_the_way_of_the_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "ledger.jsonl").mkdir()
    with pytest.raises(ExchangeDied, match=r"exit 2: exchange: .*cannot be used"):
        launch(tmp_path / "x", FAST)
