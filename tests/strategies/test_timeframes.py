"""Coarser bars inside a strategy: nothing comes early, nothing that has closed is missing."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Bars
from engine.errors import InputError
from engine.resample import align, close_times, resample
from strategies import catalogue
from strategies.conditions import Conditions
from strategies.timeframes import MAX_HISTORY, aligned, base_bars, refuse, refuse_finer, refuse_history
from tests.strategies.conditions.made import CLOSE, compare
from tests.strategies.series import bits

NEW_YORK = ZoneInfo("America/New_York")
MINUTE = 60_000_000_000


def ns(text: str, zone: dt.tzinfo = NEW_YORK) -> int:
    """A wall clock's time as ns."""
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * 1_000_000_000


def numbered(ts: list[int] | np.ndarray, timeframe: str = "1m", calendar: str = "XNYS") -> Bars:
    """Bars that close at their number, from 1 on."""
    closes = np.arange(1.0, len(ts) + 1)
    return Bars.from_arrays("X", timeframe, ts, closes, closes, closes, closes, closes, calendar=calendar)


def session(day: str, until: str = "16:00", since: str = "09:30") -> list[int]:
    return list(range(ns(f"{day}T{since}"), ns(f"{day}T{until}"), MINUTE))


def recorded(path: Path, calendar: str = "XNYS", symbol: str = "") -> Bars:
    with path.open() as lines:
        rows = [row for row in csv.DictReader(lines) if not symbol or row["symbol"] == symbol]
    ts = np.array([np.datetime64(row["time"].removesuffix("Z"), "ns") for row in rows]).astype(np.int64)
    prices = ([float(row[name]) for row in rows] for name in ("open", "high", "low", "close", "volume"))
    return Bars.from_arrays(rows[0]["symbol"], "1m", ts, *prices, calendar=calendar)


def at(bars: Bars, time: str) -> int:
    """The bar that opens then."""
    return int(np.searchsorted(bars.ts, ns(time)))


@pytest.mark.row("G15", "H15")
def test_hours_of_a_full_and_of_a_half_day() -> None:
    """The day before Thanksgiving 2023, and the half day after it."""
    bars = numbered([*session("2023-11-22"), *session("2023-11-24", "13:00")])
    hours = aligned(bars, "1h")
    closes = hours.spread(hours.bars.close)
    assert np.isnan(closes[: at(bars, "2023-11-22T10:29")]).all()
    for opening, known in [
        ("2023-11-22T10:29", 60),  # the first hour ends with this minute
        ("2023-11-22T10:30", 60),
        ("2023-11-22T15:29", 360),
        ("2023-11-22T15:58", 360),
        ("2023-11-22T15:59", 390),  # the last one is half an hour
        ("2023-11-24T09:30", 390),
        ("2023-11-24T12:58", 390 + 180),
        ("2023-11-24T12:59", 390 + 210),  # and on a half day it ends at 13:00
    ]:
        assert closes[at(bars, opening)] == known, opening
    days = aligned(bars, "1d")
    assert len(days.bars) == 2
    assert np.isnan(days.spread(days.bars.close)[:389]).all()
    assert days.spread(days.bars.close)[[389, 390, 598, 599]].tolist() == [390, 390, 390, 600]
    assert np.flatnonzero(days.closing).tolist() == [389, 599]
    assert np.flatnonzero(hours.closing).tolist() == [59, 119, 179, 239, 299, 359, 389, 449, 509, 569, 599]


@pytest.mark.row("G15")
def test_a_coarse_bar_whose_last_minutes_are_missing_is_known_with_the_next_minute() -> None:
    whole = session("2024-01-10")
    bars = numbered([ts for ts in whole if not ns("2024-01-10T10:20") <= ts < ns("2024-01-10T10:40")])
    hours = aligned(bars, "1h")
    closes = hours.spread(hours.bars.close)
    assert np.isnan(closes[49]), "10:19 is the last minute that there is before 10:30"
    assert closes[50] == 50, "at 10:41 the first hour is over, and 10:19 was the last of it"
    assert np.flatnonzero(hours.closing)[0] == 50


@pytest.mark.row("G15")
def test_the_forming_bar_is_not_there() -> None:
    bars = numbered(session("2024-01-10", "11:15"))
    hours = aligned(bars, "1h")
    assert len(hours.bars) == 1
    assert len(resample(bars, "1h")) == 2
    assert len(aligned(bars[:0], "1h").bars) == 0
    assert aligned(bars[:0], "1h").spread(np.empty(0)).shape == (0,)
    assert len(aligned(bars[:59], "1h").bars) == 0
    assert len(aligned(bars[:60], "1h").bars) == 1


@pytest.mark.row("G15")
def test_values_of_any_kind_are_handed_on() -> None:
    ts = np.arange(9) * MINUTE + ns("2024-01-10T10:00")
    five = aligned(numbered(ts, calendar="24/7"), "5m")
    assert five.spread(np.array([7], np.int8)).tolist() == [0, 0, 0, 0, 7, 7, 7, 7, 7]
    assert five.spread(np.array([True])).tolist() == [False] * 4 + [True] * 5
    assert five.spread(np.array([[1.0, 2.0]])).shape == (9, 2)
    assert five.closing.tolist() == [False] * 4 + [True] + [False] * 4
    own = aligned(five.base, "1m")
    assert own.bars is five.base
    assert own.closing.all()
    assert own.spread(five.base.close).tolist() == five.base.close.tolist()


