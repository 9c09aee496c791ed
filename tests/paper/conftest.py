"""A served exchange for client tests, and a bare engine whose prices the test sets by hand."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from paper.engine.account import Account
from paper.engine.engine import Engine, Result
from paper.engine.quote import Quote
from paper.engine.state import EngineState, Rules
from paper.instruments import CATALOGUE
from paper.launch import ExchangeProcess, launch

BTC = "BTC-USDT-SWAP"


@pytest.fixture(scope="module")
def exchange_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """Lockstep, shared by a module's tests; each trades on from where the last one stopped."""
    data: Path = tmp_path_factory.mktemp("exchange")
    server = launch(data, ["--speed", "lockstep", "--admin", "--warmup-bars", "600"])
    yield server
    server.stop()


@pytest.fixture
def clients(exchange_server: ExchangeProcess) -> Iterator[dict[str, Any]]:
    """python-okx, unchanged: `trade`, `account`, `market`, `public`."""
    from okx.Account import AccountAPI
    from okx.MarketData import MarketAPI
    from okx.PublicData import PublicAPI
    from okx.Trade import TradeAPI

    keys = exchange_server.account
    arguments = {
        "api_key": keys["api_key"],
        "api_secret_key": keys["secret_key"],
        "passphrase": keys["passphrase"],
        "flag": "1",
        "domain": exchange_server.rest_url,
    }
    made = {
        "trade": TradeAPI(**arguments),
        "account": AccountAPI(**arguments),
        "market": MarketAPI(**arguments),
        "public": PublicAPI(**arguments),
    }
    for client in made.values():
        client.timeout = httpx.Timeout(10)
    yield made
    for inst_id in CATALOGUE:
        made["trade"].close_positions(inst_id, "isolated", autoCxl="true")
    for client in made.values():
        client.close()


class Desk:
    """One account on a bare engine; prices move only when the test says so."""

    def __init__(self, rules: Rules, deposit: str = "10000") -> None:
        self.state = EngineState({BTC: CATALOGUE[BTC]}, rules)
        self.engine = Engine(self.state)
        self._step = 0
        self.price("60000")
        self.account: Account = self.engine.create_account("me", Decimal(deposit))

    def price(self, last: str, mark: str | None = None) -> None:
        """Print a trade at `last`; bid = last, ask = last + 0.6, mark and index = last unless given."""
        self._step += 1
        px = Decimal(last)
        marked = Decimal(mark) if mark is not None else px
        quote = Quote(self._step * 1000, px, px, px + Decimal("0.6"), marked, px, self._step)
        self.engine.step({BTC: quote}, self._step * 1000)

    def send(self, command: str, **params: Any) -> Result:
        return self.engine.command("me", command, {"instId": BTC, **params}, self.state.now_ms)

    def place(self, side: str = "buy", sz: str = "1", ord_type: str = "market", **params: Any) -> Result:
        given = {"tdMode": "isolated", "side": side, "ordType": ord_type, "sz": sz, **params}
        return self.send("place", **given)

    def order(self, placed: Result) -> Any:
        return self.account.orders[placed["ordId"]]

    @property
    def held(self) -> Decimal:
        """Signed contracts over both margin modes."""
        return sum((p.contracts for p in self.account.positions.values()), Decimal(0))

    @property
    def books_balance(self) -> bool:
        return self.account.totals.wallet == self.account.cash + self.account.isolated_margin


@pytest.fixture
def desk() -> Desk:
    return Desk(Rules())


@pytest.fixture(scope="session")
def desk_with() -> Any:
    """`desk_with(rule=value, …)` for behaviour OKX leaves open."""
    return lambda deposit="10000", **rules: Desk(Rules(**rules), deposit)
