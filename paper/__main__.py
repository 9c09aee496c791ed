"""`python -m paper`: start the paper exchange. Exit 0 after a signal, 2 with one line when it cannot start."""

import argparse
import sys
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

import structlog

from paper.clock import wall_ms
from paper.errors import StartRefused
from paper.exchange import Exchange
from paper.market.market import FIVE_MINUTES_MS
from paper.options import DEFAULT_INSTRUMENTS, PaperOptions, parse_speed
from paper.server.process import bind, serve, tls_listener
from paper.store.binding import bound_start_ms
from paper.switches import parse_switches


def read_options(arguments: Sequence[str]) -> PaperOptions:
    """Options of the command line. Raises StartRefused."""
    parser = argparse.ArgumentParser(prog="paper", description="A local exchange that speaks OKX v5.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument(
        "--admin-port", type=int, default=0, help="of the ledger, the audit and faults; always loopback"
    )
    parser.add_argument(
        "--tls-cert", type=Path, help="PEM certificate: answer wss:// and https:// on a port of its own"
    )
    parser.add_argument("--tls-key", type=Path, help="PEM key of the certificate")
    parser.add_argument("--tls-port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--data", type=Path, required=True, help="folder for the state")
    parser.add_argument(
        "--market",
        default="synthetic",
        help="synthetic, okx (OKX's public prices), or candle files: FILE or INST=FILE, comma-joined",
    )
    parser.add_argument("--okx-rest", default=PaperOptions.okx_rest, help="where --market okx reads over REST")
    parser.add_argument("--okx-ws", default=PaperOptions.okx_ws, help="where --market okx reads over WebSocket")
    parser.add_argument("--speed", default="60", help="market seconds per wall second, or lockstep")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--start", choices=("seed", "now"), default="seed",
        help="when a synthetic market begins: where its seed puts it, or now, for clients with a clock",
    )  # fmt: skip
    parser.add_argument("--instruments", default=",".join(DEFAULT_INSTRUMENTS))
    parser.add_argument("--warmup-bars", type=int, default=2016, help="history, in bars of five minutes")
    parser.add_argument("--decision-bar", default="5m")
    parser.add_argument("--equity", default="10000", help="USDT of the first account")
    parser.add_argument("--admin", action="store_true", help="allow faults to be ordered")
    parser.add_argument("--patience", type=float, default=PaperOptions.patience_s, help="s for a client's request")
    parser.add_argument("--idle", type=float, default=PaperOptions.idle_s, help="s a socket may be without a message")
    parser.add_argument("--switch", action="append", default=[], metavar="NAME=VALUE")
    given = parser.parse_args(arguments)
    try:
        equity = Decimal(given.equity)
    except InvalidOperation:
        raise StartRefused(f"--equity {given.equity}: not a number") from None
    if not equity.is_finite() or not 0 < equity < 10**12:
        raise StartRefused(f"--equity {given.equity}: must be above 0 and below 10^12")
    if given.seed < 0:
        raise StartRefused(f"--seed {given.seed}: must be 0 or more")
    for name, port in (("--port", given.port), ("--admin-port", given.admin_port), ("--tls-port", given.tls_port)):
        if not 0 <= port <= 65535:
            raise StartRefused(f"{name} {port}: must be from 0 to 65535")
    for name, seconds in (("--patience", given.patience), ("--idle", given.idle)):
        if not 0 < seconds <= 3600:
            raise StartRefused(f"{name} {seconds}: must be above 0 and up to 3600 s")
    speed = parse_speed(given.speed)
    if given.market == "okx" and speed != 1:
        raise StartRefused(f"--speed {given.speed}: with --market okx only 1 is possible")
    start_ms = 0
    if given.start == "now":
        if given.market != "synthetic" or speed != 1:
            raise StartRefused("--start now: only with --market synthetic and --speed 1")
        begun = bound_start_ms(given.data, given.warmup_bars * FIVE_MINUTES_MS)
        start_ms = begun or wall_ms() // FIVE_MINUTES_MS * FIVE_MINUTES_MS
    return PaperOptions(
        start_ms=start_ms,
        okx_rest=given.okx_rest, okx_ws=given.okx_ws,
        data=given.data, host=given.host, port=given.port, admin_port=given.admin_port,
        tls_port=given.tls_port, tls_cert=given.tls_cert, tls_key=given.tls_key,
        market=given.market, speed=speed,
        seed=given.seed, instruments=tuple(name for name in given.instruments.split(",") if name),
        warmup_bars=given.warmup_bars, decision_bar=given.decision_bar, equity=equity, admin=given.admin,
        patience_s=given.patience, idle_s=given.idle,
        switches=parse_switches(given.switch),
    )  # fmt: skip


def run(options: PaperOptions) -> int:
    """Start and serve until a signal. Returns the exit code."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(),
    )
    try:
        listener = bind(options.host, options.port)
        admin = bind("127.0.0.1", options.admin_port, "admin port")
        tls = tls_listener(options)
        exchange = Exchange(options)
    except StartRefused as refusal:
        sys.stderr.write(f"exchange: {refusal}\n")
        return 2
    serve(exchange, listener, admin, tls)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        options = read_options(sys.argv[1:] if arguments is None else arguments)
    except StartRefused as refusal:
        sys.stderr.write(f"exchange: {refusal}\n")
        return 2
    return run(options)


if __name__ == "__main__":
    sys.exit(main())
