"""The seed of the benchmark, small: it fits the schema, and every panel answers on it."""

from bench.year_of_data import measure, seed
from grafana.generate import boards
from grafana.limits import default_limits


def test_a_few_days_of_the_year_seed_and_every_panel_answers(database_url: str) -> None:
    made = [what for what, _ in seed(database_url, days=2, candle_instruments=3)]
    assert made[-1] == "statistics"
    panels = list(measure(database_url, days=2, times=1))
    assert len(panels) == 2 * sum(len(board.panels) for board in boards(default_limits()))
