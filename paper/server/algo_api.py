"""REST: algo orders (conditional, oco, trigger, trailing)."""

from typing import Any

from paper.engine.algo import ALGO_TYPES
from paper.engine.algos import find_algo
from paper.errors import OkxError, bad_parameter
from paper.server.call import THREE_MONTHS_MS, Call, Route, page, since
from paper.server.order_rows import algo_row
from paper.server.trade_api import batch, single

# Kinds OKX has and this exchange does not trade: lists of them are empty.
UNTRADED = ("chase", "iceberg", "twap")
STATES = ("", "effective", "canceled", "order_failed", "partially_effective", "partially_failed")


def get_algo(call: Call) -> list[Any]:
    algo = find_algo(call.account, call.params)
    if algo is None:
        raise OkxError("51603")
    return [algo_row(algo, call.exchange.engine.state.quotes[algo.inst_id].last)]


def _algos(call: Call, live: bool) -> list[Any]:
    kinds = call.need("ordType").split(",")
    if not set(kinds) <= {*ALGO_TYPES, *UNTRADED}:
        raise bad_parameter("ordType")
    if not call.is_swap():
        return []
    account, quotes = call.account, call.exchange.engine.state.quotes
    source, oldest = account.open_algos if live else account.algos, since(call, THREE_MONTHS_MS)
    inst_id, algo_id, state = call.word("instId"), call.word("algoId"), call.word("state")
    chosen = [
        algo
        for algo in source.values()
        if algo.ord_type in kinds
        and (live or (algo.algo_id not in account.open_algos and algo.updated >= oldest))
        and inst_id in ("", algo.inst_id)
        and algo_id in ("", algo.algo_id)
        and state in ("", algo.state)
    ]
    # An attached stop has had its id since its order came, and is listed since it lives.
    chosen.sort(key=lambda algo: int(algo.algo_id), reverse=True)
    return [algo_row(algo, quotes[algo.inst_id].last) for algo in page(call, chosen, lambda algo: int(algo.algo_id))]


def algos_pending(call: Call) -> list[Any]:
    return _algos(call, True)


def algos_history(call: Call) -> list[Any]:
    if not call.word("state") and not call.word("algoId"):
        raise OkxError("50015", "state", "algoId")
    if call.word("state") not in STATES:
        raise bad_parameter("state")
    return _algos(call, False)


ROUTES: dict[tuple[str, str], Route] = {
    ("POST", "/api/v5/trade/order-algo"): Route(single("place_algo"), True, True),
    ("GET", "/api/v5/trade/order-algo"): Route(get_algo, True),
    ("POST", "/api/v5/trade/cancel-algos"): Route(batch("cancel_algo", 10, "51406"), True, True),
    ("POST", "/api/v5/trade/amend-algos"): Route(single("amend_algo"), True, True),
    ("GET", "/api/v5/trade/orders-algo-pending"): Route(algos_pending, True),
    ("GET", "/api/v5/trade/orders-algo-history"): Route(algos_history, True),
}
