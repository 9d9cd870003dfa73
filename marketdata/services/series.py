"""Stored series: bars in files, one `Coverage` row that says which files count. The only writer of both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import numpy as np
from django.core.cache import cache
from django.db import IntegrityError, transaction

from marketdata import selectors
from marketdata.adjust import Action
from marketdata.columns import BarColumns
from marketdata.gaps import gap_report
from marketdata.models import CorporateAction, Coverage, Instrument
from marketdata.quality import jumps
from marketdata.store import Manifest, SeriesKey
from marketdata.zones import ALWAYS_OPEN, from_ns, to_ns, trading_days

_TRIES = 8
_LISTED_GAPS = 100


class Raced(Exception):
    """Another writer changed the series since it was read; prepare again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a write did to a series: bars that are new, that had other values before, that were there already."""

    added: int
    changed: int
    unchanged: int
    total: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A series as it will be, files written, row not yet. `base_hash`: the content it was made from ("" for none)."""

    timeframe: str
    base_hash: str
    manifest: Manifest
    content_hash: str
    asked: tuple[int, int]
    quality: dict[str, Any]
    outcome: Outcome


def series_key(instrument: Instrument, timeframe: str) -> SeriesKey:
    return SeriesKey(instrument.source, instrument.owner_id, instrument.symbol, timeframe)


def prepare(
    instrument: Instrument, coverage: Coverage | None, timeframe: str, incoming: BarColumns, asked: tuple[int, int]
) -> Prepared:
    """Merge `incoming` into the series and write the files of the years that change. The series itself does not change.

    asked: the range [from, to) ns that is known from now on, joined with what was known. Raises OSError.
    """
    store = selectors.bar_store()
    old: Manifest = dict(coverage.files) if coverage else {}
    manifest: Manifest = dict(old)
    added = changed = unchanged = 0
    for year, part in incoming.years().items():
        before = store.read({str(year): old[str(year)]}) if str(year) in old else BarColumns.empty()
        counts = _compare(before, part)
        added, changed, unchanged = added + counts[0], changed + counts[1], unchanged + counts[2]
        if counts[0] or counts[1]:
            manifest.update(store.write(series_key(instrument, timeframe), before.merged_with(part)))
    whole = store.read(manifest)
    if coverage:
        asked = (min(asked[0], to_ns(coverage.asked_from)), max(asked[1], to_ns(coverage.asked_to)))
    return Prepared(
        timeframe,
        coverage.content_hash if coverage else "",
        manifest,
        _series_hash(manifest),
        asked,
        quality_of(instrument, timeframe, whole),
        Outcome(added, changed, unchanged, len(whole)),
    )


def commit(instrument: Instrument, prepared: Prepared) -> Coverage:
    """Make a prepared series the series. Call inside a transaction. Raises Raced when it changed in between."""
    row = Coverage.objects.select_for_update().filter(instrument=instrument, timeframe=prepared.timeframe).first()
    if (row.content_hash if row else "") != prepared.base_hash:
        raise Raced
    row = row or Coverage(instrument=instrument, timeframe=prepared.timeframe)
    entries = prepared.manifest.values()
    row.files = prepared.manifest
    row.content_hash = prepared.content_hash
    row.bars = sum(e["bars"] for e in entries)
    row.first_at, row.last_at = from_ns(min(e["first"] for e in entries)), from_ns(max(e["last"] for e in entries))
    row.asked_from, row.asked_to = from_ns(prepared.asked[0]), from_ns(prepared.asked[1])
    row.quality = prepared.quality
    row.save()
    return row


def put(instrument: Instrument, timeframe: str, incoming: BarColumns, asked: tuple[int, int]) -> Outcome:
    """Add bars to a series (newer values win), whoever else writes to it. `incoming` must not be empty."""
    return retried(
        lambda: prepare(instrument, _row(instrument, timeframe), timeframe, incoming, asked),
        lambda prepared: commit(instrument, prepared),
    ).outcome


def retried(make: Callable[[], Prepared], save: Callable[[Prepared], object]) -> Prepared:
    """Prepare outside of, commit inside a short transaction, until no other writer came between."""
    for _ in range(_TRIES):
        prepared = make()
        try:
            with transaction.atomic():
                save(prepared)
        except (Raced, IntegrityError):
            continue
        return prepared
    raise Raced(f"the series changed {_TRIES} times while it was being written")


