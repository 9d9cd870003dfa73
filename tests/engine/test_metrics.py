"""Metrics against hand-computed cases, against empyrical, and where there is nothing to measure."""

from __future__ import annotations

import json
import math

import empyrical
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engine import metrics
from engine.errors import InputError
from engine.types import BOOK, DAILY, NANOS_PER_DAY, ROUND_TRIP

DAY = NANOS_PER_DAY


def book_of(**figures: float) -> np.ndarray:
    book = np.zeros(1, BOOK)
    book["starting_cash"] = book["equity"] = 1_000.0
    book["max_drawdown_end_ts"] = -1
    for name, value in figures.items():
        book[name] = value
    return book


def daily_of(*marks: float, first: int = 0) -> np.ndarray:
    daily = np.zeros(len(marks), DAILY)
    daily["date"] = np.arange(first, first + len(marks))
    daily["equity"] = marks
    return daily


def trips_of(*pnl: float, hold_s: float = 60.0) -> np.ndarray:
    trips = np.zeros(len(pnl), ROUND_TRIP)
    trips["pnl_net"] = pnl
    trips["exit_ts"] = int(hold_s * 1e9)
    trips["bars"] = 3
    return trips


returns_of_some_days = st.lists(st.floats(-0.2, 0.2, allow_subnormal=False), min_size=3, max_size=300).map(np.array)


@pytest.mark.row("H8", "H9", "H10", "H11")
@given(returns=returns_of_some_days, seed=st.integers(0, 2**16), periods=st.sampled_from([252, 365]))
def test_against_empyrical(returns, seed, periods):
    """Equal figures, with every difference of convention undone here, where it can be read.

    Ours against empyrical's: percent against ratio; drawdown, VaR and CVaR are stated as positive losses; alpha is the
    mean × P, theirs is compounded; Calmar, as theirs, is on CAGR. Without variance or shortfall ours is None, theirs
    is NaN or infinite.
    """
    benchmark = np.random.default_rng(seed).normal(0.0005, 0.01, len(returns))
    ours = metrics.from_returns(returns, periods, benchmark)
    annual = {"annualization": periods}

    def same(name: str, theirs: float, *, to: float = 1e-9) -> None:
        got = ours[name]
        if got is not None and math.isfinite(theirs):
            assert got == pytest.approx(theirs, rel=1e-7, abs=to), name

    same("total_return_pct", empyrical.cum_returns_final(returns) * 100)
    same("cagr_pct", empyrical.cagr(returns, **annual) * 100)
    same("volatility_pct", empyrical.annual_volatility(returns, **annual) * 100)
    same("max_drawdown_pct", -empyrical.max_drawdown(returns) * 100)
    same("var_95_pct", -empyrical.value_at_risk(returns) * 100)
    same("cvar_95_pct", -empyrical.conditional_value_at_risk(returns) * 100)
    same("sortino", empyrical.sortino_ratio(returns, **annual), to=1e-6)
    same("beta", empyrical.beta_aligned(returns, benchmark))
    if np.ptp(returns) > 1e-6:
        same("sharpe", empyrical.sharpe_ratio(returns, **annual), to=1e-6)
        same("skew", float(stats.skew(returns)), to=1e-6)
        same("kurtosis", float(stats.kurtosis(returns)), to=1e-6)
        same("correlation", float(np.corrcoef(returns, benchmark)[0, 1]), to=1e-6)
    if (ours["max_drawdown_pct"] or 0) > 1e-6:
        same("calmar", empyrical.calmar_ratio(returns, **annual), to=1e-6)
    theirs = empyrical.alpha_aligned(returns, benchmark, **annual)
    if ours["alpha_pct"] is not None and math.isfinite(theirs):
        assert (1 + ours["alpha_pct"] / 100 / periods) ** periods - 1 == pytest.approx(theirs, rel=1e-6, abs=1e-9)


