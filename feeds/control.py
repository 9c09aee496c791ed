"""The control stream: an operator or another program halts the bot with one `XADD system:alerts`.

An entry `type=system_alert payload={"reason": …, "severity": "CRITICAL"}` halts within a second, unless it
carries `source=okxbot`: the bot's own alerts never halt. The position in the stream is stored in the halt's
transaction, so a restart neither misses nor repeats an entry. A malformed entry is logged and skipped. While
PostgreSQL or Redis does not answer, the entry in hand is tried again until it is done.
"""

import threading
from collections.abc import Callable

import orjson
import structlog
from pydantic import BaseModel, ValidationError
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from execution import control
from execution.context import ExecutionContext
from models import BotState

logger = structlog.get_logger()

STREAM = "system:alerts"
OWN_SOURCE = "okxbot"
BLOCK_MS = 500  # well under the client's socket timeout
BATCH = 100
RETRY_S = 1.0


class SystemAlert(BaseModel):
    """The payload of a system alert."""

    reason: str
    severity: str
    source: str = ""


class ControlStream:
    """Reads the stream on its own thread and halts when told to."""

    def __init__(self, ctx: ExecutionContext, redis: Redis) -> None:
        self._ctx = ctx
        self._redis = redis
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control-stream", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(BLOCK_MS / 1000 + 2)
        self._redis.close()

    def _run(self) -> None:
        position: str | None = None
        while not self._stopping.is_set():
            try:
                if position is None:
                    position = self._stored_position()
                for entry_id, fields in self._read(position):
                    try:
                        self._heed(entry_id, fields)
                    except ValueError as error:
                        # It asked for something, and cannot be stored as it is: the safe reading is a halt.
                        logger.error("control_entry_unstorable", entry=entry_id, reason=type(error).__name__)
                        self._halt_for(entry_id)
                    position = entry_id
            except (DBAPIError, RedisError) as error:
                logger.warning("control_stream_retried", error=type(error).__name__)
                self._stopping.wait(RETRY_S)

    def _read(self, position: str) -> list[tuple[str, dict[bytes, bytes]]]:
        read: Callable[..., object] = self._redis.xread
        answer = read({STREAM: position}, count=BATCH, block=BLOCK_MS)
        if not answer:
            return []
        # RESP3 answers with a mapping, RESP2 with a list of pairs.
        entries = next(iter(answer.values())) if isinstance(answer, dict) else answer[0][1]  # type: ignore[index]
        if entries and isinstance(entries[0], list):
            entries = entries[0]
        return [(entry_id.decode(), fields) for entry_id, fields in entries]

    def _heed(self, entry_id: str, fields: dict[bytes, bytes]) -> None:
        alert = parse_entry(entry_id, fields)
        if alert is None or alert.severity.upper() != "CRITICAL" or alert.source == OWN_SOURCE:
            self._store_position(entry_id)
            return
        control.halt(
            self._ctx,
            # PostgreSQL's text holds no NUL, and no entry may keep the next one from being read.
            reason=alert.reason.replace("\0", ""),
            kind="system_alert",
            actor=(alert.source or "stream").replace("\0", ""),
            channel="stream",
            control_stream_id=entry_id,
        )

    def _halt_for(self, entry_id: str) -> None:
        reason = f"a system alert that could not be stored ({entry_id})"
        control.halt(
            self._ctx, reason=reason, kind="system_alert", actor="stream", channel="stream", control_stream_id=entry_id
        )

    def _stored_position(self) -> str:
        with self._ctx.sessions() as session:
            return session.execute(
                select(BotState.control_stream_id).where(BotState.account_id == self._ctx.account_id)
            ).scalar_one()

    def _store_position(self, entry_id: str) -> None:
        with self._ctx.sessions.begin() as session:
            session.execute(
                update(BotState).where(BotState.account_id == self._ctx.account_id).values(control_stream_id=entry_id)
            )


def parse_entry(entry_id: str, fields: dict[bytes, bytes]) -> SystemAlert | None:
    """The alert of an entry; None for another type of entry, and for a malformed one, which is logged."""
    kind = fields.get(b"type", b"").decode("utf-8", "replace")
    if kind and kind != "system_alert":
        return None
    try:
        if not kind:
            raise ValueError("no field type")
        payload = orjson.loads(fields.get(b"payload", b""))
        alert = SystemAlert.model_validate(payload)
    except (ValueError, ValidationError) as error:
        reason = "payload does not fit" if isinstance(error, ValidationError) else str(error)
        logger.error("control_entry_malformed", entry=entry_id, reason=reason)
        return None
    source = fields.get(b"source", b"").decode("utf-8", "replace")
    return alert.model_copy(update={"source": source or alert.source})
