"""The weekly target: told once a week, by whichever host has the session, and nothing stops."""

from __future__ import annotations

import pytest

from accounts.models import Notification, User
from bots.models import TradingSession
from tests.bots.host.hosting import host, make, wait_for


@pytest.mark.django_db(transaction=True)
@pytest.mark.row("J18")
def test_a_week_that_went_well_is_told_once(alice: User) -> None:
    session = make(alice, settings={"weekly_target_pct": 0.01})
    modest = make(alice, settings={"weekly_target_pct": 5_000})
    with host():
        wait_for(lambda: session.events.filter(kind="target").exists(), 90)
        cycles = session.cycles.count()
        wait_for(lambda: session.cycles.count() > cycles + 20)
    told = Notification.objects.get(event="weekly_target")
    assert (told.level, told.session_id) == ("info", str(session.pk))
    assert "the target was 0.01%." in told.text
    told.delete()  # read or not, it is not said again
    with host():
        cycles = session.cycles.count()
        wait_for(lambda: session.cycles.count() > cycles + 20)
        assert TradingSession.objects.get(pk=session.pk).state == "RUNNING"
    assert session.events.filter(kind="target").count() == 1
    week = session.events.get(kind="target").detail["week"]
    first = session.daily_stats.order_by("day").first()
    assert 0 <= (first.day - type(first.day).fromisoformat(week)).days <= 6
    assert not Notification.objects.filter(event="weekly_target").exists()
    assert not modest.events.filter(kind="target").exists()
