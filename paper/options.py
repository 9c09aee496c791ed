"""What a paper exchange is started with. The command line and the tests build the same object."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Literal

from paper.errors import StartRefused

Speed = int | float | Literal["lockstep"]
DEFAULT_INSTRUMENTS = ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP")
MAX_SPEED = 36000

# Behaviour of OKX that its documentation leaves open, and what this exchange does by default.
SWITCHES: dict[str, tuple[str, ...]] = {
    "fok_attached_stops": ("accept", "refuse"),
    "attached_reduce_only": ("true", "false"),
    "attached_after_partial": ("drop", "live"),
    "algos_after_close": ("cancel", "keep"),
    "rate_limits": ("off", "on"),
    "order_visibility_delay_ms": (),
}


@dataclass(frozen=True)
class PaperOptions:
    """Start-up choices. `data` is None only for an in-process exchange that need not survive."""

    data: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0
    admin_port: int = 0
    market: str = "synthetic"
    speed: Speed = 60
    seed: int = 1
    instruments: tuple[str, ...] = DEFAULT_INSTRUMENTS
    warmup_bars: int = 2016
    decision_bar: str = "5m"
    equity: Decimal = Decimal(10000)
    admin: bool = False
    switches: Mapping[str, str] = field(default_factory=dict)

    def switch(self, name: str) -> str:
        """The value of a switch; its first documented value is the default."""
        default = SWITCHES[name][0] if SWITCHES[name] else "0"
        return self.switches.get(name, default)

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


def parse_switches(items: list[str]) -> dict[str, str]:
    """`NAME=VALUE` pairs. Raises StartRefused naming what is allowed."""
    found: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or name not in SWITCHES:
            raise StartRefused(f"--switch {item}: known switches are {', '.join(SWITCHES)} (NAME=VALUE)")
        allowed = SWITCHES[name]
        if allowed and value not in allowed:
            raise StartRefused(f"--switch {name}: allowed are {', '.join(allowed)}, not {value!r}")
        if not allowed and not value.isdecimal():
            raise StartRefused(f"--switch {name}: a whole number of milliseconds is needed, not {value!r}")
        found[name] = value
    return found
