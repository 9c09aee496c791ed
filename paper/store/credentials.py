"""API keys: `account.json` for the first account, one file in `keys/` for every further key, owner-readable only.

A running exchange looks for new files when it meets a key it does not know, so keys can be made beside it.
"""

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
import structlog

from paper.errors import StartRefused

logger = structlog.get_logger()
PERMISSIONS = ("read_only", "trade", "withdraw")
DEFAULT_PERMISSIONS = "read_only,trade"
NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True)
class Credentials:
    """What a client signs with. `permissions` is comma-joined as OKX shows it; `repr` shows the uid only.

    `ip` lists the only addresses the key works from, comma-joined; blank for any.
    """

    uid: str
    api_key: str
    secret_key: str
    passphrase: str
    permissions: str = DEFAULT_PERMISSIONS
    label: str = "paper"
    ip: str = ""

    def __repr__(self) -> str:
        return f"Credentials(uid={self.uid!r})"

    @property
    def may_trade(self) -> bool:
        return "trade" in self.permissions.split(",")

    def works_from(self, address: str) -> bool:
        """Whether the key may be used from an address; one that is not known (blank) is let through."""
        return not (address and self.ip) or address in self.ip.split(",")


IN_PROCESS = Credentials("1000000000000000001", "in-process", "in-process", "in-process")


class KeyRing(Mapping[str, Credentials]):
    """The keys of a data folder by API key, the first account's first."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        # As text: the folder is looked at on every signed request.
        self._keys = "" if folder is None else os.fspath(folder / "keys")
        self._known: dict[str, Credentials] = {}
        self._seen_ns = -1

    def add(self, credentials: Credentials) -> None:
        self._known[credentials.api_key] = credentials

    def __getitem__(self, api_key: str) -> Credentials:
        found = self._known.get(api_key)
        if found is None:
            self.look()
            found = self._known.get(api_key)
        elif self._folder is not None and not self._still_there(found):
            found = None
        if found is None:
            raise KeyError(api_key)
        return found

    def _still_there(self, credentials: Credentials) -> bool:
        """A key whose file was deleted is revoked; the folder's own time tells when to look again."""
        self.look()
        return credentials.api_key in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def look(self) -> None:
        """Read `keys/` again when it has changed. A file that cannot be read is no key."""
        if self._folder is None:
            return
        try:
            changed = os.stat(self._keys).st_mtime_ns
        except FileNotFoundError:
            changed = 0
        if changed == self._seen_ns:
            return
        self._seen_ns = changed
        first = next(iter(self._known.values()), None)
        self._known = {} if first is None else {first.api_key: first}
        for path in _files(self._folder):
            try:
                self.add(_read(path))
            except (StartRefused, FileNotFoundError) as fault:
                logger.warning("key_unreadable", file=str(path), error=str(fault))


def _files(folder: Path) -> list[Path]:
    return sorted((folder / "keys").glob("*.json"))


def stored_keys(folder: Path) -> dict[str, Credentials]:
    """The further keys of a data folder by name. Raises StartRefused for a file that is no key."""
    return {path.stem: _read(path) for path in _files(folder)}


def create_key(folder: Path, name: str, permissions: str = DEFAULT_PERMISSIONS, uid: str = "", ip: str = "") -> Path:
    """Make a key called `name` and return its file. A blank `uid` makes a new account. Raises StartRefused."""
    if not NAME.fullmatch(name):
        raise StartRefused(f"{name!r}: a key's name is 1 to 40 letters, digits, - or _")
    granted = [word.strip() for word in permissions.split(",") if word.strip()]
    unknown = [word for word in granted if word not in PERMISSIONS]
    if unknown or not granted:
        raise StartRefused(f"permissions {permissions!r}: known are {', '.join(PERMISSIONS)}")
    ordered = ",".join(word for word in PERMISSIONS if word in {"read_only", *granted})
    if uid and not uid.isdecimal():
        raise StartRefused(f"account {uid!r}: a uid is digits only")
    keys = folder / "keys"
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = keys / f"{name}.json"
    try:
        _write(path, make(uid, ordered, name, ip))
    except FileExistsError:
        raise StartRefused(f"{path}: there is a key of that name already") from None
    return path


def make(uid: str = "", permissions: str = DEFAULT_PERMISSIONS, label: str = "paper", ip: str = "") -> Credentials:
    """A fresh key; without a uid, of a fresh account."""
    return Credentials(
        uid or str(10**17 + secrets.randbelow(9 * 10**17)), secrets.token_hex(16), secrets.token_hex(24),
        secrets.token_hex(8), permissions, label, ip,
    )  # fmt: skip


def load_or_create(path: Path) -> Credentials:
    """Read `account.json`, or make an account and write it with mode 0600. Raises StartRefused."""
    try:
        return _read(path)
    except FileNotFoundError:
        made = make()
        _write(path, made)
        return made


def _read(path: Path) -> Credentials:
    try:
        raw = orjson.loads(path.read_bytes())
        more = {name: str(raw[name]) for name in ("permissions", "label", "ip") if name in raw}
        return Credentials(raw["uid"], raw["api_key"], raw["secret_key"], raw["passphrase"], **more)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise StartRefused(f"{path}: not an account file (uid, api_key, secret_key, passphrase)") from None


def _write(path: Path, credentials: Credentials) -> None:
    """Whole or not at all: a running exchange may be reading the folder. Raises FileExistsError."""
    temporary = path.with_suffix(f".{os.getpid()}.new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(orjson.dumps(asdict(credentials)))
    try:
        os.link(temporary, path)
    finally:
        temporary.unlink()
