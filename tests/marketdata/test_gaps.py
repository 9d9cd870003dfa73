"""Which bars are missing: nights, weekends, holidays and half days are not; the real files are the examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from marketdata import selectors
from marketdata.columns import DAY, SECOND
from marketdata.files import read_file
from marketdata.gaps import Gap, GapReport, Sessions, gap_report
from tests.marketdata.conftest import ns

MINUTE = 60 * SECOND
DAY_NUMBER = ns("2024-07-03") // DAY
# A half day (09:30 to 13:00 New York), a holiday, a full day.
TWO = Sessions(
    np.array([DAY_NUMBER, DAY_NUMBER + 2], np.int32),
    np.array([ns("2024-07-03T13:30"), ns("2024-07-05T13:30")]),
    np.array([ns("2024-07-03T17:00"), ns("2024-07-05T20:00")]),
)


def minutes(*ranges: tuple[str, str]) -> np.ndarray:
    return np.concatenate([np.arange(ns(a), ns(b), MINUTE) for a, b in ranges])


def test_a_complete_half_day_a_holiday_and_a_full_day() -> None:
    ts = minutes(("2024-07-03T13:30", "2024-07-03T17:00"), ("2024-07-05T13:30", "2024-07-05T20:00"))
    report = gap_report(ts, "1m", "XNYS", TWO)
    assert report == GapReport(600, 600, 0, [], {DAY_NUMBER: (210, 210), DAY_NUMBER + 2: (390, 390)})


def test_holes_at_the_open_in_the_middle_and_at_the_close_and_bars_outside() -> None:
    ts = minutes(
        ("2024-07-03T12:00", "2024-07-03T12:10"),  # before the open
        ("2024-07-03T13:32", "2024-07-03T14:00"),
        ("2024-07-03T14:01", "2024-07-03T17:00"),
        ("2024-07-03T17:00", "2024-07-03T17:15"),  # after the early close
        ("2024-07-05T13:30", "2024-07-05T19:50"),
    )
    report = gap_report(ts, "1m", "XNYS", TWO)
    assert (report.expected, report.missing, report.outside) == (600, 13, 25)
    assert report.gaps == [
        Gap(ns("2024-07-03T13:30"), ns("2024-07-03T13:31"), 2),
        Gap(ns("2024-07-03T14:00"), ns("2024-07-03T14:00"), 1),
        Gap(ns("2024-07-05T19:50"), ns("2024-07-05T19:59"), 10),
    ]
    assert report.complete_ratio == pytest.approx(587 / 600)


def test_hours_that_end_with_the_session() -> None:
    ts = np.array([ns(f"2024-07-05T{hour}:30") for hour in (13, 14, 15, 16, 17, 19)])
    report = gap_report(ts, "1h", "XNYS", TWO)
    assert (report.expected, report.gaps) == (7, [Gap(ns("2024-07-05T18:30"), ns("2024-07-05T18:30"), 1)])


def test_days_round_the_clock_nothing_and_no_calendar() -> None:
    days = np.array([ns("2024-07-03"), ns("2024-07-05")])
    assert gap_report(days, "1d", "XNYS", TWO).gaps == []
    assert gap_report(days, "1d", "24/7", None).gaps == [Gap(ns("2024-07-04"), ns("2024-07-04"), 1)]
    saturday = np.array([ns("2024-07-03"), ns("2024-07-04"), ns("2024-07-05")])
    assert gap_report(saturday, "1d", "XNYS", TWO).outside == 1
    assert gap_report(np.empty(0, np.int64), "1m", "XNYS", TWO) == GapReport(0, 0, 0, [])
    for sessions in (None, TWO):
        with pytest.raises(ValueError, match="sessions"):
            gap_report(np.array([ns("1999-01-04")]), "1d", "XNYS", sessions)


# --- the real files --------------------------------------------------------------------------------------------------
def report_of(path: Path, symbol: str, calendar: str, timeframe: str | None = None) -> GapReport:
    reading = read_file(path, symbol=symbol, timeframe=timeframe, calendar=calendar)
    ts = reading.series[symbol].ts
    sessions = selectors.sessions_between(calendar, int(ts[0]), int(ts[-1])) if calendar == "XNYS" else None
    return gap_report(ts, reading.timeframe, calendar, sessions)


def per_day(report: GapReport) -> dict[str, tuple[int, int]]:
    return {str(np.datetime64(day, "D")): counts for day, counts in report.session_bars.items()}


@pytest.mark.row("W13")
def test_google_on_a_half_day(xnys, shared_data: Path) -> None:
    report = report_of(shared_data / "goog_1min_half_day_2015-12.csv", "GOOG", "XNYS")
    days = per_day(report)
    assert days["2015-12-24"] == (210, 210)
    assert days["2015-12-28"] == (382, 390)
    ts = read_file(shared_data / "goog_1min_half_day_2015-12.csv", symbol="GOOG").series["GOOG"].ts
    assert int(((ts >= ns("2015-12-24T18:00")) & (ts < ns("2015-12-25"))).sum()) == 15
    assert report.outside == 1091 - report.present


@pytest.mark.row("W13")
def test_shy_across_the_change_of_clocks(xnys, shared_data: Path) -> None:
    report = report_of(shared_data / "shy_1min_dst_2008-03.csv", "SHY", "XNYS")
    assert per_day(report) == {"2008-03-07": (333, 390), "2008-03-10": (313, 390)}
    assert report.expected == 780
    ts = read_file(shared_data / "shy_1min_dst_2008-03.csv", symbol="SHY").series["SHY"].ts
    assert {ns("2008-03-07T14:30"), ns("2008-03-10T13:30")} <= set(ts.tolist())


def test_spy_is_complete_and_the_weekend_is_no_gap(xnys, shared_data: Path) -> None:
    report = report_of(shared_data / "spy_1min_2013-10.csv", "SPY", "XNYS")
    assert (report.gaps, report.expected, report.present) == ([], 6 * 390, 6 * 390)
    assert report.outside == 4839 - 2340


def test_us_days_are_complete(xnys, shared_data: Path) -> None:
    for symbol in ("SPY", "IBM", "BAC", "AIG"):
        report = report_of(shared_data / "us_daily_raw.csv", symbol, "XNYS")
        assert (report.expected, report.gaps, report.outside) == (2014, [], 0)


def test_bitcoin_days_have_eight_gaps(shared_data: Path) -> None:
    report = report_of(shared_data / "btcusd_daily_2014_2018.csv", "BTCUSD", "24/7")
    assert len(report.gaps) == 8
    assert max(gap.last_ns for gap in report.gaps) < ns("2015-02-01")
    assert max(gap.missing for gap in report.gaps) == 20  # 21 days from bar to bar


def test_one_minute_of_the_perpetual_is_missing(shared_data: Path) -> None:
    path = shared_data / "crypto_1min_2022-12-13.csv"
    missing = Gap(ns("2022-12-13T04:29"), ns("2022-12-13T04:29"), 1)
    assert report_of(path, "BTCUSD", "24/7").gaps == [missing]
    assert per_day(report_of(path, "ADAUSDT", "24/7")) == {"2022-12-13": (1440, 1440)}


def test_the_euro_trades_from_sunday_to_friday(shared_data: Path) -> None:
    ts = read_file(shared_data / "eurusd_1h_2015_2017.csv", symbol="EURUSD").series["EURUSD"].ts
    opens = ts[1:][np.diff(ts) > 40 * 60 * MINUTE]  # the first bar after each weekend
    weekday = (opens // DAY + 3) % 7
    hour = opens % DAY // (60 * MINUTE)
    plain = weekday == 6
    assert plain.mean() > 0.97  # the others follow a holiday on a Sunday or Monday
    assert set(hour[plain].tolist()) == {21, 22}
