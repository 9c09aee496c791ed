"""A disk that fills up under the exchange: the market goes on, and what was armed stays armed."""

from pathlib import Path

from structlog.testing import capture_logs

from paper.exchange import Exchange
from paper.options import PaperOptions
from tests.paper.test_journal import files_no_larger_than

BTC = "BTC-USDT-SWAP"


def full_exchange(folder: Path) -> Exchange:
    return Exchange(PaperOptions(data=folder, speed="lockstep", warmup_bars=50, seed=1, instruments=(BTC,)))


def test_market_goes_on_and_its_listeners_are_told(tmp_path: Path) -> None:
    exchange = full_exchange(tmp_path)
    told: list[bool] = []
    exchange.on_step = told.append
    # Enough closes to fill the ledger's buffer, so that writing them is tried.
    with capture_logs(), files_no_larger_than(0):
        assert exchange.advance(120) == 120
    assert sum(told) == 120
    assert exchange.advance(1) == 1
    exchange.close()


def test_timer_that_cannot_be_journaled_fires_when_there_is_space(tmp_path: Path) -> None:
    exchange = full_exchange(tmp_path)
    order = {"instId": BTC, "tdMode": "isolated", "side": "buy", "ordType": "limit", "sz": "1", "px": "1000"}
    exchange.command(exchange.uid, "place", order)
    exchange.set_timer(exchange.uid, "", 5)
    with capture_logs(), files_no_larger_than(0):
        exchange.fire_timers(10)
    account = exchange.engine.account(exchange.uid)
    assert len(account.open_orders) == 1
    exchange.fire_timers(11)
    assert len(account.open_orders) == 0
    assert not exchange.timers
    exchange.close()
