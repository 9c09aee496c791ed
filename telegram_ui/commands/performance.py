"""/performance [7d|30d|all]: what came of it, what it cost, and whether holding would have been better."""

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models import LlmCall, PerformanceSnapshot
from telegram_ui import curves
from telegram_ui.commands.status import market_now
from telegram_ui.desk import Answer, Desk, Request
from telegram_ui.pictures.subjects import Calibration, StrategyProfits, Subject
from telegram_ui.text import bold, money, pairs, percent, plain, signed, table
from trading.performance import Outcome, Performance, by_group, growth_pct, reliability
from trading.performance import performance as figures
from trading.statistics import TradeStatistics, brier_score

SPANS = {"7d": timedelta(days=7), "30d": timedelta(days=30), "all": None}
MOST_GROUPS = 8


def performance(desk: Desk, request: Request) -> Answer:
    """Figures of a span of market time, seven days unless told, with pictures."""
    word = request.words[0].lower() if request.words else "7d"
    if word not in SPANS or len(request.words) > 1:
        return Answer.of("Of which time? /performance 7d, 30d or all.")
    span = SPANS[word]
    now = market_now(desk)
    if now is None and span is not None:
        return Answer.of("Market time is not known just now; /performance all works.")
    since = now - span if now is not None and span is not None else None
    with desk.ctx.sessions() as session:
        trades = curves.closed_trades(session, desk.ctx.account_id, since)
        points = curves.equity(session, desk.ctx.account_id, since)
        held = curves.hold(desk, session, points[0][0]) if points else {}
        cost = _model_cost(session, desk, since)
    outcomes = [curves.outcome_of(trade) for trade in trades]
    hourly = [value for at, value in points if at.minute == at.second == at.microsecond == 0]
    found = figures(outcomes, [value for _, value in points], hourly)
    title = "Since the beginning" if span is None else f"Last {span.days} days"
    blocks = [f"{bold(title)}, market time\n{_figures(found, growth_pct(list(held.values())), cost)}"]
    for name in ("strategy", "regime"):
        if outcomes:
            blocks.append(_groups(name, by_group(outcomes, name)))
    return Answer(tuple(blocks), pictures=_pictures(desk, title, points, held, outcomes))


def _figures(found: Performance, held: Decimal | None, cost: Decimal) -> str:
    of = found.trades
    return pairs(
        [
            ("Closed trades", str(of.trades)),
            ("Won", percent(of.win_rate * 100 if of.win_rate is not None else None, 1)),
            ("Net profit, USDT", signed(found.net_pnl)),
            ("Profit factor", money(of.profit_factor)),
            ("Expectancy, USDT", signed(of.expectancy)),
            ("Expectancy, R", signed(of.mean_r)),
            ("Sharpe, annual", _ratio(found.sharpe)),
            ("Sortino, annual", _ratio(found.sortino)),
            ("Max drawdown", percent(found.max_drawdown_pct)),
            ("Return", percent(found.return_pct, sign=True)),
            ("Buy and hold", percent(held, sign=True)),
            ("Fees, USDT", signed(found.fees)),
            ("Funding, USDT", signed(found.funding)),
            ("Models, USD", money(cost, 4)),
        ]
    )


def _ratio(value: float | None) -> str:
    return money(None if value is None else Decimal(str(round(value, 4))))


def _groups(name: str, groups: dict[str, TradeStatistics]) -> str:
    rows = [
        (
            plain(key, 15), str(of.trades), percent(of.win_rate * 100 if of.win_rate is not None else None, 0),
            signed(of.expectancy * of.trades if of.expectancy is not None else None, 1),
        )
        for key, of in list(groups.items())[:MOST_GROUPS]
    ]  # fmt: skip
    return f"By {name}\n" + table((name, "n", "won", "USDT"), rows)


def _model_cost(session: Session, desk: Desk, since: datetime | None) -> Decimal:
    """USD for models since the hour before that market time was written down; all, if none was."""
    query = select(func.sum(func.coalesce(LlmCall.cost_usd, LlmCall.reserved_usd))).where(
        LlmCall.account_id == desk.ctx.account_id
    )
    if since is not None:
        began = session.scalar(
            select(func.max(PerformanceSnapshot.created_at)).where(
                PerformanceSnapshot.account_id == desk.ctx.account_id, PerformanceSnapshot.slot <= since
            )
        )
        if began is not None:
            query = query.where(LlmCall.created_at > began)
    return Decimal(session.scalar(query) or 0)


def _pictures(
    desk: Desk,
    title: str,
    points: list[tuple[datetime, Decimal]],
    held: dict[datetime, Decimal],
    outcomes: list[Outcome],
) -> tuple[Subject, ...]:
    pictures: list[Subject | None] = [curves.equity_curve(desk, f"Equity, USDT · {title.lower()}", points, held)]
    if outcomes:
        profits: dict[str, list[Decimal]] = {}
        for outcome in outcomes:
            profits.setdefault(plain(outcome.strategy, 20), []).append(outcome.net_pnl)
        rows = [(name, float(sum(values)), len(values)) for name, values in profits.items()]
        rows.sort(key=lambda row: -row[1])
        pictures.append(StrategyProfits(f"Profit by strategy · {title.lower()}", tuple(rows[:MOST_GROUPS])))
    stated = [(o.confidence, o.net_pnl > 0) for o in outcomes if o.confidence is not None]
    if stated:
        brier = brier_score([c for c, _ in stated], [won for _, won in stated])
        points_ = tuple((float(b.stated), float(b.won), b.trades) for b in reliability(outcomes))
        pictures.append(Calibration("Confidence and outcome", points_, None if brier is None else float(brier)))
    return tuple(picture for picture in pictures if picture is not None)
