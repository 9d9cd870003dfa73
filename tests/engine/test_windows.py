"""When entries may be decided: by the clock of the exchange, on its days, within its sessions."""

from __future__ import annotations

import datetime as dt
import random
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from engine import TradingWindow, exchange
from engine.errors import InputError
from tests.engine.test_exchange import MINUTE, minutes, ns, read_times

NEW_YORK = ZoneInfo("America/New_York")


def inside(window: TradingWindow, ts: np.ndarray, timeframe: str = "1m", calendar: str = "XNYS") -> list[str]:
    """The New York wall-clock times of the bars that the window admits."""
    mask = window.mask_of(ts, timeframe, calendar)
    return [f"{dt.datetime.fromtimestamp(t / 1e9, tz=NEW_YORK):%a %H:%M}" for t in ts[mask].tolist()]


@pytest.mark.row("J7", "J11")
def test_the_default_window_is_the_regular_session_over_a_clock_change(shared_data):
    ts = read_times(shared_data / "shy_1min_dst_2008-03.csv")
    regular, _, _ = exchange.session_flags(ts, "1m", "XNYS")
    assert np.array_equal(TradingWindow().mask_of(ts, "1m", "XNYS"), regular)


@pytest.mark.row("J7")
def test_a_narrow_window_admits_the_bars_that_lie_in_it_before_and_after_a_clock_change():
    window = TradingWindow(start=dt.time(10, 0), end=dt.time(10, 3))
    ts = np.concatenate((minutes("2008-03-07 14:30", 390), minutes("2008-03-10 13:30", 390)))
    assert inside(window, ts) == [f"{day} 10:0{m}" for day in ("Fri", "Mon") for m in (0, 1, 2)]


@pytest.mark.row("J7")
def test_half_day_and_post_market(shared_data):
    ts = read_times(shared_data / "goog_1min_half_day_2015-12.csv")
    half_day = (ts >= ns("2015-12-24")) & (ts < ns("2015-12-25"))
    assert TradingWindow().mask_of(ts, "1m", "XNYS")[half_day].sum() == 210
    extended = TradingWindow(start=dt.time(4, 0), end=dt.time(20, 0), extended_hours=True)
    assert extended.mask_of(ts, "1m", "XNYS")[half_day].sum() == half_day.sum()
    by_the_clock = TradingWindow(extended_hours=True).mask_of(
        ts, "1m", "XNYS"
    )  # 09:30–16:00: minutes after 13:00 count
    assert by_the_clock[half_day].sum() == 224
    assert ts[half_day & by_the_clock][-1] < ns("2015-12-24 21:00")


@pytest.mark.row("J7")
def test_days_are_those_of_the_exchange_and_holidays_are_closed():
    week = np.concatenate([minutes(f"2015-12-{day} 15:00", 1) for day in (21, 22, 23, 24, 25, 26, 28)])
    assert inside(TradingWindow(), week) == ["Mon 10:00", "Tue 10:00", "Wed 10:00", "Thu 10:00", "Mon 10:00"]
    assert inside(TradingWindow(days=(1, 3)), week) == ["Tue 10:00", "Thu 10:00"]
    whole_week = TradingWindow(days=tuple(range(7)), extended_hours=True)  # Christmas and Saturday have no session
    assert len(inside(whole_week, week)) == 5


def test_a_window_over_midnight_belongs_to_the_day_it_starts_on():
    friday_night = TradingWindow(start=dt.time(22, 0), end=dt.time(2, 0), days=(4,))
    ts = minutes("2022-12-16 21:00", 12 * 60)  # a Friday, UTC
    admitted = ts[friday_night.mask_of(ts, "1m", "24/7")]
    assert admitted[0] == ns("2022-12-16 22:00")
    assert admitted[-1] == ns("2022-12-17 01:59")
    assert len(admitted) == 240
    assert not friday_night.mask_of(ts - 24 * 60 * MINUTE, "1m", "24/7").any()


