"""The playbook every bot starts with: version 1, before it has learned anything of its own.

The parameters were chosen on OKX's 5m candles of 2022, mostly of May to July. There the rules came out about even
after fees, with targets of 1.8 times the risk from the quote; in the quieter autumn of that year they lost a little.
They are a fair start, not a promise. The scalp is not enabled: fees are a sixth of its risk, and on the same candles it
did not earn them.
`reward_risk` is net of fees at the worst price an entry accepts, where 1.65 is about that 1.8 for a wide stop and a
little more for a close one; figures of `*_pct` are per cent of the price
(`size_pct`: margin, % of equity), `stop_atr` multiples of 1H ATR14.
"""

from decimal import Decimal

from trading.decision import Regime
from trading.playbook.content import Lesson, Playbook, RegimeRule, StrategyRule

_HOUR_STOP = {"stop_atr": 1.5, "stop_min_pct": 0.6, "stop_max_pct": 2.7, "full_size_stop_pct": 1.6}


def default_playbook() -> Playbook:
    """Version 1."""
    return Playbook(
        confidence_floor=Decimal("0.35"),
        full_size_confidence=Decimal("0.4"),
        regimes={
            Regime.TRENDING_UP: RegimeRule(
                guidance="Buy strength and pullbacks; do not fade.", directions=("long", "short")
            ),
            Regime.TRENDING_DOWN: RegimeRule(
                guidance="Sell weakness and pullbacks; do not fade.", directions=("long", "short")
            ),
            Regime.RANGING: RegimeRule(
                guidance="Follow the hour when its range widens; fade only exhausted moves back into the band.",
                directions=("long", "short"),
                size_factor=Decimal("0.8"),
            ),
            Regime.VOLATILE: RegimeRule(
                guidance="Only with the hour, at half size.",
                directions=("long", "short"),
                size_factor=Decimal("0.5"),
            ),
            Regime.UNKNOWN: RegimeRule(guidance="Wait until the regime is known.", directions=()),
        },
        strategies={
            "momentum": StrategyRule(
                summary="5m close beyond its 20-bar extreme, with the 1H trend, while the 1H range does not shrink.",
                regimes=(Regime.TRENDING_UP, Regime.TRENDING_DOWN, Regime.RANGING, Regime.VOLATILE),
                size_pct=Decimal(5),
                parameters={
                    "atr_widening": 0.85,
                    "atr_min_pct": 0.6,
                    "reward_risk": 1.65,
                    "confidence": 0.40,
                    **_HOUR_STOP,
                },
            ),
            "pullback": StrategyRule(
                summary="With the 1H trend when 5m StochRSI turns back from the far side.",
                regimes=(Regime.TRENDING_UP, Regime.TRENDING_DOWN, Regime.RANGING),
                size_pct=Decimal(4),
                parameters={
                    "atr_widening": 0.85,
                    "atr_min_pct": 0.6,
                    "stochrsi_depth": 20,
                    "reward_risk": 1.65,
                    "confidence": 0.38,
                    **_HOUR_STOP,
                },
            ),
            "breakout": StrategyRule(
                summary="The price leaves the 20-bar 15m range on volume, with the hour's direction.",
                regimes=(Regime.RANGING, Regime.VOLATILE),
                size_pct=Decimal(4),
                parameters={
                    "volume_ratio": 1.0,
                    "atr_widening": 1.0,
                    "atr_min_pct": 0.6,
                    "reward_risk": 1.65,
                    "confidence": 0.39,
                    **_HOUR_STOP,
                },
            ),
            "mean_reversion": StrategyRule(
                summary="Back into the 15m Bollinger band after an exhausted close outside it, without a 1H trend.",
                regimes=(Regime.RANGING,),
                size_pct=Decimal(2),
                parameters={
                    "adx_max": 22,
                    "adx_trend": 30,
                    "rsi_far": 45,
                    "reward_risk": 1.6,
                    "confidence": 0.38,
                    **_HOUR_STOP,
                },
            ),
            "scalp": StrategyRule(
                summary="5m close across the session's VWAP on volume, with the 15m trend; out when 15m turns.",
                enabled=False,
                regimes=(Regime.TRENDING_UP, Regime.TRENDING_DOWN, Regime.RANGING, Regime.VOLATILE),
                size_pct=Decimal(3),
                parameters={
                    "volume_ratio": 2.0,
                    "atr_min_pct": 0.3,
                    "reward_risk": 1.6,
                    "confidence": 0.38,
                    "stop_atr": 2.0,
                    "stop_min_pct": 0.6,
                    "stop_max_pct": 1.2,
                    "full_size_stop_pct": 1.6,
                },
            ),
        },
        lessons=(
            Lesson(text="A round trip costs about 0.1 % in taker fees: a stop closer than 0.6 % is mostly fees."),
            Lesson(text="A breakout while the 1H range shrinks loses its fees; wait for the range to widen."),
        ),
    )
