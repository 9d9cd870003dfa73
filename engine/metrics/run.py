"""All figures of a finished run, and the return-based ones of any series."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import Fault, InputError
from engine.metrics import registry
from engine.metrics.registry import Function, Run, Value, finite
from engine.metrics.returns import against, distribution, drawdown_of, growth, of_equity
from engine.metrics.trades import of_round_trips
from engine.types import NANOS_PER_DAY, Records

Floats = npt.NDArray[np.float64]

_YEAR_NS = 365.25 * NANOS_PER_DAY


def compute(
    book: Records,
    daily: Records,
    trips: Records,
    periods_per_year: int = 252,
    benchmark_daily: Records | None = None,
    *,
    risk_free_rate_pct: float = 0.0,
    names: Collection[str] | None = None,
) -> dict[str, Value]:
    """The metrics of one run by name, JSON-ready (None where not defined).

    book: one BOOK record (shape (1,)); daily: DAILY records; trips: ROUND_TRIP records (all in engine.types).
    benchmark_daily: DAILY records of the benchmark's closes; each of the run's dates takes the last one known by then.
    names: which metrics, in which order; None is all. InputError (unknown_choice) names those that do not exist.
    An exception inside a user's metric is raised, with a note that says which.
    """
    if names is not None:
        registry.check_names(names)
    returns = of_equity(np.ascontiguousarray(daily["equity"]))
    benchmark = None if benchmark_daily is None else _benchmark_returns(daily, benchmark_daily)
    figures = _figures(book[0], returns, benchmark, trips, daily, periods_per_year, risk_free_rate_pct)
    run = Run(book, daily, trips, returns, benchmark, periods_per_year, risk_free_rate_pct, figures)
    for name, function in registry.added():
        if names is None or name in names:
            figures[name] = _of_user(name, function, run)
    return {name: figures[name] for name in (registry.names() if names is None else names)}


def from_returns(
    returns: npt.ArrayLike,
    periods_per_year: float = 252,
    benchmark: npt.ArrayLike | None = None,
    *,
    risk_free_rate_pct: float = 0.0,
) -> dict[str, Value]:
    """The return-based metrics of any series of simple periodic returns, JSON-ready (None where not defined).

    returns: shape (n,); NaN is a period without an observation and is left out. benchmark: shape (n,), same periods.
    Years are observations / periods_per_year. Drawdown starts from 1 before the first return, its length is in periods.
    Raises InputError for an infinity, more than one dimension, a benchmark of another length, or no periods in a year.
    """
    series = _series("returns", returns)
    _check_positive("periods_per_year", periods_per_year)
    other = None if benchmark is None else _series("benchmark", benchmark)
    if other is not None and len(other) != len(series):
        raise InputError(Fault("benchmark", "wrong_length", f"{len(other)} values for {len(series)} returns"))
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not defined, and None in the answer
        out = _of_series(series, other, periods_per_year, risk_free_rate_pct)
    return {name: _json_ready(value) for name, value in out.items()}


def _of_series(
    series: Floats, other: Floats | None, periods_per_year: float, risk_free_rate_pct: float
) -> dict[str, Any]:
    seen = series[~np.isnan(series)]
    grown = float(np.prod(1.0 + seen))
    fall, longest = drawdown_of(seen)
    cagr = growth(1.0, grown, len(seen) / periods_per_year) if len(seen) else math.nan
    out: dict[str, Any] = {
        "total_return_pct": (grown - 1.0) * 100.0 if len(seen) else math.nan,
        "cagr_pct": cagr,
        **distribution(seen, periods_per_year, risk_free_rate_pct),
        "max_drawdown_pct": fall * 100.0,
        "calmar": cagr / (fall * 100.0) if fall > 0.0 else math.nan,
        "periods": len(seen),
        "longest_drawdown_periods": longest,
    }
    if other is not None:
        out |= against(series, other, periods_per_year, risk_free_rate_pct)
    return out


def _figures(
    book: Any,
    returns: Floats,
    benchmark: Floats | None,
    trips: Records,
    daily: Records,
    periods_per_year: int,
    risk_free_rate_pct: float,
) -> dict[str, Value]:
    start, final, steps = float(book["starting_cash"]), float(book["equity"]), int(book["steps"])
    years = (int(book["last_ts"]) - int(book["first_ts"])) / _YEAR_NS
    cagr = growth(start, final, years)
    fall_pct = float(book["max_drawdown"]) * 100.0
    # A return over a mark that was not positive has no meaning, and then neither has any figure built on returns.
    meaningful = returns if np.isfinite(returns).all() else returns[:0]
    total = (final / start - 1.0) * 100.0 if steps else math.nan
    out: dict[str, Any] = {
        "final_equity": final,
        "total_return_pct": total,
        "cagr_pct": cagr,
        **distribution(meaningful, periods_per_year, risk_free_rate_pct),
        "max_drawdown_pct": fall_pct,
        "calmar": cagr / fall_pct if fall_pct > 0.0 else math.nan,
        **_drawdown_times(book, fall_pct > 0.0),
        **of_round_trips(trips),
        **_activity(book, daily, steps),
    }
    none = np.empty(0)
    out |= (
        against(none, none, 1.0, 0.0)
        if benchmark is None
        else against(returns, benchmark, periods_per_year, risk_free_rate_pct)
    )
    return {name: _json_ready(value) for name, value in out.items()}


def _drawdown_times(book: Any, exists: bool) -> dict[str, Any]:
    top, low, end = (int(book[f"max_drawdown_{name}_ts"]) for name in ("top", "low", "end"))
    until = end if end >= 0 else int(book["last_ts"])
    return {
        "max_drawdown_start": _iso(top) if exists else None,
        "max_drawdown_low": _iso(low) if exists else None,
        "max_drawdown_end": _iso(end) if exists and end >= 0 else None,
        "max_drawdown_days": (until - top) / NANOS_PER_DAY if exists else 0.0,
        "longest_drawdown_days": int(book["longest_under_ns"]) / NANOS_PER_DAY,
    }


def _activity(book: Any, daily: Records, steps: int) -> dict[str, Any]:
    traded = float(book["bought"]) + float(book["sold"])
    average_equity = float(daily["equity"].sum()) / len(daily) if len(daily) else math.nan
    commission, slippage = float(book["commission"]), float(book["slippage"])
    return {
        "exposure_pct": int(book["steps_invested"]) / steps * 100.0 if steps else math.nan,
        "average_exposure_pct": float(book["exposure_sum"]) / steps * 100.0 if steps else math.nan,
        "turnover_ratio": traded / 2.0 / average_equity if average_equity > 0.0 else math.nan,
        "total_commission": commission,
        "total_slippage": slippage,
        "total_costs": commission + slippage,
    }


def _benchmark_returns(daily: Records, benchmark: Records) -> Floats:
    """The benchmark's returns between the run's dates, each date valued at the last close known by then."""
    if len(daily) < 2:
        return np.empty(0)
    row = np.searchsorted(benchmark["date"], daily["date"], side="right") - 1
    marks = np.where(row >= 0, benchmark["equity"][np.maximum(row, 0)] if len(benchmark) else np.nan, np.nan)
    return of_equity(marks)


def _of_user(name: str, function: Function, run: Run) -> float | None:
    try:
        return finite(function(run))
    except Exception as error:
        error.add_note(f"raised by the metric {name!r}")
        raise


def _json_ready(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _iso(ts: int) -> str:
    return f"{np.datetime64(ts, 'ns').astype('datetime64[s]')}Z"


def _series(path: str, values: npt.ArrayLike) -> Floats:
    try:
        series = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(Fault(path, "not_a_number", "every value must be a number")) from None
    if series.ndim != 1:
        raise InputError(Fault(path, "wrong_type", f"must have one dimension, has {series.ndim}"))
    if np.isinf(series).any():
        place = int(np.flatnonzero(np.isinf(series))[0])
        raise InputError(Fault(f"{path}[{place}]", "not_a_finite_number", "must not be infinite"))
    return series


def _check_positive(path: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise InputError(Fault(path, "out_of_range", f"must be above 0, got {value!r}"))