def sweep_store() -> int:
    """Delete files no series names any more, in a bucket once an hour, as listing it costs; returns how many."""
    store = selectors.bar_store()
    named = [entry["file"] for files in Coverage.objects.values_list("files", flat=True) for entry in files.values()]
    removed = store.sweep(named)
    if store.bucket is not None and cache.add("bars-bucket-swept", True, 3600):
        removed += store.sweep_bucket(named)
    return removed


def quality_of(instrument: Instrument, timeframe: str, bars: BarColumns) -> dict[str, Any]:
    """The JSON of `Coverage.quality`: counts, gaps and unusual moves; `note` when the calendar cannot tell."""
    actions = selectors.actions_of(instrument)
    days = trading_days(bars.ts, timeframe, instrument.calendar)
    report: dict[str, Any] = {
        "jumps": [
            {
                "at": _iso(jump.ts),
                "return_pct": round(100.0 * jump.return_ratio, 4),
                "explained": jump.explained,
                "looks_like": jump.looks_like,
            }
            for jump in jumps(bars, days, actions)
        ],
        "zero_volume": int((bars.volume == 0).sum()),
        "note": "",
    }
    sessions = None
    if instrument.calendar != ALWAYS_OPEN:
        sessions = selectors.sessions_between(instrument.calendar, int(bars.ts[0]), int(bars.ts[-1]))
    try:
        found = gap_report(bars.ts, timeframe, instrument.calendar, sessions)
    except ValueError as error:
        return {**report, "note": f"Gaps are not known: {error}."}
    longest = sorted(found.gaps, key=lambda gap: (-gap.missing, gap.first_ns))[:_LISTED_GAPS]
    short = [
        {"day": str(np.datetime64(day, "D")), "present": present, "expected": expected}
        for day, (present, expected) in found.session_bars.items()
        if present < expected
    ]
    report.update(
        expected=found.expected,
        present=found.present,
        missing=found.missing,
        outside=found.outside,
        complete_pct=round(100.0 * found.complete_ratio, 4),
        gap_count=len(found.gaps),
        gaps=[{"first": _iso(g.first_ns), "last": _iso(g.last_ns), "missing": g.missing} for g in longest],
        short_session_count=len(short),
        short_sessions=sorted(short, key=lambda s: (s["present"] - s["expected"], s["day"]))[:_LISTED_GAPS],
    )
    return report


def save_actions(instrument: Instrument, actions: Sequence[Action]) -> int:
    """Add or correct the corporate actions of a saved instrument; returns how many there are. None is removed."""
    for action in actions:
        if action.split is not None:
            ratio = Fraction(action.split).limit_denominator(1000)
            kind = CorporateAction.Kind.SPLIT
            values: dict[str, Any] = {"split_to": ratio.numerator, "split_from": ratio.denominator}
        else:
            kind = CorporateAction.Kind.DIVIDEND
            values = {"amount": round(action.dividend or 0.0, 6), "price_factor": action.price_factor}
        CorporateAction.objects.update_or_create(
            instrument=instrument, ex_date=action.ex_date, kind=kind, defaults=values
        )
    return len(actions)


def _row(instrument: Instrument, timeframe: str) -> Coverage | None:
    return Coverage.objects.filter(instrument=instrument, timeframe=timeframe).first() if instrument.pk else None


def _compare(before: BarColumns, incoming: BarColumns) -> tuple[int, int, int]:
    """How many incoming bars are new, have other values than before, are the same."""
    common, old_at, new_at = np.intersect1d(before.ts, incoming.ts, assume_unique=True, return_indices=True)
    same = np.ones(len(common), bool)
    for old, new in zip(before.arrays(), incoming.arrays(), strict=True):
        same &= old[old_at] == new[new_at]
    return len(incoming) - len(common), int((~same).sum()), int(same.sum())


def _series_hash(manifest: Manifest) -> str:
    """One hash over the years' hashes, oldest first."""
    lines = "".join(f"{year}:{manifest[year]['hash']}\n" for year in sorted(manifest, key=int))
    return hashlib.sha256(lines.encode()).hexdigest()


def _iso(ns: int) -> str:
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
