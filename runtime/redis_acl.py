"""Who may do what in Redis, as lines of its access control list.

Contract: `acl_lines(passwords)` names every user. `okxbot` is the bot's services: all keys, nothing that administers
the server. `flower` watches: it reads, hears events and asks workers about themselves, and cannot put a task into a
queue. `default` is the operator with `redis-cli`: reads everything, and writes one stream, `system:alerts`, the halt.
The lines hold passwords as SHA-256 only.
"""

import hashlib
from dataclasses import dataclass

BOT, FLOWER, OPERATOR = "okxbot", "flower", "default"
# Without -@dangerous the connections' own commands would let a watcher cut off or pause every other client.
_LOOKING = "+@read +@connection -@dangerous +info"
# What kombu needs to hear events and the workers' answers: its own reply queues and bindings, and the broadcast.
_HEARING = (
    "+@pubsub +@transaction +publish (+@all -@dangerous ~okxbot:*reply.celery.pidbox* ~okxbot:_kombu.binding.*"
    " ~okxbot:celeryev.* ~okxbot:unacked*)"
)


@dataclass(frozen=True)
class RedisPasswords:
    """`repr` shows none."""

    bot: str
    flower: str
    operator: str

    def __repr__(self) -> str:
        return "RedisPasswords(…)"


def acl_lines(passwords: RedisPasswords) -> list[str]:
    """As they stand in an ACL file, or in the server's configuration."""
    return [
        _user(OPERATOR, passwords.operator, f"~* &* {_LOOKING} (+xadd ~system:alerts)"),
        _user(BOT, passwords.bot, "~* &* +@all -@dangerous -@admin +info"),
        _user(FLOWER, passwords.flower, f"~* &* {_LOOKING} {_HEARING}"),
    ]


def _user(name: str, password: str, rules: str) -> str:
    return f"user {name} reset on #{hashlib.sha256(password.encode()).hexdigest()} {rules}"
