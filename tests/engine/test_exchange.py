"""Trading days and sessions, held to exchange_calendars and to facts about real bars."""

from __future__ import annotations

import csv
import datetime as dt
import json
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import exchange_calendars
import numpy as np
import pandas as pd
import pytest

from engine import exchange
from engine.errors import InputError

MINUTE = 60_000_000_000
NEW_YORK = ZoneInfo("America/New_York")


def ns(text: str) -> int:
    return int(pd.Timestamp(text, tz="UTC").value)


def day_number(text: str) -> int:
    return (dt.date.fromisoformat(text) - dt.date(1970, 1, 1)).days


def minutes(start: str, count: int) -> np.ndarray:
    return ns(start) + np.arange(count, dtype=np.int64) * MINUTE


def read_times(path: Path, symbol: str | None = None) -> np.ndarray:
    with path.open() as lines:
        rows = [row for row in csv.DictReader(lines) if symbol in (None, row["symbol"])]
    return np.array([ns(row["time"].removesuffix("Z")) for row in rows], dtype=np.int64)


@pytest.mark.row("W13")
@pytest.mark.parametrize("calendar", ["XNYS", "XLON", "XTKS", "XASX", "CMES"])
def test_every_session_of_fifteen_years_opens_and_closes_as_the_exchange_says(calendar):
    whole = exchange_calendars.get_calendar(calendar, start="2015-01-01", end="2030-12-31")
    table = exchange.sessions(calendar, ns("2015-02-15"), ns("2030-11-15"))
    wanted = whole.sessions.as_unit("ns").asi8 // exchange.NANOS_PER_DAY
    inside = (table.day >= wanted[0]) & (table.day <= wanted[-1])
    assert np.array_equal(table.day[inside], wanted)
    assert np.array_equal(table.opens[inside], whole.schedule["open"].dt.as_unit("ns").astype("int64").to_numpy())
    assert np.array_equal(table.closes[inside], whole.schedule["close"].dt.as_unit("ns").astype("int64").to_numpy())
    assert len(wanted) > 3_700


@pytest.mark.row("W13")
def test_new_york_hours_agree_with_a_second_source(shared_data):
    """Holidays and early closes of 2015–2017 as recorded by another project (dates are month/day/year)."""
    hours = json.loads((shared_data / "market_hours.json").read_text())
    equity = next(entry for name, entry in hours.get("entries", hours).items() if name.startswith("Equity-usa"))
    holidays = {pd.Timestamp(text).date() for text in equity["holidays"]}
    early = {pd.Timestamp(text).date() for text in equity["earlyCloses"]}
    table = exchange.sessions("XNYS", ns("2000-02-01"), ns("2017-11-30"))
    sessions = {dt.date(1970, 1, 1) + dt.timedelta(days=int(day)): i for i, day in enumerate(table.day)}
    assert not holidays & sessions.keys()
    checked = [date for date in early if date in sessions]
    assert len(checked) > 30
    for date in checked:
        close = dt.datetime.fromtimestamp(int(table.closes[sessions[date]]) / 1e9, tz=NEW_YORK)
        assert (close.hour, close.minute) == (13, 0), date


def test_the_regular_session_moves_with_daylight_saving(shared_data):
    """The 09:30 New York bar is 14:30Z on Friday 2008-03-07 and 13:30Z on Monday 2008-03-10."""
    ts = read_times(shared_data / "shy_1min_dst_2008-03.csv")
    regular, first, _ = exchange.session_flags(ts, "1m", "XNYS")
    days = exchange.trading_days(ts, "1m", "XNYS")
    friday, monday = day_number("2008-03-07"), day_number("2008-03-10")
    assert set(days.tolist()) == {friday, monday}
    assert regular[days == friday].sum() == 333
    assert regular[days == monday].sum() == 313
    opens, _ = exchange.session_bounds(ts, "1m", "XNYS")
    assert opens[days == friday][0] == ns("2008-03-07 14:30")
    assert opens[days == monday][0] == ns("2008-03-10 13:30")
    assert first.sum() == 2


def test_a_half_day_ends_at_thirteen_hours(shared_data):
    ts = read_times(shared_data / "goog_1min_half_day_2015-12.csv")
    days = exchange.trading_days(ts, "1m", "XNYS")
    regular, first, last = exchange.session_flags(ts, "1m", "XNYS")
    half = days == day_number("2015-12-24")
    assert regular[half].sum() == 210
    assert ts[half & last].tolist() == [ns("2015-12-24 17:59")]
    assert not regular[half & (ts >= ns("2015-12-24 18:00"))].any()
    assert (half & (ts >= ns("2015-12-24 18:00"))).sum() == 15
    assert regular[days == day_number("2015-12-28")].sum() == 382
    assert first.sum() == 3


def test_six_full_sessions_of_spy(shared_data):
    ts = read_times(shared_data / "spy_1min_2013-10.csv")
    regular, first, last = exchange.session_flags(ts, "1m", "XNYS")
    days = exchange.trading_days(ts, "1m", "XNYS")
    assert np.unique(days[regular], return_counts=True)[1].tolist() == [390] * 6
    assert first.sum() == last.sum() == 6
    assert not regular.all()
    assert set(days.tolist()) == set(days[regular].tolist())  # pre- and post-market belong to their date


def test_flags_of_a_day_whose_last_minute_never_traded():
    ts = minutes("2013-10-07 13:30", 389)  # 15:59 New York is missing
    _, first, last = exchange.session_flags(ts, "1m", "XNYS")
    assert first.tolist() == [True] + [False] * 388
    assert not last.any()


