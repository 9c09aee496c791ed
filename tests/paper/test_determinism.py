"""The same seed and the same script of requests leave the same ledger, to the last identifier."""

from typing import Any

from tests.paper.in_process import BTC, Client

WALL = ("wall_us", "reply_wall_us")


def script(client: Client) -> list[dict[str, Any]]:
    """Trades a little of everything over some hours; returns the ledger without wall times."""
    order = {"instId": BTC, "tdMode": "isolated", "side": "buy", "sz": "1"}
    client.send("POST", "account/set-leverage", {"instId": BTC, "mgnMode": "isolated", "lever": "5"})
    for number in range(12):
        client.place(sz=str(1 + number % 3), side="sell" if number % 4 == 3 else "buy", clOrdId=f"m{number}")
        limit = {**order, "ordType": "limit", "px": client.away(0.999), "clOrdId": f"l{number}"}
        client.send("POST", "trade/batch-orders", [limit, {**limit, "sz": "0", "clOrdId": f"bad{number}"}])
        trailing = {
            **order,
            "side": "sell",
            "ordType": "move_order_stop",
            "callbackRatio": "0.004",
            "reduceOnly": "true",
        }
        client.send("POST", "trade/order-algo", {**trailing, "algoClOrdId": f"t{number}"})
        client.send("POST", "trade/order-precheck", {**order, "ordType": "market"})
        client.send("POST", "trade/amend-order", {"instId": BTC, "clOrdId": f"l{number}", "newSz": "2"})
        client.exchange.advance(5)
    client.send("POST", "trade/close-position", {"instId": BTC, "mgnMode": "isolated", "autoCxl": True})
    entries = client.exchange.ledger.select(kind="", cl_ord_id="", after=0, limit=5000)
    return [{key: value for key, value in entry.items() if key not in WALL} for entry in entries]


def without_stamps(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Reads are asked at wall times of their own; what they were is compared, not when."""
    return [entry for entry in entries if entry["kind"] in ("request", "bar_close")]


def test_same_seed_and_script_leave_the_same_ledger() -> None:
    one, two = Client(), Client()
    first, second = without_stamps(script(one)), without_stamps(script(two))
    assert len(first) > 100
    assert first == second
    assert one.exchange.engine.state.accounts == two.exchange.engine.state.accounts
    assert len(next(iter(one.exchange.engine.state.accounts.values())).fills) > 20


def test_another_seed_leaves_another_ledger() -> None:
    assert without_stamps(script(Client(seed=1))) != without_stamps(script(Client(seed=2)))
