"""The frame of the figures."""

import json
import subprocess
import sys

import pytest

from bench.registry import distribution, registered, run
from runtime.errors import OperatorError


def test_distribution_quotes_its_median() -> None:
    found = distribution("x", [float(n) for n in range(1, 102)], "ms")
    assert (found.value, found.p50, found.p99, found.n) == (51, 51, 100, 101)


def test_unknown_figure_is_refused_with_the_known_ones() -> None:
    with pytest.raises(OperatorError, match="postgres-commit"):
        list(run(["no-such-figure"]))
    assert "redis-xadd" in registered()


def test_json_has_one_object_per_figure() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "cli.main", "bench", "redis-xadd", "--json"], capture_output=True, text=True, check=True
    )
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [set(each) for each in found] == [{"name", "value", "unit", "n", "p50", "p99", "command", "machine"}]
    assert 0 < found[0]["p50"] <= found[0]["p99"]