@pytest.mark.row("H8", "H9")
def test_a_case_by_hand():
    """Returns +10 %, -10 %, +5 %, four periods a year, no risk-free rate."""
    got = metrics.from_returns([0.10, -0.10, 0.05], 4)
    mean = 0.05 / 3
    spread = math.sqrt(((0.10 - mean) ** 2 + (-0.10 - mean) ** 2 + (0.05 - mean) ** 2) / 2)
    assert got["total_return_pct"] == pytest.approx((1.1 * 0.9 * 1.05 - 1) * 100)
    assert got["annual_return_pct"] == pytest.approx(mean * 4 * 100)
    assert got["cagr_pct"] == pytest.approx(((1.1 * 0.9 * 1.05) ** (4 / 3) - 1) * 100)
    assert got["volatility_pct"] == pytest.approx(spread * 2 * 100)
    assert got["sharpe"] == pytest.approx(mean / spread * 2)
    assert got["sortino"] == pytest.approx(mean / math.sqrt(0.01 / 3) * 2)
    assert got["max_drawdown_pct"] == pytest.approx(10.0)
    assert got["longest_drawdown_periods"] == 2  # not regained: 1.1 → 0.99 → 1.0395
    assert got["var_95_pct"] == pytest.approx((0.10 - 0.15 * 0.1) * 100)  # a tenth of the way from -10 % to +5 %
    assert got["cvar_95_pct"] == pytest.approx(10.0)
    assert (got["best_day_pct"], got["worst_day_pct"]) == (10.0, -10.0)


def test_the_risk_free_rate_is_taken_from_each_period():
    got = metrics.from_returns([0.02, 0.00, 0.01], 10, risk_free_rate_pct=5.0)
    assert got["sharpe"] == pytest.approx((0.01 - 0.005) / 0.01 * math.sqrt(10))
    assert got["sortino"] == pytest.approx(0.005 / math.sqrt(0.005**2 / 3) * math.sqrt(10))


@pytest.mark.row("H8", "H10", "H12")
def test_a_whole_run_by_hand():
    book = book_of(
        equity=1_100.0, steps=100, steps_invested=40, exposure_sum=20.0, first_ts=0, last_ts=int(365.25 * DAY),
        max_drawdown=0.25, max_drawdown_top_ts=10 * DAY, max_drawdown_low_ts=20 * DAY, max_drawdown_end_ts=40 * DAY,
        longest_under_ns=50 * DAY, bought=3_000.0, sold=2_500.0, commission=7.0, slippage=5.0,
    )  # fmt: skip
    got = metrics.compute(book, daily_of(1_000.0, 1_100.0, 1_050.0, 1_050.0), trips_of(30.0, -10.0, 0.0, 20.0))
    wanted = {
        "final_equity": 1_100.0, "total_return_pct": 10.0, "cagr_pct": 10.0, "max_drawdown_pct": 25.0, "calmar": 0.4,
        "max_drawdown_start": "1970-01-11T00:00:00Z", "max_drawdown_low": "1970-01-21T00:00:00Z",
        "max_drawdown_end": "1970-02-10T00:00:00Z", "max_drawdown_days": 30.0, "longest_drawdown_days": 50.0,
        "trade_count": 4, "win_rate_pct": 50.0, "profit_factor": 5.0, "expectancy": 10.0, "average_win": 25.0,
        "average_loss": -10.0, "best_trade": 30.0, "worst_trade": -10.0, "average_holding_s": 60.0,
        "average_holding_bars": 3.0, "sqn": 2 * 10.0 / math.sqrt((400 + 400 + 100 + 100) / 3), "exposure_pct": 40.0,
        "average_exposure_pct": 20.0, "turnover_ratio": 2_750.0 / 1_050.0, "total_commission": 7.0,
        "total_slippage": 5.0, "total_costs": 12.0, "best_day_pct": 10.0,
    }  # fmt: skip
    for name, value in wanted.items():
        assert got[name] == pytest.approx(value) if isinstance(value, float) else got[name] == value, name
    from_series = metrics.from_returns([0.1, 1_050 / 1_100 - 1, 0.0])
    for name in ("sharpe", "sortino", "volatility_pct", "annual_return_pct", "var_95_pct", "skew"):
        assert got[name] == pytest.approx(from_series[name]), name


