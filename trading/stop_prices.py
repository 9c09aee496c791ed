"""Where a stop may be moved to. Prices in USDT; `contracts` signed, positive long."""

from decimal import Decimal

from trading.instrument import Instrument


def break_even_price(
    instrument: Instrument, contracts: Decimal, avg_px: Decimal, taker: Decimal, paid: Decimal
) -> Decimal:
    """The price at which closing the position at market leaves nothing gained or lost, on the tick, rounded to gain.

    `taker`: share of notional a market close costs; `paid`: USDT the position has cost so far (entry fees and funding,
    positive). From q·(p − avg)·d − paid − q·p·taker = 0, with q coins and d = +1 long, −1 short.
    """
    coins = instrument.coins(abs(contracts))
    if contracts > 0:
        return instrument.round_price((coins * avg_px + paid) / (coins * (1 - taker)), "up")
    return instrument.round_price((coins * avg_px - paid) / (coins * (1 + taker)), "down")


def trailing_price(instrument: Instrument, contracts: Decimal, last: Decimal, distance_pct: Decimal) -> Decimal:
    """The stop `distance_pct` per cent behind the last price, on the tick."""
    if contracts > 0:
        return instrument.round_price(last * (1 - distance_pct / 100), "down")
    return instrument.round_price(last * (1 + distance_pct / 100), "up")


def reduces_risk(contracts: Decimal, current: Decimal, new: Decimal) -> bool:
    """Whether a stop at `new` loses less than one at `current`."""
    return new > current if contracts > 0 else new < current


def triggers_at_once(contracts: Decimal, last: Decimal, new: Decimal) -> bool:
    """Whether the last price is at or beyond a stop at `new` already."""
    return new >= last if contracts > 0 else new <= last
