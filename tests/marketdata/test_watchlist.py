"""The watchlist: a user's own symbols with the newest stored price of each."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from engine.errors import InputError
from marketdata.models import Watchlist
from marketdata.services import watchlist

pytestmark = [pytest.mark.django_db, pytest.mark.row("J18")]


def test_a_program_sets_and_reads_it(sample_prices: None, alice: User, bob: User, api: Any) -> None:
    client = api(alice)
    assert client.get("/api/watchlist").json() == {"symbols": []}
    answer = client.put("/api/watchlist", {"symbols": ["msft", "SIM-ALPHA", "AAPL", "MSFT"]})
    assert answer.status_code == 200
    told = client.get("/api/watchlist").json()["symbols"]
    assert answer.json()["symbols"] == told
    assert [row["symbol"] for row in told] == ["MSFT", "SIM-ALPHA", "AAPL"]
    microsoft, made, apple = told
    bars = client.get("/api/market-data/AAPL?timeframe=1d&adjustment=raw&start=2013-01-01").json()["bars"]
    assert apple["last_px"] == bars[-1]["close"]
    assert apple["change_pct"] == pytest.approx(100 * (bars[-1]["close"] / bars[-2]["close"] - 1))
    assert (apple["timeframe"], apple["last_at"][:10]) == ("1d", bars[-1]["time"][:10])
    assert microsoft["last_px"] != apple["last_px"]
    assert (made["last_px"], made["instrument"], made["last_at"]) == (None, None, None)
    assert api(bob).get("/api/watchlist").json() == {"symbols": []}
    client.put("/api/watchlist", {"symbols": []})
    assert client.get("/api/watchlist").json() == {"symbols": []}


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ({"symbols": ["AAPL", "no symbol"]}, "symbols[1]"),
        ({"symbols": [f"S{n}" for n in range(51)]}, "symbols"),
        ({"symbols": "AAPL"}, "symbols"),
        ({}, "symbols"),
        ({"symbols": [], "more": 1}, "more"),
    ],
)
def test_what_is_no_list_of_symbols_is_refused(alice: User, api: Any, sent: Any, path: str) -> None:
    answer = api(alice).put("/api/watchlist", sent)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["path"].startswith(path.split("[")[0])
    assert not Watchlist.objects.exists()


def test_a_service_refuses_what_no_symbol_looks_like(alice: User) -> None:
    with pytest.raises(InputError) as caught:
        watchlist.replace(alice, ["AAPL", "<b>", "x" * 25])
    assert [fault.path for fault in caught.value.faults] == ["symbols[1]", "symbols[2]"]
    with pytest.raises(InputError):
        watchlist.replace(alice, [f"S{n}" for n in range(51)])


def test_the_dashboard_shows_it_and_saves_it(sample_prices: None, alice: User) -> None:
    client = Client()
    client.force_login(alice)
    client.post(reverse("marketdata:watchlist"), {"symbols": "aapl, GOOG SIM-ALPHA"})
    page = client.get("/").content.decode()
    assert 'value="AAPL, GOOG, SIM-ALPHA"' in page
    assert page.count("no stored price") == 1
    suggested = client.get(reverse("bots:symbols")).json()["results"]
    assert [item["symbol"] for item in suggested[:3]] == ["SIM-ALPHA", "AAPL", "GOOG"]
    refused = client.post(reverse("marketdata:watchlist"), {"symbols": "<b>"}, follow=True).content.decode()
    assert "The watchlist was not saved. This is no symbol." in refused
    assert Watchlist.objects.get().symbols == ["AAPL", "GOOG", "SIM-ALPHA"]
