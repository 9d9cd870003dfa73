"""The store as a cache: asks only for what it lacks, once, and notices when history is told otherwise."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from django.db import connection

from marketdata import selectors, usage
from marketdata.columns import DAY
from marketdata.models import Coverage, ProviderUsage, Revision
from marketdata.providers import ProviderError
from marketdata.services import flight, load_bars
from tests.marketdata.vendor_rig import served

FIRST = date(2024, 1, 2)


class Klines(BaseHTTPRequestHandler):
    """Days of a pair, each at 100 and more; what `other` says of a day comes instead. Notes which were asked for."""

    other: dict[int, float] = {}
    asked: list[tuple[date, date]] = []
    slow_s = 0.0

    def do_GET(self) -> None:
        query = {
            name: int(values[0]) for name, values in parse_qs(urlparse(self.path).query).items() if values[0].isdigit()
        }
        start, end = query["startTime"] // 86_400_000, query["endTime"] // 86_400_000
        self.asked.append((date(1970, 1, 1) + timedelta(days=start), date(1970, 1, 1) + timedelta(days=end)))
        time.sleep(self.slow_s)
        rows = []
        for day in range(start, end + 1):
            px = self.other.get(day, 100.0 + day % 50)
            rows.append([day * 86_400_000, str(px), str(px + 1), str(px - 1), str(px), "10"])
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(rows).encode())

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def klines(settings: Any) -> Any:
    class Handler(Klines):
        other: dict[int, float] = {}
        asked: list[tuple[date, date]] = []

    with served(Handler) as url:
        settings.BINANCE_BASE_URL = url
        yield Handler


def days(first: date, last: date) -> Any:
    return load_bars(["BTCUSDT"], "1d", first, last, source="binance")


def number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


@pytest.mark.django_db
@pytest.mark.row("G9")
def test_only_what_is_lacking_is_asked_for_with_the_last_week_once_more(klines: Any) -> None:
    usage.write()
    ProviderUsage.objects.all().delete()
    days(FIRST, date(2024, 1, 31))
    days(date(2024, 1, 10), date(2024, 1, 20))
    days(FIRST, date(2024, 2, 10))
    assert klines.asked == [(FIRST, date(2024, 1, 31)), (date(2024, 1, 25), date(2024, 2, 10))]
    row = Coverage.objects.get()
    assert (row.hits, row.misses, row.bars) == (1, 2, 40)
    usage.write()
    used = ProviderUsage.objects.get()
    assert (used.requests, used.hits, used.misses, used.bars) == (2, 1, 2, 30 + 17)
    assert Revision.objects.count() == 0


@pytest.mark.django_db
@pytest.mark.row("G9", "W11")
def test_revised_history_is_noticed_stored_and_changes_the_hash(klines: Any) -> None:
    before = days(FIRST, date(2024, 1, 31))
    klines.other = {number(date(2024, 1, 29)): 150.0, number(date(2024, 1, 30)): 90.0}
    after = days(FIRST, date(2024, 2, 3))
    [said] = after.notes
    assert said.startswith("BTCUSDT: binance has revised 2 stored bars (2024-01-29 to 2024-01-30; prices by up to ")
    row = Revision.objects.get()
    assert (row.kind, row.bars, row.first_at.date()) == ("tail", 2, date(2024, 1, 29))
    assert row.old_hash != row.new_hash
    again = days(FIRST, date(2024, 1, 31))
    assert again.data_hash != before.data_hash, "a backtest tells that its data changed"
    assert again.bars["BTCUSDT"].close[-3] == 150.0
    assert again.notes == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.row("G9")
def test_many_at_once_ask_once(klines: Any) -> None:
    klines.slow_s = 0.5

    def ask(_: int) -> str:
        try:
            return str(days(FIRST, date(2024, 1, 31)).data_hash)
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as pool:
        hashes = set(pool.map(ask, range(5)))
    assert len(hashes) == 1
    assert len(klines.asked) == 1, "who waited found the result"
    row = Coverage.objects.get()
    assert (row.misses, row.hits) == (1, 4)


def test_one_flight_at_a_time_and_who_dies_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most = 0, 0
    lock = threading.Lock()

    def fly(_: int) -> None:
        nonlocal inside, most
        with flight.alone("test-flight"):
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.05)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fly, range(8)))
    assert most == 1
    monkeypatch.setattr(flight, "TTL_S", 0.6)
    flight.redis_client().set("data:fetch:dead", "somebody", px=600)  # a process that is gone
    started = time.monotonic()
    with flight.alone("dead"):
        assert 0.3 < time.monotonic() - started < 3.0
        monkeypatch.setattr(flight, "MOST_WAIT_S", 0.2)
        with pytest.raises(ProviderError, match="still fetching"), flight.alone("dead"):
            raise AssertionError("two at once")


@pytest.mark.django_db
@pytest.mark.row("G9")
def test_what_has_no_bars_is_remembered_as_asked(klines: Any) -> None:
    days(FIRST, date(2024, 1, 5))
    row = Coverage.objects.get()
    assert selectors.stored_bars(row).ts[-1] == number(date(2024, 1, 5)) * DAY
    assert row.asked_to == datetime(2024, 1, 6, tzinfo=UTC)
