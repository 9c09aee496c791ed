"""Serving an exchange: the two listening sockets, readiness, and an orderly end."""

import asyncio
import contextlib
import signal
import socket
from typing import Any

import structlog
import uvicorn

from paper.errors import StartRefused
from paper.exchange import Exchange
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


def serve(exchange: Exchange, listener: socket.socket, admin: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; the exchange's state is written before this returns."""
    ports = listener.getsockname()[1], admin.getsockname()[1]
    app = App(exchange, ports[1])
    http, sockets = protocols(app.connections)
    config = uvicorn.Config(
        app, http=http, ws=sockets, loop="uvloop", lifespan="on", log_config=None, access_log=False,
        timeout_graceful_shutdown=2, timeout_keep_alive=KEEP_ALIVE_S, ws_ping_interval=None, ws_max_size=1 << 20,
        ws_per_message_deflate=False, server_header=False, date_header=False,
    )  # fmt: skip
    server = _Server(config, exchange, ports)
    try:
        server.run(sockets=[listener, admin])
    finally:
        exchange.close()
        logger.info("shutdown_complete")


class _Server(uvicorn.Server):
    """Announces the ports once they answer, and does not re-raise the signal that ended it."""

    def __init__(self, config: uvicorn.Config, exchange: Exchange, ports: tuple[int, int]) -> None:
        super().__init__(config)
        self._exchange = exchange
        self._ports = ports

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            options = self._exchange.options
            logger.info(
                "exchange_started", host=options.host, port=self._ports[0], admin_port=self._ports[1],
                market=options.market, speed=options.speed, seed=options.seed,
                market_ms=self._exchange.market.now_ms,
            )  # fmt: skip

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
