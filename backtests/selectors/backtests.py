"""Reads of backtests and their results."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from django.db.models import F, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from accounts.models import User
from backtests import parts
from backtests.jobs import rows as jobs
from backtests.models import Backtest, SubmissionCount
from backtests.runner import report
from backtests.runner.config import ADJUSTMENTS, TIMEFRAMES
from engine import metrics
from engine.errors import Fault, InputError
from engine.result import Result, Rows
from engine.types import DAILY, DENIAL, DENIAL_NAMES, EQUITY, FILL, OPEN_POSITION, ORDER, REASON_NAMES, ROUND_TRIP
from strategies import catalogue, session_settings
from tradingsite.lib.errors import Conflict, NotFound
from tradingsite.lib.realtime import BacktestProgress

MAX_COMPARED = 6
_DTYPES = {
    "orders": ORDER,
    "fills": FILL,
    "positions": ROUND_TRIP,
    "denials": DENIAL,
    "open_positions": OPEN_POSITION,
    "equity": EQUITY,
    "daily": DAILY,
}
LOGS = tuple(_DTYPES)
_REASONS = {"denials": DENIAL_NAMES}
# Read by single-row pages only: lists leave the long JSON columns in the database.
_HEAVY = ("config", "library_versions", "rerun_report", "timings", "failure_faults", "notes")


def for_user(user: User) -> QuerySet[Backtest]:
    """The user's backtests, newest first, ready to be filtered and paged. One query, no long columns."""
    return Backtest.objects.filter(owner=user).defer(*_HEAVY)


def get(user: User, backtest_id: uuid.UUID | str) -> Backtest:
    """One backtest of the user. Raises NotFound for anybody else's, for unknown and for malformed ids."""
    return jobs.one(Backtest.objects.filter(owner=user), backtest_id)


def active_count(user: User) -> int:
    """How many of the user's backtests wait or run: what the tier's limit counts."""
    return jobs.active_count(Backtest, user)


def submitted_today(user: User) -> int:
    """How many backtests the user submitted since 00:00 UTC, deleted ones included."""
    count = SubmissionCount.objects.filter(owner=user, day=timezone.now().date()).first()
    return count.submitted if count else 0


def progress(backtest: Backtest) -> BacktestProgress:
    """How far it is: the payload of the `backtest_progress` event, and the snapshot for who missed one."""
    return {
        "id": str(backtest.pk),
        "state": backtest.state,
        "phase": backtest.phase,
        "done": backtest.bars_done,
        "total": backtest.bars_total,
        "elapsed_s": backtest.elapsed_s,
        "failure_reason": backtest.failure_reason,
    }


def runs_on(rows: QuerySet[Any], symbol: str) -> QuerySet[Any]:
    """Those whose JSON list `symbols` holds the symbol.

    By text, because SQLite knows no containment of JSON. A stored symbol holds no quote, so its quoted form is unique.
    """
    quoted = json.dumps(symbol.upper(), ensure_ascii=False)
    return rows.annotate(symbols_text=Cast("symbols", TextField())).filter(symbols_text__contains=quoted)


def filtered(
    user: User, *, sort: str = "-created_at", state: str = "", strategy: str = "", symbol: str = "", search: str = ""
) -> QuerySet[Backtest]:
    """`for_user`, narrowed: exact state and strategy slug, runs on a symbol, words to find; sorted by one column.

    search: words, each of which is part of the name, the strategy's label or a symbol, in capitals or not. Runs that
    have no value in the sorted column yet come last, whatever the direction.
    """
    rows = for_user(user)
    if state:
        rows = rows.filter(state=state)
    if strategy:
        rows = rows.filter(strategy=strategy)
    if symbol:
        rows = runs_on(rows, symbol)
    for word in search.split():
        rows = rows.filter(Q(name__icontains=word) | Q(strategy_label__icontains=word) | Q(symbols__icontains=word))
    column = F(sort.removeprefix("-"))
    order = column.desc(nulls_last=True) if sort.startswith("-") else column.asc(nulls_last=True)
    return rows.order_by(order, "-created_at", "-id")


def catalogue_declarations() -> dict[str, Any]:
    """What a client needs to build the form of a backtest, from the declarations themselves."""
    return {
        "strategies": [strategy.declaration() for strategy in catalogue.listed()],
        "settings": session_settings.declarations(),
        "presets": {name: session_settings.as_json(session_settings.preset(name)) for name in session_settings.PRESETS},
        "metrics": metrics.describe(),
        "timeframes": list(TIMEFRAMES),
        "adjustments": list(ADJUSTMENTS),
    }