def test_a_drawdown_that_was_not_regained_lasts_until_the_end():
    book = book_of(steps=5, last_ts=9 * DAY, max_drawdown=0.1, max_drawdown_top_ts=2 * DAY, max_drawdown_low_ts=5 * DAY)
    got = metrics.compute(book, daily_of(), trips_of())
    assert (got["max_drawdown_end"], got["max_drawdown_days"]) == (None, 7.0)


@pytest.mark.row("H11")
def test_a_benchmark_is_valued_at_its_last_known_close():
    """The benchmark does not trade on the run's second date: its return of two days falls on the third."""
    daily = daily_of(100.0, 110.0, 99.0, 99.0)
    benchmark = np.array([(-5, 40.0), (0, 50.0), (2, 55.0), (3, 44.0), (9, 1.0)], DAILY)
    got = metrics.compute(book_of(steps=4), daily, trips_of(), benchmark_daily=benchmark)
    theirs = metrics.from_returns([0.1, -0.1, 0.0], 252, [0.0, 0.1, -0.2])
    for name in ("benchmark_return_pct", "beta", "alpha_pct", "correlation", "information_ratio"):
        assert got[name] == pytest.approx(theirs[name]), name
    assert got["benchmark_return_pct"] == pytest.approx(-12.0)
    late = np.array([(2, 55.0), (3, 44.0)], DAILY)  # starts after the run: only what both have is compared
    assert metrics.compute(book_of(), daily, trips_of(), benchmark_daily=late)["benchmark_return_pct"] == pytest.approx(
        -20
    )
    none = metrics.compute(book_of(), daily, trips_of(), benchmark_daily=np.empty(0, DAILY))
    assert none["beta"] is None


EDGE_SERIES = {
    "empty": [],
    "one": [0.01],
    "flat": [0.0] * 20,
    "constant": [0.001] * 20,
    "all losing": [-0.01, -0.02, -0.03],
    "ruin": [0.1, -1.0, 0.5],
    "below zero": [0.1, -1.5, 0.5],
    "nan": [math.nan, 0.1, math.nan],
    "all nan": [math.nan] * 3,
    "huge": [1e300, 1e300],
    "tiny": [1e-320, -1e-320],
    "very small": [1e-90, -2e-90, 1e-100],
}


@pytest.mark.parametrize("name", EDGE_SERIES)
@pytest.mark.parametrize("other", [None, *EDGE_SERIES])
def test_every_answer_is_json_whatever_the_series(name, other):
    series = EDGE_SERIES[name]
    benchmark = None if other is None else (EDGE_SERIES[other] * 20 or [math.nan] * 20)[: len(series)]
    got = metrics.from_returns(series, 252, benchmark)
    json.dumps(got, allow_nan=False)
    seen = [r for r in series if not math.isnan(r)]
    assert got["periods"] == len(seen)
    if len(seen) < 2 or name in ("flat", "constant"):
        assert got["sharpe"] is None
    if name in ("empty", "one", "flat", "constant"):
        assert got["sortino"] is None
        assert got["calmar"] is None


@pytest.mark.parametrize("marks", [(), (1_000.0,), (1_000.0, 1_000.0), (1_000.0, -50.0, 20.0), (1_000.0, 0.0, 0.0)])
@pytest.mark.parametrize("pnl", [(), (5.0,), (-5.0, -7.0), (0.0, 0.0), (5.0, 5.0)])
def test_every_answer_of_a_run_is_json_and_every_name_is_there(marks, pnl):
    got = metrics.compute(book_of(), daily_of(*marks), trips_of(*pnl))
    assert list(got) == [entry["name"] for entry in metrics.describe()]
    json.dumps(got, allow_nan=False)
    assert (got["win_rate_pct"] is None) == (not pnl)
    assert (got["profit_factor"] is None) == (not any(p < 0 for p in pnl))
    if not marks or min(marks) <= 0 or len(marks) < 3:
        assert got["sharpe"] is None


