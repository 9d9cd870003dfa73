"""Polygon's flat files by S3: the real client library, a real socket, the practice venue's files."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from bots.practice.clock import Clock
from bots.practice.orders import Instrument
from bots.practice.server import Venue
from bots.practice.serving import in_thread
from engine.errors import InputError
from marketdata.columns import DAY, BarColumns
from marketdata.models import Coverage
from marketdata.providers import ProviderError
from marketdata.providers.polygon import PolygonProvider
from marketdata.providers.polygon_files import NoFile, PolygonFilesProvider
from marketdata.services import flat_files, load_bars
from marketdata.services.filling import exchange_sessions
from marketdata.zones import to_ns

KEY, SECRET = "FILESKEY", "files-secret"
NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)  # before eleven in New York: the tenth's files are not made yet
FIRST, LAST = date(2026, 3, 5), date(2026, 3, 9)  # a weekend within, with the clocks' change in New York


@pytest.fixture
def venue() -> Iterator[tuple[Venue, str]]:
    clock = Clock(lambda: 0.0)
    clock.go_to(NOW)
    made = Venue([Instrument("AAPL"), Instrument("NA"), Instrument("TRUE")], clock=clock)
    made.open_account(KEY, SECRET)
    with in_thread(made) as address:
        yield made, f"http://{address}"


def files(url: str, key: str = KEY, secret: str = SECRET) -> PolygonFilesProvider:
    return PolygonFilesProvider(url, "flatfiles", key, secret, exchange_sessions)


def ns(day: date) -> int:
    return to_ns(datetime(day.year, day.month, day.day, tzinfo=UTC))


def same(found: BarColumns, wanted: BarColumns) -> None:
    assert len(wanted)
    assert found.content_hash() == wanted.content_hash()


@pytest.mark.django_db
@pytest.mark.row("G2")
def test_files_have_the_bars_that_requests_have(venue: tuple[Venue, str]) -> None:
    _, url = venue
    rest = PolygonProvider(url, KEY, exchange_sessions)
    for timeframe, first in (("1d", FIRST), ("1m", LAST)):
        start, end = ns(first), ns(LAST + timedelta(days=1))
        for symbol in ("AAPL", "NA", "TRUE"):  # names that a table reader would take for something else
            asked = rest.history(symbol, timeframe, start, end)
            days = exchange_sessions("XNYS", FIRST, LAST).day.tolist()  # the made-up market trades at weekends, too
            same(files(url).history(symbol, timeframe, start, end), asked.take(np.isin(asked.ts // DAY, days)))
    assert len(files(url).history("NOPE", "1d", ns(FIRST), ns(LAST))) == 0


@pytest.mark.django_db
@pytest.mark.row("G2")
def test_a_day_without_a_file_and_keys_that_are_refused(venue: tuple[Venue, str]) -> None:
    made, url = venue
    for day in (date(2026, 3, 7), date(2026, 3, 10)):  # a Saturday; yesterday, whose file is not made yet
        with pytest.raises(NoFile):
            files(url).day("1d", day, ["AAPL"])
    for provider, words in (
        (files(url, secret="other"), "refuse the keys"),
        (files(url, key="OTHER"), "refuse the keys"),
        (files(url, key=""), "need POLYGON_FILES_KEY"),
        (files("http://127.0.0.1:1"), "cannot be reached"),
    ):
        with pytest.raises(ProviderError) as error:
            provider.day("1d", LAST, ["AAPL"])
        assert words in error.value.message
        assert KEY not in error.value.message
        assert "127.0.0.1" not in error.value.message
    refused = {"kind": "status", "status": 403, "body": "<Error><Code>AccessDenied</Code></Error>"}
    made.faults.add(refused | {"path": "/flatfiles/.*"})
    with pytest.raises(ProviderError, match="plan does not include"):
        files(url).day("1d", LAST, ["AAPL"])
    for body in (b"no gzip at all", gzip.compress(b"a,b\n1,2\n"), gzip.compress(b"x" * 100_000)[:-50]):
        made.faults.add({"kind": "status", "status": 200, "path": "/flatfiles/.*", "body": body.decode("latin-1")})
        with pytest.raises(ProviderError, match=r"could not be read|other columns"):
            files(url).day("1d", LAST, ["AAPL"])


@pytest.mark.django_db
@pytest.mark.row("G2", "G9")
def test_the_store_takes_each_file_once_and_stays_one_piece(venue: tuple[Venue, str], settings: Any) -> None:
    made, url = venue
    settings.POLYGON_FILES_URL, settings.POLYGON_BASE_URL = url, url
    settings.POLYGON_FILES_KEY, settings.POLYGON_FILES_SECRET, settings.POLYGON_API_KEY = KEY, SECRET, KEY
    done = flat_files.fetch(["AAPL", "NA"], "1d", date(2026, 3, 9), date(2026, 3, 9))
    assert (done.files, done.bars, done.until) == (1, {"AAPL": 1, "NA": 1}, None)
    done = flat_files.fetch(["AAPL"], "1d", date(2026, 3, 3), date(2026, 3, 4))
    assert done.files == 4, "the days between are fetched as well"
    assert flat_files.fetch(["AAPL"], "1d", date(2026, 3, 3), date(2026, 3, 9)).files == 0
    done = flat_files.fetch(["AAPL"], "1d", date(2026, 3, 9), date(2026, 3, 10), today=NOW.date())
    assert (done.files, done.until) == (0, date(2026, 3, 9))
    row = Coverage.objects.get(instrument__symbol="AAPL")
    assert (row.bars, row.asked_from.date(), row.asked_to.date()) == (5, date(2026, 3, 3), date(2026, 3, 10))
    made.faults.add({"kind": "drop", "path": "/v2/.*", "times": 99})
    loaded = load_bars(["AAPL"], "1d", date(2026, 3, 3), date(2026, 3, 9), source="polygon", adjustment="raw")
    assert len(loaded.bars["AAPL"]) == 5, "a backtest reads them without asking anybody"


@pytest.mark.django_db
@pytest.mark.row("G2")
def test_the_command_fetches_and_says_what_it_did(
    venue: tuple[Venue, str], settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    _, url = venue
    settings.POLYGON_FILES_URL, settings.POLYGON_FILES_KEY, settings.POLYGON_FILES_SECRET = url, KEY, SECRET
    call_command("fetch_flat_files", "AAPL", "--start", "2026-03-09", "--end", "2026-03-09", "--timeframe", "1m")
    assert "AAPL 1m: 390 bars added or changed." in capsys.readouterr().out
    settings.POLYGON_FILES_KEY = ""
    with pytest.raises(CommandError, match="need POLYGON_FILES_KEY"):
        call_command("fetch_flat_files", "TRUE", "--start", "2026-03-09", "--end", "2026-03-09")
    with pytest.raises(InputError):
        flat_files.fetch(["AAPL"], "5m", FIRST, LAST)
