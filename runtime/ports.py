"""TCP ports on loopback.

Contract: `choose_port` gives a port for a service: the operator's own choice if there is one (taken: an
`OperatorError` naming it), else the preferred one or the next free one above it. Every choice but the operator's
avoids ports already promised to another service.
"""

import socket
from collections.abc import Collection

from runtime.errors import OperatorError

HOST = "127.0.0.1"
_TRIED_ABOVE = 500


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port chosen by the operating system. Another process may take it before it is used."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def choose_port(
    service: str, preferred: int, *, demanded: int | None = None, promised: Collection[int] = (), setting: str
) -> int:
    if demanded is not None:
        if demanded in promised or not is_free(demanded):
            raise OperatorError(
                f"port {demanded} ({setting}) for {service} is taken by another program; "
                f"set {setting} to a free one, or leave it unset and one is found"
            )
        return demanded
    for port in range(preferred, min(preferred + _TRIED_ABOVE, 65536)):
        if port not in promised and is_free(port):
            return port
    raise OperatorError(f"no free port for {service} from {preferred} on; set {setting}")
