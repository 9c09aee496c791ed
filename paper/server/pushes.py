"""What faults do to the messages pushed on one connection: lost, doubled, late, in the wrong order."""

import asyncio
from collections.abc import Callable
from typing import Any

from paper.faults import Fault, FaultPlan
from paper.server.channels import candle_bar

Send = Callable[[bytes], None]


class Distorter:
    """Stands between one connection's pushes and its outgoing queue; `send` takes what is to leave now."""

    def __init__(self, plan: FaultPlan, endpoint: str, send: Send) -> None:
        self._plan = plan
        self._endpoint = endpoint
        self._send = send
        self._held: list[bytes] = []
        # Subscriptions whose present bar is being lost, until its closing push.
        self._gaps: set[bytes] = set()

    @property
    def idle(self) -> bool:
        """Whether pushes may go past this object."""
        return "push" not in self._plan.kinds and not self._held and not self._gaps

    def push(self, key: bytes, channel: str, data: list[Any], message: bytes) -> None:
        """Send the push of the subscription `key`, unless a fault strikes it."""
        closes = bool(data) and isinstance(data[0], list) and data[0][-1] == "1"
        if key in self._gaps:
            if closes:
                self._gaps.discard(key)
            return
        fault = self._struck(channel)
        if fault is None:
            self._leave(message)
        elif fault.name == "push_duplicate":
            self._leave(message + message)
        elif fault.name == "push_late":
            asyncio.get_running_loop().call_later(fault.seconds, self._send, message)
        elif fault.name == "push_out_of_order":
            self._held.append(message)
            asyncio.get_running_loop().call_later(fault.seconds, self._release)
        elif fault.name == "candle_gap" and not closes:
            self._gaps.add(key)

    def _struck(self, channel: str) -> Fault | None:
        target = f"/ws/v5/{self._endpoint}/{channel}"
        for fault in self._plan.matching("push", target):
            if fault.name == "candle_gap" and candle_bar(channel) is None:
                continue
            self._plan.strike(fault, target)
            return fault
        return None

    def _leave(self, message: bytes) -> None:
        self._send(message)
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, []
        for message in held:
            self._send(message)
