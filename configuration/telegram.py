"""The owner's hand on the bot."""

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from configuration.kinds import AtCommas


class Telegram(BaseModel):
    """The owner's hand on the bot."""

    telegram_bot_token: SecretStr | None = Field(None, description="Bot token; without it the service is not started.")
    telegram_user_ids: Annotated[tuple[int, ...], NoDecode, AtCommas] = Field(
        (), description="Telegram user ids that may look and are told of alerts; with the admins. Both empty: nobody."
    )
    telegram_admin_ids: Annotated[tuple[int, ...], NoDecode, AtCommas] = Field(
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