def test_first_bar_is_the_first_that_exists_not_the_one_at_the_open():
    ts = np.concatenate(
        (minutes("2013-10-07 13:00", 10), minutes("2013-10-07 13:37", 5), minutes("2013-10-08 13:31", 2))
    )
    _, first, _ = exchange.session_flags(ts, "1m", "XNYS")
    assert np.flatnonzero(first).tolist() == [10, 15]


def test_futures_open_on_the_evening_before():
    ts = minutes("2016-03-06 23:00", 1)  # Sunday 17:00 in Chicago
    assert exchange.trading_days(ts, "1m", "CMES").tolist() == [day_number("2016-03-07")]


def test_daily_bars_are_their_date_however_they_are_stamped():
    wanted = [day_number("2020-01-02")]
    for stamp, calendar in [("2020-01-02", "XNYS"), ("2020-01-02 14:30", "XNYS"), ("2020-01-01 15:00", "XTKS")]:
        assert exchange.trading_days(np.array([ns(stamp)]), "1d", calendar).tolist() == wanted


def test_round_the_clock_days_are_utc_days():
    ts = np.array([ns("2022-12-13 23:59"), ns("2022-12-14 00:00")])
    assert exchange.trading_days(ts, "1m", "24/7").tolist() == [day_number("2022-12-13"), day_number("2022-12-14")]
    opens, closes = exchange.session_bounds(ts, "1m", "24/7")
    assert closes[0] == opens[1] == ts[1]
    assert exchange.session_flags(ts, "1m", "24/7")[2].tolist() == [True, False]


@pytest.mark.parametrize(
    ("zone", "instants"),
    [
        ("America/New_York", ["2008-03-09 06:59", "2008-03-09 07:00", "2008-11-02 05:59", "2008-11-02 06:00"]),
        ("Europe/London", ["2023-03-26 00:59", "2023-03-26 01:00", "2023-10-29 00:59", "2023-10-29 01:00"]),
        ("Asia/Kolkata", ["2023-06-01 12:00"]),
    ],
)
def test_wall_clock_is_exact_to_the_nanosecond_around_a_change(zone, instants):
    ts = np.array(sorted(ns(text) + shift for text in instants for shift in (-1, 0, 1)), dtype=np.int64)
    got = exchange.local_ns(ts, zone)
    for instant, local in zip(ts.tolist(), got.tolist(), strict=True):
        wall = pd.Timestamp(instant, tz="UTC").tz_convert(zone).tz_localize(None)
        assert local == wall.value


def test_periods_per_year():
    assert exchange.periods_per_year("XNYS") == 252
    assert exchange.periods_per_year("24/7") == 365


def test_unknown_names_and_years_are_refused():
    with pytest.raises(InputError) as caught:
        exchange.trading_days(minutes("2020-01-02 15:00", 2), "1m", "XNOPE")
    assert caught.value.faults[0].code == "unknown_choice"
    with pytest.raises(InputError) as caught:
        exchange.timeframe_ns("2h")
    assert caught.value.faults[0].path == "timeframe"
    with pytest.raises(InputError) as caught:
        exchange.sessions("XKRX", ns("1905-01-01"), ns("1906-01-01"))
    assert caught.value.faults[0].code == "out_of_range"


def test_no_bars_no_sessions():
    none = np.empty(0, dtype=np.int64)
    assert len(exchange.trading_days(none, "1m", "XNYS")) == 0
    assert all(len(flags) == 0 for flags in exchange.session_flags(none, "1m", "XNYS"))


def test_daily_bars_and_round_the_clock_markets_load_no_calendar_library():
    code = (
        "import sys, numpy as np; from engine import exchange as x; ts = np.arange(5) * x.NANOS_PER_DAY;"
        "x.trading_days(ts, '1d', 'XNYS'); x.session_bounds(ts, '1d', 'XNYS'); x.session_flags(ts, '1m', '24/7');"
        "x.zone('XNYS'); print({'pandas', 'exchange_calendars', 'numba'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_what_an_exchange_announces_stands_over_the_library():
    """An early close, a day of mourning, a session on a Saturday; nothing is left of it when it is taken back."""
    first, last = ns("2026-03-02T15:00"), ns("2026-03-10T15:00")
    before = exchange.sessions("XNYS", first, last)
    number, edition = day_number("2026-03-03"), exchange.edition()
    opens, closes = ns("2026-03-03T14:30"), ns("2026-03-03T17:00")
    saturday = (ns("2026-03-07T15:00"), ns("2026-03-07T17:00"))
    told = {number: (opens, closes), number + 2: None, number + 4: saturday}
    try:
        exchange.announce("XNYS", told)
        assert exchange.edition() == edition + 1
        exchange.announce("XNYS", dict(told))
        assert exchange.edition() == edition + 1, "it is no news"
        after = exchange.sessions("XNYS", first, last)
        days = [int(day) - number for day in after.day if -1 <= int(day) - number <= 6]
        assert days == [-1, 0, 1, 3, 4, 6]
        row = int(np.searchsorted(after.day, number))
        assert (int(after.opens[row]), int(after.closes[row])) == (opens, closes)
        at = np.array([ns("2026-03-05T15:00"), ns("2026-03-07T16:00")], dtype=np.int64)
        assert list(exchange.trading_days(at, "1m", "XNYS") - number) == [1, 4]
        assert len(exchange.sessions("XLON", first, last).day) > 0, "another exchange is not touched"
        with pytest.raises(InputError, match="must open"):
            exchange.announce("XNYS", {number: (closes, opens)})
    finally:
        exchange.announce("XNYS", {})
    assert np.array_equal(exchange.sessions("XNYS", first, last).closes, before.closes)
