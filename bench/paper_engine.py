"""The paper exchange's engine alone: requests and market steps in one process, nothing written."""

import gc
from decimal import Decimal
from time import process_time

from bench.registry import Measured, figure
from paper.engine.engine import Engine
from paper.exchange import Exchange
from paper.options import PaperOptions

ACCOUNTS, ROUNDS = 50, 200
INST = "BTC-USDT-SWAP"


def _round(engine: Engine, account: str, number: int, price: Decimal) -> int:
    """Place, amend, cancel a resting limit; open and close at market. Operations done."""
    now = engine.state.now_ms
    cl_id = f"b{number}"
    resting = {
        "instId": INST, "tdMode": "isolated", "side": "buy", "ordType": "limit", "sz": "1", "px": str(price - 500),
        "clOrdId": cl_id,
    }  # fmt: skip
    engine.command(account, "place", resting, now)
    engine.command(account, "amend", {"instId": INST, "clOrdId": cl_id, "newSz": "2"}, now)
    engine.command(account, "cancel", {"instId": INST, "clOrdId": cl_id}, now)
    market = {"instId": INST, "tdMode": "isolated", "side": "buy", "ordType": "market", "sz": "1"}
    engine.command(account, "place", market, now)
    engine.command(account, "place", {**market, "side": "sell", "reduceOnly": "true"}, now)
    return 5


@figure("paper-engine")
def paper_engine() -> Measured:
    """Requests a second: limit orders placed, amended, cancelled, market orders filled, by 50 accounts.

    By the process's own time on the processor: nothing in it waits for anything, and neighbours do not count.
    """
    exchange = Exchange(PaperOptions(speed="lockstep", warmup_bars=300))
    engine = exchange.engine
    names = [f"{number:018d}" for number in range(ACCOUNTS)]
    for name in names:
        engine.create_account(name, Decimal(1_000_000))
    done, number = 0, 0
    spent = 0.0
    gc.collect()
    for _ in range(ROUNDS):
        price = engine.state.quotes[INST].last
        began = process_time()
        for name in names:
            number += 1
            done += _round(engine, name, number, price)
        engine.collect()
        spent += process_time() - began
        # The market moves on between the rounds: its own work (making prices) is not the engine's.
        exchange.play()
    return Measured("paper-engine", round(done / spent), "op/s", done)
