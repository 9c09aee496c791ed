"""`python3 -m runtime.compose_secrets`: the passwords of the containers, made once. Needs nothing but Python.

Contract: makes `./secrets` (mode 0700) with one file per secret, and `.env` where there is none. A secret that exists
is kept; running it again only adds what is missing. The files themselves are readable by all, for the services in the
containers are users of their own; the folder is what keeps others on this machine out. Exit status 2 and one line when
the folder cannot be written.
"""

import os
import secrets
import sys
from pathlib import Path
from urllib.parse import urlsplit

from runtime.redis_acl import BOT, FLOWER, RedisPasswords, acl_lines

FOLDER = Path(__file__).resolve().parent.parent
FIRST_DOTENV = """# Settings of the containers; every one is in docs/configuration.md.
# The profile `paper` starts the paper exchange; `telegram` and `prometheus` can be added after commas. With
# TRADING_MODE=demo or live: without `paper`.
COMPOSE_PROFILES=paper
"""


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.made: list[str] = []
        path.mkdir(mode=0o700, exist_ok=True)
        path.chmod(0o700)

    def keep(self, name: str, fresh: str, mode: int = 0o444) -> str:
        """What the file holds; `fresh` is written where it is missing."""
        path = self._path / name
        if path.exists():
            return path.read_text()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(fresh)
        path.chmod(mode)
        self.made.append(name)
        return fresh


def write_secrets(checkout: Path) -> list[str]:
    """Make what is missing below `checkout`; names of the files made."""
    folder = _Folder(checkout / "secrets")
    owner = folder.keep("postgres_password", _fresh())
    folder.keep("database_owner_url", f"postgresql://okxbot:{owner}@postgres:5432/trading_bot")
    folder.keep("database_url", f"postgresql://okxbot_bot:{_fresh()}@postgres:5432/trading_bot")
    reader = folder.keep("database_reader_password", _fresh())
    # Alarms go nowhere until the owner writes a bot's token and a chat here (docs/dashboards.md).
    alarms = "GRAFANA_TELEGRAM_TOKEN=0:none\nGRAFANA_TELEGRAM_CHAT=0\n"
    folder.keep("grafana.env", f"GRAFANA_POSTGRES_PASSWORD={reader}\n{alarms}", 0o600)
    bot = _password(folder.keep("redis_url", f"redis://{BOT}:{_fresh()}@redis:6379/0"))
    folder.keep("celery_broker_url", f"redis://{BOT}:{bot}@redis:6379/1")
    flower = _password(folder.keep("flower_broker_url", f"redis://{FLOWER}:{_fresh()}@redis:6379/1"))
    operator = folder.keep("redis.env", f"REDISCLI_AUTH={_fresh()}\n", 0o600).strip().partition("=")[2]
    folder.keep("redis_acl", "\n".join(acl_lines(RedisPasswords(bot, flower, operator))) + "\n")
    folder.keep("flower_basic_auth", f"okxbot:{_fresh()}")
    metrics = folder.keep("metrics_basic_auth", f"okxbot:{_fresh()}")
    folder.keep("metrics_password", metrics.partition(":")[2])  # alone, as Prometheus wants it
    folder.keep("grafana_admin_password", _fresh())
    dotenv = checkout / ".env"
    if not dotenv.exists():
        descriptor = os.open(dotenv, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(FIRST_DOTENV)
        folder.made.append("../.env")
    return folder.made


def _fresh() -> str:
    return secrets.token_urlsafe(24)


def _password(url: str) -> str:
    return urlsplit(url.strip()).password or ""


def main() -> int:
    try:
        made = write_secrets(FOLDER)
    except OSError as trouble:
        sys.stderr.write(f"okxbot: {trouble.filename} cannot be written: {trouble.strerror}\n")
        return 2
    place = FOLDER / "secrets"
    sys.stdout.write(f"made {', '.join(made)} in {place}\n" if made else f"{place} is complete\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
