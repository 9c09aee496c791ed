"""What the services of a bot are told: addresses, passwords, places.

Contract: `Plan` names the ports and connections of one home; `service_environment()` turns it into environment
variables named as in `settings.py`. Passwords travel by environment only, never in an argument or a file that
others may read.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from runtime import redis_acl, roles
from runtime.errors import OperatorError, file_trouble
from runtime.home import NO_SECRETS, Home, Secrets
from runtime.neighbours import choosing_ports
from runtime.ports import HOST, choose_port
from runtime.postgres import Cluster
from runtime.redis_acl import RedisPasswords
from runtime.redis_server import RedisServer
from settings import AnySettings, PaperSettings

# Above the usual ports of a PostgreSQL, a Redis or a Flower the machine may already run.
PREFERRED_PORTS = {"postgres": 54320, "redis": 63790, "exchange": 8080, "flower": 5555, "metrics": 9464}
WATCHER = "okxbot"  # who may see Flower and the metrics


@dataclass(frozen=True)
class Plan:
    """Where everything of one home listens and how it is reached. `repr` shows no password."""

    settings: AnySettings
    home: Home
    ports: dict[str, int]
    secrets: Secrets

    def __repr__(self) -> str:
        return f"Plan({self.home.folder}, ports={self.ports})"

    @property
    def embedded(self) -> bool:
        return self.settings.infrastructure == "embedded"

    @property
    def paper(self) -> bool:
        return isinstance(self.settings, PaperSettings)

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.home.postgres, self.secrets.postgres_password, self.ports["postgres"])

    @property
    def redis_server(self) -> RedisServer:
        own = self.secrets
        passwords = RedisPasswords(own.bot_redis_password, own.flower_redis_password, own.redis_password)
        return RedisServer(self.home.redis, own.redis_password, self.ports["redis"], passwords)

    @property
    def database_url(self) -> str:
        """The bot's, as SQLAlchemy reads it."""
        if self.settings.database_url is not None and not self.embedded:
            return self.settings.database_url.get_secret_value()
        return self.cluster.url_of(roles.BOT, self.secrets.bot_database_password)

    @property
    def owner_url(self) -> str:
        """Of the role that owns the tables, as SQLAlchemy reads it: for migrations, backup and restore."""
        if self.embedded:
            return self.cluster.url()
        owner = self.settings.database_owner_url or self.settings.database_url
        assert owner is not None, "external settings without DATABASE_URL are refused"
        return owner.get_secret_value()

    @property
    def dsn(self) -> str:
        """The same as libpq and psql read it."""
        return self.database_url.replace("postgresql+psycopg2://", "postgresql://", 1)

    @property
    def redis_url(self) -> str:
        if self.settings.redis_url is not None and not self.embedded:
            return self.settings.redis_url.get_secret_value()
        return self.redis_server.url(0, redis_acl.BOT, self.secrets.bot_redis_password)

    @property
    def operator_redis_url(self) -> str:
        """For a person with `redis-cli`: reads all, and may write the stream that halts."""
        return self.redis_server.url(0) if self.embedded else self.redis_url

    @property
    def flower_broker_url(self) -> str:
        """For Flower, which may not put tasks into queues."""
        if self.embedded:
            return self.redis_server.url(1, redis_acl.FLOWER, self.secrets.flower_redis_password)
        return self.broker_url

    @property
    def broker_url(self) -> str:
        if self.embedded:
            return self.redis_server.url(1, redis_acl.BOT, self.secrets.bot_redis_password)
        if self.settings.celery_broker_url is not None:
            return self.settings.celery_broker_url.get_secret_value()
        return urlsplit(self.redis_url)._replace(path="/1").geturl()

    @property
    def okx_rest_url(self) -> str:
        return f"http://{HOST}:{self.ports['exchange']}" if self._own_exchange else self.settings.okx_rest_url

    @property
    def okx_ws_url(self) -> str:
        return f"ws://{HOST}:{self.ports['exchange']}" if self._own_exchange else self.settings.okx_ws_url

    @property
    def _own_exchange(self) -> bool:
        return self.paper and self.settings.infrastructure != "compose"

    @property
    def market(self) -> str:
        """PAPER_MARKET with its files as absolute paths: services do not work in the operator's folder."""
        market: str = getattr(self.settings, "paper_market", "")
        if market in ("", "synthetic", "okx"):
            return market
        parts = []
        for part in market.split(","):
            instrument, equals, file = part.strip().rpartition("=")
            parts.append(f"{instrument}{equals}{Path(file).expanduser().absolute()}")
        return ",".join(parts)

    @property
    def urls(self) -> dict[str, str]:
        """What a person may open. Nothing secret in them."""
        if self.settings.infrastructure == "compose":
            return {"exchange": self.okx_rest_url}
        urls = {
            "flower": f"http://{HOST}:{self.ports['flower']}",
            "metrics": f"http://{HOST}:{self.ports['metrics']}/metrics",
            "exchange": self.okx_rest_url,
        }
        if self.embedded:
            urls |= {"postgres": f"{HOST}:{self.ports['postgres']}", "redis": f"{HOST}:{self.ports['redis']}"}
        return urls


