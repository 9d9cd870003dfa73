"""What changes market data, and the one way to get bars for a run."""

from __future__ import annotations

from marketdata.services.loading import LoadedBars, load_bars

__all__ = ["LoadedBars", "load_bars"]
