"""What stated confidence has been worth: its score, its reliability, and a curve that puts it right.

The event is a net profit. Score: G. W. Brier, "Verification of Forecasts Expressed in Terms of Probability", Monthly
Weather Review 78 (1950). Decomposition: A. H. Murphy, "A New Vector Partition of the Probability Score", Journal of
Applied Meteorology 12 (1973), over bins; what the bins hide within themselves (D. Stephenson, C. Coelho and
I. Jolliffe, "Two Extra Components in the Brier Score Decomposition", Weather and Forecasting 23 (2008)) is a term of
its own, so that the sum is the score. Curve: isotonic regression by pool-adjacent-violators (R. Barlow et al.,
"Statistical Inference under Order Restrictions", 1972) on blocks of at least ten trades, linear between their centres.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
from pydantic import BaseModel, ConfigDict

from trading.closed_trade import ClosedTrade
from trading.intervals import wilson
from trading.playbook.content import CalibrationCurve, Knot
from trading.statistics import brier_score

BLOCK = 10
BINS = 10
FIRST_FIT = 50
REFIT_EVERY = 20
MOST_TRADES = 300
MOST_AGE = timedelta(days=90)
"""A curve rests on the newest trades of its source: what is older says little of now."""
CURVE_LIFE = timedelta(days=30)
"""Of market time, unless it is renewed."""
PLACES = 4

Stated = Sequence[tuple[Decimal, bool]]
"""Stated confidence and whether the trade won, in the order in which the trades closed."""


class ReliabilityBin(BaseModel):
    """Trades whose stated confidence lay in [low, high), the last bin closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    low: float
    high: float
    trades: int
    stated: float
    won: float
    won_interval: tuple[float, float]


class CalibrationReport(BaseModel):
    """Of one source. brier = reliability − resolution + uncertainty + within.

    `walk_forward` compares, on the same later trades, the score of what was stated with that of a curve fitted to
    earlier trades only: (trades, stated, calibrated); None while there are too few.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    source: str
    trades: int
    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float
    bins: tuple[ReliabilityBin, ...]
    walk_forward: tuple[int, float, float] | None


@dataclass(slots=True)
class _Pool:
    stated: float  # sum
    won: int
    n: int

    @property
    def share(self) -> float:
        return self.won / self.n


def stated_by_source(trades: Sequence[ClosedTrade], at: datetime) -> dict[str, list[tuple[Decimal, bool]]]:
    """The trades of each source of the 90 days before `at` that stated a confidence, in the order they closed in."""
    found: dict[str, list[tuple[Decimal, bool]]] = {}
    for trade in sorted(trades, key=lambda t: (t.closed_at, t.trade_id)):
        if trade.confidence is not None and trade.closed_at > at - MOST_AGE:
            found.setdefault(trade.source, []).append((trade.confidence, trade.won))
    return {source: each[-MOST_TRADES:] for source, each in sorted(found.items())}


def fit(source: str, stated: Stated, at: datetime | None = None) -> CalibrationCurve:
    """The isotonic curve of these trades, to be renewed within 30 days of `at`. Raises ValueError without any."""
    pools: list[_Pool] = []
    for block in _blocks(stated):
        pools.append(block)
        while len(pools) > 1 and pools[-2].share >= pools[-1].share:
            last = pools.pop()
            pools[-1] = _Pool(pools[-1].stated + last.stated, pools[-1].won + last.won, pools[-1].n + last.n)
    if not pools:
        raise ValueError("no trades to fit a curve to")
    knots = tuple(Knot(stated=_decimal(p.stated / p.n), won=_decimal(p.share)) for p in pools)
    expires_at = None if at is None else at + CURVE_LIFE
    return CalibrationCurve(source=source, trades=len(stated), knots=knots, expires_at=expires_at)


def report(source: str, stated: Stated) -> CalibrationReport:
    """Score, decomposition, reliability and walk-forward. Raises ValueError without trades."""
    if not stated:
        raise ValueError("no trades to report on")
    p = np.array([float(c) for c, _ in stated])
    won = np.array([float(w) for _, w in stated])
    base, n = float(won.mean()), len(stated)
    index = np.minimum((p * BINS + 1e-9).astype(int), BINS - 1)
    bins, reliability, resolution = [], 0.0, 0.0
    for k in range(BINS):
        inside = index == k
        count = int(inside.sum())
        if count == 0:
            continue
        said, came = float(p[inside].mean()), float(won[inside].mean())
        reliability += count / n * (said - came) ** 2
        resolution += count / n * (came - base) ** 2
        interval = wilson(int(won[inside].sum()), count)
        assert interval is not None, "the bin is not empty"
        bins.append(
            ReliabilityBin(
                low=k / BINS, high=(k + 1) / BINS, trades=count, stated=round(said, PLACES), won=round(came, PLACES),
                won_interval=(round(interval[0], PLACES), round(interval[1], PLACES)),
            )
        )  # fmt: skip
    brier, uncertainty = float(((p - won) ** 2).mean()), base * (1 - base)
    return CalibrationReport(
        source=source,
        trades=n,
        brier=round(brier, PLACES),
        reliability=round(reliability, PLACES),
        resolution=round(resolution, PLACES),
        uncertainty=round(uncertainty, PLACES),
        within=round(brier - reliability + resolution - uncertainty, PLACES),
        bins=tuple(bins),
        walk_forward=walk_forward(stated),
    )


def walk_forward(stated: Stated) -> tuple[int, float, float] | None:
    """(trades judged, Brier score of the stated, Brier score of the calibrated); every curve knows the past only."""
    said: list[Decimal] = []
    put_right: list[Decimal] = []
    came: list[bool] = []
    for start in range(FIRST_FIT, len(stated), REFIT_EVERY):
        curve = fit("", stated[:start])
        for confidence, won in stated[start : start + REFIT_EVERY]:
            said.append(confidence)
            put_right.append(curve.at(confidence))
            came.append(won)
    if not came:
        return None
    before, after = brier_score(said, came), brier_score(put_right, came)
    return len(came), round(float(before or 0), PLACES), round(float(after or 0), PLACES)


def _blocks(stated: Stated) -> list[_Pool]:
    """Neighbours in stated confidence, ten or more together; equal confidences are never parted."""
    blocks: list[_Pool] = []
    previous: Decimal | None = None
    for confidence, won in sorted(stated, key=lambda item: item[0]):
        if not blocks or (blocks[-1].n >= BLOCK and confidence != previous):
            blocks.append(_Pool(0.0, 0, 0))
        blocks[-1].stated += float(confidence)
        blocks[-1].won += won
        blocks[-1].n += 1
        previous = confidence
    if len(blocks) > 1 and blocks[-1].n < BLOCK:
        last = blocks.pop()
        blocks[-1] = _Pool(blocks[-1].stated + last.stated, blocks[-1].won + last.won, blocks[-1].n + last.n)
    return blocks


def _decimal(value: float) -> Decimal:
    return Decimal(f"{value:.{PLACES}f}")
