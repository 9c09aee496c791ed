"""Every setting of the bot: one typed tree, read from the environment and from `.env` files.

Precedence: environment, then `$OKXBOT_HOME/.env`, then `.env` beside this file, then the default.
The type depends on `TRADING_MODE`: `PaperSettings` has no field for exchange credentials, and
`DemoSettings`/`LiveSettings` refuse every `PAPER_*` key, so a process can only hold what its mode needs.

Failure: `SettingsError` with one line per wrong key (name, what is allowed). Nothing is printed but names:
secret values never reach a message.
"""

import difflib
import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from secret_files import FILES_FOR, SecretFileError, with_secrets_read

Percent = Annotated[Decimal, Field(gt=0, le=100)]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
CHECKOUT = Path(__file__).resolve().parent

# Environment names we judge for typing errors; other names in the environment belong to other programs.
OWN_PREFIXES = (
    "PAPER_", "OKXBOT_", "OPUS_", "HAIKU_", "MAX_", "LLM_", "FRESH_", "DAILY_LOSS", "DRAWDOWN_", "MIN_REWARD",
    "ORDER_EXP", "ENTRY_", "NAKED_", "LOSS_", "DECISION_", "REENTRY_", "UNKNOWN_", "HALT_CLEARS", "LIVE_ACCOUNT",
    "PROTECTION_", "REFLECTION_", "BREAK_EVEN", "TRAIL_",
)  # fmt: skip
PAPER_ONLY = ("WARMUP_BARS",)
# Read by docker compose itself from the same `.env`.
OF_COMPOSE = (
    "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME", "OKXBOT_IMAGE", "PYTHON_IMAGE", "POSTGRES_IMAGE", "REDIS_IMAGE",
    "GRAFANA_IMAGE", "PUBLISH_POSTGRES", "PUBLISH_REDIS", "PUBLISH_GRAFANA", "PUBLISH_FLOWER", "PUBLISH_METRICS",
)  # fmt: skip
# Set by the supervisor and by tests for their own use; no settings.
OF_THE_RUNTIME = ("OKXBOT_READY_FILE", "OKXBOT_SERVICE", "OKXBOT_TEST", "OKXBOT_IMAGE")


class SettingsError(ValueError):
    """Wrong settings; `str()` is one line per key, fit to show to the operator."""


