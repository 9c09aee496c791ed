"""A candle file with a known story: a week of rising history, a day that goes on rising, then a fall.

A fair trend follower is long when the fall comes, and its stop is hit. Deterministic for a seed.
"""

import csv
import math
import random
from pathlib import Path

START_MS = 1_767_571_200_000  # 2026-01-05T00:00Z
BAR_MS = 300_000


def write_rise_and_fall(
    path: Path, *, warmup: int = 2016, rising: int = 60, falls: int = 4, after: int = 6000, seed: int = 2
) -> Path:
    """Write `warmup` + `falls` × (`rising` bars up, then 8 bars down 7 %) + `after` quiet bars of BTC-USDT-SWAP, in the
    columns the exchange reads."""
    rng = random.Random(seed)
    price, rows = 60_000.0, []

    def bar(index: int, target: float, noise: float) -> None:
        nonlocal price
        open_ = price
        close = target * math.exp(rng.gauss(0, noise))
        high = max(open_, close) * (1 + abs(rng.gauss(0, noise)))
        low = min(open_, close) * (1 - abs(rng.gauss(0, noise)))
        volume = 40 * math.exp(rng.gauss(0, 0.4)) * (1 + 60 * abs(close / open_ - 1) / 0.3)
        rows.append([START_MS + index * BAR_MS, *(f"{x:.1f}" for x in (open_, high, low, close)), f"{volume:.3f}"])
        price = float(rows[-1][4])

    level, index = 60_000.0, 0
    for _ in range(warmup):
        level *= 1.00006
        bar(index, level * (1 + 0.008 * math.sin(2 * math.pi * index / 72)), 0.0010)
        index += 1
    for _ in range(falls):
        for _ in range(rising):
            level *= 1.0001
            bar(index, level * (1 + 0.008 * math.sin(2 * math.pi * index / 72)), 0.0010)
            index += 1
        for _ in range(8):
            level *= 0.991
            bar(index, level, 0.0005)
            index += 1
    for _ in range(after):
        bar(index, level * (1 + 0.008 * math.sin(2 * math.pi * index / 72)), 0.0010)
        index += 1
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ts", "open", "high", "low", "close", "vol_base"])
        writer.writerows(rows)
    return path
