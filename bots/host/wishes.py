"""What owners want of their sessions, as their rows say."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from django.utils import timezone

from bots.host.runner import Runner
from bots.models import TradingSession


def read(session_ids: Collection[int]) -> list[TradingSession]:
    """What is wanted of these sessions; one query."""
    rows = TradingSession.objects.filter(pk__in=session_ids)
    return list(rows.only("pk", "wanted", "stop_policy", "stop_reason", "scheduled_end_time"))


def take_over(rows: Iterable[TradingSession], runners: Mapping[int, Runner]) -> None:
    """Have each session (by id) know what is wanted of it. One whose end is due, or whose prices have ended, is wanted
    to stop from now on."""
    now = timezone.now()
    for row in rows:
        runner = runners.get(row.pk)
        if runner is None:
            continue  # it has ended since
        due = row.scheduled_end_time is not None and row.scheduled_end_time <= now
        if row.wanted != "STOP" and (due or runner.drained):
            reason = "scheduled_end" if due else "feed_ended"
            asked = TradingSession.objects.filter(pk=row.pk).exclude(wanted="STOP")
            if asked.update(wanted="STOP", stop_reason=reason):
                row.wanted, row.stop_reason = "STOP", reason
        runner.wanted, runner.policy, runner.stop_reason = row.wanted, row.stop_policy, row.stop_reason
