"""A random schedule: what is traded and what is broken, when. Drawn from a seed alone; the same seed, the same steps.

Nothing here acts. `at_s` are wall seconds from the schedule's start; a schedule disturbs for a few seconds and is
followed by calm, until everything has converged.
"""

import random
from dataclasses import dataclass, field
from typing import Any

INSTRUMENTS = ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP")
LASTS_S = 3.0
TRADES = (3, 7)
DISTURBANCES = (2, 5)

SERVICES = ("trade", "protect", "account", "orchestrator", "account-feed", "market-feed", "beat")
PLACING = ("/trade/order$", "/trade/order-algo$", "/trade/close-position$", "/trade/cancel-algos$", "/trade/")
READING = ("/trade/order$", "/trade/orders-pending", "/trade/orders-algo-pending", "/account/positions",
           "/account/balance", "/trade/fills", "/account/bills", "/market/ticker", "/api/v5/")  # fmt: skip
NEITHER_YES_NOR_NO = ("50001", "50004", "50013", "50026", "51149")
SWITCHES: dict[str, tuple[str, ...]] = {
    "fok_attached_stops": ("accept", "accept", "accept", "refuse"),
    "attached_reduce_only": ("true", "false"),
    "attached_after_partial": ("drop", "live"),
    "algos_after_close": ("cancel", "keep"),
    "order_visibility_delay_ms": ("0", "0", "200"),
}


@dataclass(frozen=True)
class Step:
    """`kind` names what `soak.disturb` does; `detail` its parameters, plain values only."""

    at_s: float
    kind: str
    detail: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.at_s:.2f} s {self.kind} " + " ".join(f"{k}={v}" for k, v in self.detail.items())


def draw(seed: int) -> list[Step]:
    """The steps of a schedule, in order."""
    dice = random.Random(seed)
    steps = [Step(dice.uniform(0, LASTS_S), "trade", _trade(dice)) for _ in range(dice.randint(*TRADES))]
    for _ in range(dice.randint(*DISTURBANCES)):
        kind = dice.choices(list(_DRAWN), [weight for weight, _ in _DRAWN.values()])[0]
        steps.append(Step(dice.uniform(0, LASTS_S), kind, _DRAWN[kind][1](dice)))
    return sorted(steps, key=lambda step: step.at_s)


def _trade(dice: random.Random) -> dict[str, Any]:
    return {
        "inst_id": dice.choice(INSTRUMENTS),
        "opening": dice.choice(("OPEN_LONG", "OPEN_SHORT")),
        "otherwise": dice.choice(("ADD", "REDUCE", "CLOSE", "CLOSE")),
        "contracts": dice.choice(("0.3", "0.5", "1")),
        "deliveries": dice.choice((1, 1, 1, 2, 4)),
    }


def _service(dice: random.Random) -> dict[str, Any]:
    return {"service": dice.choice(SERVICES)}


def _worker(dice: random.Random) -> dict[str, Any]:
    return {"service": dice.choice(("trade", "protect", "orchestrator"))}


def _stand_still(dice: random.Random) -> dict[str, Any]:
    return {"service": dice.choice(SERVICES), "seconds": round(dice.uniform(0.3, 2.0), 2)}


def _crash_point(dice: random.Random) -> dict[str, Any]:
    from execution.failpoints import POINTS

    return {"point": dice.choice(POINTS), "action": dice.choice(("kill", "kill", "kill_worker"))}


def _refusal(dice: random.Random) -> dict[str, Any]:
    placed = dice.choice((True, False))
    return {"name": dice.choice(NEITHER_YES_NOR_NO), "path": dice.choice(PLACING), "placed": placed}


def _lost(dice: random.Random) -> dict[str, Any]:
    name = dice.choice(("reply_lost_after_accept", "request_lost", "connection_reset", "http_502_html"))
    return {"name": name, "path": dice.choice(PLACING)}


def _late(dice: random.Random) -> dict[str, Any]:
    return {"name": "reply_delayed", "path": dice.choice(PLACING), "seconds": round(dice.uniform(0.2, 7.0), 2)}


def _reading(dice: random.Random) -> dict[str, Any]:
    name = dice.choice(("50001", "50011", "50026", "http_502_html", "request_lost"))
    path, count = dice.choice(READING), dice.randint(1, 8)
    return {"name": name, "path": path, "count": count, "probability": dice.choice((0.5, 1.0))}


def _push(dice: random.Random) -> dict[str, Any]:
    name = dice.choice(("push_lost", "push_duplicate", "push_late", "push_out_of_order", "ws_ack_without_data"))
    channel = dice.choice(("/orders$", "/positions", "/account", "/orders-algo"))
    return {"name": name, "path": channel, "count": dice.randint(1, 6), "probability": dice.choice((0.5, 1.0))}


def _socket(dice: random.Random) -> dict[str, Any]:
    return {"name": dice.choice(("ws_drop", "ws_reset", "ws_silent", "ws_notice")), "path": ""}


def _partial(dice: random.Random) -> dict[str, Any]:
    return {"name": "partial_fill", "path": "/trade/order$", "share": dice.choice((0.3, 0.6))}


def _signal(dice: random.Random) -> dict[str, Any]:
    return {"how": dice.choice(("QUIT", "INT"))}


def _switches(dice: random.Random) -> dict[str, Any]:
    return {name: dice.choice(values) for name, values in SWITCHES.items()}


def _nothing(dice: random.Random) -> dict[str, Any]:
    return {}


# kind: (weight, its parameters)
_DRAWN: dict[str, tuple[int, Any]] = {
    "crash_at": (8, _crash_point),
    "kill": (6, _service),
    "kill_child": (4, _worker),
    "group_sigterm": (3, _service),
    "stand_still": (4, _stand_still),
    "fault refusal": (6, _refusal),
    "fault lost": (8, _lost),
    "fault late": (4, _late),
    "fault reading": (5, _reading),
    "fault push": (5, _push),
    "fault partial": (3, _partial),
    "fault socket": (4, _socket),
    "kill_exchange": (3, _nothing),
    "switch_exchange": (2, _switches),
    "kill_redis": (3, _nothing),
    "roll_back_redis": (2, _nothing),
    "restart_postgres": (4, _signal),
    "halt_and_resume": (2, _nothing),
    "flatten": (1, _nothing),
}