def test_equal_times_mean_the_whole_day_and_midnight_ends_it():
    ts = minutes("2022-12-12 00:00", 7 * 24 * 60)  # Monday to Sunday
    assert TradingWindow(dt.time(9, 0), dt.time(9, 0), days=tuple(range(7))).mask_of(ts, "1m", "24/7").all()
    evening = TradingWindow(dt.time(18, 0), dt.time(0, 0), days=(0,)).mask_of(ts, "1m", "24/7")
    assert ts[evening].tolist() == minutes("2022-12-12 18:00", 360).tolist()


def test_a_zone_of_its_own():
    london = TradingWindow(dt.time(15, 0), dt.time(15, 2), timezone="Europe/London")
    assert inside(london, minutes("2023-03-20 13:30", 390)) == ["Mon 11:00", "Mon 11:01"]  # four hours apart that week
    assert inside(london, minutes("2023-04-03 13:30", 390)) == ["Mon 10:00", "Mon 10:01"]


def test_hours_end_with_the_session_they_are_cut_by():
    hours = ns("2013-10-07 13:30") + np.arange(7) * 3_600_000_000_000  # the last one opens at 15:30, ends at 16:00
    assert inside(TradingWindow(), hours, "1h")[-1] == "Mon 15:30"
    assert inside(TradingWindow(end=dt.time(15, 45)), hours, "1h")[-1] == "Mon 14:30"


def test_daily_bars_have_only_a_day():
    days = ns("2013-10-07") + np.arange(5) * exchange.NANOS_PER_DAY
    assert TradingWindow(dt.time(10, 0), dt.time(10, 1)).mask_of(days, "1d", "XNYS").all()
    assert TradingWindow(days=(0, 4)).mask_of(days, "1d", "XNYS").tolist() == [True, False, False, False, True]


def test_against_the_plain_rule_on_random_windows_and_times():
    """Any window, any instant: the vectorised mask equals the rule said with datetimes."""
    rng = random.Random(7)
    for _ in range(40):
        start, end = (dt.time(rng.randrange(24), rng.choice((0, 15, 30, 59))) for _ in range(2))
        days = tuple(rng.sample(range(7), rng.randrange(1, 8)))
        zone = rng.choice(("America/New_York", "Europe/London", "Asia/Kolkata", "UTC"))
        ts = np.unique([ns("2023-03-01") + rng.randrange(60 * 24 * 60) * MINUTE for _ in range(300)])
        got = TradingWindow(start, end, days, timezone=zone).mask_of(ts, "1m", "24/7")
        for instant, admitted in zip(ts.tolist(), got.tolist(), strict=True):
            assert admitted == plain_rule(instant + MINUTE, start, end, days, zone), (instant, start, end, days, zone)


def plain_rule(decided: int, start: dt.time, end: dt.time, days: tuple[int, ...], zone: str) -> bool:
    wall = pd.Timestamp(decided, tz="UTC").tz_convert(zone).tz_localize(None).to_pydatetime()
    for back in (0, 1):
        date = wall.date() - dt.timedelta(days=back)
        begins = dt.datetime.combine(date, start)
        ends = dt.datetime.combine(date, end)
        if ends <= begins:
            ends += dt.timedelta(days=1)
        if date.weekday() in days and begins < wall <= ends:
            return True
    # An instant at the very start of today's window is the last one of yesterday's whole-day window.
    date = wall.date() - dt.timedelta(days=1)
    return (
        wall == dt.datetime.combine(wall.date(), start) == dt.datetime.combine(wall.date(), end)
        and date.weekday() in days
    )


@pytest.mark.parametrize(
    ("field", "value", "path", "code"),
    [
        ("days", (), "days", "required"),
        ("days", (0, 7), "days[1]", "out_of_range"),
        ("days", (True,), "days[0]", "out_of_range"),
        ("days", "MON", "days", "wrong_type"),
        ("start", "09:30", "start", "wrong_type"),
        ("end", dt.time(16, tzinfo=NEW_YORK), "end", "wrong_type"),
        ("timezone", "America/Gotham", "timezone", "unknown_choice"),
        ("timezone", 5, "timezone", "unknown_choice"),
        ("extended_hours", 1, "extended_hours", "wrong_type"),
    ],
)
def test_bad_fields_are_refused_by_name(field, value, path, code):
    with pytest.raises(InputError) as caught:
        TradingWindow(**{field: value})
    assert [(fault.path, fault.code) for fault in caught.value.faults] == [(path, code)]
