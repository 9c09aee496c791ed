"""Three instruments' decisions reach the gate in the same millisecond, and there is room for one position."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

from sqlalchemy import select, update

from execution.submit import submit
from models import BotState, Order, RiskVerdict
from pipeline import runner
from tests.execution.conftest import clear
from trading.decision import Action

INSTRUMENTS = ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP")
ROUNDS = 8


def test_one_of_three_gets_the_room_and_the_exchange_sees_one_order(desk, in_threads):
    many = {"max_entries_per_hour": 1000, "reentry_cooldown_min": 0}
    ctx = replace(desk.ctx, limits=desk.ctx.limits.model_copy(update={"max_open_positions": 1} | many))
    for number in range(ROUNDS):
        desk.bot.look()
        cycles = [desk.decided(Action.OPEN_LONG, inst_id) for inst_id in INSTRUMENTS]
        in_threads([partial(runner.advance, ctx, cycle_id, "cycle") for cycle_id in cycles])
        with desk.bot.sessions() as session:
            verdicts = session.scalars(select(RiskVerdict).where(RiskVerdict.cycle_id.in_(cycles))).all()
            orders = session.scalars(select(Order.id).where(Order.cycle_id.in_(cycles))).all()
        refusals = sorted(tuple(verdict.refused_by) for verdict in verdicts)
        assert refusals == [(), ("open_positions",), ("open_positions",)]
        # The message of the one, delivered to three workers at the same moment.
        (order,) = orders
        states = in_threads([partial(submit, desk.bot.ctx, order)] * 3)
        assert sorted(states) == ["live", "not_claimed", "not_claimed"]
        assert len(desk.bot.okx.positions()) == 1
        clear(desk.bot.okx)
        desk.bot.look()
        with desk.bot.sessions.begin() as session:
            session.execute(update(BotState).values(consecutive_losses=0, cooldown_until=None))
        for cycle_id in cycles:
            desk.change(cycle_id, slot=desk.slot - timedelta(hours=number + 1))
