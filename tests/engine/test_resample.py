"""Coarser bars by the exchange's sessions, and coarse values that never come early."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Bars, exchange
from engine.errors import InputError
from engine.resample import align, close_times, last_fine_bar, resample, spread
from tests.engine.test_exchange import MINUTE, minutes, ns

COLUMNS = ("open", "high", "low", "close", "volume")


def made(ts: np.ndarray, timeframe: str = "1m", calendar: str = "XNYS", seed: int = 0) -> Bars:
    """Random bars at these times."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.001, len(ts))))
    open_ = close * np.exp(rng.normal(0, 0.001, len(ts)))
    high = np.maximum(open_, close) * (1 + rng.random(len(ts)) * 0.001)
    low = np.minimum(open_, close) * (1 - rng.random(len(ts)) * 0.001)
    volume = rng.integers(0, 1_000, len(ts)).astype(np.float64)
    return Bars.from_arrays("X", timeframe, ts, open_, high, low, close, volume, calendar=calendar)


def read(path: Path, symbol: str, calendar: str = "XNYS") -> Bars:
    with path.open() as lines:
        rows = [row for row in csv.DictReader(lines) if row.get("symbol", symbol) == symbol]
    ts = np.array([ns(row["time"].removesuffix("Z")) for row in rows], dtype=np.int64)
    return Bars.from_arrays(
        symbol, "1m", ts, *([float(row[name]) for row in rows] for name in COLUMNS), calendar=calendar
    )


def opening_times(bars: Bars, zone: str = "America/New_York") -> list[str]:
    return [f"{t:%a %H:%M}" for t in pd.to_datetime(bars.ts, utc=True).tz_convert(zone)]


def plain(bars: Bars, groups: list[list[int]]) -> list[tuple[float, ...]]:
    """open, high, low, close, volume of each group of rows, by Python's own max, min and sum."""
    out = []
    for rows in groups:
        o, h, lo, c, v = ([float(getattr(bars, name)[i]) for i in rows] for name in COLUMNS)
        out.append((o[0], max(h), min(lo), c[-1], sum(v)))
    return out


@pytest.mark.row("G15")
def test_days_made_of_real_minutes_are_the_recorded_days(shared_data):
    """SPY, October 2013: each day from its 390 minutes against the same source's daily file."""
    with (shared_data / "us_daily_raw.csv").open() as lines:
        recorded = {row["date"]: row for row in csv.DictReader(lines) if row["symbol"] == "SPY"}
    days = resample(read(shared_data / "spy_1min_2013-10.csv", "SPY"), "1d")
    assert len(days) == 6
    for i, ts in enumerate(days.ts.tolist()):
        row = recorded[f"{dt.datetime.fromtimestamp(ts / 1e9, tz=dt.UTC):%Y-%m-%d}"]
        # The daily file holds consolidated auction prints; minutes hold trades of the session: cents apart at most.
        for name in ("open", "high", "low", "close"):
            assert getattr(days, name)[i] == pytest.approx(float(row[name]), abs=0.12), (row["date"], name)


@pytest.mark.row("G15")
def test_every_coarser_timeframe_of_a_real_session(shared_data):
    spy = read(shared_data / "spy_1min_2013-10.csv", "SPY")
    regular = (spy.session_first | spy.session_last).nonzero()[0].reshape(-1, 2)
    day = spy[int(regular[0, 0]) : int(regular[0, 1]) + 1]
    assert len(day) == 390
    for timeframe, size in (("5m", 5), ("15m", 15), ("1h", 60), ("4h", 240)):
        coarse = resample(day, timeframe)
        groups = [list(range(i, min(i + size, 390))) for i in range(0, 390, size)]
        got = list(zip(*(getattr(coarse, name).tolist() for name in COLUMNS), strict=True))
        assert got == plain(day, groups)
        assert coarse.ts.tolist() == [int(day.ts[rows[0]]) for rows in groups]
        assert coarse.timeframe == timeframe
    assert opening_times(resample(day, "1h")) == [f"Fri {hour}:30" for hour in ("09", 10, 11, 12, 13, 14, 15)]


@pytest.mark.row("G15")
def test_a_half_day_cuts_the_last_bar_and_keeps_post_market_apart(shared_data):
    goog = read(shared_data / "goog_1min_half_day_2015-12.csv", "GOOG")
    half = goog.between(ns("2015-12-24 14:30"), ns("2015-12-25"))
    hours = resample(half, "1h")
    assert opening_times(hours)[:4] == ["Thu 09:30", "Thu 10:30", "Thu 11:30", "Thu 12:30"]
    assert opening_times(hours)[4] == "Thu 13:00"  # post-market is counted from the close
    assert close_times(hours)[3] == ns("2015-12-24 18:00")
    last_regular = half.between(ns("2015-12-24 17:30"), ns("2015-12-24 18:00"))
    assert hours.close[3] == last_regular.close[-1]
    assert hours.high[3] == last_regular.high.max()
    (day,) = resample(half, "1d").close.tolist()
    assert day == last_regular.close[-1]
    assert resample(half, "1d", extended_hours=True).close[-1] == half.close[-1]


@pytest.mark.row("G15")
def test_hours_follow_the_session_over_a_clock_change(shared_data):
    shy = read(shared_data / "shy_1min_dst_2008-03.csv", "SHY")
    hours = resample(shy, "1h", extended_hours=False)
    assert opening_times(hours)[0] == "Fri 09:30"
    monday = [t for t in opening_times(hours) if t.startswith("Mon")]
    assert monday[0] == "Mon 09:30"
    regular, _, _ = exchange.session_flags(shy.ts, "1m", "XNYS")
    assert hours.volume.sum() == shy.volume[regular].sum()


