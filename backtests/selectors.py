"""Reads: one user's backtests, their results for pages and API, and performance records.

Every function takes the user and sees only what that user owns; anything else is `NotFound`, the same as if it did not
exist. Pages and API read through here and nowhere else.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import QuerySet

from accounts.models import User
from backtests import parts
from backtests.models import Backtest, PerformanceRecord
from backtests.runner import report
from engine.errors import Fault, InputError
from tradingsite.lib.errors import NotFound

MAX_COMPARED = 6
# Read by single-row pages only: lists leave the long JSON columns in the database.
_HEAVY = ("config", "library_versions", "rerun_report", "timings", "failure_faults", "notes")


def for_user(user: User) -> QuerySet[Backtest]:
    """The user's backtests, newest first, ready to be filtered and paged. One query, no long columns."""
    return Backtest.objects.filter(owner=user).defer(*_HEAVY)


def get(user: User, backtest_id: uuid.UUID | str) -> Backtest:
    """One backtest of the user. Raises NotFound for anybody else's, for unknown and for malformed ids."""
    try:
        key = backtest_id if isinstance(backtest_id, uuid.UUID) else uuid.UUID(str(backtest_id))
    except ValueError:
        raise NotFound() from None
    backtest = Backtest.objects.filter(owner=user, pk=key).first()
    if backtest is None:
        raise NotFound()
    return backtest


def progress(backtest: Backtest) -> dict[str, Any]:
    """How far it is, the payload of the `backtest_progress` event.

    ``{id, state, phase, done, total, elapsed_s, failure_reason}``; `done` and `total` count bars times symbols, 0 where
    not known yet; `elapsed_s` is None before it started.
    """
    from backtests.claims import progress_payload

    return progress_payload(backtest)


def summary(backtest: Backtest) -> dict[str, Any] | None:
    """Figures of a finished backtest (shape: `backtests.runner.report.summary`); None while it is not DONE."""
    return parts.read(backtest, "summary")


def chart(backtest: Backtest) -> dict[str, Any] | None:
    """Series of the result page (shape: `backtests.runner.report.equity_chart`); None while it is not DONE.

    At most 4,000 points each, whatever the run's length, so that a million bars draw as fast as a thousand.
    """
    return parts.read(backtest, "chart")


def price_chart(backtest: Backtest, symbol: str) -> dict[str, Any]:
    """Candles, indicators and trades of one symbol (shape: `backtests.runner.report.price_chart`).

    Raises NotFound when the backtest is not DONE or did not run on the symbol.
    """
    found = parts.read(backtest, f"price:{symbol}")
    if found is None:
        raise NotFound()
    return found


def equity(backtest: Backtest) -> np.ndarray:
    """Every equity point: structured array (ts int64 ns UTC = start of the bar, equity float64). Empty while not DONE."""
    found = parts.read(backtest, "equity")
    return np.empty(0, dtype=report.EQUITY) if found is None else found


def export(backtest: Backtest) -> Iterator[str]:
    """The same JSON text as the CLI's ``--json`` (engine `Result.to_dict()`), piece by piece; nothing while not DONE."""
    head = parts.read(backtest, "summary")
    if head is None:
        return iter(())
    return report.export_json(head, round_trips_array(backtest), fills(backtest), equity(backtest))


def fills(backtest: Backtest) -> np.ndarray:
    """Every fill: structured array `backtests.runner.report.FILL`. Empty while not DONE."""
    found = parts.read(backtest, "fills")
    return np.empty(0, dtype=report.FILL) if found is None else found


def round_trips_array(backtest: Backtest) -> np.ndarray:
    """Every round trip in order of exit: structured array `backtests.runner.report.ROUND_TRIP`. Empty while not DONE."""
    found = parts.read(backtest, "round_trips")
    return np.empty(0, dtype=report.ROUND_TRIP) if found is None else found


@dataclass(frozen=True, slots=True)
class TradePage:
    """One page of round trips: `rows` (shape: `report.round_trip_rows`), `total` that pass the filter, page from 1."""

    rows: list[dict[str, Any]]
    total: int
    page: int
    page_size: int
    pages: int


TRADE_SORTS = report.ROUND_TRIP.names or ()
TRADE_FILTERS = ("symbol", "side", "result", "exit_reason")


def round_trips(
    backtest: Backtest,
    sort: str = "entry_time",
    filters: Mapping[str, str] | None = None,
    page: int = 1,
    page_size: int = 50,
) -> TradePage:
    """Round trips of a backtest, sorted, filtered and paged in memory (100,000 of them in a few milliseconds).

    sort: one of `TRADE_SORTS`, a leading ``-`` for descending. filters: ``symbol``, ``side`` (LONG, SHORT), ``result``
    (win, loss), ``exit_reason``. A page beyond the last is the last. Raises InputError for unknown sorts and filters.
    """
    rows = select_round_trips(backtest, sort, filters)
    pages = max(1, -(-len(rows) // page_size))
    page = min(max(1, page), pages)
    chosen = rows[(page - 1) * page_size : page * page_size]
    return TradePage(report.round_trip_rows(chosen, backtest.symbols), len(rows), page, page_size, pages)


def select_round_trips(
    backtest: Backtest, sort: str = "entry_time", filters: Mapping[str, str] | None = None
) -> np.ndarray:
    """The filtered and sorted array behind `round_trips` and the CSV."""
    rows = round_trips_array(backtest)
    return report.select(rows, backtest.symbols, sort, dict(filters or {}))


def compare(user: User, ids: Sequence[str | uuid.UUID]) -> list[dict[str, Any]]:
    """Up to six of the user's backtests side by side, in the order given.

    Each ``{"backtest": Backtest, "summary": dict | None, "equity": {"time": [s], "value": [float]} | None}``; the equity
    is rebased to 100 at its start. Raises InputError for none or more than six ids, NotFound if one is not the user's.
    Three queries, however many.
    """
    keys: list[uuid.UUID] = []
    for entry in ids:
        try:
            key = entry if isinstance(entry, uuid.UUID) else uuid.UUID(str(entry))
        except ValueError:
            raise NotFound() from None
        if key not in keys:
            keys.append(key)
    if not 1 <= len(keys) <= MAX_COMPARED:
        message = f"{len(keys)} backtests are named"
        raise InputError(Fault("ids", "out_of_range", message, f"From 1 to {MAX_COMPARED}, separated by commas"))
    found = {b.pk: b for b in Backtest.objects.filter(owner=user, pk__in=keys)}
    if len(found) != len(keys):
        raise NotFound()
    read = parts.read_many(keys, ("summary", "chart"))
    answer = []
    for key in keys:
        chart_part = read.get((key, "chart"))
        answer.append(
            {
                "backtest": found[key],
                "summary": read.get((key, "summary")),
                "equity": report.rebased(chart_part) if chart_part else None,
            }
        )
    return answer


def performance_for_user(user: User) -> QuerySet[PerformanceRecord]:
    """The user's performance records, newest first, without trades, equity and config."""
    return PerformanceRecord.objects.filter(owner=user).defer("trades", "equity_history", "config")


def performance_record(user: User, record_id: int) -> PerformanceRecord:
    """One record of the user, whole. Raises NotFound otherwise."""
    record = PerformanceRecord.objects.filter(owner=user, pk=record_id).first()
    if record is None:
        raise NotFound()
    return record
