"""What the dashboard and a session's page say of the exchange's hours, and what a session without a name is called."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from marketdata.models import CalendarCopy, ExchangeSession
from tests.bots.factories import make_session
from tests.bots.test_pages_sessions import page  # noqa: F401

pytestmark = pytest.mark.django_db
SAID = 'data-testid="hours-age"'


def exchange_day(opens: timedelta, closes: timedelta, *, confirmed: timedelta) -> datetime:
    """One session of the exchange, from now on; its calendar was confirmed so long ago. Returns when it closes."""
    now = timezone.now()
    row = ExchangeSession.objects.create(
        calendar="XNYS",
        date=now.date(),
        open_at=now + opens,
        close_at=now + closes,
        early_close=True,
        loaded_from="x",
    )
    CalendarCopy.objects.create(calendar="XNYS", good_at=now - confirmed, source="x", problem="It does not answer.")
    return row.close_at


@pytest.mark.row("N1", "N2")
@pytest.mark.parametrize(
    ("hours", "on_the_dashboard", "of_the_session"),
    [
        (0, None, None),
        (3, "(hours as of 3 h ago)", "They count for a day."),
        (30, "(hours as of 30 h ago)", "New sessions are refused until somebody can; this one goes on by them."),
    ],
)
def test_hours_that_nobody_could_confirm_are_told(
    alice: User,
    page: Callable[..., str],  # noqa: F811
    hours: int,
    on_the_dashboard: str | None,
    of_the_session: str | None,
) -> None:
    exchange_day(timedelta(hours=-1), timedelta(hours=3), confirmed=timedelta(hours=hours, seconds=5))
    of_stocks = make_session(alice, feed="alpaca", symbols=["AAPL"])
    made_up = make_session(alice)
    dashboard, session = page("home"), page("bots:session", of_stocks.pk)
    if on_the_dashboard is None or of_the_session is None:
        assert SAID not in dashboard + session
    else:
        assert on_the_dashboard in dashboard
        assert of_the_session in session
    assert SAID not in page("bots:session", made_up.pk), "made-up markets have no hours"


@pytest.mark.row("N1")
def test_the_dashboard_tells_the_close_that_was_announced(alice: User, page: Callable[..., str]) -> None:  # noqa: F811
    closes = exchange_day(timedelta(hours=-1), timedelta(minutes=40), confirmed=timedelta())
    assert f'US market open, closes <time datetime="{closes.isoformat()}"' in page("home").replace("&quot;", '"')


@pytest.mark.row("N1")
def test_without_a_calendar_nothing_is_said_of_hours(alice: User, page: Callable[..., str]) -> None:  # noqa: F811
    session = make_session(alice, feed="alpaca", symbols=["AAPL"])
    dashboard = page("home")
    assert "US market" not in dashboard
    assert SAID not in dashboard + page("bots:session", session.pk)


@pytest.mark.row("N2")
def test_a_session_without_a_name_is_called_by_what_it_does(client: Client, alice: User) -> None:
    client.force_login(alice)
    session = make_session(alice, name="", symbols=["SIM-ALPHA", "SIM-BETA"])
    text = client.get(reverse("bots:session", args=[session.pk])).content.decode()
    assert "<title>Moving-average crossover on SIM-ALPHA, SIM-BETA" in text
    assert "ma_crossover on" not in text
