"""The whole bot with its tickers silenced: entries are decided, and none reaches the exchange.

`python -m soak stale` silences the other channels, too.
"""

import pytest

from soak.stale import Stale, run
from soak.whole import whole_bot

pytestmark = [pytest.mark.composition, pytest.mark.timeout(400)]


def test_no_entry_reaches_the_exchange_on_stale_data(tmp_path_factory):
    folder, report = tmp_path_factory.mktemp("stale"), Stale()
    folder.chmod(0o755)
    with whole_bot(folder / "home") as bot:
        list(run(bot, 1, report, episodes=["tickers"]))
    assert report.failed == []
    assert report.fresh_entries > 0, "no entry passed with fresh data: nothing was proved"
    assert report.refused_as_stale_alone["tickers"] > 0
