"""`XADD system:alerts` halts the bot, once, and survives restarts and nonsense."""

from collections.abc import Callable, Iterator

import pytest
import redis
from sqlalchemy import func, select

from exchange.redis_client import build_redis
from execution import control
from execution.context import ExecutionContext
from feeds.control import STREAM, ControlStream
from models import AuditEntry, BotState

CRITICAL = '{"reason":"manual halt","severity":"CRITICAL"}'
Until = Callable[..., None]


@pytest.fixture
def stream(ctx: ExecutionContext, redis_url: str) -> Iterator[ControlStream]:
    reader = ControlStream(ctx, build_redis(redis_url))
    reader.start()
    yield reader
    reader.stop()


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def state(ctx: ExecutionContext) -> BotState:
    with ctx.sessions() as session:
        return session.get_one(BotState, ctx.account_id)


def halts(ctx: ExecutionContext) -> int:
    with ctx.sessions() as session:
        return session.scalar(select(func.count()).select_from(AuditEntry).where(AuditEntry.action == "halt")) or 0


def test_critical_alert_halts_within_a_second(
    stream: ControlStream, ctx: ExecutionContext, client: redis.Redis, until: Until
) -> None:
    entry = client.xadd(STREAM, {"type": "system_alert", "payload": CRITICAL})
    until(lambda: state(ctx).halted, 1.0)
    assert (state(ctx).halt_kind, state(ctx).halt_reason) == ("system_alert", "manual halt")
    assert state(ctx).control_stream_id == entry


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "system_alert", "payload": CRITICAL, "source": "okxbot"},
        {"type": "system_alert", "payload": '{"reason":"x","severity":"CRITICAL","source":"okxbot"}'},
        {"type": "system_alert", "payload": '{"reason":"disk 80 %","severity":"WARN"}'},
        {"type": "system_alert", "payload": "{not json"},
        {"type": "system_alert", "payload": '{"severity":"CRITICAL"}'},
        {"type": "system_alert"},
        {"payload": CRITICAL},
        {"type": "something_else", "payload": CRITICAL},
    ],
    ids=["own", "own_in_payload", "mild", "not_json", "no_reason", "no_payload", "no_type", "other_type"],
)
def test_other_entries_are_passed_over(
    fields: dict[str, str], stream: ControlStream, ctx: ExecutionContext, client: redis.Redis, until: Until
) -> None:
    entry = client.xadd(STREAM, fields)
    until(lambda: state(ctx).control_stream_id == entry, 3)
    assert not state(ctx).halted
    client.xadd(STREAM, {"type": "system_alert", "payload": CRITICAL})
    until(lambda: state(ctx).halted, 3)


def test_entry_written_while_nobody_read_halts_at_the_next_start(
    ctx: ExecutionContext, client: redis.Redis, redis_url: str, until: Until
) -> None:
    client.xadd(STREAM, {"type": "system_alert", "payload": CRITICAL})
    reader = ControlStream(ctx, build_redis(redis_url))
    reader.start()
    until(lambda: state(ctx).halted, 3)
    reader.stop()


def test_restart_does_not_repeat_a_halt(
    ctx: ExecutionContext, client: redis.Redis, redis_url: str, until: Until
) -> None:
    first = ControlStream(ctx, build_redis(redis_url))
    first.start()
    client.xadd(STREAM, {"type": "system_alert", "payload": CRITICAL})
    until(lambda: state(ctx).halted, 3)
    first.stop()
    control.resume(ctx, actor="test", channel="cli")
    second = ControlStream(ctx, build_redis(redis_url))
    second.start()
    mild = client.xadd(STREAM, {"type": "system_alert", "payload": '{"reason":"x","severity":"INFO"}'})
    until(lambda: state(ctx).control_stream_id == mild, 3)
    second.stop()
    assert not state(ctx).halted
    assert halts(ctx) == 1


def test_an_entry_the_database_cannot_hold_still_halts_and_the_next_is_read(
    stream: ControlStream, ctx: ExecutionContext, client: redis.Redis, until: Until
) -> None:
    client.xadd(STREAM, {"type": "system_alert", "payload": '{"reason":"a\\u0000b","severity":"CRITICAL"}'})
    until(lambda: state(ctx).halted, 1.0)
    assert state(ctx).halt_reason == "ab"
    control.resume(ctx, actor="test", channel="test")
    client.xadd(STREAM, {"type": "system_alert", "payload": CRITICAL})
    until(lambda: state(ctx).halted, 1.0)
    assert state(ctx).halt_reason == "manual halt"
