"""Prometheus metric families from plain data."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily
Labelled: TypeAlias = Mapping[Any, float]  # keyed by the labels' values, a tuple


def gauge(name: str, what: str, value: float | None) -> Iterable[Family]:
    """A gauge without labels; absent while the value is not known."""
    if value is not None:
        yield GaugeMetricFamily(name, what, value=value)


def gauges(name: str, what: str, labels: tuple[str, ...], values: Labelled) -> Iterable[Family]:
    """A gauge of several series."""
    family = GaugeMetricFamily(name, what, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    yield family


def counters(name: str, what: str, labels: tuple[str, ...], values: Labelled) -> Iterable[Family]:
    """A counter of several series."""
    family = CounterMetricFamily(name, what, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    yield family
