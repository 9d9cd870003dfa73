"""What every provider of news offers, and the list of those there are.

A provider gives items as its source published them; scores, rows and series are ours. `register` adds one, and
`marketdata.news.names.SOURCES` gives its name to people.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.errors import Fault, InputError
from marketdata.news.names import SOURCES

MAX_TITLE, MAX_SUMMARY, MAX_URL = 300, 2_000, 500


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of news about one symbol. published_at: aware. score: -1..1 where the source gives one of its own."""

    symbol: str
    published_at: datetime
    title: str
    summary: str = ""
    url: str = ""
    score: float | None = None


class NewsProvider(ABC):
    """One source of news, called by the name that `names.SOURCES` has."""

    source: str

    @abstractmethod
    def fetch(self, symbol: str, start: datetime, end: datetime) -> Sequence[Item]:
        """Items published in [start, end) about the symbol, in any order; both moments aware.

        Raises `marketdata.providers.ProviderError` where the source cannot answer or has no such symbol.
        """


_providers: dict[str, NewsProvider] = {}


def register(provider: NewsProvider) -> NewsProvider:
    """Makes a provider known by its source. Raises ValueError for a source that `names.SOURCES` does not name."""
    if provider.source not in SOURCES:
        raise ValueError(f"name the source {provider.source!r} in marketdata.news.names.SOURCES first")
    _providers[provider.source] = provider
    return provider


def providers() -> dict[str, NewsProvider]:
    """Every provider that can be asked, by source. A copy."""
    from marketdata.news import synthetic  # noqa: F401  (registers itself)

    return dict(_providers)


def provider(source: object) -> NewsProvider:
    """The provider of that source; InputError (path ``source``) names those there are."""
    known = providers()
    found = known.get(source) if isinstance(source, str) else None
    if found is None:
        message = f"No provider of news is called {str(source)[:40]!r}"
        raise InputError(Fault("source", "unknown_choice", message, f"One of: {', '.join(known)}"))
    return found
