"""A portfolio that is driven one closed bar at a time: what a session runs, for as long as it lives.

It calls the very function that simulate() loops over, so the same bars and signals give the same orders, fills and
equity, bit for bit; also across `trim`, and across `checkpoint` and `resume`.
"""

from __future__ import annotations

from engine.portfolio.gates import Gate, Size
from engine.portfolio.portfolio import Portfolio
from engine.portfolio.views import OpenPosition, OutsideExposure, StepLog, WorkingOrder

__all__ = ["Gate", "OpenPosition", "OutsideExposure", "Portfolio", "Size", "StepLog", "WorkingOrder"]
