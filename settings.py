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

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from configuration.analysts import Analysts
from configuration.connections import Connections
from configuration.env_files import values_of_env_files
from configuration.execution import Execution
from configuration.refusals import SettingsError, refusal_line
from configuration.risk import Risk
from configuration.telegram import Telegram
from configuration.trading import Trading
from secret_files import FILES_FOR, SecretFileError, with_secrets_read

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
    "GRAFANA_IMAGE", "PROMETHEUS_IMAGE", "PUBLISH_POSTGRES", "PUBLISH_REDIS", "PUBLISH_GRAFANA", "PUBLISH_FLOWER",
    "PUBLISH_METRICS",
)  # fmt: skip
# Set by the supervisor and by tests for their own use; no settings.
OF_THE_RUNTIME = ("OKXBOT_READY_FILE", "OKXBOT_SERVICE", "OKXBOT_TEST", "OKXBOT_IMAGE")


SECRET = "(secret)"


class Settings(Telegram, Execution, Risk, Analysts, Trading, Connections, BaseSettings):
    """What all modes share. Percentages are per cent (3 means 3 %), times are wall seconds unless named.

    The subjects stand last to first: so pydantic lists their fields first to last.
    """

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_file=None)
    mode: ClassVar[str] = ""
    _given: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def given(self) -> dict[str, str]:
        """What was given, by the name of the field, in the words it was given in; `SECRET` for a secret."""
        return dict(self._given)

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
    paper_seed: int = Field(
        1, ge=0, lt=2**63, description="Seed of the synthetic market and of the path inside a candle."
    )
    paper_equity: Annotated[Decimal, Field(gt=0, lt=10**12)] = Field(
        Decimal(10000), description="Starting balance, USDT."
    )
    paper_account_file: Path | None = Field(None, description="Key file of the paper account; default: in the home.")
    warmup_bars: int = Field(
        2016, ge=300, le=105_120, description="Bars of 5 minutes that serve as history before trading starts."
    )

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

    @field_validator("entry_limit")
    @classmethod
    def _nothing_rests(cls, value: str) -> str:
        """A resting entry outlives the bot, and what fills of it in part has no stop until the bot gives it one."""
        if value != "fok":
            raise ValueError("must be fok in live trading; rest is for paper and demo")
        return value


AnySettings = PaperSettings | DemoSettings | LiveSettings
_TYPES: dict[str, type[PaperSettings] | type[DemoSettings] | type[LiveSettings]] = {
    "paper": PaperSettings,
    "demo": DemoSettings,
    "live": LiveSettings,
}


def _unknown(key: str, known: set[str], where: str) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"{key}: is not a setting ({where})" + (f"; did you mean {close[0]}?" if close else "")


def load_settings(environ: dict[str, str] | None = None, *, dotenv: bool = True) -> AnySettings:
    """Settings of this process.

    Raises SettingsError naming every unknown or senseless key and what is allowed.
    """
    env = {k.upper(): v for k, v in (os.environ if environ is None else environ).items() if v != ""}
    file_values = values_of_env_files(CHECKOUT, env.get("OKXBOT_HOME", "~/.okxbot")) if dotenv else {}
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
        settings._given = {name: _told(getattr(settings, name), words) for name, words in values.items()}
    except ValidationError as error:
        problems += [refusal_line(item, cls.model_fields, mode) for item in error.errors()]
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def settings_of(given: dict[str, str], own: AnySettings) -> AnySettings:
    """The settings of another process by its `given`; the secrets among them are this process's `own`, or empty.

    `own` where they do not hold here.
    """
    values: dict[str, Any] = {**given, "okxbot_home": own.okxbot_home}
    for name in given:
        if given[name] == SECRET:
            values[name] = getattr(own, name, None) or SecretStr("")
    try:
        return _TYPES[given.get("trading_mode", "paper")].model_validate(values)
    except (ValidationError, KeyError):
        return own


def _told(value: Any, words: str) -> str:
    """One setting for another process: paths as they were understood here, without a secret."""
    if isinstance(value, SecretStr):
        return SECRET
    return str(value) if isinstance(value, str | Path) else words
