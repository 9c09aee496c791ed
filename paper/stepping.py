"""Steps of the market met by the engine: played, played again after a restart, and kept where they cannot be."""

from typing import Any

from paper.engine.engine import Engine
from paper.market.market import Market
from paper.market.played import Played

Row = list[Any]


class Stepper:
    """One market and the engine on it. `decision_ms` is the length of the bars that are told of."""

    def __init__(self, market: Market, engine: Engine, decision_ms: int) -> None:
        self._market = market
        self._engine = engine
        self._decision_ms = decision_ms
        # Steps of a market that cannot be played again, not journaled yet.
        self._unrecorded: list[Row] = []

    def step(self, all_instruments: bool = False) -> bool | None:
        """Play one step; True when it closed a decision bar, None when there is none yet.

        Idle instruments may be quoted at bar closes only.
        """
        market, engine = self._market, self._engine
        before = market.now_ms
        if not market.advance():
            return None
        now = market.now_ms
        decision = market.closes_bar and now // self._decision_ms != before // self._decision_ms
        everyone = all_instruments or market.closes_bar
        quotes = {i: market.quote(i) for i in market.instruments if everyone or engine.is_busy(i)}
        played = Played(now, quotes, market.settlements(before, now), decision)
        played.apply(engine)
        if market.live:
            self._unrecorded.append(played.row())
        return decision

    def quote_all(self) -> None:
        """Quote every instrument as of the last step; a replay quotes idle ones at bar closes only."""
        self._engine.state.quotes.update({i: self._market.quote(i) for i in self._market.instruments})

    def unrecorded(self) -> list[Row]:
        """The steps to be journaled, once."""
        steps, self._unrecorded = self._unrecorded, []
        return steps

    def replay(self, played: int, steps: list[Row]) -> None:
        """Go on to where a journal's record was written: a market in real time by its recorded steps."""
        if self._market.live:
            for row in steps:
                Played.read(row).apply(self._engine)
        else:
            while self._market.played < played and self._market.has_next:
                self.step()

    def catch_up(self, wall_ms: int) -> None:
        """A market in real time went on while the exchange was down: play what was missed."""
        while self._market.step_end_ms(self._market.played) <= wall_ms:
            self.step()
        self._engine.collect()
        self.quote_all()
