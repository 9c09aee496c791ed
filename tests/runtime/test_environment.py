"""Ports and connections: what services are told, and what is kept from them."""

import socket
from pathlib import Path

import pytest

from runtime.environment import Plan, plan_ports, service_environment
from runtime.errors import OperatorError
from runtime.home import Home
from runtime.ports import choose_port, free_port, is_free
from runtime.services import WORKERS, services_for
from runtime.supervision import configuration
from settings import AnySettings, load_settings


def plan(folder: Path, **environment: str) -> Plan:
    settings: AnySettings = load_settings({"OKXBOT_HOME": str(folder), **environment}, dotenv=False)
    home = Home(folder)
    home.prepare()
    return Plan(settings, home, plan_ports(settings, home), home.secrets())


def test_ports_stay_the_same_from_start_to_start(tmp_path: Path) -> None:
    assert plan(tmp_path).ports == plan(tmp_path).ports


def test_taken_port_is_avoided_unless_demanded() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        assert not is_free(taken)
        assert choose_port("redis", taken, setting="REDIS_PORT") != taken
        with pytest.raises(OperatorError, match=rf"port {taken} \(REDIS_PORT\)"):
            choose_port("redis", 6379, demanded=taken, setting="REDIS_PORT")


def test_promised_port_is_not_given_twice() -> None:
    first = free_port()
    assert choose_port("redis", first, promised=[first], setting="REDIS_PORT") > first


def test_service_environment_names_every_connection(tmp_path: Path) -> None:
    found = plan(tmp_path)
    environment = service_environment(found)
    assert environment["DATABASE_URL"].startswith("postgresql+psycopg2://okxbot_bot:")
    assert environment["REDIS_URL"].endswith("/0")
    assert environment["CELERY_BROKER_URL"].endswith("/1")
    assert environment["OKX_WS_URL"] == f"ws://127.0.0.1:{found.ports['exchange']}"
    # What a service is told must be settings it accepts.
    assert load_settings({k: v for k, v in environment.items() if k != "PATH"}, dotenv=False).redis_url is not None


def test_candle_files_reach_the_exchange_as_absolute_paths(tmp_path: Path) -> None:
    found = plan(tmp_path, PAPER_MARKET="BTC-USDT-SWAP=a.csv,ETH-USDT-SWAP=b.csv.gz")
    assert found.market == f"BTC-USDT-SWAP={Path.cwd()}/a.csv,ETH-USDT-SWAP={Path.cwd()}/b.csv.gz"
    exchange = next(service for service in services_for(found) if service.name == "exchange")
    assert found.market in exchange.argv
    assert "--instruments" not in exchange.argv


def test_external_servers_and_demo_start_neither_servers_nor_exchange(tmp_path: Path) -> None:
    found = plan(
        tmp_path, TRADING_MODE="demo", INFRASTRUCTURE="external", DATABASE_URL="postgresql://u:p@h/d",
        REDIS_URL="redis://h/0", OKX_API_KEY="k", OKX_SECRET_KEY="s", OKX_PASSPHRASE="p",
    )  # fmt: skip
    names = {service.name for service in services_for(found)}
    assert not names & {"postgres", "redis", "exchange", "pacer", "telegram"}
    assert set(WORKERS) <= names
    assert "PAPER_ACCOUNT_FILE" not in service_environment(found)


def test_workers_are_given_longer_than_their_longest_stage(tmp_path: Path) -> None:
    found = plan(tmp_path)
    table = {service.name: service for service in services_for(found)}
    assert table["opus"].stop_timeout > found.settings.opus_budget_s
    assert table["haiku"].stop_timeout > found.settings.haiku_budget_s
    assert table["perplexity"].stop_timeout > found.settings.perplexity_budget_s
    # What opens cycles stops first, the servers last.
    assert table["beat"].stop_phase < table["trade"].stop_phase < table["exchange"].stop_phase
    assert table["exchange"].stop_phase < table["postgres"].stop_phase


@pytest.mark.parametrize("character", ['"', "'", ";", "#", "\\", "\n"])
def test_path_the_supervisor_cannot_be_given_is_refused(tmp_path: Path, character: str) -> None:
    found = plan(tmp_path)
    with pytest.raises(OperatorError, match="must not contain"):
        configuration(Home(tmp_path / f"a{character}b"), services_for(found))
