"""All of a portfolio study: weights, what they promise, the frontier, and what they would have done. No Django.

Figures of promises are of the last `lookback` returns, a year, in percent; the backtest computes its weights anew as
its bars come in, so it knows no more than one would have known. docs/portfolios.md has the formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from backtests.portfolios.request import StudyConfig, equal_weight
from backtests.runner import documents, execute, report
from backtests.runner.result import RunResult
from engine import Bars
from engine.errors import Fault, InputError
from engine.result import iso_times
from strategies import allocation
from strategies.allocation import moments, solving
from strategies.allocation.frontier import Point, frontier, point
from strategies.allocation.problem import Array, Problem
from strategies.panel import Panel

HISTORY_POINTS = 400
COMPARED = (
    "final_equity", "total_return_pct", "cagr_pct", "volatility_pct", "sharpe", "sortino", "max_drawdown_pct", "calmar",
    "turnover_ratio", "total_costs", "trade_count",
)  # fmt: skip
OnStep = Callable[[str, int, int], None]


def examine(config: StudyConfig, bars: Mapping[str, Bars], *, on_step: OnStep) -> dict[str, Any]:
    """The document of a study, JSON-ready.

    bars: to decide on, by symbol. on_step(phase, done, total): now and then; what it raises ends this. Raises
    InputError, its paths those of the request: too few bars, limits that no weights meet, a method without an answer.

    ``{"symbols", "method", "as_of" (ISO, start of the last bar), "bars_a_year", "lookback", "weights": [{"symbol",
    "weight_pct", "risk_pct", "return_pct", "volatility_pct"}], "cash_pct", "chosen", "equal": figures, "frontier":
    [figures + "weights_pct"], "correlation": [[ρ]], "history": {"time": [Unix s], "weights_pct": [per symbol [pct]],
    "computed", "unanswered", "why"}, "backtest": {"chart", "metrics": [{"name", "chosen", "equal"}], "denials",
    "result_hash", "equal_hash", "first_time", "last_time"}}``; symbols in order of names, figures ``{"return_pct",
    "volatility_pct", "sharpe", "var_pct"}``.
    """
    strategy, panel = config.strategy, Panel(bars)
    on_step("weights", 0, 0)
    problem, a_year = None, 0.0
    try:
        problem, a_year = strategy.problem_now(panel)
        document = _promised(config, problem, a_year, strategy.weights_of(problem), on_step)
    except InputError as error:
        raise _said(error, config, problem, a_year) from None
    return document | {
        "as_of": iso_times(panel.ts[panel.shared[-1:]])[0],
        "bars_a_year": a_year,
        "history": _history(config, panel, on_step),
        "backtest": _simulated(config, bars, on_step),
    }


def _promised(config: StudyConfig, problem: Problem, a_year: float, weights: Array, on_step: OnStep) -> dict[str, Any]:
    method = allocation.registered()[config.method]
    # A method that reads no covariance may have been given returns that have none.
    mu, cov = method().beliefs(problem, *moments.moments(problem))
    edge = frontier(
        problem,
        mu,
        cov,
        invested=method.invested,
        on_point=lambda done, points: on_step("frontier", done, points),
    )
    spread = np.sqrt(np.diag(cov))
    shares = moments.risk_contributions(weights, cov)
    free = problem.risk_free

    def figures(found: Point) -> dict[str, float | None]:
        return _figures(found, mu, cov, a_year, free)

    return {
        "symbols": list(problem.symbols),
        "method": config.method,
        "lookback": len(problem.returns),
        "weights": [
            {
                "symbol": symbol,
                "weight_pct": _pct(weights[k]),
                "risk_pct": _pct(shares[k]),
                "return_pct": _pct(mu[k] * a_year),
                "volatility_pct": _pct(spread[k] * np.sqrt(a_year)),
            }
            for k, symbol in enumerate(problem.symbols)
        ],
        "cash_pct": _pct(max(1.0 - float(weights.sum()), 0.0)),
        "chosen": figures(point(problem, weights, mu, cov)),
        "equal": figures(point(problem, np.full(problem.n, 1.0 / problem.n), mu, cov)),
        "frontier": [figures(found) | {"weights_pct": [_pct(w) for w in found.weights]} for found in edge],
        "correlation": [[round(float(value), 6) for value in row] for row in cov / np.outer(spread, spread)],
    }


def _figures(found: Point, mu: Array, cov: Array, a_year: float, free: float) -> dict[str, float | None]:
    risky = found.deviation > 0.0
    return {
        "return_pct": _pct(found.mean * a_year),
        "volatility_pct": _pct(found.deviation * np.sqrt(a_year)),
        "sharpe": float((found.mean - free) / found.deviation * np.sqrt(a_year)) if risky else None,
        "var_pct": _pct(moments.value_at_risk(found.weights, mu, cov)),
    }


def _history(config: StudyConfig, panel: Panel, on_step: OnStep) -> dict[str, Any]:
    """Weights as they were computed, time by time; what is computed here the backtest finds kept."""
    decisions = config.strategy.decisions(panel, lambda row, rows: on_step("history", row, rows))
    known = [decision for decision in decisions if decision.weights is not None]
    silent = [decision.fault for decision in decisions if decision.weights is None]
    step = max(1, -(-len(known) // HISTORY_POINTS))
    picked = known[::-1][::step][::-1]  # the newest is always drawn
    ts = panel.ts[panel.shared]
    rows = [decision.row for decision in picked]
    table = [decision.weights for decision in picked]
    if picked and rows[-1] != len(ts) - 1:  # what was computed last stands to the end
        rows.append(len(ts) - 1)
        table.append(table[-1])
    columns = np.array(table).reshape(len(table), len(panel.symbols)).T
    return {
        "time": report.seconds(ts[np.array(rows, np.int64)]),
        "weights_pct": [[_pct(w, 4) for w in column] for column in columns],
        "computed": len(decisions),
        "unanswered": len(silent),
        "why": silent[-1] if silent else "",
    }


def _simulated(config: StudyConfig, bars: Mapping[str, Bars], on_step: OnStep) -> dict[str, Any]:
    """Both backtests, side by side on the same bars."""

    def ran(half: int, run: Any) -> RunResult:
        def told(done: int, total: int) -> None:
            on_step("backtest", half * total + done, 2 * total)

        return execute.run(run, bars, on_progress=told)

    chosen, equal = ran(0, config.run), ran(1, equal_weight(config))
    stands, other = chosen.engine, equal.engine
    chart = report.equity_chart(
        np.asarray(stands.equity["ts"]),
        np.asarray(stands.equity["equity"]),
        np.asarray(other.equity["equity"]),
        stands.starting_cash,
        "Equal weights",
    )
    times = iso_times(stands.equity["ts"][[0, -1]])
    return {
        "chart": chart,
        "metrics": [{"name": name, "chosen": chosen.figures[name], "equal": equal.figures[name]} for name in COMPARED],
        "denials": documents.summary(chosen)["denials"][:10],
        "result_hash": chosen.fingerprint(),
        "equal_hash": equal.fingerprint(),
        "first_time": times[0],
        "last_time": times[1],
    }


def _said(error: InputError, config: StudyConfig, problem: Problem | None, a_year: float) -> InputError:
    """The optimiser's faults under the names of the request's fields; of a target out of reach what is in reach."""
    if problem is not None and any(fault.path == "target_return" for fault in error.faults):
        highest = _highest_pct(config, problem, a_year)
        target = config.parameters["target_return_pct"]
        message = f"Under these limits no weights have a mean return of {target:g} % a year after costs."
        hint = f"The highest is {highest:g} %. Aim at that or lower, or let single symbols weigh more."
        return InputError(Fault("parameters.target_return_pct", "infeasible", message, hint))
    # Other limits were checked before it was queued; what is left are bars and methods.
    names = {"symbols": "symbols", "returns": "parameters.lookback"}
    return InputError(replace(fault, path=names.get(fault.path, f"parameters.{fault.path}")) for fault in error.faults)


def _highest_pct(config: StudyConfig, problem: Problem, a_year: float) -> float:
    """The highest mean return a year under the limits, rounded down so that it can be asked for."""
    mu = moments.mean(problem.returns)
    found = solving.highest_return(problem, mu, invested=allocation.registered()[config.method].invested)
    mean = point(problem, found, mu, np.zeros((problem.n, problem.n))).mean
    return float(np.floor(mean * a_year * 1e4) / 100.0)


def _pct(value: Any, digits: int = 8) -> float:
    return round(float(value) * 100.0, digits) + 0.0
