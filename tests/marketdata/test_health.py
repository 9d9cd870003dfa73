"""The health of data: what is wrong with stored series, who disagrees, what is read anew, and who sees what."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from engine.errors import InputError
from marketdata import health
from marketdata.columns import DAY
from marketdata.models import Coverage, Instrument, ProviderUsage, Refetch, Revision, SourceChoice, SourceComparison
from marketdata.services import comparing, load_bars, refetching, series
from tests import servers
from tests.bots.factories import make_session
from tests.marketdata.conftest import made_bars
from tests.marketdata.test_cache import Klines, number
from tests.marketdata.vendor_rig import ns, served
from tradingsite.lib.errors import Conflict, TooMany

FIRST, LAST = date(2024, 1, 2), date(2024, 1, 31)


@pytest.fixture
def klines(settings: Any) -> Iterator[Any]:
    class Handler(Klines):
        other: dict[int, float] = {}
        asked: list[tuple[date, date]] = []

    with served(Handler) as url:
        settings.BINANCE_BASE_URL = url
        yield Handler


@pytest.fixture
def pair(klines: Any, db: None) -> Instrument:
    load_bars(["BTCUSDT"], "1d", FIRST, LAST, source="binance")
    return Instrument.objects.get(symbol="BTCUSDT")


@pytest.fixture
def page(client: Any, alice: User) -> Callable[..., str]:
    client.force_login(alice)

    def get(address: str = "/data/health/", status: int = 200) -> str:
        answer = client.get(address)
        assert answer.status_code == status, answer.content[:500]
        return str(answer.content.decode())

    return get


def daily(source: str, symbol: str, *, owner: User | None = None, start: str = "2024-01-02", **fields: Any) -> Coverage:
    row = Instrument.objects.create(source=source, symbol=symbol, owner=owner, calendar="24/7", **fields)
    bars = made_bars(30, start=start)
    series.put(row, "1d", bars, (int(bars.ts[0]), int(bars.ts[-1]) + DAY))
    return Coverage.objects.get(instrument=row)


def problems(user: User, symbol: str) -> dict[str, list[str]]:
    return {one.coverage.provider: one.problems for one in health.series(user, symbol=symbol)}


@pytest.mark.row("W11")
def test_each_problem_is_named(alice: User) -> None:
    bars = made_bars(60, start="2024-01-02")
    good, holes = daily("file", "GOOD"), Instrument.objects.create(source="file", symbol="HOLES", calendar="24/7")
    series.put(holes, "1d", bars.take(bars.ts % (7 * DAY) != 0), (int(bars.ts[0]), int(bars.ts[-1]) + DAY))
    assert problems(alice, "GOOD") == {"file": []}
    assert problems(alice, "HOLES") == {"file": ["gaps"]}

    jumpy = Instrument.objects.create(source="file", symbol="JUMPY", calendar="24/7")
    scale = (bars.ts >= bars.ts[30]) * 2.0 + 1.0
    leaping = replace(
        bars, open=bars.open * scale, high=bars.high * scale, low=bars.low * scale, close=bars.close * scale
    )
    series.put(jumpy, "1d", leaping, (int(bars.ts[0]), int(bars.ts[-1]) + DAY))
    assert problems(alice, "JUMPY") == {"file": ["jumps"]}

    stopped = daily("binance", "OLDUSDT")
    [one] = health.series(alice, symbol="OLDUSDT")
    assert one.problems == []
    assert one.sessions_behind is not None
    assert one.sessions_behind > 300
    Coverage.objects.filter(pk=stopped.pk).update(asked_to=stopped.asked_to + timedelta(days=10))
    assert problems(alice, "OLDUSDT") == {"binance": ["stale"]}, "it was asked for more, and had none"
    assert [health.series(alice, symbol="GOOD")[0].sessions_behind] == [None]

    stock = Instrument.objects.create(source="polygon", symbol="STOCK")
    series.put(stock, "1d", bars, (int(bars.ts[0]), int(bars.ts[-1]) + DAY))
    assert "actions" in problems(alice, "STOCK")["polygon"]
    Instrument.objects.filter(pk=stock.pk).update(actions_at=timezone.now())
    assert "actions" not in problems(alice, "STOCK")["polygon"]
    assert {one.coverage.symbol for one in health.series(alice, problem="any")} >= {"HOLES", "JUMPY", "OLDUSDT"}
    assert [one.coverage.symbol for one in health.series(alice, problem="gaps", source="file")] == ["HOLES"]
    assert good.symbol not in {one.coverage.symbol for one in health.series(alice, problem="any")}


@pytest.mark.row("W11")
def test_sources_that_disagree_are_found_once_and_again_when_one_changes(alice: User, bob: User) -> None:
    first, second = daily("yahoo", "ACME"), daily("alpaca", "ACME")
    daily("synthetic", "ACME", synthetic=True)
    daily("file", "ACME", owner=alice)
    assert comparing.run() == 3
    assert comparing.run() == 0, "nothing has changed"
    row = SourceComparison.objects.get(first=first, second=second)
    assert (row.days, row.differing, row.max_diff_pct) == (30, 0, 0.0)
    assert "disagrees" not in problems(alice, "ACME")["yahoo"]

    bars = made_bars(30, start="2024-01-02")
    close = bars.close.copy()
    close[12] *= 1.0008  # an auction
    close[20] *= 0.95
    low = bars.low.copy()
    low[20] = close[20]
    series.put(
        second.instrument, "1d", replace(bars, close=close, low=low, high=bars.high * 1.001), (ns(FIRST), ns(LAST))
    )
    assert comparing.run() == 2
    row.refresh_from_db()
    assert (row.differing, row.worst_day) == (1, date(2024, 1, 22))
    assert row.max_diff_pct == pytest.approx(100 * (1 / 0.95 - 1))
    assert "disagrees" in problems(alice, "ACME")["yahoo"]
    assert {r.second.provider for r in health.disagreements(alice)} | {"yahoo"} >= {"alpaca", "file"}
    seen = {(r.first.provider, r.second.provider) for r in health.disagreements(bob)}
    assert not any("file" in names for names in seen), "hers is hers"


@pytest.mark.row("W11", "G9")
def test_a_series_is_read_anew_and_what_was_revised_is_told(pair: Instrument, klines: Any, alice: User) -> None:
    before = load_bars(["BTCUSDT"], "1d", FIRST, LAST, source="binance").data_hash
    klines.other = {number(date(2024, 1, 5)): 130.0}
    row = refetching.submit(alice, pair.pk, "1d")
    assert row.state == "QUEUED"
    with pytest.raises(Conflict, match="already"):
        refetching.submit(alice, pair.pk, "1d")
    done = refetching.run(row.pk)
    assert done is not None
    assert (done.state, done.added, done.changed) == ("DONE", 0, 1)
    assert done.message == "0 bars were added, 1 had other values and were replaced."
    assert refetching.run(row.pk) is None, "a second delivery"
    revision = Revision.objects.get()
    assert (revision.kind, revision.bars, revision.first_at.date()) == ("refetch", 1, date(2024, 1, 5))
    assert problems(alice, "BTCUSDT") == {"binance": ["revised"]}
    assert load_bars(["BTCUSDT"], "1d", FIRST, LAST, source="binance").data_hash != before
    with pytest.raises(Conflict, match="five minutes"):
        refetching.submit(alice, pair.pk, "1d")


@pytest.mark.row("W11")
def test_what_cannot_be_read_anew(pair: Instrument, klines: Any, alice: User, settings: Any) -> None:
    mine = daily("file", "MINE", owner=alice).instrument
    with pytest.raises(InputError) as error:
        refetching.submit(alice, mine.pk, "1d")
    assert error.value.faults[0].code == "unavailable"
    with pytest.raises(InputError):
        refetching.submit(alice, pair.pk, "2d")
    settings.BINANCE_BASE_URL = "http://127.0.0.1:9"
    failed = refetching.run(refetching.submit(alice, pair.pk, "1d").pk)
    assert failed is not None
    assert failed.state == "FAILED"
    assert "Binance cannot be reached" in failed.message
    assert "127.0.0.1" not in failed.message
    for i in range(3):
        other = daily("binance", f"A{i}USDT").instrument
        Refetch.objects.create(instrument=other, timeframe="1d", asked_by=alice)
    with pytest.raises(TooMany):
        refetching.submit(alice, pair.pk, "1d")


def test_a_reading_that_nobody_took_is_sent_again_and_one_whose_worker_died_is_given_up(
    pair: Instrument, alice: User
) -> None:
    row = refetching.submit(alice, pair.pk, "1d")
    Refetch.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(minutes=5))
    assert refetching.revive_stuck() == 1
    Refetch.objects.filter(pk=row.pk).update(state="RUNNING", started_at=timezone.now() - timedelta(hours=1))
    refetching.revive_stuck()
    row.refresh_from_db()
    assert (row.state, row.message) == ("FAILED", "Its worker ended. Ask again.")


@pytest.mark.row("W11", "G8", "G9")
def test_the_page_shows_all_of_it(pair: Instrument, page: Callable[..., str], alice: User, settings: Any) -> None:
    settings.DATA_PRICE_PER_MONTH = {"polygon": Decimal(29)}
    ProviderUsage.objects.update_or_create(
        day=timezone.now().date(), provider="polygon", defaults={"requests": 41, "errors": 2, "cost": Decimal("0.5")}
    )
    SourceChoice.objects.create(
        symbol="AAPL", timeframe="1d", source="alpaca", reason="Alpaca answered. Polygon: it has no key here.",
        chosen_at=timezone.now(), times=1,
    )  # fmt: skip
    daily("file", "ACME")
    daily("yahoo", "ACME")
    comparing.run()
    text = page()
    for words in (
        "BTCUSDT",
        "Read anew",
        "Polygon: it has no key here",
        "No key",
        "29.10 USD",
        "yahoo",
        "No session of yours",
    ):
        assert words in text, words
    assert re.search(r"41</td>", text)
    assert "HOLE" not in page("/data/health/?symbol=acme")
    assert "Nothing matches" in page("/data/health/?problem=jumps")
    assert "/data/health/" in page("/data/")


def test_the_empty_page_and_its_queries(page: Callable[..., str], db: None) -> None:
    text = page()
    assert "No bars stored yet" in text
    assert "No symbol is stored from two sources" in text
    for i in range(4):
        daily("file", f"S{i}")
    with CaptureQueriesContext(connection) as few:
        page()
    for i in range(4, 24):
        daily("file", f"S{i}")
    with CaptureQueriesContext(connection) as many:
        page()
    assert len(many) <= len(few) + 1


@pytest.mark.row("W11")
def test_stale_prices_of_a_session_block_entries_and_the_page_says_so(
    page: Callable[..., str], alice: User, bob: User
) -> None:
    make_session(alice, symbols=["SIM-ALPHA"], state="DEGRADED", state_reason="no prices for 12 s")
    make_session(bob, symbols=["SIM-BETA"], state="DEGRADED", state_reason="his own trouble")
    text = page()
    assert "Blocked</span>" in text
    assert "exits go on" in text
    assert "no prices for 12 s" in text
    assert "his own trouble" not in text


@pytest.mark.django_db(transaction=True)
@pytest.mark.row("W11")
def test_by_page_and_by_api_a_real_worker_reads_it(
    klines: Any,
    client: Any,
    alice: User,
    bob: User,
    api: Any,
    own_queue: str,
    start_worker: Callable[..., subprocess.Popen[bytes]],
) -> None:
    load_bars(["BTCUSDT"], "1d", FIRST, LAST, source="binance")
    pair = Instrument.objects.get(symbol="BTCUSDT")
    from django.conf import settings as site

    start_worker(queues=own_queue, env={"BINANCE_BASE_URL": site.BINANCE_BASE_URL, "BARS_DIR": str(site.BARS_DIR)})
    klines.other = {number(date(2024, 1, 9)): 140.0}
    answer = api(alice).post("/api/data/refetches", {"instrument": pair.pk, "timeframe": "1d"}, format="json")
    assert answer.status_code == 202, answer.content
    where = answer["Location"]

    def state() -> str:
        return str(api(alice).get(where).json()["state"])

    servers.wait_until(lambda: state() in ("DONE", "FAILED"), "the series to be read", timeout_s=60)
    told = api(alice).get(where).json()
    assert (told["state"], told["changed"], told["symbol"]) == ("DONE", 1, "BTCUSDT"), told["message"]
    assert api(bob).get(where).status_code == 404
    assert api(alice).get("/api/data/revisions").json()["results"][0]["kind"] == "refetch"
    again = api(alice).post("/api/data/refetches", {"instrument": pair.pk, "timeframe": "1d"}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    client.force_login(alice)
    sent = client.post(f"/data/instruments/{pair.pk}/1d/refetch", follow=True)
    assert "less than five minutes ago" in sent.content.decode()


def test_the_routes_answer_with_what_the_page_shows(pair: Instrument, alice: User, bob: User, api: Any) -> None:
    hers = daily("file", "HERS", owner=alice)
    rows = api(alice).get("/api/data/health").json()["results"]
    assert {(row["symbol"], row["source"], row["can_refetch"]) for row in rows} == {
        ("BTCUSDT", "binance", True),
        ("HERS", "file", False),
    }
    assert {row["symbol"] for row in api(bob).get("/api/data/health").json()["results"]} == {"BTCUSDT"}
    assert api(alice).get("/api/data/health?problem=nonsense").status_code == 400
    sources = {row["source"]: row for row in api(alice).get("/api/data/sources").json()["results"]}
    assert sources["binance"]["has_key"] is True
    assert sources["binance"]["limits"] == "6,000 a minute"
    assert sources["alpaca"]["has_key"] is False
    ProviderUsage.objects.create(day=date(2024, 1, 1), provider="yahoo", requests=7)
    assert api(alice).get("/api/data/usage?provider=yahoo").json()["results"][-1]["requests"] == 7
    assert api(alice).get("/api/data/choices").json()["count"] == 0
    assert api(alice).get("/api/data/disagreements").json()["count"] == 0
    assert (
        api(bob).post("/api/data/refetches", {"instrument": hers.instrument_id, "timeframe": "1d"}).status_code == 404
    )


def test_sessions_behind_are_counted_by_the_exchange(alice: User, xnys: None) -> None:
    now = datetime.now(UTC)
    row = Instrument.objects.create(source="yahoo", symbol="LATE", actions_at=now)
    day = (now - timedelta(days=30)).date()
    bars = made_bars(1, start=day.isoformat())
    series.put(row, "1d", bars, (int(bars.ts[0]), int(bars.ts[0]) + DAY))
    [one] = health.series(alice, symbol="LATE")
    assert 17 <= (one.sessions_behind or 0) <= 22, "thirty days have about twenty sessions"


def test_the_sample_is_healthy(sample_prices: None, alice: User) -> None:
    found = {one.coverage.symbol: one.problems for one in health.series(alice, source="sample") if one.problems}
    assert found == {"AAPL": ["jumps"]}, "in September 2000 it really fell by half in a night"
