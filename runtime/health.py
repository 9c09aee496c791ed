"""`python -m runtime.health SERVICE`: does this service do its work? Exit status 0, or 1 and one line saying why not.

A worker must answer a ping, beat must have sent a tick, the market feed must have fresh prices of every instrument,
account feed and Telegram must have talked to the database, the exchange and Flower must answer. Run inside the
service's own container by its health check; costs a second of a processor. Times are wall seconds.
"""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable

import celeryconfig
from settings import AnySettings, SettingsError, load_settings
from trading.clock import wall_now

# A tick is sent each second; a position push or a look at the alerts comes within a few.
TICK_WITHIN, PRICES_WITHIN, DATABASE_WITHIN = 30, 60, 120
PING_WITHIN = 8.0


class Unwell(Exception):
    """Why the service does not do its work."""


def check_worker(name: str) -> None:
    """It answers over its control queue, as to `celery inspect ping`."""
    from celery import Celery

    app = Celery("health")
    app.config_from_object(celeryconfig)
    if not app.control.ping(destination=[f"{name}@okxbot"], timeout=PING_WITHIN):
        raise Unwell(f"{name} does not answer a ping within {PING_WITHIN:.0f} s")


def check_beat(settings: AnySettings) -> None:
    """It touches a file at every tick."""
    file = settings.okxbot_home / "run" / "beat.tick"
    if not file.exists():
        raise Unwell("no tick yet")
    age = wall_now().timestamp() - file.stat().st_mtime
    if age > TICK_WITHIN:
        raise Unwell(f"no tick for {age:.0f} s")


def check_market_feed(settings: AnySettings) -> None:
    """Every instrument's ticker in Redis is fresh."""
    from exchange.market_cache import MarketCache
    from exchange.redis_client import build_redis

    assert settings.redis_url is not None, "required by INFRASTRUCTURE=compose"
    cache = MarketCache(build_redis(settings.redis_url.get_secret_value()))
    for inst_id in settings.instruments:
        age = cache.ages(inst_id, wall_now()).get("ticker")
        if age is None or age > PRICES_WITHIN:
            raise Unwell(f"{inst_id}: " + ("no price yet" if age is None else f"the last price is {age:.0f} s old"))


def check_database_use(settings: AnySettings, service: str) -> None:
    """The service has asked the database something lately."""
    import psycopg2

    assert settings.database_url is not None, "required by INFRASTRUCTURE=compose"
    dsn = settings.database_url.get_secret_value().replace("+psycopg2", "")
    connection = psycopg2.connect(dsn, connect_timeout=5, options="-c statement_timeout=5000")
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT extract(epoch FROM min(clock_timestamp() - state_change)) FROM pg_stat_activity"
                " WHERE application_name = %s",
                (f"okxbot-{service}",),
            )
            row = cursor.fetchone()
    finally:
        connection.close()
    if row is None or row[0] is None or row[0] > DATABASE_WITHIN:
        raise Unwell(f"{service} has not talked to the database for {DATABASE_WITHIN} s")


def check_url(url: str) -> None:
    """It answers without an error."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return
    except urllib.error.HTTPError as answer:
        if answer.code != 401:  # it asks for its password: it lives
            raise Unwell(f"{url}: HTTP {answer.code}") from None


def check(service: str) -> None:
    """Raises Unwell, or what the connection to a server raises."""
    if service in celeryconfig.workers:
        check_worker(service)
        return
    if service == "flower":
        check_url(f"http://127.0.0.1:{os.environ.get('FLOWER_PORT', '5555')}/healthcheck")
        return
    if service == "metrics":
        check_url(f"http://127.0.0.1:{os.environ.get('METRICS_PORT', '9464')}/metrics")
        return
    if service == "exchange":
        check_url("http://127.0.0.1:8080/api/v5/public/time")
        return
    settings = load_settings()
    checks: dict[str, Callable[[], None]] = {
        "beat": lambda: check_beat(settings),
        "market-feed": lambda: check_market_feed(settings),
        "account-feed": lambda: check_database_use(settings, "account-feed"),
        "telegram": lambda: check_database_use(settings, "telegram"),
    }
    if service not in checks:
        raise Unwell(f"no service {service!r}")
    checks[service]()


def main() -> int:
    try:
        check(sys.argv[1] if len(sys.argv) > 1 else "")
    except SettingsError as trouble:
        sys.stdout.write(f"unwell: {trouble}\n")
        return 1
    except Exception as trouble:  # noqa: BLE001 (whatever it is, the service cannot be said to be well)
        sys.stdout.write(f"unwell: {str(trouble).splitlines()[0] if str(trouble) else type(trouble).__name__}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