def summary(backtest: Backtest) -> dict[str, Any] | None:
    """Figures of a finished backtest (shape: `backtests.runner.report.summary`); None while it is not DONE."""
    return parts.read(backtest, "summary")


def chart(backtest: Backtest) -> dict[str, Any] | None:
    """Series of the result page (shape: `backtests.runner.report.equity_chart`); None while it is not DONE.

    At most 4,000 points each, whatever the run's length, so that a million bars draw as fast as a thousand.
    """
    return parts.read(backtest, "chart")


def done_chart(backtest: Backtest) -> dict[str, Any]:
    """`chart`, or Conflict (409) while the backtest is not DONE."""
    found = chart(backtest)
    if found is None:
        raise Conflict(f"It has no result: it is {backtest.get_state_display().lower()}.")
    return found


def price_chart(backtest: Backtest, symbol: str) -> dict[str, Any]:
    """Candles, indicators and trades of one symbol (shape: `backtests.runner.report.price_chart`).

    Raises NotFound when the backtest is not DONE or did not run on the symbol.
    """
    found = parts.read(backtest, f"price:{symbol}")
    if found is None:
        raise NotFound()
    return found


def explanations(backtest: Backtest) -> list[dict[str, Any]]:
    """Why its newest positions were opened (`backtests.runner.explanations`); none where there is nothing to add."""
    return parts.read(backtest, "why") or []


def result(backtest: Backtest, *logs: str) -> Result | None:
    """The engine's result as it was, with the named logs (`backtests.runner.result.LOGS`) and the others empty.

    None while it is not DONE. One query, however many logs.
    """
    read = parts.read_many([backtest.pk], ("head", "book", "benchmark_daily", *logs))
    found = {name: value for (_, name), value in read.items()}
    if "head" not in found:
        return None
    head = found["head"]
    symbols = tuple(head["symbols"])
    rows = {
        name: Rows.of(found.get(name, np.empty(0, dtype=dtype)), symbols, _REASONS.get(name, REASON_NAMES))
        for name, dtype in _DTYPES.items()
    }
    return Result(
        symbols=symbols,
        book=found["book"],
        periods_per_year=head["periods_per_year"],
        benchmark_daily=found["benchmark_daily"],
        **rows,
    )


def export(backtest: Backtest) -> Iterator[str]:
    """The JSON text that the CLI's ``--json`` writes, in pieces. Raises Conflict (409) while it is not DONE."""
    whole = result(backtest, *LOGS)
    kept = {name: value for (_, name), value in parts.read_many([backtest.pk], ("head", "spread_trades")).items()}
    head = kept.get("head")
    if whole is None or head is None:
        raise Conflict(f"It has no result: it is {backtest.get_state_display().lower()}.")
    equity = np.asarray(whole.equity)
    plain = replace(whole, equity=whole.equity[:0]).to_dict(
        head["metrics"], risk_free_rate_pct=head["risk_free_rate_pct"]
    )
    if "spread_trades" in kept:
        plain["spread_trades"] = kept["spread_trades"]
    return report.export_json(plain, equity)


def spread_trades(backtest: Backtest) -> list[dict[str, Any]] | None:
    """Trades of several legs (shape: `backtests.runner.spreads`); None where its strategy trades none."""
    return parts.read(backtest, "spread_trades")


def _trips(backtest: Backtest) -> np.ndarray:
    found = parts.read(backtest, "positions")
    return np.empty(0, dtype=ROUND_TRIP) if found is None else found


@dataclass(frozen=True, slots=True)
class TradePage:
    """One page of round trips: `rows` (shape: `report.round_trip_rows`), `total` that pass the filter, page from 1."""

    rows: list[dict[str, Any]]
    total: int
    page: int
    page_size: int
    pages: int


TRADE_SORTS = tuple(report.TRADE_COLUMNS)
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
    return TradePage(report.round_trip_rows(chosen, sorted(backtest.symbols)), len(rows), page, page_size, pages)


def select_round_trips(
    backtest: Backtest, sort: str = "entry_time", filters: Mapping[str, str] | None = None
) -> np.ndarray:
    """The filtered and sorted array behind `round_trips` and the CSV."""
    return report.select(_trips(backtest), sorted(backtest.symbols), sort, dict(filters or {}))


def compare(user: User, ids: Sequence[str | uuid.UUID]) -> list[dict[str, Any]]:
    """Up to six of the user's backtests side by side, in the order given.

    Each ``{"backtest": Backtest, "summary": dict | None, "equity": {"time": [s], "value": [float]} | None}``; equity
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
