"""Fifty of the same at one moment: starts, clicks and changes of one user."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from accounts.models import Tier, User
from bots.models import SessionCommand, TradingSession
from bots.services import sessions, settings
from tests.accounts.factories import UserFactory
from tests.bots.factories import fill_session, make_bot, make_session
from tests.bots.test_services_sessions import START
from tradingsite.lib.errors import ApiError

THREADS = 50


def together(work: Any) -> list[Any]:
    """What fifty threads that begin at one moment got from `work(number)`, refusals included."""
    barrier = threading.Barrier(THREADS)

    def one(number: int) -> Any:
        try:
            barrier.wait(30)
            return work(number)
        except ApiError as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


@pytest.mark.row("A3")
@pytest.mark.django_db(transaction=True)
def test_fifty_starts_at_once_stay_within_the_tier() -> None:
    user = UserFactory(tier_id=Tier.BASIC)
    answers = together(lambda _: sessions.start(user, START))
    assert sum(isinstance(answer, tuple) for answer in answers) == 5
    assert {answer.code for answer in answers if isinstance(answer, ApiError)} == {"quota_exceeded"}
    assert TradingSession.objects.count() == 5


@pytest.mark.fault(24)
@pytest.mark.row("C1", "B22")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["key", "bot"])
def test_fifty_equal_starts_at_once_are_one_session(alice: User, kind: str) -> None:
    body = START if kind == "key" else {"bot_id": make_bot(alice).pk}
    answers = together(lambda _: sessions.start(alice, body, "one-key" if kind == "key" else None))
    assert len({session.pk for session, _ in answers}) == 1
    assert sum(new for _, new in answers) == 1
    assert TradingSession.objects.count() == 1


@pytest.mark.row("B24")
@pytest.mark.django_db(transaction=True)
def test_fifty_clicks_on_close_are_one_command(alice: User) -> None:
    session = fill_session(make_session(alice))
    held = session.positions.get(is_open=True)
    commands = together(lambda _: sessions.close_position(alice, held.pk))
    assert len({command.pk for command in commands}) == 1
    assert SessionCommand.objects.get().symbol == held.symbol


@pytest.mark.row("W20")
@pytest.mark.django_db(transaction=True)
def test_fifty_changes_at_once_are_fifty_versions(alice: User) -> None:
    session = make_session(alice)
    rows = together(lambda n: settings.change(alice, session.pk, {"max_open_positions": 100 + n}))
    assert sorted(row.version for row in rows) == list(range(2, THREADS + 2))
