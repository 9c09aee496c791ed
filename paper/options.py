"""What a paper exchange is started with. The command line and the tests build the same object."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Literal

from paper.errors import StartRefused
from paper.switches import SWITCHES

Speed = int | float | Literal["lockstep"]
DEFAULT_INSTRUMENTS = ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP")
MAX_SPEED = 36000


@dataclass(frozen=True)
class PaperOptions:
    """Start-up choices. `data` is None only for an in-process exchange that need not survive."""

    data: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0
    admin_port: int = 0
    tls_port: int = 0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    market: str = "synthetic"
    speed: Speed = 60
    seed: int = 1
    # When a synthetic market begins, ms; 0: where its seed puts it. One with a beginning runs in real time.
    start_ms: int = 0
    instruments: tuple[str, ...] = DEFAULT_INSTRUMENTS
    warmup_bars: int = 2016
    decision_bar: str = "5m"
    equity: Decimal = Decimal(10000)
    admin: bool = False
    patience_s: float = 20.0
    idle_s: float = 30.0
    okx_rest: str = "https://www.okx.com"
    okx_ws: str = "wss://ws.okx.com:8443"
    switches: Mapping[str, str] = field(default_factory=dict)

    def switch(self, name: str) -> str:
        """The value of a switch; its default where none was given."""
        return self.switches.get(name, SWITCHES[name].default)

    @property
    def rate_limited(self) -> bool:
        """Whether requests above OKX's limits are refused (switch `rate_limits`)."""
        wanted = self.switch("rate_limits")
        in_real_time = not isinstance(self.speed, str) and self.speed <= 1
        return in_real_time if wanted == "auto" else wanted == "on"

    @property
    def lockstep(self) -> bool:
        return self.speed == "lockstep"


def parse_speed(value: str) -> Speed:
    """`lockstep` or a positive factor of wall time. Raises StartRefused."""
    if value == "lockstep":
        return "lockstep"
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number <= MAX_SPEED:
        raise StartRefused(f"--speed {value}: allowed are lockstep or a number above 0 and up to {MAX_SPEED}")
    return int(number) if number.is_integer() else number
