"""Faults an admin can order: each hits the next `count` requests whose path contains `path`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paper.errors import MESSAGES, OkxError, bad_parameter

NAMES = (
    "reply_lost_after_accept", "request_lost", "reply_delayed", "http_502_html", "code", "ws_drop", "ws_silent",
    "ws_notice",
)  # fmt: skip


@dataclass
class Fault:
    """`placed` says for `code` whether the request is carried out before the refusal is sent."""

    name: str
    path: str = ""
    count: int = 1
    seconds: float = 0.0
    code: str = ""
    placed: bool = False

    def row(self) -> dict[str, Any]:
        return {"name": self.name, "path": self.path, "count": self.count, "seconds": self.seconds,
                "code": self.code, "placed": self.placed}  # fmt: skip


class FaultPlan:
    """Faults waiting for requests, oldest first."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def add(self, body: Mapping[str, Any]) -> Fault:
        """Read a fault from the admin's JSON. Raises OkxError naming the wrong field."""
        name = body.get("name")
        if name not in NAMES:
            raise OkxError("51000", message=f"Parameter name error: known are {', '.join(NAMES)}")
        try:
            fault = Fault(
                str(name), str(body.get("path", "")), int(body.get("count", 1)), float(body.get("seconds", 0)),
                str(body.get("code", "")), body.get("placed") is True,
            )  # fmt: skip
        except (TypeError, ValueError):
            raise bad_parameter("count") from None
        if fault.count < 1 or not 0 <= fault.seconds <= 600:
            raise bad_parameter("count")
        if fault.name == "code" and fault.code not in MESSAGES:
            raise bad_parameter("code")
        if not fault.name.startswith("ws_"):
            self.waiting.append(fault)
        return fault

    def take(self, path: str) -> Fault | None:
        """The fault that hits this request, if any; it is used up once."""
        for fault in self.waiting:
            if fault.path in path:
                fault.count -= 1
                if fault.count == 0:
                    self.waiting.remove(fault)
                return fault
        return None

    def clear(self) -> None:
        self.waiting.clear()
