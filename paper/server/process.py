"""Serving an exchange: the two listening sockets, readiness, and an orderly end."""

import asyncio
import contextlib
import signal
import socket
import ssl
from dataclasses import dataclass
from typing import Any

import structlog
import uvicorn

from paper.errors import StartRefused
from paper.exchange import Exchange
from paper.options import PaperOptions
from paper.server.app import App
from paper.server.wire import protocols

logger = structlog.get_logger()
# As long as nginx keeps idle connections: longer than clients do, so that none sends into one being closed.
KEEP_ALIVE_S = 75


def bind(host: str, port: int, what: str = "port") -> socket.socket:
    """A listening socket; port 0 lets the system choose. Raises StartRefused when the port is taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as fault:
        listener.close()
        raise StartRefused(
            f"{what} {port} on {host} cannot be used ({getattr(fault, 'strerror', None) or fault})"
        ) from None
    listener.listen(2048)
    return listener


@dataclass(frozen=True)
class Tls:
    """A listening socket and what it answers with, for clients that know only wss:// and https://."""

    listener: socket.socket
    context: ssl.SSLContext

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])


def tls_listener(options: PaperOptions) -> Tls | None:
    """The TLS port, where a certificate is given. Raises StartRefused."""
    if options.tls_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(options.tls_cert, options.tls_key)
    except OSError as fault:  # ssl.SSLError is one
        reason = fault.strerror or fault
        raise StartRefused(f"--tls-cert {options.tls_cert} with --tls-key {options.tls_key}: {reason}") from None
    return Tls(bind(options.host, options.tls_port, "TLS port"), context)


def serve(exchange: Exchange, listener: socket.socket, admin: socket.socket, tls: Tls | None = None) -> None:
    """Serve until SIGTERM or SIGINT; the exchange's state is written before this returns."""
    ports = listener.getsockname()[1], admin.getsockname()[1]
    app = App(exchange, ports[1])
    http, sockets = protocols(app.connections, exchange.options.patience_s)
    config = uvicorn.Config(
        app, http=http, ws=sockets, loop="uvloop", lifespan="on", log_config=None, access_log=False,
        timeout_graceful_shutdown=2, timeout_keep_alive=KEEP_ALIVE_S, ws_ping_interval=None, ws_max_size=1 << 20,
        ws_per_message_deflate=False, server_header=False, date_header=False, proxy_headers=False,
    )  # fmt: skip
    server = _Server(config, exchange, ports, tls)
    try:
        server.run(sockets=[listener, admin])
    finally:
        exchange.close()
        logger.info("shutdown_complete")


class _Server(uvicorn.Server):
    """Announces the ports once they answer, and does not re-raise the signal that ended it."""

    def __init__(self, config: uvicorn.Config, exchange: Exchange, ports: tuple[int, int], tls: Tls | None) -> None:
        super().__init__(config)
        self._tls = tls
        self._exchange = exchange
        self._ports = ports

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self._tls is not None:
            await self._listen_with_tls(self._tls)
        if self.started:
            options = self._exchange.options
            logger.info(
                "exchange_started", host=options.host, port=self._ports[0], admin_port=self._ports[1],
                market=options.market, speed=options.speed, seed=options.seed,
                market_ms=self._exchange.market.now_ms, **({"tls_port": self._tls.port} if self._tls else {}),
            )  # fmt: skip

    async def _listen_with_tls(self, tls: Tls) -> None:
        """A further port with the same protocol as uvicorn gives the others, which have no TLS."""

        def made() -> asyncio.Protocol:
            kind: Any = self.config.http_protocol_class
            protocol: asyncio.Protocol = kind(
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return protocol

        loop = asyncio.get_running_loop()
        self.servers.append(await loop.create_server(made, sock=tls.listener, ssl=tls.context))

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
