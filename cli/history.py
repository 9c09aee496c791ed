"""`okxbot history`: candles of the past into the bot's database, from OKX or from files, with a report of their worth.

Paper, demo and live alike: candles are the market's, not an account's. Nothing stored is replaced unless asked.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from runtime.errors import OperatorError
from trading.candle import BAR_SECONDS

app = typer.Typer(no_args_is_help=True)
history_app = typer.Typer(no_args_is_help=True, help="Candles of the past: download from OKX, import from files.")
app.add_typer(history_app, name="history")

FIRST_YEAR, LAST_YEAR = 2009, 2100

Bar = Annotated[str, typer.Option(help=f"Bar length: {', '.join(BAR_SECONDS)}.")]


@history_app.command()
def download(
    instrument: Annotated[str, typer.Argument(help="A USDT swap such as BTC-USDT-SWAP.")],
    since: Annotated[str, typer.Option("--from", help="First day, UTC, e.g. 2026-01-01.")],
    to: Annotated[str, typer.Option("--to", help="Day after the last, UTC; default: now.")] = "",
    bar: Bar = "1m",
    url: Annotated[str, typer.Option(help="Base URL of the exchange; default: OKX's.")] = "https://www.okx.com",
) -> None:
    """Download OKX's candles; begun again, it goes on where it was."""
    from cli.connection import connected
    from exchange.client import OkxExchange
    from exchange.errors import ReadFailed
    from history.download import Download
    from history.store import Stored

    if not url.startswith(("http://", "https://")):
        raise OperatorError(f"--url {url}: must begin with https:// or http://")
    step, first = _step(bar), _on_grid(_day(since), _step(bar))
    last = _day(to) if to else None
    exchange, kept = OkxExchange(None, url, flag="0"), ""
    try:
        now = exchange.server_time()
        end = _on_grid(now if last is None else min(last, now), step)
        if first >= end:
            raise OperatorError(f"--from {since} is not before {end:%Y-%m-%d %H:%M} UTC")
        exchange.instruments([instrument])
        kept = "; what was downloaded is kept, the same command goes on"
        with connected() as connection:
            work = Download(connection.sessions, exchange, instrument, bar, first, end)
            total, done, got, impossible = work.bars, 0, Stored(), 0
            with _progress() as progress:
                task = progress.add_task(f"{instrument} {bar}", total=total)
                for page in work.pages():
                    done, got, impossible = done + page.bars, got + page.stored, impossible + page.impossible
                    progress.update(task, completed=done)
            already = (end - first) // step - total
            print(f"{got.new:,} bars downloaded, {already:,} were there, {total - got.new:,} OKX does not have")
            if impossible:
                print(f"{impossible:,} of these it has, but they cannot be, and were left out")
            _report_stored(connection.sessions, instrument, bar, first, end)
    except ReadFailed as failed:
        raise OperatorError(f"{url}: {failed}{kept}") from None
    finally:
        exchange.close()


@history_app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="CSV (.gz, OKX's .zip), Parquet, freqtrade's Feather.")],
    instrument: Annotated[str, typer.Option(help="A USDT swap; default: as the file or its name says.")] = "",
    bar: Annotated[str, typer.Option(help="Bar length; default: as the file shows.")] = "",
    ct_val: Annotated[str, typer.Option(help="Coins in a contract; default: known for the usual swaps.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Replace stored bars that differ.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Report only, store nothing.")] = False,
) -> None:
    """Import candle files and say what they are worth."""
    from history.columns import UnreadableHistory

    if bar:
        _step(bar)
    for path in files:
        try:
            _import(path, instrument, bar or None, ct_val, replace=replace, check=check)
        except UnreadableHistory as wrong:
            said = str(wrong)
            raise OperatorError(said if said.startswith(str(path)) else f"{path}: {said}") from None


