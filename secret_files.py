"""Secrets from files: `NAME_FILE=/run/secrets/name` stands for `NAME=its content`.

Contract: `with_secrets_read(environ)` returns the environment with every such file read; a name given both ways is
refused, and so is a file that cannot be read or is empty: with `SecretFileError`, one line, without the content.
Only names in `FILES_FOR` are looked at: a program's other `…_FILE` variables are its own.
"""

import os
from collections.abc import Mapping
from pathlib import Path

FILES_FOR = (
    "DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_READER_PASSWORD", "REDIS_URL", "CELERY_BROKER_URL",
    "FLOWER_BROKER_URL", "FLOWER_BASIC_AUTH", "METRICS_BASIC_AUTH", "ANTHROPIC_API_KEY", "PERPLEXITY_API_KEY",
    "TELEGRAM_BOT_TOKEN", "OKX_API_KEY", "OKX_SECRET_KEY", "OKX_PASSPHRASE",
)  # fmt: skip


class SecretFileError(ValueError):
    """A secret's file is no good; `str()` is one line for the operator."""


def with_secrets_read(environ: Mapping[str, str]) -> dict[str, str]:
    """A copy of `environ` in which the files are replaced by what is in them."""
    found = dict(environ)
    for name in FILES_FOR:
        path = found.pop(f"{name}_FILE", "")
        if not path:
            continue
        if found.get(name):
            raise SecretFileError(f"{name}: is given twice, by itself and by {name}_FILE; keep one")
        found[name] = _read(name, Path(path))
    return found


def secret(name: str) -> str:
    """One of this process's secrets, "" where it is not given."""
    return with_secrets_read({key: os.environ.get(key, "") for key in (name, f"{name}_FILE")})[name]


def _read(name: str, path: Path) -> str:
    try:
        text = path.read_text().strip()
    except OSError as trouble:
        raise SecretFileError(f"{name}_FILE: {path} cannot be read: {trouble.strerror}") from None
    except UnicodeDecodeError:
        raise SecretFileError(f"{name}_FILE: {path} is not text") from None
    if not text:
        raise SecretFileError(f"{name}_FILE: {path} is empty")
    return text
