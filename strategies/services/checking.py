"""The causality check of saved trees, by a worker, on made prices: looks ahead? needs how much history? always true?"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db.models import Q
from django.utils import timezone

from marketdata.columns import TIMEFRAME_NS
from marketdata.zones import to_ns
from strategies import catalogue, conditions
from strategies.gallery import measuring
from strategies.gallery.models import Publication
from strategies.models import CustomStrategy
from strategies.services.gate import CONDITIONS

if TYPE_CHECKING:
    from engine import Bars

log = logging.getLogger(__name__)

SYMBOL, BASE = "SYN-AAPL", "1h"
LEAST_BARS, MOST_BARS = 3_000, 20_000
_FIRST, _END = datetime(2015, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
_AGAIN_AFTER = timedelta(seconds=180)
_MOST_DUE = 50


def run(custom_id: int, revision: int) -> None:
    """Check one revision and write what was found, unless the trees were changed meanwhile."""
    row = CustomStrategy.objects.filter(pk=custom_id, revision=revision).first()
    if row is None:
        return
    try:
        report = measured(row.parameters)
        problems = [str(problem) for problem in report["problems"]]
    except SoftTimeLimitExceeded:
        report, problems = None, ["it took longer than a check may take. Make the conditions smaller."]
    except Exception:
        log.exception("custom strategy %s: the check failed", custom_id)
        report, problems = None, ["the check itself failed. Save the conditions again, or tell the site's operator."]
    CustomStrategy.objects.filter(pk=custom_id, revision=revision).update(
        check_state=CustomStrategy.Check.FAILED if problems else CustomStrategy.Check.OK,
        check_reason="; ".join(problems)[:500],
        check_report=report,
        check_version=catalogue.get(CONDITIONS).version(),
        checked_at=timezone.now(),
        warmup=report["declared_warmup"] if report else None,
        measured_warmup=report["memory"] if report else None,
    )
    for publication in Publication.objects.filter(custom_strategy=row, state=Publication.State.QUEUED):
        measuring.ask(publication.pk)


def due() -> list[tuple[int, int]]:
    """(id, revision) of what was never checked, or by an older evaluation, and is not on its way just now."""
    current = catalogue.get(CONDITIONS).version()
    unchecked = Q(check_state=CustomStrategy.Check.PENDING) | ~Q(check_version=current)
    lost = Q(check_sent_at__isnull=True, updated_at__lt=timezone.now() - timedelta(seconds=5))
    lost |= Q(check_sent_at__lt=timezone.now() - _AGAIN_AFTER)
    rows = CustomStrategy.objects.filter(unchecked, lost).order_by("updated_at", "pk")
    return list(rows.values_list("pk", "revision")[:_MOST_DUE])


def measured(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What `conditions.measure` reports of the trees on made prices, with the symbol and timeframe it ran on."""
    timeframe = _base(parameters)
    needed = catalogue.get(CONDITIONS)(**parameters).bars_needed(timeframe, "XNYS")
    bars = series(timeframe, min(max(LEAST_BARS, 3 * needed), MOST_BARS))
    return {**_plain(conditions.measure(parameters, bars)), "symbol": SYMBOL, "timeframe": timeframe}


@functools.lru_cache(maxsize=4)
def series(timeframe: str, length: int) -> Bars:
    """The last `length` bars of the check's prices, the same ones each time; fewer where there are not so many."""
    from engine.bars import Bars
    from engine.resample import resample
    from marketdata.providers.synthetic import SyntheticProvider
    from marketdata.services import filling

    provider = SyntheticProvider(filling.exchange_sessions)
    per_day = max(1, 390 * TIMEFRAME_NS["1m"] // TIMEFRAME_NS[timeframe])
    start = max(_END - timedelta(days=length / per_day * 365 / 252 + 10), _FIRST)
    minutes = provider.history(SYMBOL, "1m", to_ns(start), to_ns(_END))
    bars = Bars.from_arrays(SYMBOL, "1m", minutes.ts, *minutes.arrays(), calendar="XNYS")
    bars = bars if timeframe == "1m" else resample(bars, timeframe)
    return bars[max(0, len(bars) - length) :]


def _plain(value: Any) -> Any:
    """With null where a number is not finite: a leak may be one between a value and none."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _base(parameters: Mapping[str, Any]) -> str:
    """The timeframe to check on: an hour, or the finest that the trees name where that is finer."""
    named = conditions.timeframes(tree for tree in parameters.values() if tree is not None)
    known = [name for name in TIMEFRAME_NS if name != "1s"]
    return min([BASE, *(name for name in named if name in known)], key=known.index)