def test_round_the_clock_bars_are_counted_from_midnight(shared_data):
    btc = read(shared_data / "crypto_1min_2022-12-13.csv", "BTCUSD", "24/7")
    assert len(btc) == 1439
    assert len(resample(btc, "4h")) == 6
    fives = resample(btc, "5m")
    assert len(fives) == 288  # the missing minute leaves its five minutes with four
    day = resample(btc, "1d")
    assert (day.open[0], day.close[0], day.volume[0]) == (btc.open[0], btc.close[-1], btc.volume.sum())
    assert day.ts[0] == ns("2022-12-13")


def test_instrument_facts_are_kept_and_nothing_comes_of_nothing():
    none = np.empty(0, dtype=np.int64)
    fine = Bars.from_arrays("X", "1m", none, [], [], [], [], calendar="XNYS", lot_size=100.0, fractionable=False)
    coarse = resample(fine, "1h")
    assert (len(coarse), coarse.lot_size, coarse.fractionable, coarse.timeframe) == (0, 100.0, False, "1h")
    assert len(align(np.empty(0), coarse, fine)) == 0


@pytest.mark.parametrize(("fine", "coarse"), [("1m", "1m"), ("1h", "5m"), ("1m", "2h"), ("1d", "1h")])
def test_only_coarser_timeframes_can_be_made(fine, coarse):
    with pytest.raises(InputError) as caught:
        resample(made(minutes("2013-10-07 13:30", 3), fine), coarse)
    assert caught.value.faults[0].path == "timeframe"


sessions = st.sampled_from(["2015-12-23 14:30", "2015-12-24 14:30", "2008-03-07 14:30", "2008-03-10 13:30"])
holes = st.sets(st.integers(0, 389), max_size=300)


@given(
    start=sessions, missing=holes, timeframe=st.sampled_from(["5m", "15m", "1h", "4h", "1d"]), cut=st.integers(0, 389)
)
def test_the_future_never_changes_what_is_known(start, missing, timeframe, cut):
    """Whatever minutes exist: a coarse value reaches a fine bar only when all its minutes are in that bar's past."""
    ts = np.delete(minutes(start, 390), sorted(missing))
    fine = made(ts)
    coarse = resample(fine, timeframe)
    known = align(coarse.close, coarse, fine)
    whole_days = align(coarse.ts, coarse, fine)
    cut = min(cut, len(fine))
    seen = resample(fine[:cut], timeframe) if cut else None
    for i in range(cut):
        now = fine.ts[i] + MINUTE
        if np.isnan(known[i]):
            assert whole_days[i] == 0
            continue
        row = int(np.searchsorted(coarse.ts, whole_days[i]))
        inside = (fine.ts >= coarse.ts[row]) & (fine.ts < close_times(coarse)[row])
        assert close_times(coarse)[row] <= now
        assert seen is not None
        assert known[i] == seen.close[row]
        if timeframe != "1d":
            assert fine.ts[inside].max() <= fine.ts[i]


@given(start=sessions, missing=holes, timeframe=st.sampled_from(["5m", "15m", "1h", "4h", "1d"]))
def test_a_signal_sits_on_the_last_minute_of_its_bar(start, missing, timeframe):
    ts = np.delete(minutes(start, 210), sorted(m for m in missing if m < 210))
    fine = made(ts)
    coarse = resample(fine, timeframe)
    rows = last_fine_bar(coarse, fine)
    assert (rows >= 0).all()  # bars made from these minutes have at least one
    assert fine.close[rows].tolist() == coarse.close.tolist()
    signals = np.arange(1, len(coarse) + 1, dtype=np.int8)
    placed = spread(signals, coarse, fine)
    assert placed[rows].tolist() == signals.tolist()
    assert np.count_nonzero(placed) == len(coarse)


def test_alignment_waits_for_the_bar_to_end():
    fine = made(minutes("2013-10-07 13:30", 130))
    hours = resample(fine, "1h")
    known = align(np.array([1.0, 2.0, 3.0]), hours, fine)
    assert np.isnan(known[:59]).all()
    assert known[59:119].tolist() == [1.0] * 60  # known at the close of the minute that ends at 10:30
    assert known[119:].tolist() == [2.0] * 11
    assert align(np.array([1, 2, 3]), hours, fine)[58] == 0
    assert not align(np.array([True, True, True]), hours, fine)[58]


def test_a_daily_value_is_known_at_the_session_close_not_before():
    fine = made(np.concatenate((minutes("2015-12-24 14:30", 212), minutes("2015-12-28 14:30", 2))))
    days = resample(fine, "1d")
    known = align(days.close, days, fine)
    assert np.isnan(known[:209]).all()
    assert known[209:].tolist() == [days.close[0]] * 5


def test_a_coarse_bar_without_fine_bars_drops_its_signal():
    coarse = made(ns("2013-10-07 13:30") + np.arange(3) * 60 * MINUTE, "1h")
    fine = made(np.concatenate((minutes("2013-10-07 13:30", 60), minutes("2013-10-07 15:30", 60))))
    assert last_fine_bar(coarse, fine).tolist() == [59, -1, 119]
    assert np.flatnonzero(spread(np.array([1, -1, 1], dtype=np.int8), coarse, fine)).tolist() == [59, 119]


def test_values_must_fit_the_coarse_bars():
    fine = made(minutes("2013-10-07 13:30", 10))
    with pytest.raises(InputError) as caught:
        align(np.zeros(5), resample(fine, "5m"), fine)
    assert caught.value.faults[0].code == "wrong_length"
