"""Every kind of job that one worker does: who has it, how it ends, and what becomes of it when its worker dies."""

from __future__ import annotations

import errno
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError, connection
from django.db.models.functions import Now

from accounts.models import User
from backtests import job, tasks
from backtests import services as backtest_services
from backtests.claims import claims as backtest_claims
from backtests.jobs import ends
from backtests.jobs.claims import Claims
from backtests.jobs.pulse import Lost, Pulse
from backtests.models.job import HeldJob
from backtests.portfolios import services as study_services
from backtests.portfolios.claims import claims as study_claims
from backtests.proof import services as passport_services
from backtests.proof.claims import claims as passport_claims
from engine.errors import Fault, InputError
from tests.backtests.conftest import AAPL
from tests.backtests.portfolios.made import BODY
from tradingsite.lib.errors import QuotaExceeded

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.row("P9")]


@dataclass(frozen=True)
class Kind:
    """claims: on its rows. ask(user): a new one that waits. cancel, remove: as its owner does. how_far: for a beat."""

    claims: Claims[Any]
    ask: Callable[[User], HeldJob]
    cancel: Callable[[User, uuid.UUID], HeldJob]
    remove: Callable[[User, uuid.UUID], None]
    how_far: tuple[str | int, ...] = ("running", 1, 2)


def ask_passport(user: User) -> HeldJob:
    backtest = backtest_services.submit(user, AAPL, "to be examined")
    job.run(backtest.pk)  # the second time there is nothing to claim
    return passport_services.request(user, backtest.pk)


KINDS = {
    "backtest": Kind(
        backtest_claims,
        lambda user: backtest_services.submit(user, AAPL),
        backtest_services.cancel,
        backtest_services.remove,
    ),
    "passport": Kind(passport_claims, ask_passport, passport_services.cancel, passport_services.remove, how_far=(1, 2)),
    "portfolio": Kind(
        study_claims, lambda user: study_services.submit(user, BODY), study_services.cancel, study_services.remove
    ),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, sample_data: None) -> Kind:
    return KINDS[request.param]


def now(row: HeldJob) -> HeldJob:
    row.refresh_from_db()
    return row


def silence(row: HeldJob) -> None:
    """As if its worker had not been heard of for a minute."""
    type(row).objects.filter(pk=row.pk).update(heartbeat_at=Now() - timedelta(minutes=1))


