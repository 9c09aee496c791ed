"""`python -m metrics`: serve `/metrics` and take a sample a minute, until told to stop.

METRICS_PORT and METRICS_ADDRESS say where (loopback by default), METRICS_BASIC_AUTH=user:password who may read; it
refuses to start without. METRICS_COUNTERS is the others' PROMETHEUS_MULTIPROC_DIR: this process counts for itself.
Exit code 2 and one line where something is missing.
"""

import os
import signal
import sys
import threading
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError

from exchange.redis_client import build_redis
from execution.binding import read_binding
from execution.errors import Refused
from metrics.collector import Bot
from metrics.hours import sum_up
from metrics.samples import Samples, store
from metrics.server import build_server
from models.session import build_engine, build_sessions
from runtime.home import Home
from runtime.logs import configure
from secret_files import SecretFileError, secret
from settings import AnySettings, SettingsError, load_settings
from trading.clock import wall_now

logger = structlog.get_logger()
SERVICE = "metrics"
SAMPLE_EVERY_S = 60.0
PATIENCE_S = 2.0


def build_bot(settings: AnySettings) -> Bot:
    """The collector of these settings. Raises SettingsError, Refused."""
    urls = (settings.database_url, settings.redis_url, settings.celery_broker_url)
    if any(url is None for url in urls):
        raise SettingsError("DATABASE_URL, REDIS_URL and CELERY_BROKER_URL: are required; `okxbot up` sets them")
    database, market, broker = (url.get_secret_value() for url in urls if url is not None)
    sessions = build_sessions(build_engine(database, SERVICE))
    account_id = read_binding(sessions).account_id
    # A Redis that hangs must not hold up a look for half a minute.
    present, queues = (build_redis(url, patience_s=PATIENCE_S) for url in (market, broker))
    counters = Path(os.environ.get("METRICS_COUNTERS") or Home(settings.okxbot_home).counters)
    return Bot(sessions, account_id, present, queues, settings, counters)


def sample_for_ever(bot: Bot, stopping: threading.Event) -> None:
    """One sample a minute, and the hours summed up; while the database is away neither is done."""
    samples = Samples()
    samples.of(bot.collect())
    while not stopping.wait(SAMPLE_EVERY_S):
        try:
            taken = samples.of(bot.collect())
            with bot.sessions.begin() as session:
                store(session, wall_now().replace(microsecond=0), taken)
            sum_up(bot.sessions, wall_now())
        except SQLAlchemyError as error:
            logger.warning("sample_not_stored", error=type(error).__name__)


def sample_or_end(bot: Bot, stopping: threading.Event, broken: threading.Event) -> None:
    """`sample_for_ever`; what it did not foresee ends the service, whose supervisor starts it anew."""
    try:
        sample_for_ever(bot, stopping)
    except Exception:
        logger.exception("sampling_ended")
        broken.set()
        stopping.set()


def main() -> int:
    """Serve until SIGTERM. Exit code 1 where the samples ended by themselves."""
    stopping, broken = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    configure(SERVICE)
    try:
        # Where the logs look for what they must hide.
        credentials = os.environ["METRICS_BASIC_AUTH"] = secret("METRICS_BASIC_AUTH")
        os.environ.pop("METRICS_BASIC_AUTH_FILE", None)
    except SecretFileError as trouble:
        sys.stderr.write(f"okxbot: {trouble}\n")
        return 2
    if not all(credentials.partition(":")):
        sys.stderr.write("okxbot: metrics needs METRICS_BASIC_AUTH=user:password in its environment\n")
        return 2
    try:
        settings = load_settings()
        configure(SERVICE, settings.log_level, settings.log_format, settings.secret_values)
        bot = build_bot(settings)
        registry = CollectorRegistry()
        registry.register(bot)
        address, port = os.environ.get("METRICS_ADDRESS", "127.0.0.1"), settings.metrics_port or 9464
        server = build_server(registry, address, port, credentials)
    except (SettingsError, Refused, SQLAlchemyError, OSError) as trouble:
        sys.stderr.write(f"okxbot: {str(trouble).splitlines()[0]}\n")
        return 2
    threads = [
        threading.Thread(target=server.serve_forever, name="http", daemon=True),
        threading.Thread(target=sample_or_end, args=(bot, stopping, broken), name="samples", daemon=True),
    ]
    for thread in threads:
        thread.start()
    if ready_file := os.environ.get("OKXBOT_READY_FILE"):
        Path(ready_file).touch()
    logger.info("metrics_started", port=server.server_port)
    stopping.wait()
    server.shutdown()
    logger.info("shutdown_complete")
    return int(broken.is_set())


if __name__ == "__main__":
    sys.exit(main())
