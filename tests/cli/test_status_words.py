"""The status as plain lines: the words of the live view, nothing raw, and what needs a person named."""

from typing import Any

from cli.status_data import _too_old
from cli.status_view import plain_lines
from settings import PaperSettings

STATUS: dict[str, Any] = {
    "state": "running", "mode": "paper", "analyst": "rules", "now": "2026-01-05T10:00:00Z", "speed": 60,
    "equity": 9999.303315995, "day_pnl": -0.696684005, "drawdown": 0.007, "cycles_total": 3,
    "orders_by_state": {"filled": 2, "unknown": 1}, "screener_pass_rate": None, "halt_reason": None,
    "reconciled_at": "2026-01-05T10:00:00Z", "reconciled_age_s": 190.0, "clock_skew_s": 0.004, "naked_seconds": 1.25,
    "entries_blocked": None, "unsupervised": [], "breaks": [], "disk_free_mb": 9000, "feed_age_s": {"ticker": 0.31},
    "too_old": [],
    "positions": [{"instrument": "BTC-USDT-SWAP", "side": "long", "contracts": 1.0, "avg_price": 90000.5,
                   "mark_price": 90010.0, "upl": 0.123456, "stop": None, "take_profit": 91000.0, "strategy": None}],
    "last_cycles": [{"id": 7, "slot": "2026-01-05T09:55:00Z", "instrument": "BTC-USDT-SWAP", "action": None,
                     "stage": "analyze", "outcome": None, "reason": None}],
    "services": {"beat": "RUNNING", "trade": "BACKOFF"}, "urls": {"exchange": "http://127.0.0.1:1"},
}  # fmt: skip


def test_plain_status_is_as_careful_as_the_view() -> None:
    assert plain_lines(STATUS) == [
        "RUNNING   paper trading · built-in rules decide (no model) · market time 2026-01-05 10:00 UTC at 60×",
        "equity 9,999.30 USDT   today -0.70   drawdown 0.01 %   cycles 3   orders 1 unknown, 2 filled",
        "reconciled 3 min ago   without a stop 1.2 s in all   clock skew 0.00 s",
        "position BTC-USDT-SWAP long 1.0 at 90,000.5   mark 90,010.0   unrealised +0.12   stop placing…   "
        "target 91,000.0",
        "cycle 7  2026-01-05 09:55 UTC  BTC-USDT-SWAP  … analyze",
        "services 1 of 2 running  trade backoff",
        "feed age ticker 0.3s",
        "exchange http://127.0.0.1:1",
    ]


def test_plain_status_of_a_start_says_unknown() -> None:
    nothing = dict.fromkeys(("now", "equity", "day_pnl", "drawdown", "reconciled_at", "reconciled_age_s"))
    text = "\n".join(plain_lines(STATUS | nothing | {"positions": [], "last_cycles": [], "clock_skew_s": None}))
    assert "None" not in text
    assert "equity unknown" in text


def test_what_is_too_old_for_an_entry_is_named_with_its_limit() -> None:
    ages = {"account": 1.0, "book": 39.8, "candle": 30.0, "funding": 180.5, "ticker": 10.0}
    old = _too_old(ages, PaperSettings())
    assert old == ["book 39.8 s old (10 s allowed)", "funding 180.5 s old (180 s allowed)",
                   "open_interest has not come yet"]  # fmt: skip
    lines = plain_lines(STATUS | {"too_old": old})
    assert f"no entries on old data: {', '.join(old)}" in lines
    assert not any("old data" in line for line in plain_lines(STATUS | {"too_old": old, "state": "halted"}))
    assert _too_old({}, PaperSettings()) == []


def test_what_needs_a_person_has_a_line_of_its_own() -> None:
    lines = plain_lines(
        STATUS | {"halt_reason": "manual: x", "entries_blocked": "I10 data_is_fresh: old", "unsupervised": ["trade"]}
    )
    (alone,) = [
        line for line in lines if line.startswith("UNSUPERVISED: no supervisor answers though services live (trade)")
    ]
    assert "`okxbot up`" in alone
    assert "HALTED: manual: x   (`okxbot resume` lets it trade again)" in lines
    assert "no entries: I10 data_is_fresh: old" in lines
