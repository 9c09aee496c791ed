"""Each user of Redis may do its own work and nothing else, on a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from runtime.ports import free_port
from runtime.redis_acl import BOT, FLOWER, OPERATOR, RedisPasswords
from runtime.redis_server import RedisServer
from runtime.server_process import ServerProcess

PASSWORDS = RedisPasswords("bots", "flowers", "operators")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    made = RedisServer(tmp_path_factory.mktemp("acl") / "redis", PASSWORDS.operator, free_port(), PASSWORDS)
    made.prepare()
    process = ServerProcess(made.folder / "log", made.wait_until_ready, 15)
    process.start(made.argv())
    yield made
    process.stop()


def client(server: RedisServer, user: str, database: int = 1) -> redis.Redis:
    password = {BOT: PASSWORDS.bot, FLOWER: PASSWORDS.flower, OPERATOR: PASSWORDS.operator}[user]
    return redis.Redis.from_url(server.url(database, user, password))


@pytest.mark.parametrize(
    ("user", "command"),
    [
        (BOT, "LPUSH okxbot:trade x"), (BOT, "XADD market:alerts * a b"), (BOT, "BRPOP okxbot:trade 1"),
        (BOT, "PUBLISH c x"), (BOT, "INFO"),
        (FLOWER, "LLEN okxbot:trade"), (FLOWER, "PUBLISH okxbot:/1.celery.pidbox x"),
        (FLOWER, "LPUSH okxbot:abc.reply.celery.pidbox x"),
        (FLOWER, "SADD okxbot:_kombu.binding.reply.celery.pidbox x"),
        (OPERATOR, "PING"), (OPERATOR, "XADD system:alerts * type system_alert"), (OPERATOR, "LLEN okxbot:trade"),
        (OPERATOR, "INFO"),
    ],
)  # fmt: skip
def test_each_may_do_its_own_work(server, user: str, command: str):
    client(server, user).execute_command(*command.split())


@pytest.mark.parametrize(
    ("user", "command"),
    [
        (BOT, "FLUSHALL"), (BOT, "CONFIG GET *"), (BOT, "SHUTDOWN"), (BOT, "ACL LIST"),
        (BOT, "KEYS *"), (BOT, "MODULE LIST"),
        (FLOWER, "LPUSH okxbot:trade x"), (FLOWER, "LPUSH okxbot:protect x"), (FLOWER, "DEL okxbot:trade"),
        (FLOWER, "RPOP okxbot:trade"), (FLOWER, "XADD system:alerts * a b"), (FLOWER, "FLUSHDB"),
        (OPERATOR, "LPUSH okxbot:trade x"), (OPERATOR, "DEL okxbot:trade"), (OPERATOR, "XADD market:alerts * a b"),
        (OPERATOR, "XTRIM system:alerts MAXLEN 0"), (OPERATOR, "CONFIG GET requirepass"),
        (OPERATOR, "EVAL return(1) 0"), (OPERATOR, "KEYS *"),
        *((user, f"CLIENT {rest}") for user in (BOT, FLOWER, OPERATOR)
          for rest in ("KILL TYPE normal", "PAUSE 1", "LIST", "UNBLOCK 1")),
    ],
)  # fmt: skip
def test_each_is_refused_the_rest(server, user: str, command: str):
    with pytest.raises(redis.exceptions.NoPermissionError):
        client(server, user).execute_command(*command.split())


def test_nobody_is_let_in_without_a_password(server):
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)).ping()


def test_the_configuration_holds_no_password(server):
    text = Path(server.configuration).read_text()
    assert not any(word in text for word in (PASSWORDS.bot, PASSWORDS.flower, PASSWORDS.operator))
