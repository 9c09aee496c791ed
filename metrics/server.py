"""`/metrics` over HTTP behind a user and a password; everything else is 404. One thread a request."""

import base64
import hmac
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.registry import CollectorRegistry

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def guarded(application: Application, credentials: str) -> Application:
    """`application` at `/metrics` for whoever knows `credentials` ("user:password")."""
    expected = b"Basic " + base64.b64encode(credentials.encode())

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        given = environ.get("HTTP_AUTHORIZATION", "").encode("latin-1", "replace")
        if not hmac.compare_digest(given, expected):
            start_response("401 Unauthorized", [("WWW-Authenticate", 'Basic realm="okxbot"'), ("Content-Length", "0")])
            return [b""]
        if environ.get("PATH_INFO") != "/metrics":
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"there is /metrics\n"]
        if environ.get("REQUEST_METHOD") != "GET":
            start_response("405 Method Not Allowed", [("Allow", "GET"), ("Content-Length", "0")])
            return [b""]
        return application(environ, start_response)

    return answer


class _Quiet(WSGIRequestHandler):
    timeout = 30

    def log_message(self, *_: Any) -> None:
        """A scrape every few seconds is no news."""


def build_server(registry: CollectorRegistry, address: str, port: int, credentials: str) -> WSGIServer:
    """A server that listens and does not serve yet. Raises OSError where the port is taken."""
    application = guarded(make_wsgi_app(registry), credentials)
    return make_server(address, port, application, ThreadingWSGIServer, handler_class=_Quiet)
