"""Other sources, timeframes and hours than a stock's daily bars."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from backtests import selectors, services
from backtests.models import Backtest
from engine.errors import InputError
from marketdata.services.imports import bring_in
from tests.backtests.conftest import AAPL

Run = Callable[..., Backtest]
MADE = {
    "source": "synthetic",
    "symbols": ["SYN-AAPL"],
    "timeframe": "15m",
    "start_date": "2020-03-02",
    "end_date": "2020-04-30",
    "strategy_parameters": {"min_strength_threshold": 0},
}


@pytest.mark.row("H15")
def test_made_minutes_are_resampled_and_say_that_they_are_made(alice: User, run_now: Run) -> None:
    done = run_now(alice, **MADE)
    assert done.state == "DONE", done.failure_reason
    assert done.synthetic
    assert done.notes[0].startswith("Synthetic prices")
    summary = selectors.summary(done)
    assert summary is not None
    assert summary["bars"] == 43 * 26, "43 sessions of 26 quarter hours"
    assert (summary["first_time"], summary["last_time"]) == ("2020-03-02T14:30:00Z", "2020-04-30T19:45:00Z")
    assert done.trade_count > 10


@pytest.mark.row("H15", "G15")
def test_orders_can_meet_finer_bars_than_those_that_decide(alice: User, run_now: Run) -> None:
    stops = {"stop_loss_pct": 0.5, "take_profit_pct": 0.5}
    coarse = run_now(alice, **MADE, settings=stops)
    fine = run_now(alice, **MADE, settings=stops, match_timeframe="1m")
    assert fine.state == "DONE", fine.failure_reason
    rough, exact = selectors.summary(coarse), selectors.summary(fine)
    assert rough is not None
    assert exact is not None
    assert exact["bars"] == rough["bars"] * 15
    assert exact["ambiguous_bars"] <= rough["ambiguous_bars"]
    assert fine.data_hash != coarse.data_hash
    entries = [row["entry_time"] for row in selectors.round_trips(fine, page_size=1_000).rows]
    assert entries
    assert all(time[14:16] in ("00", "15", "30", "45") for time in entries), "decided at the end of a quarter hour"


@pytest.mark.parametrize("match_timeframe", [None, "1m"])
def test_the_longest_holding_is_the_same_span_whatever_orders_meet(
    alice: User, run_now: Run, match_timeframe: str | None
) -> None:
    done = run_now(alice, **MADE, settings={"max_holding_time": 3_600}, match_timeframe=match_timeframe)
    rows = selectors.round_trips(done, page_size=1_000).rows
    timed_out = [row for row in rows if row["exit_reason"] == "max_holding"]
    spans = [datetime.fromisoformat(row["exit_time"]) - datetime.fromisoformat(row["entry_time"]) for row in timed_out]
    # Four quarters of trading; a night counts nothing, and lies between for those entered in the last hour.
    inside_a_day = [span for span in spans if span < timedelta(hours=7)]
    assert inside_a_day
    assert set(inside_a_day) == {timedelta(hours=1)}


def test_storage_that_fails_is_named_as_the_reason(alice: User, run_now: Run, settings: Any, tmp_path: Path) -> None:
    (tmp_path / "not_a_folder").touch()
    settings.BARS_DIR = tmp_path / "not_a_folder" / "bars"
    done = run_now(alice, **MADE)
    assert (done.state, done.failure_code) == ("FAILED", "storage")
    assert "Not a directory" in done.failure_reason


def test_more_money_than_a_row_can_hold_is_a_reason_and_not_a_fault_of_ours(
    alice: User, run_now: Run, tmp_path: Path
) -> None:
    day, lines = date(2020, 1, 1), ["time,open,high,low,close,volume"]
    for doubled in range(70):
        price = 1e-10 * 2**doubled
        lines.append(f"{day + timedelta(days=doubled)},{price!r},{price!r},{price!r},{price!r},1")
    path = tmp_path / "doubling.csv"
    path.write_text("\n".join(lines))
    bring_in(path, owner_id=alice.pk, symbol="DOUBLING", timeframe="1d", calendar="24/7")
    done = run_now(
        alice,
        strategy="buy_and_hold",
        symbols=["DOUBLING"],
        source="file",
        start_date=None,
        end_date=None,
        initial_capital=10**12,
        settings={"position_size_value": 100, "max_position_size_pct": 100},
        confirm_cautions=True,
    )
    assert (done.state, done.failure_code) == ("FAILED", "invalid_input")
    assert "more money than there is" in done.failure_reason


@pytest.mark.row("H2", "J7")
def test_entries_are_decided_inside_the_hours_only(alice: User, run_now: Run) -> None:
    hours = {"trading_hours_start": "10:00", "trading_hours_end": "11:30", "trading_days": ["TUE", "WED"]}
    done = run_now(alice, **MADE, settings=hours)
    rows = selectors.round_trips(done, page_size=1_000).rows
    assert rows
    # 10:00 to 11:30 in New York is 14:00 to 15:30 UTC in summer time and 15:00 to 16:30 before 8 March.
    assert all("14:00" <= row["entry_time"][11:16] <= "16:30" for row in rows)
    summary = selectors.summary(done)
    assert summary is not None
    assert any(entry["reason"] == "outside_window" for entry in summary["denials"])


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"source": "nowhere"}, "source", "unknown_choice"),
        ({"source": "synthetic", "symbols": ["SYN-AAPL"], "start_date": None}, "start_date", "required"),
        ({"source": "synthetic"}, "symbols[0]", "not_found"),
        ({"benchmark": "SYN-AAPL"}, "benchmark", "not_found"),
    ],
)
def test_what_a_source_has_not_is_refused_before_a_worker_is_bothered(
    changes: dict[str, object], path: str, code: str, alice: User, sample_data: None
) -> None:
    with pytest.raises(InputError) as caught:
        services.submit(alice, {**AAPL, **changes})
    assert [(fault.path, fault.code) for fault in caught.value.faults] == [(path, code)]


def test_what_only_the_worker_can_find_out_fails_with_the_reason(alice: User, run_now: Run) -> None:
    no_bars = run_now(alice, start_date="2020-01-01", end_date="2020-02-01")
    assert (no_bars.state, no_bars.failure_code) == ("FAILED", "invalid_input")
    assert "AAPL has no 1d bars in this range" in no_bars.failure_reason
    assert no_bars.failure_faults[0]["path"] == "start_date"
    too_fine = run_now(alice, timeframe="1m")
    assert too_fine.failure_faults[0]["path"] == "timeframe"


@pytest.mark.parametrize(
    ("symbols", "warned"), [(["SYN-AAPL"], True), (["SYN-COIN"], False), (["SYN-COIN", "SYN-IBM"], True)]
)
def test_weekends_are_unusual_only_where_an_exchange_is_closed(
    symbols: list[str], warned: bool, alice: User, sample_data: None
) -> None:
    weekend = {**MADE, "symbols": symbols, "settings": {"trading_days": ["SAT", "SUN"]}}
    _, _, cautions = services.check(alice, {**AAPL, **weekend})
    assert any(caution.code == "contradictory_window" for caution in cautions) is warned
