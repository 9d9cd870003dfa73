"""Revised history: bars that were stored, and that their source tells otherwise now."""

from __future__ import annotations

import numpy as np
from django.utils import timezone

from marketdata.columns import BarColumns
from marketdata.models import Instrument, Revision
from marketdata.zones import from_ns


def notice(
    instrument: Instrument, timeframe: str, before: BarColumns, now: BarColumns, kind: Revision.Kind
) -> Revision | None:
    """Write down which bars of `before` (as stored) have other values in `now` (as just read); None where none has.

    Bars that only one of them has are no revision: they are new, or the source has dropped them, and stay.
    """
    common, old_at, new_at = np.intersect1d(before.ts, now.ts, assume_unique=True, return_indices=True)
    old, new = before.take(old_at), now.take(new_at)
    changed = np.zeros(len(common), bool)
    for was, is_now in zip(old.arrays(), new.arrays(), strict=True):
        changed |= was != is_now
    if not changed.any():
        return None
    prices = zip(old.arrays()[:4], new.arrays()[:4], strict=True)
    moves = [np.abs(after[changed] / earlier[changed] - 1.0).max() for earlier, after in prices]
    return Revision.objects.create(
        instrument=instrument,
        timeframe=timeframe,
        kind=kind,
        noticed_at=timezone.now(),
        first_at=from_ns(int(common[changed][0])),
        last_at=from_ns(int(common[changed][-1])),
        bars=int(changed.sum()),
        max_change_pct=round(100.0 * float(max(moves)), 6),
        old_hash=old.content_hash(),
        new_hash=new.content_hash(),
    )


def described(row: Revision) -> str:
    """In a sentence, for the notes of a run."""
    bars = "1 stored bar" if row.bars == 1 else f"{row.bars} stored bars"
    what = f"prices by up to {row.max_change_pct:.2g} %" if row.max_change_pct else "volumes only"
    since = f"{row.first_at:%Y-%m-%d}" if row.bars == 1 else f"{row.first_at:%Y-%m-%d} to {row.last_at:%Y-%m-%d}"
    return f"{row.instrument.symbol}: {row.instrument.source} has revised {bars} ({since}; {what})."
