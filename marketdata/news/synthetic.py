"""Made-up news of made-up symbols: the same for the same symbol and day, always. It knows nothing of their prices."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from marketdata.news.base import Item, NewsProvider, register
from marketdata.providers.base import ProviderError

SYMBOLS = ("SYN-", "SIM-")
"""How the symbols begin that it makes news of: those whose prices are made up as well."""
_A_DAY = 1.5
_TITLES = (
    "{symbol} beats estimates and raises guidance",
    "{symbol} posts record revenue on strong demand",
    "{symbol} wins landmark contract",
    "Analysts upgrade {symbol} to a buy rating",
    "{symbol} announces share buyback",
    "{symbol} cuts costs, margins improve",
    "{symbol} reaffirms its outlook",
    "{symbol} to present at a conference",
    "{symbol} names new head of operations",
    "{symbol} publishes the date of its annual meeting",
    "{symbol} in line with expectations for the quarter",
    "{symbol} sees mixed demand in its second market",
    "{symbol} misses estimates as costs rise",
    "{symbol} cuts guidance after weak quarter",
    "Analysts downgrade {symbol} on growth concerns",
    "{symbol} recalls a product",
    "{symbol} under investigation, shares slide",
    "{symbol} announces layoffs",
)


class SyntheticNews(NewsProvider):
    """About one and a half items a day at random moments, their titles drawn from a short list."""

    source = "synthetic"

    def fetch(self, symbol: str, start: datetime, end: datetime) -> Sequence[Item]:
        if not symbol.startswith(SYMBOLS):
            raise ProviderError(
                f"Made-up news is made of made-up symbols only ({'…, '.join(SYMBOLS)}…), not of {symbol}.",
                retryable=False,
            )
        days = (end.date() - start.date()).days + 1
        drawn = (item for n in range(days) for item in _day(symbol, start.date() + timedelta(days=n)))
        return [item for item in drawn if start <= item.published_at < end]


def _day(symbol: str, day: date) -> Iterator[Item]:
    seed = hashlib.sha256(f"news {symbol} {day.isoformat()}".encode()).digest()[:8]
    rng = np.random.default_rng(int.from_bytes(seed))
    midnight = datetime.combine(day, time(), UTC)
    for second in sorted(rng.integers(0, 86_400, rng.poisson(_A_DAY)).tolist()):
        title = _TITLES[int(rng.integers(len(_TITLES)))].format(symbol=symbol)
        yield Item(symbol, midnight + timedelta(seconds=second), title, "Made up from a seed; nothing happened.")


register(SyntheticNews())
