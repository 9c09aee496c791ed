"""The accounts' API keys, one JSON file each, readable by the owner only."""

import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from paper.errors import StartRefused


@dataclass(frozen=True)
class Credentials:
    """What a client signs with. `repr` shows the uid only."""

    uid: str
    api_key: str
    secret_key: str
    passphrase: str

    def __repr__(self) -> str:
        return f"Credentials(uid={self.uid!r})"


IN_PROCESS = Credentials("1000000000000000001", "in-process", "in-process", "in-process")


def load_or_create(path: Path) -> Credentials:
    """Read `account.json`, or make an account and write it with mode 0600. Raises StartRefused."""
    try:
        raw = orjson.loads(path.read_bytes())
        return Credentials(raw["uid"], raw["api_key"], raw["secret_key"], raw["passphrase"])
    except FileNotFoundError:
        pass
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise StartRefused(f"{path}: not an account file (uid, api_key, secret_key, passphrase)") from None
    made = Credentials(
        str(10**17 + secrets.randbelow(9 * 10**17)), secrets.token_hex(16), secrets.token_hex(24), secrets.token_hex(8)
    )
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(orjson.dumps(asdict(made)))
    return made
