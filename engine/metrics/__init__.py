"""What a run earned and what it risked: every figure with its convention, and a list to which users add their own.

`compute` gives the figures of a finished run, `from_returns` the return-based ones of any series, `describe` says what
each figure means. `time_weighted` and `money_weighted` are for accounts to which money comes and from which it goes.
numpy only: a web process may import this.
"""

from __future__ import annotations

from engine.metrics import catalogue  # noqa: F401  (fills the registry)
from engine.metrics.flows import money_weighted, time_weighted
from engine.metrics.registry import Metric, Run, Value, check_names, describe, metric, remove
from engine.metrics.run import compute, from_returns

__all__ = [
    "Metric",
    "Run",
    "Value",
    "check_names",
    "compute",
    "describe",
    "from_returns",
    "metric",
    "money_weighted",
    "remove",
    "time_weighted",
]
