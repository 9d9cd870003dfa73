"""The worker's side of a publication: who computes its figures, what came of it, and which are due again.

Every change is one conditional UPDATE, so a message that comes twice, or too late, changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from engine.errors import InputError
from marketdata.models import Coverage
from strategies.gallery import publishing, subjects
from strategies.gallery.models import Publication
from strategies.models import CustomStrategy, UserStrategy

LOST_AFTER = timedelta(minutes=15)
MIN_TRADES = 30  # fewer round trips tell nothing
IN_SAMPLE, HELD_OUT, OUT_OF_SAMPLE = "in_sample", "held_out", "out_of_sample"
_AT_ONCE = 100
_State = Publication.State


def claim(publication_id: int) -> Publication | None:
    """Take it for this worker. None where there is nothing to compute yet, or somebody else does it."""
    rows = Publication.objects.select_related("strategy", "custom_strategy", "owner")
    row = rows.filter(pk=publication_id, state=_State.QUEUED).first()
    if row is None or not subjects.is_checked(row.subject):
        return None  # conditions that are being checked are asked for again
    taken = Publication.objects.filter(pk=publication_id, state=_State.QUEUED, version=row.version)
    if not taken.update(state=_State.RUNNING, started_at=Now()):
        return None
    row.state = _State.RUNNING
    return row


def keep(publication: Publication, figures: Mapping[str, Any], chart: Mapping[str, Any], data_hash: str) -> bool:
    """Write what came of it. False: it was changed meanwhile, and other figures are asked for."""
    judged = judged_part(figures) or {}
    return bool(
        _held(publication).update(
            state=_State.DONE,
            measured_at=Now(),
            problem="",
            figures=figures,
            chart=chart,
            data_hash=data_hash,
            figures_version=publication.version,
            judged_return_pct=judged.get("total_return_pct"),
            judged_sharpe=judged.get("sharpe"),
            judged_drawdown_pct=judged.get("max_drawdown_pct"),
            judged_trades=judged.get("trade_count"),
        )
    )


def fail(publication: Publication, problem: str) -> bool:
    """Write why there are no figures; those of an earlier version stay, marked as such."""
    return bool(_held(publication).update(state=_State.FAILED, measured_at=Now(), problem=problem[:500]))


def judged_part(figures: Mapping[str, Any]) -> dict[str, Any] | None:
    """The part by which a publication is judged: out of sample once it has trades enough, held out until then."""
    by_name = {part["part"]: part for part in figures.get("parts", ())}
    newest = by_name.get(OUT_OF_SAMPLE)
    if newest is not None and newest["trade_count"] >= MIN_TRADES:
        return newest
    return by_name.get(HELD_OUT)


def due() -> list[int]:
    """Publications to compute now: waiting ones, those whose worker died, and those whose code or prices moved on.

    Public strategies that are in no gallery yet get their publication on the way.
    """
    for model in (UserStrategy, CustomStrategy):
        for subject in model.objects.filter(is_public=True, publication__isnull=True)[:_AT_ONCE]:
            publishing.adopt(subject)
    lost = timezone.now() - LOST_AFTER
    Publication.objects.filter(state=_State.RUNNING, started_at__lt=lost).update(state=_State.QUEUED, started_at=None)
    newest = _newest_bars()
    for row in _settled():
        version, last = _version(row), _last_stored(row, newest)
        seen = parse_datetime(row.figures["last_bar"])
        if version is not None and (version != row.version or (last is not None and seen is not None and last > seen)):
            still = Publication.objects.filter(pk=row.pk, version=row.version, state=_State.DONE)
            still.update(version=version, state=_State.QUEUED, started_at=None)
    waiting = Publication.objects.filter(state=_State.QUEUED, is_listed=True).order_by("pk")
    return list(waiting.values_list("pk", flat=True)[:_AT_ONCE])


def _settled() -> Any:
    rows = Publication.objects.filter(state=_State.DONE, is_listed=True).defer("chart")
    return rows.select_related("strategy", "custom_strategy").iterator(chunk_size=200)


def _version(row: Publication) -> str | None:
    """The version as the installed code gives it; None where the strategy is no longer shipped."""
    try:
        return subjects.version_of(row.subject, row.choice)
    except InputError:
        return None


def _newest_bars() -> dict[tuple[str, str, str, int | None], datetime]:
    """When the last stored bar of each series starts, by source, symbol, timeframe and owner."""
    keys = ("instrument__source", "instrument__symbol", "timeframe", "instrument__owner")
    rows = Coverage.objects.values_list(*keys).annotate(newest=Max("last_at"))
    return {(source, symbol, timeframe, owner): newest for source, symbol, timeframe, owner, newest in rows}


def _last_stored(row: Publication, newest: Mapping[tuple[str, str, str, int | None], datetime]) -> datetime | None:
    owners = (None, row.owner_id) if row.own_data else (None,)
    found = (newest.get((row.source, symbol, row.timeframe, owner)) for symbol in row.symbols for owner in owners)
    return max((at for at in found if at is not None), default=None)


def _held(publication: Publication) -> Any:
    return Publication.objects.filter(pk=publication.pk, state=_State.RUNNING, version=publication.version)