class Settings(BaseSettings):
    """What all modes share. Percentages are per cent (3 means 3 %), times are wall seconds unless named."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_file=None)
    mode: ClassVar[str] = ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """`load_settings` has merged and judged the sources already; nothing may slip in beside it."""
        return (init_settings,)

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
    db_pool_size: int | None = Field(None, ge=1, description="Connections kept per process; default by service.")
    db_max_overflow: int | None = Field(None, ge=0, description="Connections above the pool; default by service.")
    postgres_port: int | None = Field(None, ge=1, le=65535, description="Port of the embedded PostgreSQL.")
    redis_port: int | None = Field(None, ge=1, le=65535, description="Port of the embedded Redis.")
    exchange_port: int | None = Field(None, ge=1, le=65535, description="Port of the paper exchange.")
    flower_port: int | None = Field(None, ge=1, le=65535, description="Port of Flower.")
    metrics_port: int | None = Field(None, ge=1, le=65535, description="Port of the Prometheus endpoint.")

    # What is traded.
    instruments: Annotated[tuple[str, ...], NoDecode] = Field(
        ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"),
        description="USDT swaps, comma-separated. The market feed follows a change in .env at once, the rest of the "
        "bot at its next start. With candle files: those in the files.",
    )
    decision_bar: Literal["1m", "3m", "5m", "15m", "30m", "1H"] = Field(
        "5m", description="A decision cycle opens at the close of each such bar."
    )
    book_channel: Literal["books", "books5"] = Field(
        "books",
        description="books: every message's sequence and checksum are verified; books5: five levels, less work.",
    )
    market_alert_cooldown_min: int = Field(
        60,
        ge=0,
        description="A market alert of one kind and instrument comes at most so often, minutes of market time.",
    )
    candle_keep_days: int | None = Field(
        None, ge=8, description="Candles older than so many days are removed; default: all are kept."
    )
    economic_calendar: str | None = Field(
        None,
        description="CSV or ICS file, or URL, of economic events; default: a list of FOMC, CPI, NFP and GDP dates.",
    )
    margin_mode: Literal["isolated", "cross"] = Field("isolated", description="Margin mode of every position.")
    leverage: int = Field(3, ge=1, le=100, description="Leverage set on the exchange at start and verified.")

    # Analysts and models.
    analyst: Literal["auto", "rules", "claude"] = Field(
        "auto", description="auto: claude if ANTHROPIC_API_KEY is set, otherwise the built-in rules."
    )
    anthropic_api_key: SecretStr | None = Field(None, description="Key for Opus and Haiku.")
    anthropic_base_url: str = Field("https://api.anthropic.com", description="Anthropic API, or a stand-in.")
    perplexity_api_key: SecretStr | None = Field(None, description="Key for research; without it none is done.")
    perplexity_base_url: str = Field("https://api.perplexity.ai", description="Perplexity API, or a stand-in.")
    opus_model: str = Field("claude-opus-5-5", description="Model that decides and reflects.")
    haiku_model: str = Field("claude-haiku-5-5", description="Model that screens.")
    perplexity_model: str = Field("sonar-pro", description="Model that researches.")
    opus_effort: Literal["low", "medium", "high"] = Field("low", description="Thinking effort asked of Opus.")
    opus_max_tokens: int = Field(6000, ge=500, description="Output limit of a decision, thinking included.")
    opus_budget_s: Seconds = Field(30, description="One deadline over all tries of a decision; then HOLD.")
    reflection_max_tokens: int = Field(16000, ge=1000, description="Output limit of a reflection, thinking included.")
    reflection_budget_s: Annotated[float, Field(ge=1, le=240)] = Field(
        180, description="One deadline over all tries of a deep reflection; then the playbook stays as it is."
    )
    haiku_budget_s: Seconds = Field(6, description="One deadline over all tries of a screening; then it passes.")
    haiku_audit_pct: Annotated[Decimal, Field(ge=0, le=100)] = Field(
        Decimal(2), description="Share of what Haiku screens out that goes to Opus all the same, to know its misses, %."
    )
    perplexity_budget_s: Seconds = Field(15, description="One deadline over all tries of a research question.")
    llm_daily_budget_usd: Annotated[Decimal, Field(ge=0)] = Field(
        Decimal(10), description="Model spend per UTC day; spent means HOLD."
    )

    # Risk: the gate.
    max_open_positions: int = Field(3, ge=1, description="Open positions, open entry intents included.")
    max_consecutive_losses: int = Field(3, ge=1, description="Losses in a row before the cooldown.")
    loss_cooldown_min: int = Field(30, ge=0, description="Cooldown after the losses, minutes of market time.")
    max_trade_margin_pct: Percent = Field(Decimal(5), description="Margin of one trade, % of equity; cut to it.")
    max_total_margin_pct: Percent = Field(Decimal(15), description="All margin, open intents included, % of equity.")
    max_leverage: Annotated[Decimal, Field(ge=1)] = Field(Decimal(3), description="Highest leverage; cut to it.")
    max_stop_distance_pct: Percent = Field(Decimal(3), description="Stop distance from the live price, %.")
    min_reward_risk: Annotated[Decimal, Field(gt=0)] = Field(
        Decimal("1.5"), description="Least reward : risk, net of fees."
    )
    max_correlation: Annotated[Decimal, Field(gt=0, le=1)] = Field(
        Decimal("0.8"), description="Correlation of returns with an open position of the same direction; above: cut."
    )
    max_entries_per_hour: int = Field(3, ge=1, description="Entries per hour of market time, account-wide.")
    reentry_cooldown_min: int = Field(15, ge=0, description="Minutes of market time since the last exit here.")
    decision_max_age_s: Seconds = Field(60, description="A decision older than this is not executed.")
    max_price_drift_bps: Annotated[Decimal, Field(gt=0)] = Field(
        Decimal(30), description="Price move since the snapshot beyond which an entry is not executed, basis points."
    )
    max_limit_distance_bps: Annotated[Decimal, Field(gt=0, le=1000)] = Field(
        Decimal(100), description="A limit entry's price may lie so far on the good side of the quote, basis points."
    )
    protection_seen_s: Seconds = Field(
        30, description="No entry unless the stops of all positions were checked within so many seconds."
    )
    fresh_ticker_s: Seconds = Field(10, description="Oldest ticker an entry may rest on.")
    fresh_candle_s: Seconds = Field(30, description="Oldest candle push an entry may rest on.")
    fresh_book_s: Seconds = Field(10, description="Oldest book an entry may rest on.")
    fresh_funding_s: Seconds = Field(180, description="Oldest funding rate an entry may rest on.")
    fresh_open_interest_s: Seconds = Field(60, description="Oldest open interest an entry may rest on.")
    fresh_account_s: Seconds = Field(15, description="Oldest account state an entry may rest on.")

    # Risk: the account monitor.
    daily_loss_halt_pct: Percent = Field(Decimal(3), description="Loss since 00:00 UTC that halts, %.")
    drawdown_halt_pct: Percent = Field(Decimal(10), description="Fall from the equity peak that halts, %.")
    halt_clears_on_restart: bool | None = Field(
        None, description="Automatic risk halts clear on an orderly restart; default: paper and demo yes, live no."
    )

    # Execution.
    order_exp_s: Annotated[float, Field(ge=0.5, le=3)] = Field(3, description="`expTime` of every placement.")
    http_timeout_s: Seconds = Field(5, description="One call to OKX, connect to last byte.")
    entry_order_type: Literal["fok", "market"] = Field(
        "fok", description="fok: whole with its stop or nothing; market: if OKX refuses attached stops on fok."
    )
    entry_limit: Literal["fok", "rest"] = Field(
        "fok",
        description="A limit decision. fok: fills whole at once, or not at all; rest: waits on the book until "
        "DECISION_MAX_AGE_S, and what fills before the rest is covered a moment later than it is held.",
    )
    entry_slippage_bps: Annotated[Decimal, Field(gt=0, le=100)] = Field(
        Decimal(15), description="Worst acceptable entry price, beyond the opposite quote, basis points."
    )
    break_even_at_r: Annotated[Decimal, Field(ge=0, le=100)] = Field(
        Decimal(0),
        description="Profit, in R (the plan's risk), from which the stop stands at break-even. 0: the plan decides.",
    )
    trail_stop_r: Annotated[Decimal, Field(ge=0, le=100)] = Field(
        Decimal(0), description="The stop follows the price so many R behind, never back. 0: off, the plan decides."
    )
    naked_grace_s: Seconds = Field(5, description="Longest time a position may be seen uncovered before we act.")
    unknown_grace_s: Seconds = Field(2, description="Wait past `expTime` before an absence counts.")

    # Telegram.
    telegram_bot_token: SecretStr | None = Field(None, description="Bot token; without it the service is not started.")
    telegram_user_ids: Annotated[tuple[int, ...], NoDecode] = Field(
        (), description="Telegram user ids that may look and are told of alerts; with the admins. Both empty: nobody."
    )
    telegram_admin_ids: Annotated[tuple[int, ...], NoDecode] = Field(
        (), description="Telegram user ids that may also change something: halt, resume, flatten, close, configure."
    )
    telegram_webhook_url: str | None = Field(
        None, description="Public https address Telegram shall send updates to; without it the bot asks for them."
    )
    telegram_webhook_listen: str = Field(
        "127.0.0.1:8443", description="Where the webhook listens, behind a proxy that ends TLS at the public address."
    )
    telegram_base_url: str = Field("https://api.telegram.org", description="Telegram's Bot API, or a stand-in.")
    telegram_timezone: str = Field("UTC", description="Zone of every time shown in Telegram, e.g. Europe/Berlin.")
    telegram_quiet_hours: str | None = Field(
        None, description="Such as 22:00-07:00 in that zone: only CRITICAL alerts ring, the others wait for its end."
    )
    telegram_least_severity: Literal["INFO", "WARN", "CRITICAL"] = Field(
        "INFO", description="Alerts below it are not sent; /alerts shows them."
    )
    telegram_cooldown_s: Annotated[float, Field(ge=0, le=86400)] = Field(
        300, description="A WARN of one kind is sent at most so often; what comes meanwhile is sent as one."
    )

    @field_validator("instruments", "telegram_user_ids", "telegram_admin_ids", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("instruments")
    @classmethod
    def _swaps_only(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [inst for inst in value if not inst.endswith("-USDT-SWAP")]
        if wrong or not value:
            raise ValueError(
                f"must name USDT-margined swaps such as BTC-USDT-SWAP, not {', '.join(wrong) or 'nothing'}"
            )
        if len(set(value)) != len(value):
            raise ValueError("names an instrument twice")
        return value

    @field_validator("economic_calendar")
    @classmethod
    def _calendar_absolute(cls, value: str | None) -> str | None:
        """Services run in a folder of their own: a relative path means the folder the operator stands in."""
        if value is None or value.startswith(("http://", "https://")):
            return value
        return str(Path(value).expanduser().resolve())

    @field_validator("telegram_timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("must be a time zone such as Europe/Berlin") from None
        return value

    @field_validator("telegram_webhook_url")
    @classmethod
    def _public(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https://[^/\s]+(/\S*)?", value):
            raise ValueError("must be an https address such as https://bot.example.org/okxbot")
        return value

    @field_validator("telegram_webhook_listen")
    @classmethod
    def _address(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError("must be an address and a port such as 127.0.0.1:8443")
        return value

    @field_validator("telegram_quiet_hours")
    @classmethod
    def _hours(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", value):
            raise ValueError("must be two times of day such as 22:00-07:00")
        return value

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

    @model_validator(mode="after")
    def _analyst_has_its_key(self) -> Self:
        if self.analyst == "claude" and self.anthropic_api_key is None:
            raise ValueError("ANTHROPIC_API_KEY: is required by ANALYST=claude; set it, or ANALYST=rules")
        if self.infrastructure != "embedded" and (self.database_url is None or self.redis_url is None):
            raise ValueError(f"DATABASE_URL and REDIS_URL: are required by INFRASTRUCTURE={self.infrastructure}")
        return self

    @property
    def secret_values(self) -> tuple[str, ...]:
        """Every secret of these settings, for whoever must never show one."""
        found = (getattr(self, name) for name in type(self).model_fields)
        return tuple(value.get_secret_value() for value in found if isinstance(value, SecretStr))

    @property
    def analyst_in_use(self) -> Literal["rules", "claude"]:
        """Which analyst decides, `auto` resolved."""
        if self.analyst != "auto":
            return self.analyst
        return "claude" if self.anthropic_api_key is not None else "rules"

    @property
    def automatic_halts_clear_on_restart(self) -> bool:
        if self.halt_clears_on_restart is not None:
            return self.halt_clears_on_restart
        return self.trading_mode != "live"


class PaperSettings(Settings):
    """Paper trading on our own exchange process. Has no field for OKX credentials."""

    mode: ClassVar[str] = "paper"
    trading_mode: Literal["paper"] = "paper"
    paper_speed: float | Literal["lockstep"] = Field(
        60, description="Market seconds per wall second, or lockstep: the next bar waits for every cycle of this one."
    )
    paper_market: str = Field("synthetic", description="synthetic, okx (live prices), or candle files (comma-joined).")
    paper_seed: int = Field(1, ge=0, description="Seed of the synthetic market and of the path inside a candle.")
    paper_equity: Annotated[Decimal, Field(gt=0)] = Field(Decimal(10000), description="Starting balance, USDT.")
    paper_account_file: Path | None = Field(None, description="Key file of the paper account; default: in the home.")
    warmup_bars: int = Field(2016, ge=300, description="Bars of 5 minutes that serve as history before trading starts.")

    @field_validator("paper_speed", mode="before")
    @classmethod
    def _speed(cls, value: Any) -> Any:
        if value == "lockstep":
            return value
        try:
            speed = float(value)
        except (TypeError, ValueError):
            raise ValueError("must be a number from 0.1 to 2000, or lockstep") from None
        if not 0.1 <= speed <= 2000:
            raise ValueError("must be a number from 0.1 to 2000, or lockstep")
        return speed

    @field_validator("paper_market", mode="after")
    @classmethod
    def _files_absolute(cls, value: str) -> str:
        """Services run in a folder of their own: a relative path means the folder the operator stands in."""
        if value in ("synthetic", "okx"):
            return value
        named = [part.strip().rpartition("=") for part in value.split(",") if part.strip()]
        if not named:
            raise ValueError("must be synthetic, or candle files separated by commas")
        return ",".join(name + sign + str(Path(file).expanduser().resolve()) for name, sign, file in named)

    @model_validator(mode="after")
    def _exchange_of_the_compose_file(self) -> Self:
        """Among containers the paper exchange is the one of that name."""
        if self.infrastructure == "compose":
            own = {"okx_rest_url": "http://exchange:8080", "okx_ws_url": "ws://exchange:8080"}
            for name, url in own.items():
                if name not in self.model_fields_set:
                    object.__setattr__(self, name, url)
        return self

    @model_validator(mode="after")
    def _instruments_of_the_files(self) -> Self:
        """With candle files and no INSTRUMENTS given, the files say what is traded."""
        if self.paper_market in ("synthetic", "okx") or "instruments" in self.model_fields_set:
            return self
        found = tuple(_instrument_of(part) for part in self.paper_market.split(","))
        object.__setattr__(self, "instruments", found)
        return self

    @model_validator(mode="after")
    def _real_models_need_real_time(self) -> Self:
        real = self.anthropic_base_url == "https://api.anthropic.com"
        if self.analyst_in_use == "claude" and real and self.paper_speed != 1:
            raise ValueError(
                "PAPER_SPEED: must be 1 with the claude analyst on the real API; set PAPER_SPEED=1 or ANALYST=rules"
            )
        if self.paper_market == "okx" and self.paper_speed != 1:
            raise ValueError("PAPER_SPEED: must be 1 with PAPER_MARKET=okx; set PAPER_SPEED=1")
        if self.entry_limit == "rest" and self.paper_speed == "lockstep":
            raise ValueError(
                "ENTRY_LIMIT: must be fok with PAPER_SPEED=lockstep: the market waits for each order's end"
            )
        return self


def _instrument_of(market_file: str) -> str:
    """The instrument of `INST=FILE`, or of a file whose name holds one, e.g. okx_BTC-USDT-SWAP_5m.csv.gz."""
    name, sign, file = market_file.rpartition("=")
    found = re.search(r"[A-Z0-9]+-USDT-SWAP", name if sign else Path(file).name)
    if found is None:
        raise ValueError(f"PAPER_MARKET: {Path(file).name} does not name its instrument; write BTC-USDT-SWAP={file}")
    return found.group()


class OkxSettings(Settings):
    """What demo and live share: credentials of an OKX account."""

    @field_validator("okx_rest_url", "okx_ws_url")
    @classmethod
    def _encrypted(cls, value: str) -> str:
        if not value.startswith(("https://", "wss://")):
            raise ValueError("must be https:// or wss://: keys travel over it")
        return value

    okx_api_key: SecretStr = Field(description="OKX API key (trade permission, no withdrawal).")
    okx_secret_key: SecretStr = Field(description="OKX API secret.")
    okx_passphrase: SecretStr = Field(description="OKX API passphrase.")


class DemoSettings(OkxSettings):
    """OKX demo trading."""

    mode: ClassVar[str] = "demo"
    trading_mode: Literal["demo"] = "demo"
    okx_ws_url: str = Field("wss://wspap.okx.com:8443", description="Base URL of OKX's demo WebSockets.")


class LiveSettings(OkxSettings):
    """Money. Refused until the owner names the account."""

    mode: ClassVar[str] = "live"
    trading_mode: Literal["live"] = "live"
    live_account_uid: str = Field(description="The OKX account uid the owner allows to trade live; it must match.")


AnySettings = PaperSettings | DemoSettings | LiveSettings
_TYPES: dict[str, type[PaperSettings] | type[DemoSettings] | type[LiveSettings]] = {
    "paper": PaperSettings,
    "demo": DemoSettings,
    "live": LiveSettings,
}


def _dotenv(home: str | None) -> dict[str, str]:
    values: dict[str, str] = {}
    try:
        folders = [CHECKOUT] + ([Path(home).expanduser()] if home else [])
    except RuntimeError:
        raise SettingsError(f"OKXBOT_HOME: there is no such user's home on this machine: {home}") from None
    for folder in folders:
        path = folder / ".env"
        if path.is_file():
            values |= _read_dotenv(path)
    return values


def _read_dotenv(path: Path) -> dict[str, str]:
    try:
        return {k.upper(): v for k, v in dotenv_values(path).items() if v is not None and v != ""}
    except OSError as trouble:
        raise SettingsError(f"{path}: cannot be read: {trouble.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is not UTF-8 text; save it as UTF-8") from None


def _unknown(key: str, known: set[str], where: str) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"{key}: is not a setting ({where})" + (f"; did you mean {close[0]}?" if close else "")


def load_settings(environ: dict[str, str] | None = None, *, dotenv: bool = True) -> AnySettings:
    """Settings of this process.

    Raises SettingsError naming every unknown or senseless key and what is allowed.
    """
    env = {k.upper(): v for k, v in (os.environ if environ is None else environ).items() if v != ""}
    file_values = _dotenv(env.get("OKXBOT_HOME", "~/.okxbot")) if dotenv else {}
    try:
        # The environment comes before the file, for a secret given by a file as well.
        env = with_secrets_read(env)
        named = {k: v for k, v in file_values.items() if k.removesuffix("_FILE") not in env}
        file_values = with_secrets_read(named)
    except SecretFileError as trouble:
        raise SettingsError(str(trouble)) from None
    merged = file_values | env
    mode = merged.get("TRADING_MODE", "paper")
    if mode not in _TYPES:
        raise SettingsError(f"TRADING_MODE: must be one of paper, demo, live, not {mode!r}")
    cls = _TYPES[mode]
    known = {name.upper() for name in cls.model_fields}
    problems = [_unknown(k, known, ".env") for k in file_values if k not in known.union(FILES_FOR, OF_COMPOSE)]
    everything = known.union(*({n.upper() for n in t.model_fields} for t in _TYPES.values()))
    for key in env:
        if key in known or key in file_values:
            continue
        if key.startswith("PAPER_") or key in PAPER_ONLY:
            where = f"TRADING_MODE={mode}" if key in everything else "environment"
            problems.append(_unknown(key, known, where))
        elif key.startswith(OWN_PREFIXES) and key not in everything and not key.startswith(OF_THE_RUNTIME):
            problems.append(_unknown(key, known, "environment"))
    values = {name: merged[name.upper()] for name in cls.model_fields if name.upper() in merged}
    try:
        settings = cls.model_validate(values)
    except ValidationError as error:
        problems += [_one_line(item, values) for item in error.errors(include_input=False)]
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def _one_line(item: Any, values: dict[str, str]) -> str:
    """One pydantic error as `KEY: what is allowed`; never the value, which may be a secret."""
    key = str(item["loc"][0]).upper() if item["loc"] else ""
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "missing":
        return f"{key}: is required by TRADING_MODE={values.get('trading_mode', 'paper')}"
    return f"{key}: {message[0].lower()}{message[1:]}" if key else message
