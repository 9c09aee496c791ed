"""From the share of equity an analyst asks for to contracts. Margin in USDT, sizes in contracts, rounded down."""

from decimal import Decimal

from trading.instrument import Instrument


def requested_contracts(
    instrument: Instrument, *, equity: Decimal, size_pct: Decimal, leverage: Decimal, price: Decimal
) -> Decimal:
    """Contracts whose margin is at most `size_pct` % of `equity`: margin × leverage ÷ (price × ctVal).

    Rounded down to the lot; zero when that is under the minimum size. Raises ValueError unless price and leverage
    are positive.
    """
    if price <= 0 or leverage <= 0:
        raise ValueError("price and leverage must be positive")
    return instrument.contracts_for_notional(equity * size_pct / 100 * leverage, price)


def margin_of(instrument: Instrument, *, contracts: Decimal, price: Decimal, leverage: Decimal) -> Decimal:
    """Margin in USDT = notional ÷ leverage."""
    return instrument.notional(contracts, price) / leverage
