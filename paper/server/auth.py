"""Who is calling: OKX's request signature, and the WebSocket login."""

import base64
import hmac
import re
from collections.abc import Mapping
from datetime import datetime

from paper.errors import OkxError
from paper.store.credentials import Credentials

VALID_MS = 30_000
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


def sign(secret: str, message: bytes) -> str:
    """base64(HMAC-SHA256(secret, message))."""
    return base64.b64encode(hmac.digest(secret.encode(), message, "sha256")).decode()


def verify(
    accounts: Mapping[str, Credentials],
    method: str,
    target: bytes,
    body: bytes,
    headers: Mapping[str, str],
    wall: int,
    address: str = "",
) -> Credentials:
    """The key a request is signed with. `target` is path and query exactly as sent. Raises OkxError 501xx."""
    key = headers.get("ok-access-key", "")
    signature = headers.get("ok-access-sign", "")
    stamp = headers.get("ok-access-timestamp", "")
    passphrase = headers.get("ok-access-passphrase", "")
    for value, code in ((key, "50103"), (passphrase, "50104"), (signature, "50106"), (stamp, "50107")):
        if not value:
            raise OkxError(code)
    if abs(_stamp_ms(stamp) - wall) > VALID_MS:
        raise OkxError("50102")
    credentials = accounts.get(key)
    if credentials is None:
        raise OkxError("50111")
    if not hmac.compare_digest(passphrase.encode(), credentials.passphrase.encode()):
        raise OkxError("50105")
    if not credentials.works_from(address):
        raise OkxError("50110", address)
    message = stamp.encode() + method.encode() + target + body
    if not hmac.compare_digest(signature.encode(), sign(credentials.secret_key, message).encode()):
        raise OkxError("50113")
    return credentials


def _stamp_ms(stamp: str) -> int:
    """ISO-8601 with milliseconds; a bare epoch in seconds is taken too, as OKX does."""
    if _STAMP.fullmatch(stamp):
        try:
            return round(datetime.fromisoformat(stamp).timestamp() * 1000)
        except ValueError:
            raise OkxError("50112") from None
    if re.fullmatch(r"\d{10}(\.\d{1,6})?", stamp):
        return round(float(stamp) * 1000)
    raise OkxError("50112")


def verify_login(
    accounts: Mapping[str, Credentials], arg: Mapping[str, object], wall: int, address: str = ""
) -> tuple[Credentials | None, str]:
    """The account of a WebSocket login and "0", or None and the error code."""
    key, stamp = str(arg.get("apiKey", "")), str(arg.get("timestamp", ""))
    if not re.fullmatch(r"\d{10}(\.\d+)?", stamp):
        return None, "60004"
    if abs(float(stamp) * 1000 - wall) > VALID_MS:
        return None, "60006"
    credentials = accounts.get(key)
    if credentials is None:
        return None, "60005"
    if not hmac.compare_digest(str(arg.get("passphrase", "")).encode(), credentials.passphrase.encode()):
        return None, "60024"
    expected = sign(credentials.secret_key, f"{stamp}GET/users/self/verify".encode())
    if not hmac.compare_digest(str(arg.get("sign", "")).encode(), expected.encode()):
        return None, "60007"
    if not credentials.works_from(address):
        return None, "60009"
    return credentials, "0"
