"""How a strategy did in one run, handed from the app that ran it to the app that keeps records.

Sessions and backtests never import each other, so the keeper registers itself here (`AppConfig.ready`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class PerformanceOfRun:
    """One finished session. Money as float; times aware UTC.

    execution_type: "paper" or "live". metrics: as `engine.metrics.compute` gives them. config: what it was started with
    and its last settings. trades: round trips as the API shows them, the newest. equity_history: [date, equity] at each
    UTC day's end, the newest.
    """

    owner_id: int
    session_id: int
    strategy_name: str
    strategy_type: str
    saved_strategy_id: int | None
    execution_type: str
    symbols: list[str]
    timeframe: str
    start: datetime
    end: datetime
    initial_capital: float
    metrics: dict[str, Any]
    config: dict[str, Any]
    trades: list[dict[str, Any]]
    equity_history: list[list[Any]]


class Keeper(NamedTuple):
    """write(run): keep it, once for each session. kept(session ids): those of which a record is kept."""

    write: Callable[[PerformanceOfRun], None]
    kept: Callable[[Collection[int]], set[int]]


_keepers: list[Keeper] = []


def register(keeper: Keeper) -> None:
    """Make `keeper` the one that keeps records. Call in AppConfig.ready."""
    _keepers[:] = [keeper]


def write(run: PerformanceOfRun) -> None:
    """Keep the record of a run; a second one of the same session changes nothing."""
    _keepers[0].write(run)


def kept(session_ids: Collection[int]) -> set[int]:
    """Those of the sessions of which a record is kept."""
    return _keepers[0].kept(session_ids)
