"""The routes that read market data: what they answer, to whom, and what they refuse."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from accounts.models import User
from marketdata.columns import DAY
from marketdata.models import Instrument
from marketdata.services import series
from tests.marketdata.conftest import made_bars

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sample(sample_prices: None) -> None:
    """In the store and in the database."""


@pytest.fixture
def hers(alice: User) -> Instrument:
    """An instrument that alice imported: 20 days with one gap."""
    row = Instrument.objects.create(source="file", symbol="HERS", calendar="24/7", owner=alice)
    bars = made_bars(20)
    bars = bars.take([i for i in range(20) if i != 7])  # type: ignore[arg-type]
    series.put(row, "1d", bars, (int(bars.ts[0]), int(bars.ts[-1]) + DAY))
    return row


@pytest.mark.row("B25")
def test_bars_of_a_range_in_pages_that_fit_together(sample, api, alice: User) -> None:
    caller = api(alice)
    query = {"start": "2005-02-01", "end": "2005-03-31", "limit": 15}
    whole = caller.get("/api/market-data/AAPL", {**query, "limit": 500}).json()
    assert (whole["count"], whole["next_start"], whole["source"], whole["synthetic"]) == (41, None, "sample", False)
    assert whole["bars"][0]["time"] == "2005-02-01T00:00:00Z"
    assert whole["bars"][-1]["time"] == "2005-03-31T00:00:00Z"
    pages, start = [], query["start"]
    while start:
        body = caller.get("/api/market-data/aapl", {**query, "start": start}).json()
        pages.append(body["bars"])
        start = body["next_start"]
    assert [len(page) for page in pages] == [15, 15, 11]
    # Adjusted alike, although the split lies between two pages.
    assert [bar for page in pages for bar in page] == whole["bars"]
    raw = caller.get("/api/market-data/AAPL", {**query, "adjustment": "raw"}).json()["bars"]
    assert raw[0]["close"] == pytest.approx(2 * whole["bars"][0]["close"])


@pytest.mark.row("B25")
def test_without_a_start_the_last_bars_come_and_too_many_are_clamped(sample, api, alice: User) -> None:
    last = api(alice).get("/api/market-data/IBM", {"limit": 2}).json()
    assert [bar["time"][:10] for bar in last["bars"]] == ["2013-02-28", "2013-03-01"]
    minutes = api(alice).get("/api/market-data/SYN-AAPL", {"timeframe": "1m", "limit": 1_000_000_000}).json()
    assert (minutes["count"], minutes["synthetic"]) == (5_000, True)
    assert minutes["bars"][-1]["time"] == "2025-12-31T20:59:00Z"


@pytest.mark.row("B25")
def test_pages_of_minutes_go_on_over_the_turn_of_the_year(sample, api, alice: User) -> None:
    from marketdata.services import load_bars

    held = load_bars(["SYN-IBM"], "1m", "2024-12-30", "2025-01-03", source="synthetic").bars["SYN-IBM"]
    query = {"timeframe": "1m", "start": "2024-12-30", "end": "2025-01-03", "limit": 500}
    closes, start, pages = [], query["start"], 0
    while start:
        body = api(alice).get("/api/market-data/SYN-IBM", {**query, "start": start}).json()
        closes += [bar["close"] for bar in body["bars"]]
        start, pages = body["next_start"], pages + 1
    assert closes == held.close.tolist()
    assert (len(closes), pages) == (4 * 390, 4)
    newest = api(alice).get("/api/market-data/SYN-IBM", {"timeframe": "1m", "end": "2025-01-02", "limit": 500}).json()
    assert [bar["close"] for bar in newest["bars"]] == held.close[3 * 390 - 500 : 3 * 390].tolist()


@pytest.mark.row("B25", "A8")
@pytest.mark.parametrize(
    ("query", "path", "code"),
    [
        ({"timeframe": "2d"}, "timeframe", "unknown_choice"),
        ({"limit": "0"}, "limit", "out_of_range"),
        ({"limit": "-5"}, "limit", "out_of_range"),
        ({"limit": "many"}, "limit", "invalid"),
        ({"start": "2024-13-01"}, "start", "bad_time"),
        ({"start": "2024-01-01T10:00"}, "start", "naive_time"),
        ({"end": "1700-01-01"}, "end", "out_of_range"),
        ({"adjustment": "all"}, "adjustment", "unknown_choice"),
        ({"source": "moon"}, "source", "unknown_choice"),
        ({"from": "2024-01-01"}, "from", "unknown_field"),
    ],
)
def test_a_wrong_query_is_named(sample, api, alice: User, query: dict[str, str], path: str, code: str) -> None:
    answer = api(alice).get("/api/market-data/AAPL", query)
    assert answer.status_code == 400
    assert [(fault["path"], fault["code"]) for fault in answer.json()["errors"]] == [(path, code)]


@pytest.mark.row("A5", "B25")
def test_another_users_import_answers_like_nothing(api, alice: User, bob: User, hers: Instrument) -> None:
    routes = [
        ("/api/market-data/{}", "HERS", "NOTHING"),
        ("/api/data/gaps/{}", "HERS", "NOTHING"),
        ("/api/data/instruments/{}", str(hers.pk), "999999"),
    ]
    for route, real, absent in routes:
        assert api(alice).get(route.format(real)).status_code == 200
        stranger, nothing = api(bob).get(route.format(real)), api(bob).get(route.format(absent))
        assert stranger.status_code == nothing.status_code == 404
        assert {**stranger.json(), "request_id": "", "message": stranger.json()["message"].replace(real, "")} == {
            **nothing.json(), "request_id": "", "message": nothing.json()["message"].replace(absent, "")
        }  # fmt: skip
    assert api(bob).get("/api/data/instruments").json()["count"] == 0
    assert api(bob).get("/api/data/coverage").json()["count"] == 0
    assert api(bob).delete(f"/api/data/instruments/{hers.pk}").status_code == 404
    assert Instrument.objects.filter(pk=hers.pk).exists()
    assert api(alice).get("/api/data/instruments/99999999999999999999999").status_code == 404


def test_instruments_are_searched_filtered_and_paged(sample, api, alice: User, hers: Instrument) -> None:
    def symbols(**query: str) -> list[str]:
        return [row["symbol"] for row in api(alice).get("/api/data/instruments", query).json()["results"]]

    assert symbols() == [
        "AAPL", "FB", "GOOG", "HERS", "IBM", "MSFT", "SYN-AAPL", "SYN-COIN", "SYN-GOOG", "SYN-IBM", "SYN-MSFT",
    ]  # fmt: skip
    assert symbols(search="apple") == ["AAPL", "SYN-AAPL"]
    assert symbols(source="file") == ["HERS"]
    assert symbols(timeframe="1m", search="ibm") == ["SYN-IBM"]
    assert symbols(limit="2", page="2") == ["GOOG", "HERS"]
    row = api(alice).get("/api/data/instruments", {"search": "SYN-COIN"}).json()["results"][0]
    assert (row["synthetic"], row["private"], row["fractionable"], row["lot_size"]) == (True, False, True, 0.0001)
    assert [stored["timeframe"] for stored in row["coverage"]] == ["1m"]


@pytest.mark.row("G9")
def test_coverage_and_gaps_tell_what_is_held(sample, api, alice: User, hers: Instrument) -> None:
    held = api(alice).get("/api/data/coverage", {"symbol": "aapl"}).json()["results"]
    assert [(row["provider"], row["timeframe"], row["bars"], row["complete_pct"]) for row in held] == [
        ("sample", "1d", 3270, 100.0)
    ]
    assert (held[0]["hits"], held[0]["misses"], len(held[0]["content_hash"])) == (0, 1, 64)
    gaps = api(alice).get("/api/data/gaps/HERS").json()
    assert (gaps["expected"], gaps["present"], gaps["missing"], gaps["gap_count"]) == (20, 19, 1, 1)
    assert gaps["gaps"] == [{"first": "2024-01-08T00:00:00Z", "last": "2024-01-08T00:00:00Z", "missing": 1}]
    assert api(alice).get("/api/data/gaps/AAPL", {"timeframe": "1m"}).status_code == 404
    jumps = api(alice).get("/api/data/gaps/AAPL").json()["jumps"]
    assert {(jump["at"][:10], jump["explained"]) for jump in jumps} == {
        ("2000-06-21", "split 2:1"),
        ("2000-09-29", ""),  # Apple really fell by half that day
        ("2005-02-28", "split 2:1"),
    }


def test_only_ones_own_import_can_be_deleted(sample, api, alice: User, hers: Instrument) -> None:
    shared = Instrument.objects.get(symbol="AAPL")
    assert api(alice).delete(f"/api/data/instruments/{shared.pk}").status_code == 409
    assert api(alice).delete(f"/api/data/instruments/{hers.pk}").status_code == 204
    assert set(Instrument.objects.filter(symbol__in=["AAPL", "HERS"])) == {shared}


def test_every_route_needs_a_login_and_stands_in_the_schema(client) -> None:
    routes = [
        "market-status",
        "market-data/AAPL",
        "data/instruments",
        "data/coverage",
        "data/gaps/AAPL",
        "data/imports",
    ]
    for route in routes:
        assert client.get(f"/api/{route}").status_code == 401, route
    paths = client.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()["paths"]
    bars = paths["/api/market-data/{symbol}"]["get"]
    assert {p["name"] for p in bars["parameters"]} == {
        "symbol", "timeframe", "source", "adjustment", "start", "end", "limit",
    }  # fmt: skip
    assert {"200", "400", "401", "404", "429"} <= set(bars["responses"])
    body = paths["/api/data/import"]["post"]["requestBody"]["content"]
    assert list(body) == ["multipart/form-data"]
    assert {"202", "400", "401", "413", "415"} <= set(paths["/api/data/import"]["post"]["responses"])


def test_bars_are_never_of_the_future(sample, api, alice: User) -> None:
    body = api(alice).get("/api/market-data/SYN-COIN", {"timeframe": "1m", "limit": 1}).json()
    assert datetime.fromisoformat(body["bars"][0]["time"]) < datetime.now(UTC)
