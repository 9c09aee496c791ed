"""Before the workers stop, open decision cycles may end."""

import threading
from datetime import timedelta

import sqlalchemy

from runtime.drain import wait_for_open_cycles
from trading.clock import wall_now

OPEN_ONE = sqlalchemy.text(
    "INSERT INTO decision_cycles (account_id, inst_id, slot, opened_by, deadline)"
    " VALUES (1, 'BTC-USDT-SWAP', :slot, 'beat', :deadline)"
)

RESTING = (
    "INSERT INTO orders (account_id, cycle_id, leg, cl_ord_id, inst_id, side, ord_type, td_mode, reduce_only, state)"
    " SELECT 1, max(id), 'entry', 'b1', 'BTC-USDT-SWAP', 'buy', 'limit', 'isolated', false, 'live' FROM decision_cycles"
)


def test_waits_for_the_open_cycle_and_not_for_one_past_its_deadline(database_url: str) -> None:
    dsn = database_url.replace("+psycopg2", "")
    engine = sqlalchemy.create_engine(database_url)
    now = wall_now()
    with engine.begin() as connection:
        connection.execute(
            sqlalchemy.text("INSERT INTO accounts (id, mode, uid, order_prefix) VALUES (1, 'paper', '1', 'b')")
        )
        connection.execute(OPEN_ONE, {"slot": now, "deadline": now - timedelta(seconds=1)})
    assert wait_for_open_cycles(dsn, seconds=0) == 0
    with engine.begin() as connection:
        connection.execute(OPEN_ONE, {"slot": now + timedelta(minutes=5), "deadline": now + timedelta(minutes=5)})
    assert wait_for_open_cycles(dsn, seconds=0) == 1

    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(RESTING))
    assert wait_for_open_cycles(dsn, seconds=0) == 0, "its entry rests on the book and ends with the trade worker"
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("UPDATE orders SET state = 'canceled'"))
    assert wait_for_open_cycles(dsn, seconds=0) == 1

    def finish() -> None:
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("UPDATE decision_cycles SET stage = 'done', outcome = 'hold'"))

    timer = threading.Timer(0.3, finish)
    timer.start()
    assert wait_for_open_cycles(dsn, seconds=20) == 0
    timer.join()
    engine.dispose()


def test_database_that_does_not_answer_is_not_waited_for() -> None:
    assert wait_for_open_cycles("postgresql://nobody@127.0.0.1:1/none", seconds=20) is None