@pytest.mark.row("H13")
def test_metrics_are_chosen_by_name_in_the_order_asked():
    got = metrics.compute(book_of(steps=1), daily_of(1.0, 2.0), trips_of(1.0), names=["sqn", "trade_count"])
    assert list(got) == ["sqn", "trade_count"]
    with pytest.raises(InputError) as caught:
        metrics.compute(book_of(), daily_of(), trips_of(), names=["sharpe", "sharp", "alpha"])
    assert [(f.path, f.code) for f in caught.value.faults] == [
        ("metrics[1]", "unknown_choice"),
        ("metrics[2]", "unknown_choice"),
    ]


@pytest.mark.row("H13")
def test_a_metric_of_ones_own_is_part_of_every_run():
    convention = "Root of the mean squared drawdown of the daily marks"

    @metrics.metric("ulcer_index", label="Ulcer index", unit="pct", convention=convention, better="lower")
    def ulcer_index(run: metrics.Run) -> float:
        top = np.maximum.accumulate(run.daily["equity"])
        return 100 * float(np.sqrt(np.mean((1 - run.daily["equity"] / top) ** 2)))

    try:
        assert metrics.describe()[-1]["convention"] == convention
        got = metrics.compute(book_of(steps=3), daily_of(100.0, 90.0, 100.0), trips_of())
        assert got["ulcer_index"] == pytest.approx(100 * math.sqrt(0.01 / 3))
        assert metrics.compute(book_of(), daily_of(1.0), trips_of(), names=["ulcer_index"]) == {"ulcer_index": 0.0}
        with pytest.raises(InputError, match="already"):
            metrics.metric("ulcer_index", label="x", unit="pct", convention="x")(ulcer_index)
    finally:
        metrics.remove("ulcer_index")
    assert "ulcer_index" not in metrics.compute(book_of(), daily_of(), trips_of())


def test_a_metric_of_ones_own_that_is_not_finite_or_fails():
    add = metrics.metric("odd", label="Odd", unit="ratio", convention="None at all")
    add(lambda run: math.inf)
    try:
        assert metrics.compute(book_of(), daily_of(), trips_of())["odd"] is None
    finally:
        metrics.remove("odd")
    add(lambda run: 1 / 0)
    try:
        with pytest.raises(ZeroDivisionError) as caught:
            metrics.compute(book_of(), daily_of(), trips_of())
        assert "odd" in caught.value.__notes__[0]
    finally:
        metrics.remove("odd")


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "Bad name"},
        {"unit": "furlongs"},
        {"better": "sideways"},
        {"label": " "},
        {"convention": ""},
    ],
)
def test_a_metric_must_say_what_it_is(fields):
    good = {"name": "good", "label": "Good", "unit": "pct", "convention": "As it is"}
    merged = good | fields
    with pytest.raises(InputError):
        metrics.metric(merged.pop("name"), **merged)(lambda run: 0.0)
    assert "good" not in [entry["name"] for entry in metrics.describe()]


def test_built_in_metrics_stay():
    with pytest.raises(InputError):
        metrics.remove("sharpe")
    with pytest.raises(InputError):
        metrics.remove("no_such_metric")


def test_every_metric_states_its_convention():
    entries = metrics.describe()
    assert len({entry["name"] for entry in entries}) == len(entries) > 40
    for entry in entries:
        assert all(entry.values()), entry
        if entry["unit"] in ("pct", "ratio"):
            assert entry["name"].endswith("_pct") == (entry["unit"] == "pct"), entry


@pytest.mark.parametrize(
    ("arguments", "path", "code"),
    [
        (([0.1, math.inf],), "returns[1]", "not_a_finite_number"),
        (([[0.1], [0.2]],), "returns", "wrong_type"),
        ((["a"],), "returns", "not_a_number"),
        (([0.1], 0), "periods_per_year", "out_of_range"),
        (([0.1], math.nan), "periods_per_year", "out_of_range"),
        (([0.1], 252, [0.1, 0.2]), "benchmark", "wrong_length"),
    ],
)
def test_a_bad_series_is_refused_with_its_place(arguments, path, code):
    with pytest.raises(InputError) as caught:
        metrics.from_returns(*arguments)
    assert [(f.path, f.code) for f in caught.value.faults] == [(path, code)]
