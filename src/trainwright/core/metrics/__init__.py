"""One registry of metrics: names, directions, values, intervals. Values are scikit-learn's, from stored predictions."""

from trainwright.core.metrics.definitions import Metric, default_metric, loss_metric, metrics_for
from trainwright.core.metrics.gaps import Gap, overfit_gap
from trainwright.core.metrics.intervals import Interval, bootstrap_interval
from trainwright.core.metrics.losses import standard_error
from trainwright.core.metrics.monitors import monitor
from trainwright.core.metrics.names import find
from trainwright.core.metrics.values import compute, compute_all, confusion, why_undefined

__all__ = [
    "Gap",
    "Interval",
    "Metric",
    "bootstrap_interval",
    "compute",
    "compute_all",
    "confusion",
    "default_metric",
    "find",
    "loss_metric",
    "metrics_for",
    "monitor",
    "overfit_gap",
    "standard_error",
    "why_undefined",
]