def _import(path: Path, instrument: str, bar: str | None, ct_val: str, *, replace: bool, check: bool) -> None:
    from cli.connection import connected
    from history.columns import INSTRUMENT, UnreadableHistory, instrument_of
    from history.files import read_rows
    from history.report import examine
    from history.store import BATCH, Stored, candles_of, store

    rows, report = examine(read_rows(path), bar)
    said = {row.instrument for row in rows if row.instrument}
    if len(said) > 1:
        raise UnreadableHistory(f"holds several instruments: {', '.join(sorted(said)[:5])}")
    inst_id = instrument or next(iter(said), "") or instrument_of(path) or ""
    if said and inst_id not in said:
        raise UnreadableHistory(f"holds {next(iter(said))}, not {inst_id}")
    if not INSTRUMENT.fullmatch(inst_id):
        raise UnreadableHistory(f"{inst_id or 'its name'} is no USDT swap; give --instrument, e.g. BTC-USDT-SWAP")
    print(f"{path.name}: {inst_id}")
    for line in report.lines():
        print(f"  {line}")
    if check or not rows:
        return
    candles = list(candles_of(rows, inst_id, report.bar, _contract_value(inst_id, ct_val)))
    got = Stored()
    with connected() as connection, _progress() as progress:
        task = progress.add_task(path.name, total=len(candles))
        for start in range(0, len(candles), BATCH):
            with connection.sessions.begin() as session:
                got += store(session, candles[start : start + BATCH], replace=replace)
            progress.update(task, completed=min(start + BATCH, len(candles)))
    fate = "replaced" if replace else "differ from what is stored and were left out (--replace takes them)"
    print(f"  {got.new:,} new, {got.same:,} already there" + (f", {got.differing:,} {fate}" if got.differing else ""))


def _report_stored(sessions: object, inst_id: str, bar: str, first: datetime, end: datetime) -> None:
    from history.store import missing

    gaps = missing(sessions, inst_id, bar, first, end)  # type: ignore[arg-type]
    if not gaps:
        print("no gaps")
        return
    step = _step(bar)
    worst = sorted(gaps, key=lambda gap: gap[0] - gap[1])[:5]
    shown = ", ".join(f"{a:%Y-%m-%d %H:%M} {(b - a) // step + 1:,} bars" for a, b in worst)
    print(f"{len(gaps):,} gaps, {sum((b - a) // step + 1 for a, b in gaps):,} bars missing: {shown}")


def _contract_value(inst_id: str, given: str) -> Decimal:
    from paper.instruments import CATALOGUE

    if given:
        try:
            value = Decimal(given)
        except ArithmeticError:
            value = Decimal(0)
        if not value.is_finite() or value <= 0:
            raise OperatorError(f"--ct-val {given}: must be a positive number of coins")
        return value
    known = CATALOGUE.get(inst_id)
    if known is None:
        raise OperatorError(f"{inst_id}: how many coins are in a contract is not known here; give --ct-val")
    return known.ct_val


def _step(bar: str) -> timedelta:
    if bar not in BAR_SECONDS:
        raise OperatorError(f"--bar {bar}: must be one of {', '.join(BAR_SECONDS)}")
    return timedelta(seconds=BAR_SECONDS[bar])


def _day(text: str) -> datetime:
    try:
        day = datetime.fromisoformat(text)
    except ValueError:
        raise OperatorError(f"{text!r}: must be a day such as 2026-01-01") from None
    if not FIRST_YEAR <= day.year < LAST_YEAR:
        raise OperatorError(f"{text!r}: must lie in {FIRST_YEAR} to {LAST_YEAR}")
    return day.replace(tzinfo=UTC) if day.tzinfo is None else day.astimezone(UTC)


def _on_grid(at: datetime, step: timedelta) -> datetime:
    seconds = int(step.total_seconds())
    return datetime.fromtimestamp(int(at.timestamp()) // seconds * seconds, UTC)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True,
    )  # fmt: skip
