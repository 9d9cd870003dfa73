"""News: what a headline is worth, what a file may hold, what a bar knows of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from engine import Bars
from engine.errors import InputError
from marketdata.models import NewsItem
from marketdata.news import files, lexicon, scorer, selectors, services
from marketdata.news.base import Item, NewsProvider, provider, register
from marketdata.news.names import Window
from marketdata.news.series import Known, attach
from marketdata.zones import to_ns
from tradingsite.lib.errors import Conflict

NOW = datetime(2024, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- the scorer ----------------------------------------------------------------------------------------------------


@pytest.mark.row("D8", "G18")
@pytest.mark.parametrize(
    ("headline", "low", "high"),
    [
        ("Apple beats earnings and raises guidance", 0.7, 0.85),
        ("Tesla misses delivery estimates, shares plunge", -0.8, -0.6),
        ("Losses narrow as costs fall", 0.5, 0.7),
        ("Margins narrow as costs rise", -0.7, -0.4),
        ("Sales growth slows", -0.5, -0.2),
        ("Fed cuts rates", 0.3, 0.5),
        ("Firm files for Chapter 11 bankruptcy", -0.95, -0.8),
        ("Company fails to win approval", -0.8, -0.5),
        ("The deal is not good", -0.3, 0.2),
        ("Profit rose sharply but the outlook is weak", -0.6, -0.2),
        ("Best Buy reports gross profit in line", 0, 0),
        ("Annual meeting to be held in May", 0, 0),
        ("Firm sets up a fund for top executives", 0, 0),
        ("Shares up after strong quarter", 0.5, 0.7),
        ("", 0, 0),
    ],
)
def test_headlines_are_worth_what_a_trader_would_say(headline: str, low: float, high: float) -> None:
    assert low <= scorer.score(headline).value <= high


@pytest.mark.row("D8")
def test_a_score_is_the_sum_of_its_words_and_says_why() -> None:
    made = scorer.score("Losses narrowed sharply; no recovery", "But profits rose.")
    told = [(part.text, part.value, part.why) for part in made.parts]
    assert told == [
        ("narrowed", 1.493, "of losses, stronger by “sharply”"),
        ("recovery", -1.332, "turned by “no”"),
        ("rose", 1.2, ""),
    ]
    total = sum(value for _, value, _ in told)
    assert made.value == round(total / np.sqrt(total**2 + 15), 4)


def test_the_words_are_each_known_once_and_within_bounds() -> None:
    assert not set(lexicon.WORDS) & set(lexicon.MOVES)
    assert len(lexicon.WORDS) + len(lexicon.MOVES) + len(lexicon.PHRASES) > 800
    values = [*lexicon.WORDS.values(), *lexicon.MOVES.values(), *lexicon.PHRASES.values()]
    assert all(-4 <= value <= 4 for value in values)
    for table in (lexicon._WORDS, lexicon._MOVES):
        words = [word for line in table.values() for word in line.split()]
        assert len(words) == len(set(words))
        assert all(word == word.lower() for word in words)


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_has_a_score(title: str, summary: str) -> None:
    made = scorer.score(title, summary)
    assert -1 <= made.value <= 1
    assert made == scorer.score(title, summary)


# --- files ---------------------------------------------------------------------------------------------------------


def read_csv(text: str, **options: Any) -> list[Item]:
    return files.read_csv(text.encode(), now=NOW, most=100, **options)


@pytest.mark.row("G18")
def test_a_csv_file_and_its_json_twin_give_the_same_items() -> None:
    text = (
        "Time,Ticker,Headline,ignored,score\n"
        '2024-03-01T09:30:00-05:00,aapl,"Apple  beats, raises",x,\n'
        "\n"
        "2024-03-01T15:00:00Z,MSFT,Microsoft,y,-0.5\n"
    )
    items = read_csv(text)
    assert items[0] == Item("AAPL", at("2024-03-01T14:30:00"), "Apple beats, raises")
    assert items[1].score == -0.5
    rows = [
        {"published_at": "2024-03-01T14:30:00Z", "symbol": "AAPL", "title": "Apple beats, raises"},
        {"published_at": "2024-03-01T15:00:00Z", "symbol": "MSFT", "title": "Microsoft", "score": -0.5},
    ]
    assert files.read_objects(rows, now=NOW, most=100) == items
    assert files.read_objects({"items": rows}, now=NOW, most=100) == items


@pytest.mark.row("A8")
@pytest.mark.parametrize(
    ("row", "path", "code"),
    [
        ("2024-03-01,A,t,,,", "row 2, column published_at", "bad_time"),
        ("2024-03-01T10:00:00,A,t,,,", "row 2, column published_at", "naive_time"),
        ("2024-03-11T10:00:00Z,A,t,,,", "row 2, column published_at", "out_of_range"),
        ("soon,A,t,,,", "row 2, column published_at", "bad_time"),
        ("2024-03-01T10:00:00Z,not one,t,,,", "row 2, column symbol", "bad_symbol"),
        ("2024-03-01T10:00:00Z,,t,,,", "row 2, column symbol", "required"),
        ("2024-03-01T10:00:00Z,A,,,,", "row 2, column title", "required"),
        (f"2024-03-01T10:00:00Z,A,{'x' * 301},,,", "row 2, column title", "out_of_range"),
        ("2024-03-01T10:00:00Z,A,a\u202eb,,,", "row 2, column title", "bad_text"),
        ("2024-03-01T10:00:00Z,A,t,,javascript:alert(1),", "row 2, column url", "bad_text"),
        ("2024-03-01T10:00:00Z,A,t,,,nan", "row 2, column score", "not_a_finite_number"),
        ("2024-03-01T10:00:00Z,A,t,,,1.5", "row 2, column score", "out_of_range"),
        ("2024-03-01T10:00:00Z,A,t", "row 2", "wrong_number_of_columns"),
    ],
)
def test_a_wrong_cell_is_named(row: str, path: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        read_csv(f"published_at,symbol,title,summary,url,score\n{row}\n")
    assert [(fault.path, fault.code) for fault in caught.value.faults] == [(path, code)]


@pytest.mark.row("A8")
@pytest.mark.parametrize(
    ("found", "path", "code"),
    [
        ("text", "items", "wrong_type"),
        ({"news": []}, "news", "unknown_field"),
        ({}, "items", "required"),
        ([], "file", "empty_file"),
        ([1], "items[0]", "wrong_type"),
        ([{"published_at": "2024-03-01T10:00:00Z", "symbol": "A", "title": 5}], "items[0].title", "wrong_type"),
        ([{"published_at": 5, "symbol": "A", "title": "t"}], "items[0].published_at", "wrong_type"),
        ([{"published_at": "2024-03-01T10:00:00Z", "symbol": "A", "titel": "t"}], "items[0].titel", "unknown_field"),
        ([{"published_at": "2024-03-01T10:00:00Z", "symbol": "A", "title": None}], "items[0].title", "wrong_type"),
        (
            [{"published_at": "2024-03-01T10:00:00Z", "symbol": "A", "title": "t", "score": True}],
            "items[0].score",
            "not_a_number",
        ),
        ([{"title": "t"}] * 101, "file", "too_many_rows"),
    ],
)
def test_a_wrong_value_of_json_is_named(found: Any, path: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        files.read_objects(found, now=NOW, most=100)
    assert (caught.value.faults[0].path, caught.value.faults[0].code) == (path, code)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "empty_file"),
        (b"published_at,symbol,title\n", "empty_file"),
        (b"symbol,title\nA,t\n", "required"),
        (b"time,date,symbol,title\n", "duplicate_column"),
        (b"published_at,title\n\xff\xfe", "bad_text"),
        (b'published_at,title\n"2024', "malformed"),
    ],
)
def test_a_file_that_is_wrong_as_a_whole(raw: bytes, code: str) -> None:
    with pytest.raises(InputError) as caught:
        files.read_csv(raw, now=NOW, most=100)
    assert caught.value.faults[0].code == code


def test_only_the_first_ten_faults_are_told() -> None:
    with pytest.raises(InputError) as caught:
        read_csv("published_at,symbol,title\n" + "soon,A,t\n" * 50)
    assert [fault.path for fault in caught.value.faults] == [f"row {n}, column published_at" for n in range(2, 12)]


# --- rows and series -----------------------------------------------------------------------------------------------


def daily(first: str, count: int, symbol: str = "ACME") -> Bars:
    ts = to_ns(at(first)) + np.arange(count) * to_ns(at("1970-01-02"))
    close = np.full(count, 10.0)
    return Bars.from_arrays(symbol, "1d", ts, close, close, close, close, calendar="24/7")


@pytest.mark.row("D8")
def test_a_bar_knows_what_was_published_before_it_closed_and_no_longer_than_the_lookback() -> None:
    bars = daily("2024-03-01", 6)
    news = Known.of(
        [
            (to_ns(at("2024-03-01T12:00:00")), 0.5, "file"),
            (to_ns(at("2024-03-03T00:00:00")), -0.1, "synthetic"),  # the very close of the second bar
            (to_ns(at("2024-03-03T00:00:01")), 0.3, "file"),
        ]
    )
    every, mine = Window("any", 2), Window("file", 1)
    furnished = attach(bars, news, [every.score, every.count, mine.count, "bid"])
    assert furnished.extras[every.count].tolist() == [1, 2, 2, 1, 0, 0]
    np.testing.assert_array_equal(furnished.extras[every.score], [0.5, 0.2, 0.1, 0.3, np.nan, np.nan])
    assert furnished.extras[mine.count].tolist() == [1, 0, 1, 0, 0, 0]
    # A slice has the values of its own bars: what came later changes none of them.
    assert furnished[:3].extras[every.count].tolist() == [1, 2, 2]
    assert "bid" not in furnished.extras
    assert attach(bars, news, ["bid"]) is bars


def stored(user: User | None, *items: tuple[str, str, float], source: str = "file") -> services.Outcome:
    made = [Item("ACME", at(when), title, score=score) for when, title, score in items]
    return services.store(user, made, source=source)


@pytest.mark.row("G18")
def test_the_same_item_again_changes_nothing(alice: User, bob: User) -> None:
    first = stored(alice, ("2024-03-01T12:00:00", "one", 0.5), ("2024-03-02T12:00:00", "two", 0.1))
    again = stored(alice, ("2024-03-01T12:00:00", "one", -0.9), ("2024-03-03T12:00:00", "three", 0.1))
    assert (first.added, first.known, again.added, again.known) == (2, 0, 1, 1)
    assert NewsItem.objects.get(title="one").score == 0.5
    stored(bob, ("2024-03-01T12:00:00", "one", 0.2))
    stored(None, ("2024-03-01T12:00:00", "one", 0.5))
    assert selectors.news(alice, symbol="ACME").count() == 4
    assert selectors.news(None).count() == 1
    # Everybody's copy and one's own are one item of news.
    window = Window("any", 1)
    bars = selectors.with_news([window.count], {"ACME": daily("2024-03-01", 3)}, alice)
    assert bars["ACME"].extras[window.count].tolist() == [1, 1, 1]
    assert services.remove(alice, "acme") == 3
    assert selectors.news(alice).count() == 1


@pytest.mark.row("D8")
def test_a_session_knows_late_news_only_once_it_came_in(alice: User) -> None:
    stored(alice, ("2024-03-01T12:00:00", "one", 0.5), ("2024-03-02T12:00:00", "two", -0.5))
    NewsItem.objects.filter(title="one").update(imported_at=at("2024-03-01T13:00:00"))
    NewsItem.objects.filter(title="two").update(imported_at=at("2024-03-04T12:00:00"))
    window, bars = Window("any", 5), {"ACME": daily("2024-03-01", 5)}

    def counts(running_since: str | None) -> list[float]:
        since = at(running_since) if running_since else None
        return (
            selectors.with_news([window.count], bars, alice, running_since=since)["ACME"].extras[window.count].tolist()
        )

    assert counts(None) == [1, 2, 2, 2, 2], "a backtest: known when it was published"
    assert counts("2024-03-01T00:00:00") == [1, 1, 1, 2, 2], "running then: known when it came in"
    assert counts("2024-03-09T00:00:00") == [1, 2, 2, 2, 2], "started afterwards: it was there already"
    # An import that ends while the bar closes may be seen or not; it counts from the next bar on.
    NewsItem.objects.filter(title="two").update(imported_at=at("2024-03-03T00:00:00") - timedelta(seconds=1))
    assert counts("2024-03-01T00:00:00") == [1, 1, 2, 2, 2]


@pytest.mark.row("G18")
def test_synthetic_news_are_the_same_every_time_and_of_synthetic_symbols_only(alice: User) -> None:
    outcome = services.fetch(alice, "synthetic", "syn-aapl", at("2024-01-01"), at("2024-03-01"))
    again = services.fetch(alice, "synthetic", "SYN-AAPL", at("2024-02-01"), at("2024-03-01"))
    assert outcome.added > 50
    assert (again.added, again.known > 20) == (0, True)
    rows = selectors.news(alice, source="synthetic")
    assert {row.scorer for row in rows} == {scorer.VERSION}
    assert min(row.score for row in rows) < -0.4 < 0.4 < max(row.score for row in rows)
    assert all(at("2024-01-01") <= row.published_at < at("2024-03-01") for row in rows)
    for source, symbol, start, end, path in (
        ("synthetic", "AAPL", "2024-01-01", "2024-02-01", "symbol"),
        ("synthetic", "SYN-X", "2024-02-01", "2024-02-01", "end"),
        ("synthetic", "SYN-X", "2020-01-01", "2024-02-01", "start"),
        ("file", "SYN-X", "2024-01-01", "2024-02-01", "source"),
        ("synthetic", "no symbol", "2024-01-01", "2024-02-01", "symbol"),
    ):
        with pytest.raises(InputError) as caught:
            services.fetch(alice, source, symbol, at(start), at(end))
        assert caught.value.faults[0].path == path


def test_a_provider_must_be_named_for_people() -> None:
    class Unknown(NewsProvider):
        source = "tea leaves"

        def fetch(self, symbol: str, start: datetime, end: datetime) -> list[Item]:
            return []

    with pytest.raises(ValueError, match="tea leaves"):
        register(Unknown())
    assert provider("synthetic").source == "synthetic"


def test_nobody_keeps_more_than_the_most(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MAX_KEPT", 2)
    with pytest.raises(Conflict):
        stored(alice, *((f"2024-03-0{n}T12:00:00", str(n), 0.1) for n in range(1, 4)))
    assert not NewsItem.objects.exists()
    shared = stored(None, *((f"2024-03-0{n}T12:00:00", str(n), 0.1) for n in range(1, 4)))
    assert shared.added == 3, "everybody's are the operator's to count"
