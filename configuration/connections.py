"""Where the bot runs and what it connects to."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr, field_validator


class Connections(BaseModel):
    """Where the bot runs and what it connects to."""

    trading_mode: Literal["paper", "demo", "live"] = Field(
        "paper", description="Which world to trade in: paper (our own exchange), demo (OKX demo), live (money)."
    )
    okxbot_home: Path = Field(
        Path("~/.okxbot"), description="Folder of everything a running bot keeps: data, logs, generated secrets."
    )
    infrastructure: Literal["embedded", "external", "compose"] = Field(
        "embedded",
        description="embedded: `okxbot up` starts its own PostgreSQL and Redis; external: DATABASE_URL, REDIS_URL; "
        "compose: the services are containers (set by docker-compose.yml).",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe log line shown.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto: readable on a terminal, JSON lines otherwise."
    )

    # Connections (set by `okxbot up` for its services; by compose otherwise).
    database_url: SecretStr | None = Field(None, description="PostgreSQL, e.g. postgresql://user:pw@host/trading_bot.")
    database_owner_url: SecretStr | None = Field(
        None,
        description="The same as the role that owns the tables: migrations, backup. Default: DATABASE_URL.",
    )
    redis_url: SecretStr | None = Field(None, description="Redis database 0: control and market data.")
    celery_broker_url: SecretStr | None = Field(None, description="Redis database 1: Celery's broker.")
    okx_rest_url: str = Field("https://www.okx.com", description="Base URL of the OKX v5 REST interface.")
    okx_ws_url: str = Field("wss://ws.okx.com:8443", description="Base URL of OKX's WebSockets; /ws/v5/… is appended.")
    db_pool_size: int | None = Field(
        None, ge=1, le=1000, description="Connections kept per process; default by service."
    )
    db_max_overflow: int | None = Field(
        None, ge=0, le=1000, description="Connections above the pool; default by service."
    )
    postgres_port: int | None = Field(None, ge=1, le=65535, description="Port of the embedded PostgreSQL.")
    redis_port: int | None = Field(None, ge=1, le=65535, description="Port of the embedded Redis.")
    exchange_port: int | None = Field(None, ge=1, le=65535, description="Port of the paper exchange.")
    flower_port: int | None = Field(None, ge=1, le=65535, description="Port of Flower.")
    metrics_port: int | None = Field(None, ge=1, le=65535, description="Port of the Prometheus endpoint.")

    @field_validator("okxbot_home", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @field_validator("database_url", "database_owner_url", mode="after")
    @classmethod
    def _driver(cls, value: SecretStr | None) -> SecretStr | None:
        """SQLAlchemy 2.1 reads a plain `postgresql://` as psycopg 3; this project uses psycopg2."""
        if value is None:
            return None
        url = value.get_secret_value()
        if url.startswith("postgresql://"):
            return SecretStr("postgresql+psycopg2://" + url.removeprefix("postgresql://"))
        if not url.startswith("postgresql+psycopg2://"):
            raise ValueError("must start with postgresql://")
        return value
