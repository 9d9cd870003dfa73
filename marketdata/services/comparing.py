"""Daily closes of one symbol from two sources, compared when either of them has changed. For a worker, every minute."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import combinations

import numpy as np
from django.db import IntegrityError
from django.utils import timezone

from marketdata import selectors
from marketdata.columns import DAY
from marketdata.models import Coverage, SourceComparison

TOLERANCE_PCT = 0.5
"""Closes differ by auctions and by the venues that a feed hears; what is further apart than this is a fault."""
_TIMEFRAME = "1d"


def run(*, limit: int = 5) -> int:
    """Compare pairs that were not, as they are now; at most `limit` at a time. Returns how many it was."""
    done = 0
    known = {(row.first_id, row.second_id): row.hashes for row in SourceComparison.objects.all()}
    for first, second in _pairs():
        hashes = f"{first.content_hash} {second.content_hash}"
        if known.get((first.pk, second.pk)) == hashes:
            continue
        compare(first, second)
        done += 1
        if done >= limit:
            break
    return done


def compare(first: Coverage, second: Coverage) -> SourceComparison | None:
    """The comparison of two series of daily bars, kept. None where one of them is gone meanwhile."""
    a, b = selectors.stored_bars(first), selectors.stored_bars(second)
    common, at_a, at_b = np.intersect1d(a.ts, b.ts, assume_unique=True, return_indices=True)
    ours, theirs = a.close[at_a], b.close[at_b]
    diff_pct = 100.0 * np.abs(ours - theirs) / np.minimum(ours, theirs)
    worst = int(diff_pct.argmax()) if len(common) else None
    values = {
        "symbol": first.symbol,
        "days": len(common),
        "differing": int((diff_pct > TOLERANCE_PCT).sum()),
        "max_diff_pct": round(float(diff_pct[worst]), 6) if worst is not None else 0.0,
        "worst_day": date(1970, 1, 1) + timedelta(days=int(common[worst] // DAY)) if worst is not None else None,
        "hashes": f"{first.content_hash} {second.content_hash}",
        "compared_at": timezone.now(),
    }
    try:
        row, _ = SourceComparison.objects.update_or_create(first=first, second=second, defaults=values)
    except IntegrityError:
        return None
    return row


def _pairs() -> Iterator[tuple[Coverage, Coverage]]:
    """Series of daily bars of one symbol from two sources, real ones only; never those of two users."""
    rows = Coverage.objects.filter(timeframe=_TIMEFRAME, instrument__synthetic=False).select_related("instrument")
    by_symbol: defaultdict[str, list[Coverage]] = defaultdict(list)
    for row in rows.defer("quality").order_by("pk"):
        by_symbol[row.symbol].append(row)
    for held in by_symbol.values():
        for first, second in combinations(held, 2):
            owners = {first.instrument.owner_id, second.instrument.owner_id} - {None}
            if first.provider != second.provider and len(owners) <= 1:
                yield first, second
