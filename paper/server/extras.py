"""`/paper/…`: what the exchange tells about itself, beyond OKX's interface."""

from collections.abc import Mapping
from typing import Any

from paper.engine.params import word
from paper.errors import bad_parameter
from paper.exchange import Exchange
from paper.numbers import text
from paper.numbers import whole as parse_whole
from paper.switches import SWITCHES


def info(exchange: Exchange, bars: list[str]) -> dict[str, Any]:
    """Which market is played, and which of its channels are made up."""
    options, market = exchange.options, exchange.market
    return {
        "market": market.source.kind,
        "files": options.market.split(",") if market.source.kind == "files" else [],
        "synthesised": list(market.source.synthesised),
        "instruments": list(market.instruments),
        "seed": options.seed,
        "speed": options.speed,
        "base_bar_ms": market.bar_ms,
        "decision_bar": options.decision_bar,
        "steps_per_bar": market.steps,
        "bars": bars,
        "history_from_ms": market.t0_ms,
        "market_start_ms": market.step_end_ms(market.start_played - 1),
        "market_ms": exchange.now_ms(),
        "path": "open, nearer extreme, other extreme, close; seeded noise between",
        "switches": {name: options.switch(name) for name in SWITCHES},
        "uid": exchange.uid,
        "admin": options.admin,
        "data": str(options.data) if options.data is not None else "",
    }


def audit(exchange: Exchange) -> dict[str, Any]:
    """Per account: orders accepted per client id, and how well positions were covered by stops."""
    found = {}
    for uid, account in exchange.engine.state.accounts.items():
        coverage = account.coverage
        naked_ms = coverage.uncovered_ms + sum(exchange.now_ms() - since for since in coverage.naked_since.values())
        totals = account.totals
        found[uid] = {
            "accepted": account.accepted,
            "accepted_more_than_once": sorted(k for k, n in account.accepted.items() if n > 1),
            "orders": len(account.orders),
            "fills": len(account.fills),
            "bars_checked": coverage.bars_checked,
            "uncovered_bars": coverage.uncovered_bars,
            "uncovered_seconds": naked_ms / 1000,
            "uncovered": [{"market_ms": at, "instId": name} for at, name in coverage.uncovered[-100:]],
            "cash": text(account.cash),
            "isolated_margin": text(account.isolated_margin),
            "deposits": text(totals.deposits),
            "pnl": text(totals.pnl),
            "fees": text(totals.fees),
            "funding": text(totals.funding),
            "insurance": text(totals.insurance),
            "identity_holds": totals.wallet == account.cash + account.isolated_margin,
        }
    return {"accounts": found}


def ledger(exchange: Exchange, query: Mapping[str, object]) -> dict[str, Any]:
    """Entries by `kind`, `clOrdId`, `path`, `account`, `after` (entry number), newest `limit`."""

    def whole(name: str, default: int) -> int:
        value = word(query, name)
        try:
            return max(0, parse_whole(value)) if value else default
        except ValueError:
            raise bad_parameter(name) from None

    entries = exchange.ledger.select(
        word(query, "kind"), word(query, "clOrdId"), whole("after", 0), min(20000, whole("limit", 1000)),
        path=word(query, "path"), account=word(query, "account"),
    )  # fmt: skip
    return {"entries": entries}
