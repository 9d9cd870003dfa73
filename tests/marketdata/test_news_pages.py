"""News through its page, its routes and its command."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils.html import escape

from accounts.models import User
from marketdata.models import Instrument, NewsItem
from marketdata.news import selectors, services

pytestmark = [pytest.mark.django_db, pytest.mark.row("G18")]

GOOD = "Apple beats earnings and raises guidance"
CSV = f"published_at,symbol,title,url\n2024-03-01T14:30:00Z,AAPL,{GOOD},https://example.org/1\n" + (
    "2024-03-02T09:00:00Z,MSFT,Microsoft <b>sued</b>,\n"
)


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def send(browser: Client, text: str, **fields: str) -> Any:
    upload = SimpleUploadedFile("news.csv", text.encode(), "text/csv")
    return browser.post("/data/news/import/", {"file": upload, **fields}, follow=True)


def test_a_file_comes_in_and_is_shown_word_by_word(browser: Client, alice: User, bob: User) -> None:
    empty = browser.get("/data/news/").content.decode()
    assert "No news yet" in empty
    text = send(browser, CSV).content.decode()
    assert "2 items of news came in." in text
    assert GOOD in text
    assert 'href="https://example.org/1"' in text
    assert "Microsoft &lt;b&gt;sued&lt;/b&gt;" in text
    words = re.findall(r'<li class="chip"><span>([^<]+)</span>', text)
    assert words == ["sued", "beats", "raises guidance"]
    assert "+0.77" in text
    filtered = browser.get("/data/news/?symbol=aapl&source=file&start=2024-03-01&end=2024-03-01").content.decode()
    assert GOOD in filtered
    assert "Microsoft" not in filtered
    assert "Delete your 1 item of AAPL" in filtered
    assert "Nothing matches" in browser.get("/data/news/?start=2024-03-03").content.decode()
    browser.force_login(bob)
    assert GOOD not in browser.get("/data/news/").content.decode()


def test_a_wrong_row_keeps_everything_out_and_is_told_on_the_page(browser: Client) -> None:
    answer = send(browser, CSV + "2024-03-02,MSFT,No time of day,\n")
    assert answer.status_code == 400
    text = answer.content.decode()
    assert "row 4, column published_at" in text
    assert "has no time of day" in text
    assert not NewsItem.objects.exists()
    assert "Choose a file" in browser.post("/data/news/import/", {}).content.decode()
    late = browser.post("/data/news/fetch/", {"source": "synthetic", "symbol": "AAPL", "start": "", "end": "x"})
    assert late.status_code == 400
    assert "Choose a day." in late.content.decode()


def test_made_up_news_is_labelled_and_one_s_own_can_be_deleted(browser: Client, alice: User) -> None:
    asked = {"source": "synthetic", "symbol": "syn-coin", "start": "2024-01-01", "end": "2024-01-31"}
    text = browser.post("/data/news/fetch/", asked, follow=True).content.decode()
    assert '<span class="tag">synthetic</span>' in text
    assert selectors.kept_of(alice, "SYN-COIN") > 20
    browser.post("/data/news/delete/", {"symbol": "SYN-COIN"})
    assert selectors.kept(alice) == 0


def test_a_headline_can_be_tried(browser: Client) -> None:
    text = browser.get("/data/news/", {"headline": "Losses narrow sharply"}).content.decode()
    assert escape("of losses, stronger by “sharply”") in text
    assert "+0.36" in text
    assert "so it counts 0" in browser.get("/data/news/", {"headline": "Nothing known"}).content.decode()


def test_an_instrument_s_page_has_its_latest_news(browser: Client, alice: User) -> None:
    row = Instrument.objects.create(source="file", symbol="AAPL", calendar="24/7", owner=alice)
    assert "None came in yet." in browser.get(f"/data/instruments/{row.pk}/").content.decode()
    send(browser, CSV)
    text = browser.get(f"/data/instruments/{row.pk}/").content.decode()
    assert GOOD in text
    assert "Microsoft" not in text


def test_a_program_sends_lists_and_deletes(api: Any, alice: User, bob: User) -> None:
    hers = api(alice)
    body = {
        "symbol": "aapl",
        "items": [
            {"published_at": "2024-03-01T14:30:00Z", "title": GOOD, "summary": "Costs fell."},
            {"published_at": "2024-03-01T16:30:00Z", "symbol": "MSFT", "title": "Given", "score": -0.25},
        ],
    }
    answer = hers.post("/api/news/import", body)
    assert (answer.status_code, answer.json()) == (200, {"added": 2, "known": 0, "symbols": ["AAPL", "MSFT"]})
    assert hers.post("/api/news/import", body).json() == {"added": 0, "known": 2, "symbols": ["AAPL", "MSFT"]}
    given, apple = hers.get("/api/news").json()["results"]
    assert (given["score"], given["scorer"], given["words"], given["is_own"]) == (-0.25, "given", [], True)
    assert [(word["text"], word["value"], word["why"]) for word in apple["words"]] == [
        ("beats", 2.2, ""), ("raises guidance", 2.5, ""), ("fell", 1.6, "of costs"),
    ]  # fmt: skip
    assert apple["synthetic"] is False
    assert hers.get("/api/news", {"symbol": "aapl", "start": "2024-03-01", "end": "2024-03-01"}).json()["count"] == 1
    assert hers.get("/api/news", {"source": "synthetic"}).json()["count"] == 0
    assert api(bob).get("/api/news").json()["count"] == 0
    assert hers.delete("/api/news/symbols/AAPL").status_code == 204
    assert hers.get("/api/news").json()["count"] == 1


def test_a_file_through_the_api(api: Any, alice: User) -> None:
    upload = SimpleUploadedFile(
        "n.json", json.dumps([{"published_at": "2024-03-01T14:30:00Z", "title": GOOD}]).encode()
    )
    answer = api(alice).post("/api/news/import", {"file": upload, "symbol": "AAPL"}, format="multipart")
    assert answer.json() == {"added": 1, "known": 0, "symbols": ["AAPL"]}
    huge = SimpleUploadedFile("n.csv", b"x" * (services.MAX_BYTES + 1))
    assert api(alice).post("/api/news/import", {"file": huge}, format="multipart").status_code == 413


@pytest.mark.row("A8")
@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"items": [{"published_at": "2024-03-01", "symbol": "A", "title": "t"}]}, "items[0].published_at"),
        ({"items": []}, "file"),
        ({"items": [{"title": None}]}, "items[0].title"),
        ({"symbol": 5, "items": [{}]}, "symbol"),
        ([], ""),
        ({"news": []}, "news"),
    ],
)
def test_a_program_is_told_what_is_wrong(api: Any, alice: User, body: Any, path: str) -> None:
    answer = api(alice).post("/api/news/import", body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["path"] == path
    assert not NewsItem.objects.exists()


def test_a_text_is_scored_without_being_kept(api: Any, alice: User) -> None:
    made = api(alice).post("/api/news/score", {"title": GOOD}).json()
    assert made["score"] == 0.7717
    assert [word["text"] for word in made["words"]] == ["beats", "raises guidance"]
    fetched = api(alice).post(
        "/api/news/fetch", {"source": "synthetic", "symbol": "SYN-X", "start": "2024-01-01", "end": "2024-01-31"}
    )
    assert fetched.json()["added"] > 20
    refused = api(alice).post(
        "/api/news/fetch", {"source": "synthetic", "symbol": "AAPL", "start": "2024-01-01", "end": "2024-01-31"}
    )
    assert refused.status_code == 400
    assert "made-up symbols only" in refused.json()["errors"][0]["message"]


def test_the_command_brings_in_files_for_everybody(tmp_path: Path, alice: User, capsys: Any) -> None:
    path = tmp_path / "news.csv"
    path.write_text(CSV)
    call_command("import_news", str(path))
    assert "2 items added, 0 known already: AAPL, MSFT." in capsys.readouterr().out
    assert selectors.news(alice).count() == 2
    call_command(
        "import_news", provider="synthetic", symbol="SYN-X", start="2024-01-01", end="2024-01-10", user="alice"
    )
    assert selectors.kept(alice) > 5
    path.write_text(CSV + "soon,AAPL,t,\n")
    with pytest.raises(CommandError, match="row 4, column published_at"):
        call_command("import_news", str(path))
    for words in ({}, {"file": str(path), "provider": "synthetic"}, {"file": str(path), "user": "nobody"}):
        with pytest.raises(CommandError, match=r"one of the two|no user"):
            call_command("import_news", **words)
