"""Every session of the New York exchange opens and closes right, whoever asks from wherever."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from marketdata import selectors
from marketdata.models import ExchangeSession
from marketdata.services import calendars

NEW_YORK = ZoneInfo("America/New_York")
ZONES = [ZoneInfo(z) for z in ("UTC", "Asia/Tokyo", "Europe/London", "Australia/Lord_Howe", "America/Los_Angeles")]
FIRST, LAST = date(2015, 1, 1), date(2030, 12, 31)


def sessions() -> list[ExchangeSession]:
    return list(ExchangeSession.objects.filter(calendar="XNYS", date__range=(FIRST, LAST)).order_by("date"))


@pytest.mark.one_database  # sixteen thousand questions of one kind
@pytest.mark.row("W13")
def test_every_session_2015_to_2030_opens_and_closes_to_the_second_seen_from_five_zones(xnys) -> None:
    rows = sessions()
    assert len(rows) == 4021
    assert rows[0].date == date(2015, 1, 2)
    assert rows[-1].date == date(2030, 12, 31)
    second = timedelta(seconds=1)
    for number, row in enumerate(rows):
        zone = ZONES[number % len(ZONES)]
        opens, closes = row.open_at.astimezone(zone), row.close_at.astimezone(zone)
        assert row.open_at.astimezone(NEW_YORK).time() == time(9, 30)
        assert row.close_at.astimezone(NEW_YORK).time() == (time(13) if row.early_close else time(16))
        before, at_open = selectors.market_status("XNYS", opens - second), selectors.market_status("XNYS", opens)
        last, at_close = selectors.market_status("XNYS", closes - second), selectors.market_status("XNYS", closes)
        assert [s.is_open for s in (before, at_open, last, at_close)] == [False, True, True, False], row
        assert (before.next_open, before.seconds_to_change) == (row.open_at, 1)
        assert (last.next_close, last.seconds_to_change) == (row.close_at, 1)
        assert at_open.session_date == row.date


@pytest.mark.row("W13")
def test_sessions_agree_with_an_independent_table_of_holidays_and_half_days(xnys, shared_data: Path) -> None:
    table = json.loads((shared_data / "market_hours.json").read_text())["Equity-usa-[*]"]
    holidays = {datetime.strptime(text, "%m/%d/%Y").replace(tzinfo=UTC).date() for text in table["holidays"]}
    early = {datetime.strptime(text, "%m/%d/%Y").replace(tzinfo=UTC).date() for text in table["earlyCloses"]}
    assert (len(holidays), len(early)) == (293, 65)
    assert set(table["earlyCloses"].values()) == {"13:00:00"}
    last_complete_year = 2027  # its 2028 entries stop in the middle of the year
    days = [FIRST + timedelta(days=n) for n in range((date(last_complete_year, 12, 31) - FIRST).days + 1)]
    expected = {day for day in days if day.weekday() < 5 and day not in holidays}
    rows = {row.date: row for row in sessions() if row.date.year <= last_complete_year}
    assert set(rows) == expected
    assert {day for day, row in rows.items() if row.early_close} == {day for day in early if day in expected}


@pytest.mark.row("W13")
def test_rows_equal_the_calendar_library_asked_for_the_whole_range(xnys) -> None:
    import exchange_calendars

    library = exchange_calendars.get_calendar("XNYS", start="2015-01-01", end="2030-12-31")
    theirs = [
        (session.date(), opened.to_pydatetime(), closed.to_pydatetime())
        for session, opened, closed in zip(
            library.schedule.index, library.schedule["open"], library.schedule["close"], strict=True
        )
    ]
    assert [(row.date, row.open_at, row.close_at) for row in sessions()] == theirs


@pytest.mark.parametrize(
    ("day", "open_utc", "close_utc"),
    [
        ("2024-03-08", "14:30", "21:00"),  # the last day of winter time
        ("2024-03-11", "13:30", "20:00"),  # the first of summer time
        ("2024-11-01", "13:30", "20:00"),
        ("2024-11-04", "14:30", "21:00"),
        ("2026-11-27", "14:30", "18:00"),  # the day after Thanksgiving
    ],
)
@pytest.mark.row("W13")
def test_hours_follow_the_clocks_of_new_york(xnys, day: str, open_utc: str, close_utc: str) -> None:
    row = ExchangeSession.objects.get(calendar="XNYS", date=day)
    assert row.open_at == datetime.fromisoformat(f"{day}T{open_utc}+00:00")
    assert row.close_at == datetime.fromisoformat(f"{day}T{close_utc}+00:00")


@pytest.mark.parametrize("day", ["2025-01-09", "2018-12-05", "2022-06-20", "2026-11-26", "2012-10-29", "2001-09-11"])
@pytest.mark.row("W13")
def test_holidays_and_days_of_mourning_have_no_session(xnys, day: str) -> None:
    assert not ExchangeSession.objects.filter(calendar="XNYS", date=day).exists()


@pytest.mark.row("B25", "W13")
def test_the_status_route_counts_down_in_both_zones(xnys, api, alice) -> None:
    answer = api(alice).get("/api/market-status", {"at": "2024-11-29T12:59:30-05:00"})
    assert answer.status_code == 200
    body = answer.json()
    assert body["is_open"] is True
    assert body["seconds_to_change"] == 17_999 - 17_969  # thirty seconds to the early close at 13:00
    assert body["at"] == "2024-11-29T17:59:30Z"
    assert body["at_local"] == "2024-11-29T12:59:30-05:00"
    assert body["session"] == {
        "date": "2024-11-29",
        "open": "2024-11-29T14:30:00Z",
        "close": "2024-11-29T18:00:00Z",
        "open_local": "2024-11-29T09:30:00-05:00",
        "close_local": "2024-11-29T13:00:00-05:00",
        "early_close": True,
    }
    assert body["next_open"] == "2024-12-02T14:30:00Z"

    closed = api(alice).get("/api/market-status", {"at": "2024-11-29T18:00:00Z"}).json()
    assert (closed["state"], closed["session"]["date"]) == ("closed", "2024-12-02")
    assert closed["seconds_to_change"] == (3 * 24 - 4) * 3600 + 30 * 60


@pytest.mark.row("B25")
def test_a_round_the_clock_market_is_always_open(api, alice) -> None:
    body = api(alice).get("/api/market-status", {"calendar": "24/7"}).json()
    assert (body["is_open"], body["session"], body["seconds_to_change"]) == (True, None, None)


@pytest.mark.row("B25", "A8")
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"calendar": "XMARS"}, "unknown_choice"),
        ({"at": "2024-11-29T12:00:00"}, "naive_time"),
        ({"at": "soon"}, "bad_time"),
        ({"at": "2024-02-30"}, "bad_time"),
        ({"at": "1800-01-01"}, "out_of_range"),
        ({"when": "now"}, "unknown_field"),
    ],
)
def test_the_status_route_refuses_nonsense_by_name(xnys, api, alice, query: dict[str, str], code: str) -> None:
    answer = api(alice).get("/api/market-status", query)
    assert answer.status_code == 400
    assert [fault["code"] for fault in answer.json()["errors"]] == [code]


def test_after_the_last_row_the_status_says_that_it_does_not_know(xnys) -> None:
    status = selectors.market_status("XNYS", datetime(2031, 6, 2, 15, tzinfo=UTC))
    assert (status.is_open, status.session_open, status.seconds_to_change) == (False, None, None)


def test_rows_are_written_again_only_for_another_version_of_the_library(xnys) -> None:
    assert calendars.ensure_loaded() == 0
    ExchangeSession.objects.filter(date=date(2024, 1, 2)).update(loaded_from="exchange_calendars 0.1")
    assert calendars.ensure_loaded() == ExchangeSession.objects.count() == 7794
    assert calendars.ensure_loaded() == 0
