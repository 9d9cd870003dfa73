"""How what was asked of a run is written on pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

from engine import metrics
from marketdata.models.instrument import Source

register = template.Library()
ADJUSTED = {
    "split_dividend": "adjusted for splits and dividends",
    "split": "adjusted for splits",
    "raw": "as traded",
}


@register.filter
def bars_asked(config: Mapping[str, Any]) -> str:
    """Which bars: length, source, adjustment, and what orders are matched on where that is finer."""
    source = dict(Source.run_choices()).get(config["source"], config["source"])
    words = [config["timeframe"], source, ADJUSTED.get(config["adjustment"], config["adjustment"])]
    finer = config.get("match_timeframe")
    return " · ".join([*words, f"matched on {finer}"] if finer else words)


@register.filter
def metric_label(name: str) -> str:
    """What a metric is called: ``sharpe`` → ``Sharpe ratio``; its name where this release has none such."""
    return next((entry["label"] for entry in metrics.describe() if entry["name"] == name), name)
