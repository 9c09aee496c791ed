"""A client of an exchange in the test's own process."""

import json
from datetime import UTC, datetime
from typing import Any

from paper.exchange import Exchange
from paper.options import PaperOptions
from paper.server.auth import sign
from paper.server.rest import Rest
from paper.store.credentials import IN_PROCESS

BTC = "BTC-USDT-SWAP"


class Client:
    """Signed requests to an exchange in this process, without a network between."""

    def __init__(self, seed: int = 1, **switches: str) -> None:
        instruments = (BTC, "SOL-USDT-SWAP")
        self.exchange = Exchange(
            PaperOptions(speed="lockstep", warmup_bars=400, seed=seed, switches=switches, instruments=instruments)
        )
        self.rest = Rest(self.exchange)

    def send(self, method: str, path: str, body: Any = None, secret: str = IN_PROCESS.secret_key) -> tuple[int, Any]:
        raw = json.dumps(body).encode() if body is not None else b""
        stamp = datetime.fromtimestamp(self.exchange.wall_ms() / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        target = f"/api/v5/{path}"
        headers = {
            "ok-access-key": IN_PROCESS.api_key, "ok-access-passphrase": IN_PROCESS.passphrase,
            "ok-access-timestamp": stamp, "content-type": "application/json",
            "ok-access-sign": sign(secret, f"{stamp}{method}{target}".encode() + raw),
        }  # fmt: skip
        reply = self.rest.handle(method, target.encode(), headers, raw, address="127.0.0.1")
        return reply.status, reply.body if reply.html else json.loads(reply.body)

    def place(self, **change: Any) -> Any:
        order = {"instId": BTC, "tdMode": "isolated", "side": "buy", "ordType": "market", "sz": "1", **change}
        return self.send("POST", "trade/order", order)[1]

    def last(self) -> float:
        return float(self.send("GET", f"market/ticker?instId={BTC}")[1]["data"][0]["last"])

    def away(self, factor: float = 0.97) -> str:
        return f"{self.last() * factor:.1f}"
