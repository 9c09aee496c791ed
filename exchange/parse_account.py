"""OKX rows → account types: balance, positions, bills, configuration.

Raises ReadFailed on a blank or bad field.
"""

from decimal import Decimal

from exchange.errors import ReadFailed
from exchange.fields import (
    Row,
    optional_decimal,
    required_decimal,
    required_text,
    required_time,
    text,
)
from trading.orders import AccountConfig, BalanceReport, BillReport, PositionReport


def account_config(row: Row) -> AccountConfig:
    return AccountConfig(
        uid=required_text(row, "uid", "account config"),
        acct_lv=required_text(row, "acctLv", "account config"),
        pos_mode=required_text(row, "posMode", "account config"),
        permissions=_listed(row, "perm"),
        linked_ips=_listed(row, "ip"),
    )


def _listed(row: Row, name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text(row, name).split(",") if part.strip())


def balance(row: Row) -> BalanceReport:
    """The USDT part. An account that lists no USDT is refused rather than read as zero."""
    details = row.get("details") or []
    usdt = next((item for item in details if text(item, "ccy") == "USDT"), None)
    if usdt is None:
        raise ReadFailed("balance: no USDT in the account")
    return BalanceReport(
        equity=required_decimal(usdt, "eq", "balance"),
        cash=required_decimal(usdt, "cashBal", "balance"),
        available_equity=required_decimal(usdt, "availEq", "balance"),
        upl=required_decimal(usdt, "upl", "balance"),
        updated_at=required_time(row, "uTime", "balance"),
    )


def is_flat(row: Row) -> bool:
    """Whether a position row says zero. A blank `pos` is refused: it says nothing."""
    return required_decimal(row, "pos", f"position {text(row, 'instId')}") == 0


def position(row: Row) -> PositionReport:
    """A non-zero position. Isolated margin comes as `margin`; a cross position states its `imr` instead."""
    what = f"position {text(row, 'instId')}"
    mode = required_text(row, "mgnMode", what)
    contracts = required_decimal(row, "pos", what)
    side = required_text(row, "posSide", what)
    return PositionReport(
        inst_id=required_text(row, "instId", what),
        pos_id=required_text(row, "posId", what),
        mgn_mode=mode,
        pos_side=side,
        contracts=-abs(contracts) if side == "short" else contracts,
        avg_px=required_decimal(row, "avgPx", what),
        mark_px=required_decimal(row, "markPx", what),
        upl=required_decimal(row, "upl", what),
        leverage=required_decimal(row, "lever", what),
        margin=required_decimal(row, "margin" if mode == "isolated" else "imr", what),
        liq_px=optional_decimal(row, "liqPx", what),
        realized_pnl=required_decimal(row, "realizedPnl", what),
        fee=required_decimal(row, "fee", what),
        funding_fee=required_decimal(row, "fundingFee", what),
        created_at=required_time(row, "cTime", what),
        updated_at=required_time(row, "uTime", what),
    )


def bill(row: Row) -> BillReport:
    """Fees and profit are blank on bills that have none (transfers): zero is then what OKX means."""
    what = f"bill {text(row, 'billId')}"
    return BillReport(
        bill_id=required_text(row, "billId", what),
        type=required_text(row, "type", what),
        sub_type=text(row, "subType"),
        ccy=required_text(row, "ccy", what),
        inst_id=text(row, "instId"),
        balance_change=required_decimal(row, "balChg", what),
        balance=required_decimal(row, "bal", what),
        pnl=optional_decimal(row, "pnl", what) or Decimal(0),
        fee=optional_decimal(row, "fee", what) or Decimal(0),
        sz_contracts=optional_decimal(row, "sz", what),
        px=optional_decimal(row, "px", what),
        ord_id=text(row, "ordId"),
        at=required_time(row, "ts", what),
    )
