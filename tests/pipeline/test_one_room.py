"""Three candles confirm in the same millisecond, three analysts want in, and there is room for one position."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial

from sqlalchemy import select, update

from brain.analyst import DecisionResult
from execution.submit import submit
from models import BotState, Order, RiskVerdict
from pipeline import opening, runner
from tests.execution.conftest import clear
from trading.decision import Action, Decision

INSTRUMENTS = ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP")
ROUNDS = 8


class Eager:
    """Opens a long, stop 1 % and target 3 % away, whatever it is shown."""

    name = "rules"

    def decide(self, request):
        last = request.market.last
        decision = Decision(
            action=Action.OPEN_LONG, inst_id=request.market.inst_id, size_pct=Decimal(2), strategy="momentum",
            stop_loss=last * Decimal("0.99"), take_profit=last * Decimal("1.03"), confidence=Decimal("0.7"),
            reasoning="a test",
        )  # fmt: skip
        return DecisionResult(decision, "decided", decision.reasoning)


def test_one_of_three_gets_the_room_and_the_exchange_sees_one_order(desk, in_threads):
    many = {"max_entries_per_hour": 1000, "reentry_cooldown_min": 0}
    limits = desk.ctx.limits.model_copy(update={"max_open_positions": 1} | many)
    ctx = replace(desk.ctx, analyst=Eager(), limits=limits)
    for number in range(ROUNDS):
        desk.market.speaks()
        desk.bot.look()
        slot = desk.slot - timedelta(days=number)

        def confirmed(inst_id, slot=slot):
            cycle = opening.open_cycle(ctx, inst_id, slot, "feed")
            runner.drive(ctx, cycle, "cycle")
            return cycle.id

        cycles = in_threads([lambda inst_id=inst_id: confirmed(inst_id) for inst_id in INSTRUMENTS])
        with desk.bot.sessions() as session:
            verdicts = session.scalars(select(RiskVerdict).where(RiskVerdict.cycle_id.in_(cycles))).all()
            orders = session.scalars(select(Order.id).where(Order.cycle_id.in_(cycles))).all()
        assert [verdict.approved for verdict in verdicts].count(True) == 1, [v.refused_by for v in verdicts]
        assert {tuple(v.refused_by) for v in verdicts if not v.approved} == {("open_positions",)}
        assert len(verdicts) == 3
        # The message of the one, delivered to three workers at the same moment.
        (order,) = orders
        states = in_threads([partial(submit, desk.bot.ctx, order)] * 3)
        assert sorted(states) == ["live", "not_claimed", "not_claimed"]
        assert len(desk.bot.okx.positions()) == 1
        clear(desk.bot.okx)
        desk.bot.look()
        with desk.bot.sessions.begin() as session:
            session.execute(update(BotState).values(consecutive_losses=0, cooldown_until=None))