def test_of_many_that_want_it_one_has_it(kind: Kind, alice: User) -> None:
    row = kind.ask(alice)
    together, got = threading.Barrier(8), []

    def take() -> None:
        try:
            together.wait()
            got.append(kind.claims.claim(row.pk))
        finally:
            connection.close()

    workers = [threading.Thread(target=take) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    held = [claimed for claimed in got if claimed is not None]
    assert (len(got), len(held)) == (8, 1)
    assert (now(row).state, row.attempts, row.claim_token) == ("RUNNING", 1, held[0].claim_token)
    assert row.started_at is not None


def test_a_dead_workers_row_is_done_again_once_and_the_dead_write_nothing(kind: Kind, alice: User) -> None:
    row = kind.ask(alice)
    first = kind.claims.claim(row.pk)
    assert kind.claims.beat(first, *kind.how_far)
    assert kind.claims.release_stale() == [], "it beats"
    silence(row)
    assert kind.claims.release_stale() == [row.pk]
    assert (now(row).state, row.claim_token, row.enqueued_at) == ("QUEUED", None, None)
    assert [getattr(row, name) for name in kind.claims.progress[-2:]] == [0, 0]
    second = kind.claims.claim(row.pk)
    assert second is not None
    assert not kind.claims.beat(first, *kind.how_far)
    assert not kind.claims.finish(first, {}, {}, {})
    assert not kind.claims.fail(first, "x", "x")
    assert not kind.claims.cancel_held(first)
    assert kind.claims.beat(second, *kind.how_far), "none of that reached the second's claim"
    silence(row)
    assert kind.claims.release_stale() == []
    assert (now(row).state, row.failure_code) == ("FAILED", "worker_lost")
    assert "stopped twice" in row.failure_reason
    assert row.finished_at is not None


def test_a_cancel_is_heard_wherever_it_stands(kind: Kind, alice: User) -> None:
    waiting = kind.ask(alice)
    assert kind.cancel(alice, waiting.pk).state == "CANCELED"
    assert kind.claims.claim(waiting.pk) is None

    running = kind.claims.claim(kind.ask(alice).pk)
    assert not kind.claims.cancel_held(running), "nobody asked for it"
    assert kind.cancel(alice, running.pk).state == "RUNNING"
    assert not kind.claims.beat(running, *kind.how_far)
    assert not kind.claims.finish(running, {}, {}, {})
    assert kind.claims.cancel_held(running)
    assert now(running).state == "CANCELED"
    ended = running.finished_at
    assert kind.cancel(alice, running.pk).finished_at == ended, "over is over"

    dead = kind.claims.claim(kind.ask(alice).pk)
    kind.cancel(alice, dead.pk)
    silence(dead)
    assert kind.claims.release_stale() == []
    assert now(dead).state == "CANCELED"


def test_what_is_deleted_at_work_is_let_go(kind: Kind, alice: User) -> None:
    row = kind.ask(alice)

    def work(_row: HeldJob, _pulse: Pulse) -> tuple[dict[str, Any]]:
        kind.remove(alice, row.pk)
        raise Lost

    ends.run(kind.claims, row.pk, work)
    assert not type(row).objects.filter(pk=row.pk).exists()
    ends.run(kind.claims, row.pk, work)  # a message that comes late


REFUSED = InputError(Fault("symbols", "too_few", "Two are needed", "Name another"))
TOO_MANY = QuotaExceeded("Too many bars.", limit="max_backtest_bars", current=2, maximum=1, tier="FREE")
ENDS = (
    (REFUSED, "FAILED", "invalid_input", "Two are needed"),
    (TOO_MANY, "FAILED", "quota_exceeded", "Too many bars."),
    (MemoryError(), "FAILED", "out_of_memory", "more memory than this machine has"),
    (SoftTimeLimitExceeded(), "FAILED", "too_slow", "took longer than 2 minutes"),
    (OSError(errno.ENOSPC, "full"), "FAILED", "storage", "No space left on device"),
    (ZeroDivisionError(), "FAILED", "internal_error", "on our side"),
    (OperationalError("gone"), "RUNNING", "", ""),
)


def test_each_end_has_its_reason(kind: Kind, alice: User, settings: Any) -> None:
    settings.BACKTEST_MAX_SECONDS = 130
    for error, state, code, words in ENDS:
        row = kind.ask(alice)

        def work(_row: HeldJob, _pulse: Pulse, error: Exception = error) -> tuple[dict[str, Any]]:
            raise error

        ends.run(kind.claims, row.pk, work)
        assert (now(row).state, row.failure_code) == (state, code)
        assert words in row.failure_reason
        assert (row.finished_at is None) == (state == "RUNNING")
        if error is REFUSED and kind.claims.keeps_faults:
            assert row.failure_faults == [REFUSED.faults[0].as_dict()]
    silence(row)
    assert kind.claims.release_stale() == [row.pk], "where nothing could be written it is tried again"


def test_the_reaper_deals_with_every_kind(alice: User, sample_data: None) -> None:
    alice.tier.max_concurrent_backtests = None
    alice.tier.save()
    held = [kind.claims.claim(kind.ask(alice).pk) for kind in KINDS.values()]
    for row in held:
        silence(row)
    tasks.reap()
    assert [now(row).state for row in held] == ["QUEUED"] * len(KINDS)
    assert all(row.enqueued_at is not None for row in held), "each was sent again"
