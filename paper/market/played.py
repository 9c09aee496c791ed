"""One step of the market as the engine saw it: what a journal keeps where the market cannot be played again."""

from dataclasses import astuple, dataclass
from decimal import Decimal
from typing import Any

from paper.engine.engine import Engine
from paper.engine.quote import Quote


@dataclass(frozen=True)
class Played:
    """Quotes at market time `now_ms`, funding due as (instrument, rate), and whether a decision bar closed."""

    now_ms: int
    quotes: dict[str, Quote]
    settlements: list[tuple[str, Decimal]]
    decision: bool

    def apply(self, engine: Engine) -> None:
        engine.step(self.quotes, self.now_ms)
        for inst_id, rate in self.settlements:
            engine.funding(inst_id, rate)
        if self.decision:
            engine.close_bar()

    def row(self) -> list[Any]:
        """As JSON values; decimals as text."""
        quotes = {
            inst_id: [cell if isinstance(cell, int) else str(cell) for cell in astuple(quote)]
            for inst_id, quote in self.quotes.items()
        }
        return [self.now_ms, quotes, [[inst_id, str(rate)] for inst_id, rate in self.settlements], self.decision]

    @classmethod
    def read(cls, row: list[Any]) -> "Played":
        now_ms, quotes, settlements, decision = row
        return cls(
            now_ms,
            {inst_id: _quote(cells) for inst_id, cells in quotes.items()},
            [(inst_id, Decimal(rate)) for inst_id, rate in settlements],
            decision,
        )


def _quote(cells: list[Any]) -> Quote:
    ts, last, bid, ask, mark, index, step = cells
    return Quote(ts, Decimal(last), Decimal(bid), Decimal(ask), Decimal(mark), Decimal(index), step)
