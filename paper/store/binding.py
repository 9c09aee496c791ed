"""A data folder belongs to one market: prices may not change under an account."""

from pathlib import Path
from typing import Any

import orjson

from paper.errors import StartRefused
from paper.market.market import Market
from paper.options import PaperOptions


def bound_start_ms(folder: Path, warmup_ms: int) -> int:
    """When the market of a data folder began, after its warm-up; 0 for a folder without one."""
    try:
        return int(orjson.loads((folder / "exchange.json").read_bytes())["t0_ms"]) + warmup_ms
    except FileNotFoundError:
        return 0
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise StartRefused(f"{folder}: holds no synthetic market") from None


def bind(folder: Path, options: PaperOptions, market: Market, decision_ms: int) -> None:
    """Note the market at first, and refuse another one ever after. Raises StartRefused."""
    mine: dict[str, Any] = {"decision_ms": decision_ms, "bar_ms": market.bar_ms}
    if market.live:
        mine |= {"market": "okx", "instruments": sorted(market.instruments)}
    else:
        mine |= {
            "market": options.market if options.market == "synthetic" else sorted(market.instruments),
            "seed": options.seed, "t0_ms": market.t0_ms, "start": market.start_played,
        }  # fmt: skip
    path = folder / "exchange.json"
    if not path.exists():
        path.write_bytes(orjson.dumps(mine))
    elif orjson.loads(path.read_bytes()) != mine:
        raise StartRefused(f"{folder}: holds another market (other file, seed, warm-up or decision bar)")