@st.composite
def made_bars(draw: st.DrawFn) -> tuple[Bars, str]:
    """Minutes with gaps over a weekend's clock change, a half day, or any days of a market that never closes."""
    calendar, first, coarse = draw(
        st.sampled_from(
            [
                ("XNYS", "2024-03-08", "1h"),
                ("XNYS", "2024-03-08", "1d"),
                ("XNYS", "2023-11-22", "4h"),
                ("XNYS", "2023-11-22", "1d"),
                ("24/7", "2024-03-09", "15m"),
                ("24/7", "2024-03-09", "4h"),
                ("24/7", "2024-03-09", "1d"),
            ]
        )
    )
    start = ns(f"{first}T04:00")
    offsets = draw(st.lists(st.integers(0, 4 * 24 * 60), min_size=1, max_size=120, unique=True))
    return numbered(start + np.array(sorted(offsets)) * MINUTE, calendar=calendar), coarse


@pytest.mark.row("G15", "W8")
@given(made=made_bars(), part=st.floats(0, 1))
def test_the_future_changes_nothing_and_nothing_known_is_withheld(made: tuple[Bars, str], part: float) -> None:
    bars, timeframe = made
    known = int(part * len(bars))
    full, cut = aligned(bars, timeframe), aligned(bars[:known], timeframe)
    for name in ("open", "high", "low", "close", "volume"):
        spread = full.spread(getattr(full.bars, name))
        assert bits(spread[:known]) == bits(cut.spread(getattr(cut.bars, name)))
    assert full.closing[:known].tolist() == cut.closing.tolist()
    coarse = resample(bars, timeframe)
    assert bits(full.spread(full.bars.close)) == bits(align(coarse.close, coarse, bars)), "as the engine aligns"
    ends, own = close_times(coarse), close_times(bars)
    for i in range(len(bars)):
        assert full.rows[i] == np.count_nonzero(ends <= own[i]) - 1


@pytest.mark.shared_data
@pytest.mark.row("G15", "H15", "W8")
@pytest.mark.parametrize(
    ("file", "calendar", "symbol", "timeframes"),
    [
        ("goog_1min_half_day_2015-12.csv", "XNYS", "", ("15m", "1h", "1d")),
        ("shy_1min_dst_2008-03.csv", "XNYS", "", ("15m", "1h", "1d")),
        ("spy_1min_2013-10.csv", "XNYS", "", ("1h", "4h", "1d")),
        ("crypto_1min_2022-12-13.csv", "24/7", "BTCUSD", ("5m", "4h")),
    ],
)
def test_recorded_days(shared_data: Path, file: str, calendar: str, symbol: str, timeframes: tuple[str, ...]) -> None:
    """A half day, a clock change, missing minutes, bars outside the session: each prefix says the same."""
    bars = recorded(shared_data / file, calendar, symbol)
    for timeframe in timeframes:
        full = aligned(bars, timeframe)
        spread = full.spread(full.bars.close)
        assert len(full.bars) > 1
        ends = np.flatnonzero(full.closing)
        for known in {1, len(bars) - 1, *(ends[:40] + 1).tolist(), *ends[-40:].tolist()}:
            cut = aligned(bars[:known], timeframe)
            assert bits(cut.spread(cut.bars.close)) == bits(spread[:known])


@pytest.mark.row("G15", "A8")
def test_what_cannot_be_made_is_refused_before_a_run() -> None:
    for wanted, own, code in [("1m", "1h", "conflict"), ("7m", "1m", "unknown_choice"), (None, "1m", "unknown_choice")]:
        with pytest.raises(InputError) as caught:
            refuse_finer(wanted, own)
        assert [(fault.path, fault.code) for fault in caught.value.faults] == [("timeframe", code)]
    with pytest.raises(InputError, match="cannot be made of bars of 1d"):
        aligned(numbered([ns("2024-01-10T00:00", dt.UTC)], "1d"), "1h")
    for wanted in ("1d", "1h"):
        refuse_finer(wanted, "1h")
    tree = {"buy": compare(CLOSE | {"timeframe": "1h"}, "above", 3)}
    refuse(Conditions, tree, "5m")
    refuse(catalogue.get("momentum"), {}, "1d")
    with pytest.raises(InputError, match="Bars of 1h cannot be made of bars of 4h"):
        refuse(Conditions, tree, "4h")
    refuse_history(MAX_HISTORY, "1m")
    with pytest.raises(InputError, match="about 250,001 bars of 1m"):
        refuse_history(MAX_HISTORY + 1, "1m")


@pytest.mark.row("G15")
@pytest.mark.parametrize("calendar", ["XNYS", "24/7"])
def test_the_history_that_is_asked_for_holds_the_coarse_bars(calendar: str) -> None:
    """Also where bars from four in the morning to eight in the evening are among them."""
    days = ["2024-01-08", "2024-01-09", "2024-01-10", "2024-01-11", "2024-01-12"]
    minutes = [ts for day in days for ts in session(day, "20:00", "04:00")]
    if calendar == "24/7":
        minutes = list(range(ns("2024-01-08T00:00"), ns("2024-01-13T00:00"), MINUTE))
    bars = numbered(minutes, calendar=calendar)
    for timeframe, count in [("1d", 1), ("1d", 2), ("4h", 5), ("1h", 30), ("15m", 8), ("1m", 4)]:
        needed = base_bars(count, timeframe, "1m", calendar)
        for end in range(len(bars) - 500, len(bars), 97):
            assert len(aligned(bars[max(end - needed, 0) : end], timeframe).bars) >= count, (timeframe, count, end)