def needed_ports(settings: AnySettings) -> list[str]:
    if settings.infrastructure == "compose":
        return []
    servers = ["postgres", "redis"] if settings.infrastructure == "embedded" else []
    return [*servers, *(["exchange"] if isinstance(settings, PaperSettings) else []), "flower", "metrics"]


def plan_ports(settings: AnySettings, home: Home) -> dict[str, int]:
    """Ports for a start of this home: those demanded, else those of last time, else the preferred, else free ones.

    To be called only while nothing of this home runs.
    """
    last_time = home.remembered_ports()
    names = needed_ports(settings)
    demanded: dict[str, int | None] = {name: getattr(settings, f"{name}_port") for name in names}
    ports: dict[str, int] = {}
    with choosing_ports(home) as promised:
        # The operator's choices first, so that a choice of ours never takes one of them.
        for name in sorted(names, key=lambda each: demanded[each] is None):
            ports[name] = choose_port(
                name,
                last_time.get(name, PREFERRED_PORTS[name]),
                demanded=demanded[name],
                promised=promised | set(ports.values()),
                setting=f"{name}_port".upper(),
            )
        home.remember_ports(ports)
    return ports


def plan_of(settings: AnySettings, home: Home) -> Plan:
    """The plan of a home that was started before; raises `OperatorError` where it never was."""
    if settings.infrastructure == "compose":
        return Plan(settings, home, {}, NO_SECRETS)
    ports = home.remembered_ports()
    if any(name not in ports for name in needed_ports(settings)):
        raise OperatorError(f"no bot was started in {home.folder} yet; start one with `okxbot up`")
    return Plan(settings, home, ports, home.secrets())


def service_environment(plan: Plan) -> dict[str, str]:
    """The environment every service shares: ours, with the connections of this home."""
    own = {
        "OKXBOT_HOME": str(plan.home.folder),
        "DATABASE_URL": plan.database_url,
        "REDIS_URL": plan.redis_url,
        "CELERY_BROKER_URL": plan.broker_url,
        "FLOWER_BROKER_URL": plan.flower_broker_url,
        "OKX_REST_URL": plan.okx_rest_url,
        "OKX_WS_URL": plan.okx_ws_url,
        "FLOWER_PORT": str(plan.ports["flower"]),
        "FLOWER_BASIC_AUTH": f"{WATCHER}:{plan.secrets.flower_password}",
        "METRICS_PORT": str(plan.ports["metrics"]),
        "METRICS_BASIC_AUTH": f"{WATCHER}:{plan.secrets.flower_password}",
        "PYTHONUNBUFFERED": "1",
        # One thread per process: fifteen processes share the machine, and no calculation here is large.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        # glibc otherwise keeps an arena per thread, a good part of a worker's memory.
        "MALLOC_ARENA_MAX": "2",
    }
    if plan.paper:
        own["PAPER_MARKET"] = plan.market
        file = getattr(plan.settings, "paper_account_file", None) or plan.home.account_file
        own["PAPER_ACCOUNT_FILE"] = str(file)
    return dict(os.environ) | own


def paper_account(plan: Plan) -> dict[str, str]:
    """Key of the paper account: `api_key, secret_key, passphrase`, and its `uid`."""
    path = getattr(plan.settings, "paper_account_file", None) or plan.home.account_file
    with file_trouble("read the paper account's key in", path):
        text = path.read_text()
    try:
        found = {name: str(value) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError):
        found = {}
    if not {"api_key", "secret_key", "passphrase"} <= set(found):
        raise OperatorError(f"{path} is damaged: api_key, secret_key and passphrase are expected")
    return found
