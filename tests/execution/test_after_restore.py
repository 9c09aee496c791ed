"""What was opened after the backup: nobody's for the restored books, under its stop, closed by a person's word only."""

from collections.abc import Iterator

import pytest

from execution import control
from execution.submit import submit
from models import Order
from runtime.backup import back_up
from runtime.migrate import upgrade_to_head
from runtime.postgres import EmbeddedPostgres
from runtime.restore import restore
from tests.execution.conftest import BTC, ETH, Bot


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server of its own: a restore replaces the bot's database by name."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("restore")) as postgres:
        upgrade_to_head(postgres.url)
        yield postgres


@pytest.fixture
def database_url(server: EmbeddedPostgres) -> str:
    return server.url


def test_a_position_opened_after_the_backup_is_locked_keeps_its_stop_and_flatten_all_closes_it(
    bot: Bot, server: EmbeddedPostgres, tmp_path
):
    dump, _ = back_up(server.dsn, tmp_path)
    bot.enter(BTC)
    bot.protect()
    bot.look()
    bot.protect()
    held, stops = bot.held(BTC), {algo.algo_id for algo in bot.okx.algos_pending()}
    assert held is not None
    assert len(stops) == 1

    bot.sessions.kw["bind"].dispose()
    restore(server.dsn, dump, "tests", lambda _: None)
    assert bot.state().reconciled_at is None, "nothing is sent before a reconciliation"
    for _ in range(3):
        report = bot.look()
        bot.protect()
    assert report.named("foreign_position") == [BTC]
    assert (BTC, "foreign_position") in bot.locks()
    still = bot.held(BTC)
    assert still is not None
    assert (still.contracts, still.avg_px) == (held.contracts, held.avg_px)
    assert {algo.algo_id for algo in bot.okx.algos_pending()} == stops, "it lives and dies by its own stop"

    # Nothing of it is in the books, and other instruments trade on.
    assert bot.trades() == []
    assert submit(bot.ctx, bot.intend(BTC).id) == "denied"
    other = bot.enter(ETH)
    assert bot.accepted(other.cl_ord_id) == 1

    answer = control.flatten(bot.ctx, all_=False, actor="tests", channel="cli")
    assert (answer.flat, answer.closed) == (True, [ETH])
    assert bot.held(BTC) is not None
    control.flatten(bot.ctx, all_=True, actor="tests", channel="cli")
    assert bot.okx.positions() == []
    for _ in range(2):
        report = bot.look()
        bot.protect()
    assert report.breaks == []
    assert bot.locks() == set()
    assert bot.okx.algos_pending() == []
    with bot.sessions() as session:
        assert {order.state for order in session.query(Order)} <= {"filled", "denied", "canceled"}
