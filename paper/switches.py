"""What OKX leaves open, as switches: each way is a way the real exchange may behave, and a client must stand both.

`okxbot exchange --switch NAME=VALUE` sets one. The table in docs/paper-exchange.md is made from here.
"""

from dataclasses import dataclass

from paper.errors import StartRefused


@dataclass(frozen=True)
class Switch:
    """`values` lists what is allowed, the default first; `unit` instead says that it takes a whole number."""

    about: str
    source: str
    values: tuple[str, ...] = ()
    default_number: int = 0
    unit: str = ""
    range: tuple[int, int] = (0, 0)

    @property
    def default(self) -> str:
        return self.values[0] if self.values else str(self.default_number)

    @property
    def allowed(self) -> str:
        if self.values:
            return ", ".join(self.values)
        return f"{self.range[0]} to {self.range[1]} {self.unit}"

    def accepts(self, value: str) -> bool:
        if self.values:
            return value in self.values
        return value.isdecimal() and self.range[0] <= int(value) <= self.range[1]


_SILENT = "documentation silent"

SWITCHES: dict[str, Switch] = {
    "fok_attached_stops": Switch(
        "whether a fill-or-kill order may carry attached stops", _SILENT, ("accept", "refuse")
    ),
    "attached_reduce_only": Switch(
        "whether an attached stop, once alive, can only reduce (or could open the opposite side)",
        _SILENT, ("true", "false"),
    ),
    "attached_after_partial": Switch(
        "what becomes of attached stops when the order is cancelled after a partial fill",
        "documentation: alive once fully filled; silent on a cancel", ("drop", "live"),
    ),
    "algos_after_close": Switch(
        "whether stops and targets of a position end when an offsetting order closes it",
        "documentation names cancelSource 21; silent on which algos", ("cancel", "keep"),
    ),
    "order_visibility_delay_ms": Switch(
        "how long after its acknowledgement an order is missing from queries", _SILENT,
        default_number=0, unit="ms of wall time", range=(0, 60_000),
    ),
    "push_order": Switch(
        "which private channel reports a fill first", "documentation: nothing guaranteed",
        ("orders_first", "positions_first"),
    ),
    "push_timing": Switch(
        "whether the first push of an order comes before its acknowledgement or after",
        "documentation: nothing guaranteed", ("before_reply", "after_reply"),
    ),
    "duplicate_cl_ord_id": Switch(
        "code for a client order id that an open order has already", "documentation: 51016; 50071 on some paths",
        ("51016", "50071"),
    ),
    "rate_limits": Switch(
        "whether requests above the documented limits are refused; auto is on up to speed 1, as a client in faster "
        "time lives through days in minutes", "documentation: limits per call", ("auto", "on", "off"),
    ),
    "rate_limit_status": Switch(
        "HTTP status and text of 50011", "documentation has both", ("429", "200")
    ),
    "auth_messages": Switch(
        "wording of a refused signature", "documentation and recorded replies differ", ("recorded", "documented")
    ),
    "unknown_path": Switch("reply to a path that does not exist", _SILENT, ("json", "html")),
    "candles_on_public": Switch(
        "whether candle channels are served on /public, too", "documentation: moved to /business in 2023",
        ("refuse", "accept"),
    ),
    "instruments_greeting": Switch(
        "whether subscribing to instruments brings the whole list", "documentation of 2025: changes only; older: list",
        ("changes_only", "list"),
    ),
    "price_band_percent": Switch(
        "how far from mark an order's price may lie", "formula not documented",
        default_number=5, unit="per cent", range=(1, 50),
    ),
    "position_tiers": Switch(
        "how margin rates rise with the size of a position", "present tables not documented", ("growing", "flat")
    ),
    "max_mkt_sz": Switch(
        "largest market order of SOL, XRP and DOGE", "not documented",
        default_number=35_000, unit="contracts", range=(1, 100_000_000),
    ),
}  # fmt: skip


def parse_switches(items: list[str]) -> dict[str, str]:
    """`NAME=VALUE` pairs. Raises StartRefused naming what is allowed."""
    found: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or name not in SWITCHES:
            raise StartRefused(f"--switch {item}: known switches are {', '.join(SWITCHES)} (NAME=VALUE)")
        if not SWITCHES[name].accepts(value):
            raise StartRefused(f"--switch {name}: allowed are {SWITCHES[name].allowed}, not {value!r}")
        found[name] = value
    return found


def switch_table() -> str:
    """The documentation's table: name, values (the default first), what it decides, what is known."""
    rows = ["| switch | values (default first) | decides | known |", "|---|---|---|---|"]
    for name, switch in SWITCHES.items():
        values = ", ".join(f"`{value}`" for value in switch.values)
        if not values:
            values = f"`{switch.default}`; {switch.allowed}"
        rows.append(f"| `{name}` | {values} | {switch.about} | {switch.source} |")
    return "\n".join(rows)
