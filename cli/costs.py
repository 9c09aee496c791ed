"""`okxbot costs`: what the models cost, by day, purpose and model, from the ledger of calls."""

import json
import sys
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Float, case, cast, func, select

from cli.connection import Connection, connected
from cli.show import print_whole
from models import LlmCall
from trading.clock import wall_now

app = typer.Typer()
COLUMNS = ("day", "purpose", "model", "calls", "failed", "input", "cached", "output", "USD", "median s")


@app.command()
def costs(
    days: Annotated[int, typer.Option("--days", "-d", min=1, max=3650, help="Days of UTC, today included.")] = 7,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """What the models cost: calls, tokens, share read from the cache, USD; and today's budget."""
    with connected() as connection:
        found = _collect(connection, days)
    if json_:
        print(json.dumps(found, indent=2))
        return
    table = Table(box=None, header_style="dim")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in ("day", "purpose", "model") else "right")
    for row in found["rows"]:
        table.add_row(
            row["day"], row["purpose"], row["model"], str(row["calls"]), str(row["failed"]), f"{row['input_tokens']:,}",
            _share(row["cached_share"]), f"{row['output_tokens']:,}", f"{row['usd']:.4f}",
            "" if row["median_s"] is None else f"{row['median_s']:.1f}",
        )  # fmt: skip
    if found["rows"]:
        Console().print(table) if sys.stdout.isatty() else print_whole(table)
    else:
        print(f"no model was asked in the last {days} days")
    today = found["today"]
    print(
        f"today {today['usd']:.4f} of {today['budget_usd']:.2f} USD"
        + (
            f", {today['reserved_usd']:.4f} of it reserved for calls under way or cut off"
            if today["reserved_usd"]
            else ""
        )
        + f"; in all {found['total_usd']:.4f} USD in {days} days"
    )


def _collect(connection: Connection, days: int) -> dict[str, Any]:
    midnight = wall_now().replace(hour=0, minute=0, second=0, microsecond=0)
    spent = func.coalesce(LlmCall.cost_usd, LlmCall.reserved_usd)
    read, written = func.coalesce(LlmCall.cache_read_tokens, 0), func.coalesce(LlmCall.cache_write_tokens, 0)
    day = func.to_char(func.timezone("UTC", LlmCall.created_at), "YYYY-MM-DD")
    query = (
        select(
            day.label("day"),
            LlmCall.purpose,
            LlmCall.model,
            func.count().label("calls"),
            func.count().filter(LlmCall.outcome.not_in(("ok", "reserved"))).label("failed"),
            func.sum(func.coalesce(LlmCall.input_tokens, 0) + read + written).label("input_tokens"),
            func.sum(read).label("cached_tokens"),
            func.sum(func.coalesce(LlmCall.output_tokens, 0)).label("output_tokens"),
            func.sum(spent).label("usd"),
            func.percentile_cont(0.5).within_group(cast(LlmCall.latency_ms, Float)).label("median_ms"),
        )
        .where(LlmCall.account_id == connection.account_id, LlmCall.created_at >= midnight - timedelta(days=days - 1))
        .group_by(day, LlmCall.purpose, LlmCall.model)
        .order_by(day.desc(), func.sum(spent).desc())
    )
    today = select(
        func.coalesce(func.sum(spent), 0),
        func.coalesce(func.sum(case((LlmCall.cost_usd.is_(None), LlmCall.reserved_usd))), 0),
    ).where(LlmCall.account_id == connection.account_id, LlmCall.created_at >= midnight)
    with connection.sessions() as session:
        rows = [dict(row._mapping) for row in session.execute(query)]
        spent_today, reserved = session.execute(today).one()
    return {
        "rows": [
            {
                "day": row["day"], "purpose": row["purpose"], "model": row["model"], "calls": row["calls"],
                "failed": row["failed"], "input_tokens": int(row["input_tokens"]),
                "cached_share": float(row["cached_tokens"] / row["input_tokens"]) if row["input_tokens"] else None,
                "output_tokens": int(row["output_tokens"]), "usd": float(row["usd"]),
                "median_s": None if row["median_ms"] is None else row["median_ms"] / 1000,
            }
            for row in rows
        ],
        "total_usd": float(sum(row["usd"] for row in rows)),
        "today": {
            "usd": float(spent_today),
            "reserved_usd": float(reserved),
            "budget_usd": float(connection.settings.llm_daily_budget_usd),
        },
    }  # fmt: skip


def _share(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"
