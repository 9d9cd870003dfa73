"""Whether a session has reached what its owner hoped for this week. It is told, once a week, and nothing stops."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from bots.host.instants import Done
from bots.host.runner import Runner
from bots.models import DailyStats, SessionEvent

KIND = "target"


class WeeklyTargets:
    """For each session its week (its Monday), the equity that the week began with, and whether it was told already."""

    def __init__(self) -> None:
        self._weeks: dict[int, tuple[date, Decimal, bool]] = {}

    def reached(self, runner: Runner, done: Done) -> str:
        """What to tell of a written instant, in words; empty: nothing. It stands in the session's log then.

        The week is that of trading days; a query where one begins, or where the session was taken over.
        """
        wanted, daily, session_id = runner.settings["weekly_target_pct"], done.write.daily, runner.session.pk
        if wanted is None or daily is None:
            return ""
        monday = daily.day - timedelta(days=daily.day.weekday())
        known = self._weeks.get(session_id)
        if known is None or known[0] != monday:
            known = (monday, _begin(session_id, monday) or daily.start_equity, _was_told(session_id, monday))
            self._weeks[session_id] = known
        _, begin, told = known
        gain_pct = 100 * (daily.end_equity / begin - 1)
        if told or gain_pct < Decimal(str(wanted)):
            return ""
        self._weeks[session_id] = (monday, begin, True)
        text = f"{gain_pct:+.2f}% since the week began, {daily.end_equity - begin:+.2f}; the target was {wanted:g}%."
        runner.event(KIND, text, week=monday.isoformat())
        return text


def _begin(session_id: int, monday: date) -> Decimal | None:
    days = DailyStats.objects.filter(session=session_id, day__gte=monday).order_by("day")
    return days.values_list("start_equity", flat=True).first()


def _was_told(session_id: int, monday: date) -> bool:
    told = SessionEvent.objects.filter(session=session_id, kind=KIND, detail__week=monday.isoformat())
    return told.exists()
