"""Figures of a series of periodic returns. The conventions stand in `engine.metrics.catalogue`.

A figure that is not defined (no observation, no variance, no loss) is NaN here and becomes None at the boundary.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_TAIL = 0.05
# A spread this small against the values themselves is rounding, not risk: dividing by it would make figures like 1e15.
_ROUNDING = 1e-12


def of_equity(equity: Floats) -> Floats:
    """Simple returns between consecutive marks, shape (n,) → (max(n - 1, 0),); NaN after a mark that is not > 0."""
    if len(equity) < 2:
        return np.empty(0)
    before = equity[:-1]
    if before.min() > 0.0:
        return equity[1:] / before - 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(before > 0.0, equity[1:] / before - 1.0, np.nan)


def distribution(returns: Floats, periods_per_year: float, risk_free_rate_pct: float) -> dict[str, float]:
    """Mean, spread, tail and shape. `returns` holds no NaN; shape (n,)."""
    n = len(returns)
    names = ("annual_return_pct", "volatility_pct", "sharpe", "sortino", "skew", "kurtosis")
    out = dict.fromkeys((*names, "var_95_pct", "cvar_95_pct", "best_day_pct", "worst_day_pct"), math.nan)
    if n == 0:
        return out
    mean = float(returns.sum()) / n
    ranked = np.sort(returns)
    out["annual_return_pct"] = mean * periods_per_year * 100.0
    out["best_day_pct"], out["worst_day_pct"] = float(ranked[-1]) * 100.0, float(ranked[0]) * 100.0
    place = (n - 1) * _TAIL
    low = int(place)
    high = min(low + 1, n - 1)
    quantile = float(ranked[low]) + (float(ranked[high]) - float(ranked[low])) * (place - low)
    out["var_95_pct"] = -quantile * 100.0
    out["cvar_95_pct"] = -float(ranked[: low + 1].sum()) / (low + 1) * 100.0

    excess = mean - risk_free_rate_pct / 100.0 / periods_per_year
    below = np.minimum(returns - risk_free_rate_pct / 100.0 / periods_per_year, 0.0)
    downside = math.sqrt(float(below @ below) / n)
    if downside > 0.0:
        out["sortino"] = excess / downside * math.sqrt(periods_per_year)
    if n < 2:
        return out
    off = returns - mean
    squares = off * off
    total = float(squares.sum())
    spread = math.sqrt(total / (n - 1))
    out["volatility_pct"] = spread * math.sqrt(periods_per_year) * 100.0
    if spread > _ROUNDING * max(abs(float(ranked[0])), abs(float(ranked[-1]))):
        out["sharpe"] = excess / spread * math.sqrt(periods_per_year)
        standard = off / math.sqrt(total / n)
        squares = standard * standard
        out["skew"] = float(squares @ standard) / n
        out["kurtosis"] = float(squares @ squares) / n - 3.0
    return out


def against(returns: Floats, benchmark: Floats, periods_per_year: float, risk_free_rate_pct: float) -> dict[str, float]:
    """Figures against a benchmark. Both shape (n,); a period in which either is NaN is left out."""
    names = ("benchmark_return_pct", "benchmark_volatility_pct", "alpha_pct", "beta", "correlation")
    out = dict.fromkeys((*names, "information_ratio"), math.nan)
    paired = np.isfinite(returns) & np.isfinite(benchmark)
    if not paired.all():
        returns, benchmark = returns[paired], benchmark[paired]
    n = len(returns)
    if n == 0:
        return out
    out["benchmark_return_pct"] = (float(np.prod(1.0 + benchmark)) - 1.0) * 100.0
    if n < 2:
        return out
    mean, mean_b = float(returns.sum()) / n, float(benchmark.sum()) / n
    off, off_b = returns - mean, benchmark - mean_b
    variance, variance_b = float(off @ off) / (n - 1), float(off_b @ off_b) / (n - 1)
    out["benchmark_volatility_pct"] = math.sqrt(variance_b * periods_per_year) * 100.0
    covariance = float(off @ off_b) / (n - 1)
    if math.sqrt(variance_b) > _ROUNDING * float(np.abs(benchmark).max()):
        beta = covariance / variance_b
        rf = risk_free_rate_pct / 100.0 / periods_per_year
        out["beta"] = beta
        out["alpha_pct"] = ((mean - rf) - beta * (mean_b - rf)) * periods_per_year * 100.0
        if math.sqrt(variance) > _ROUNDING * float(np.abs(returns).max()):
            out["correlation"] = max(-1.0, min(1.0, covariance / (math.sqrt(variance) * math.sqrt(variance_b))))
    active = off - off_b
    tracking = math.sqrt(float(active @ active) / (n - 1))
    if tracking > _ROUNDING * max(float(np.abs(returns).max()), float(np.abs(benchmark).max())):
        out["information_ratio"] = (mean - mean_b) / tracking * math.sqrt(periods_per_year)
    return out


def growth(start: float, end: float, years: float) -> float:
    """Compound annual growth in percent; NaN when a side is not positive, or less than a day of time passed."""
    if start <= 0.0 or end <= 0.0 or years < 1.0 / 366.0:
        return math.nan
    try:
        return (math.pow(end / start, 1.0 / years) - 1.0) * 100.0
    except OverflowError:
        return math.nan


def drawdown_of(returns: Floats) -> tuple[float, int]:
    """Largest fall of the compounded series from its running top (start included), as a ratio ≥ 0, and the most
    periods from a top to the one that regains it (or to the end)."""
    if len(returns) == 0:
        return 0.0, 0
    wealth = np.concatenate(([1.0], np.cumprod(1.0 + returns)))
    top = np.maximum.accumulate(wealth)
    tops = np.flatnonzero(wealth >= top)
    regained = np.diff(tops)
    under = np.append(regained[regained > 1], len(wealth) - 1 - tops[-1])
    return float((1.0 - wealth / top).max()), int(under.max())
