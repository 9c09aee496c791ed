"""A sample a minute of wall time into `health_samples`, for dashboards without a Prometheus; kept for 14 days.

Gauges are stored as they are. Of the workers' counters the difference since the last sample is stored, and of their
histograms the time within which 95 % of the tasks of that minute ended.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from prometheus_client.metrics_core import Metric
from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from models import HealthSample

KEPT = timedelta(days=14)
Key = tuple[str, str]
_GAUGES = {
    # family: (stored as, its label; several series of one label are stored as their maximum)
    "okxbot_state": ("state", "state"),
    "okxbot_up": ("up", "part"),
    "okxbot_queue_depth": ("queue_depth", "queue"),
    "okxbot_queue_oldest_seconds": ("queue_oldest_s", "queue"),
    "okxbot_feed_lag_seconds": ("feed_lag_s", "channel"),
    "okxbot_guard_age_seconds": ("guard_age_s", "guard"),
    "okxbot_resident_bytes": ("resident_bytes", "service"),
    "okxbot_clock_skew_seconds": ("clock_skew_s", ""),
    "okxbot_redis_bytes": ("redis_bytes", ""),
    "okxbot_postgres_bytes": ("postgres_bytes", ""),
    "okxbot_candles": ("candles", ""),
    "okxbot_uncovered_positions": ("uncovered_positions", ""),
    "okxbot_outbox_unsent": ("outbox_unsent", ""),
}
_COUNTERS = {
    "okxbot_task_failures_total": ("task_failures", "queue"),
    "okxbot_task_seconds_count": ("tasks", "queue"),
    "okxbot_feed_reconnects_total": ("reconnects", "service"),
}
_BUCKETS = "okxbot_task_seconds_bucket"
P95 = 0.95


class Samples:
    """Turns two looks into one sample."""

    def __init__(self) -> None:
        self._before: dict[Key, float] | None = None
        self._buckets_before: dict[str, dict[float, float]] = {}

    def of(self, families: Iterable[Metric]) -> dict[Key, float]:
        """(metric, label) → value. The first look has no differences."""
        found: dict[Key, float] = {}
        counted: dict[Key, float] = defaultdict(float)
        buckets: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
        for sample in (each for family in families for each in family.samples):
            if sample.name in _GAUGES:
                metric, label = _GAUGES[sample.name]
                key = metric, sample.labels.get(label, "")
                found[key] = max(sample.value, found.get(key, sample.value))
            elif sample.name in _COUNTERS:
                metric, label = _COUNTERS[sample.name]
                counted[metric, sample.labels.get(label, "")] += sample.value
            elif sample.name == _BUCKETS:
                buckets[sample.labels["queue"]][float(sample.labels["le"])] += sample.value
        if self._before is not None:
            found |= {key: max(0.0, now - self._before.get(key, 0.0)) for key, now in counted.items()}
            for queue, now in buckets.items():
                before = self._buckets_before.get(queue, {})
                within = quantile(P95, {edge: count - before.get(edge, 0.0) for edge, count in now.items()})
                if within is not None:
                    found["task_p95_s", queue] = within
        self._before, self._buckets_before = dict(counted), {queue: dict(each) for queue, each in buckets.items()}
        return found


def quantile(q: float, buckets: Mapping[float, float]) -> float | None:
    """The value below which a share `q` lies, straight between the edges of its bucket, as Prometheus'
    `histogram_quantile`; None without observations. `buckets`: upper edge → cumulative count.
    """
    edges = sorted(buckets)
    total = buckets[edges[-1]] if edges else 0
    if total <= 0:
        return None
    lower, below = 0.0, 0.0
    for edge in edges:
        if buckets[edge] >= q * total:
            if edge == float("inf"):
                return lower
            return lower + (edge - lower) * (q * total - below) / (buckets[edge] - below)
        lower, below = edge, buckets[edge]
    return lower


def store(session: Session, at: datetime, sample: Mapping[Key, float]) -> None:
    """Write a sample; what is older than 14 days goes."""
    if sample:
        session.execute(
            insert(HealthSample),
            [{"at": at, "metric": metric, "label": label, "value": value} for (metric, label), value in sample.items()],
        )
    session.execute(delete(HealthSample).where(HealthSample.at < at - KEPT))
