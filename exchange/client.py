"""The exchange as the bot uses it: typed reads that retry, mutations that never do.

`OkxExchange` is thread-safe; build one per process (after a fork, not before).
"""

from typing import Self

from exchange.credentials import Credentials, load_credentials
from exchange.mutations import Mutations
from exchange.reads import Reads
from exchange.transport import OkxTransport
from settings import AnySettings


class OkxExchange(Reads, Mutations):
    """Reads raise `ReadFailed`; mutations return an `Outcome`. Every call ends within `timeout_s` a try."""

    def __init__(
        self, credentials: Credentials | None, rest_url: str, *, flag: str = "1", timeout_s: float = 5
    ) -> None:
        transport = OkxTransport(credentials, rest_url, flag=flag, timeout_s=timeout_s)
        Reads.__init__(self, transport)
        self._transport = transport

    @classmethod
    def from_settings(cls, settings: AnySettings, *, public_only: bool = False) -> Self:
        """The exchange these settings name; `public_only` needs no credentials. Raises CredentialsMissing."""
        credentials = None if public_only else load_credentials(settings)
        flag = "0" if settings.trading_mode == "live" else "1"
        return cls(credentials, settings.okx_rest_url, flag=flag, timeout_s=settings.http_timeout_s)

    def close(self) -> None:
        """Close its connections."""
        self._transport.close()
