"""What changes the news: files, providers, deletion."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.db import transaction
from django.utils import timezone

from accounts import quotas
from engine.errors import Fault, InputError
from marketdata.models import NewsItem
from marketdata.news import files, scorer, selectors
from marketdata.news.base import Item, provider
from marketdata.news.series import Known
from marketdata.providers.base import ProviderError
from marketdata.symbols import clean_symbol
from marketdata.zones import to_ns
from tradingsite.lib.errors import Conflict, TooLarge
from tradingsite.lib.parsers import parse_json

FILE = "file"
MAX_BYTES = 2_000_000
MAX_ITEMS = 1_000
"""Most of one upload: reading and scoring them takes a web process about a tenth of a second."""
MAX_KEPT = 50_000
"""Most items of one user's own."""
LONGEST_DAYS = 366
MAX_BYTES_BY_COMMAND, MAX_ITEMS_BY_COMMAND = 200_000_000, 500_000
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    """added: new rows. known: items that were there already and stay as they are. symbols: all that were named."""

    added: int
    known: int
    symbols: tuple[str, ...]


class Upload(Protocol):
    """What we need of Django's uploaded file."""

    size: int | None

    def read(self) -> bytes: ...


def import_upload(user: Any, upload: Upload, *, symbol: str = "") -> Outcome:
    """A user's file, CSV or JSON (by its first character). All of it, or nothing.

    symbol: that of items which name none. Raises InputError with the first ten faults, TooLarge, Conflict.
    """
    size = upload.size or 0
    if size > MAX_BYTES:
        raise TooLarge(f"Files of news of up to {MAX_BYTES // 1_000_000} MB are taken.", maximum=MAX_BYTES)
    quotas.check_upload(user, size)
    return store(user, read(upload.read(), symbol=symbol, most=MAX_ITEMS))


def import_objects(user: Any, found: Any, *, symbol: str = "") -> Outcome:
    """The items of a JSON body. Raises InputError, Conflict."""
    now = timezone.now()
    return store(user, files.read_objects(found, symbol=_default(symbol), now=now, most=MAX_ITEMS))


def read(raw: bytes, *, symbol: str = "", most: int, max_bytes: int = MAX_BYTES) -> list[Item]:
    """Checked items of a file. Raises InputError."""
    now, default = timezone.now(), _default(symbol)
    if not raw.strip():
        raise InputError(Fault("file", "empty_file", "The file is empty"))
    if raw.lstrip()[:1] in (b"[", b"{"):
        return files.read_objects(parse_json(raw, max_bytes=max_bytes), symbol=default, now=now, most=most)
    return files.read_csv(raw, symbol=default, now=now, most=most)


def known(items: Iterable[Item]) -> dict[str, Known]:
    """Items that are no rows, by symbol, as known when they were published."""
    rows: dict[str, list[tuple[int, float, str]]] = {}
    for item in items:
        rows.setdefault(item.symbol, []).append((to_ns(item.published_at), _score(item), FILE))
    return {symbol: Known.of(found) for symbol, found in rows.items()}


def fetch(user: Any, source: str, symbol: str, start: datetime, end: datetime) -> Outcome:
    """Ask a provider for the news of a symbol, published in [start, end), and keep them as the user's.

    Raises InputError (source, symbol, start, end), Conflict.
    """
    asked = provider(source)
    symbol = clean_symbol(symbol)
    if start >= end:
        raise InputError(Fault("end", "out_of_range", "The end is not after the start", "Choose a later end"))
    if (end - start).days > LONGEST_DAYS:
        raise InputError(Fault("start", "out_of_range", f"More than {LONGEST_DAYS} days at once", "Ask for less"))
    try:
        items = asked.fetch(symbol, start, min(end, timezone.now()))
    except ProviderError as error:
        raise InputError(Fault("symbol", "no_data", error.message)) from None
    return store(user, items, source=source)


def store(user: Any, items: Sequence[Item], *, source: str = FILE) -> Outcome:
    """Score the items and add those that are new. user None: for everybody. Raises Conflict over MAX_KEPT."""
    scored = {row.key: row for row in _rows(user, items, source)}
    with transaction.atomic():
        if user is not None:
            quotas.lock(user)
        there = _there(user, scored)
        fresh = [row for key, row in scored.items() if key not in there]
        if user is not None and selectors.kept(user) + len(fresh) > MAX_KEPT:
            raise Conflict(
                f"You may keep {MAX_KEPT:,} items of news. Delete those of a symbol that you no longer need."
            )
        now = timezone.now()
        for row in fresh:
            row.imported_at = now
        # Another import may add the same items between the two statements.
        NewsItem.objects.bulk_create(fresh, batch_size=_BATCH, ignore_conflicts=True)
    symbols = tuple(sorted({item.symbol for item in items}))
    return Outcome(len(fresh), len(scored) - len(fresh), symbols)


def remove(user: Any, symbol: str) -> int:
    """Delete the user's own items about a symbol; how many there were."""
    count, _ = NewsItem.objects.filter(owner=user, symbol=clean_symbol(symbol)).delete()
    return count


def _default(symbol: str) -> str:
    return clean_symbol(symbol) if symbol else ""


def _rows(user: Any, items: Iterable[Item], source: str) -> Iterable[NewsItem]:
    for item in items:
        named = f"{source}\n{item.symbol}\n{item.published_at.isoformat()}\n{item.title}"
        yield NewsItem(
            owner=user,
            source=source,
            symbol=item.symbol,
            published_at=item.published_at,
            title=item.title,
            summary=item.summary,
            url=item.url,
            score=_score(item),
            scorer=scorer.VERSION if item.score is None else scorer.GIVEN,
            key=hashlib.sha256(named.encode()).hexdigest(),
        )


def _score(item: Item) -> float:
    return scorer.score(item.title, item.summary).value if item.score is None else item.score


def _there(user: Any, keys: Iterable[str]) -> set[str]:
    rows, wanted = NewsItem.objects.filter(owner=user), list(keys)
    found: set[str] = set()
    for first in range(0, len(wanted), _BATCH):
        found.update(rows.filter(key__in=wanted[first : first + _BATCH]).values_list("key", flat=True))
    return found
