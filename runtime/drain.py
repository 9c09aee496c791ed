"""Letting open decision cycles finish before the workers are stopped.

Contract: `wait_for_open_cycles` returns how many were still open when it stopped waiting: at most `seconds`, longer
than a model's budget; None if the database does not say. A cycle left open loses nothing: it resumes or expires at the
next start. Times are wall seconds.
"""

import time

import psycopg2

from trading.clock import wall_now

DRAIN_WITHIN = 40.0
# One whose entry rests on the book is not waited for: the trade worker takes the entry back when it ends.
_OPEN = """
SELECT count(*) FROM decision_cycles c WHERE stage <> 'done' AND deadline > %s AND NOT EXISTS (
    SELECT 1 FROM orders o
    WHERE o.cycle_id = c.id AND o.ord_type = 'limit' AND o.state IN ('live', 'partially_filled')
)"""


def wait_for_open_cycles(dsn: str, seconds: float = DRAIN_WITHIN) -> int | None:
    """`dsn` as libpq reads it."""
    deadline = time.monotonic() + seconds
    try:
        connection = psycopg2.connect(dsn, connect_timeout=3, options="-c statement_timeout=3000")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                while True:
                    cursor.execute(_OPEN, (wall_now(),))
                    row = cursor.fetchone()
                    count = int(row[0]) if row else 0
                    if count == 0 or time.monotonic() > deadline:
                        return count
                    time.sleep(0.1)
        finally:
            connection.close()
    except psycopg2.Error:
        # No server, or no table yet: nothing to wait for that we could see.
        return None
