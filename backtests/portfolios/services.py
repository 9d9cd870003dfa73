"""Writes: what a user does with portfolio studies. Pages, API and commands call these and nothing below them.

Every function takes the acting user and touches only that user's rows; other ids raise `NotFound`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction

from accounts import quotas
from accounts.models import User
from backtests import estimate, tasks
from backtests import selectors as backtest_selectors
from backtests import services as backtest_services
from backtests.jobs import submitting
from backtests.models import AllocationStudy, Backtest
from backtests.portfolios import caps, selectors
from backtests.portfolios.claims import claims
from backtests.portfolios.request import StudyConfig, clean, equal_weight
from backtests.proof import selectors as passport_selectors
from backtests.runner import RunConfig
from engine.errors import Fault, InputError
from strategies import catalogue, readers, session_settings
from strategies import services as strategy_services
from strategies.models import UserStrategy
from tradingsite.lib.errors import Conflict

WHICH = ("chosen", "equal")
_State = AllocationStudy.State


@dataclass(frozen=True, slots=True)
class Checked:
    """A request that may be started. config: with the account's limits in it, where they bound it. caps: those limits.

    bars: times symbols, 0 where not known.
    """

    config: StudyConfig
    cautions: list[Fault]
    caps: list[caps.Cap]
    bars: int


def check(user: User, payload: Any) -> Checked:
    """Read a request and draw its limits in to the account's; nothing is written.

    payload: the body of POST /api/portfolios (`backtests.portfolios.request`), plus ``confirm_cautions``. Raises
    InputError with every fault (limits that cannot be met by adding up alone among them), and what
    `backtests.services.check` raises.
    """
    cautions: list[Fault] = []

    def checked(body: dict[str, Any]) -> RunConfig:
        run, _, found = backtest_services.check(user, body)
        cautions.extend(found)
        return run

    config = clean(submitting.without_confirmation(payload), checked)
    limits = caps.of_account(user, config)
    if config.account_limits:
        config = caps.bounded(config, limits)
    return Checked(config, cautions, limits, estimate.bars_at_least(user, config.run))


def submit(user: User, payload: Any, idempotency_key: str | None = None) -> AllocationStudy:
    """Check a request, write the row and hand it to a worker once the transaction is committed.

    It counts as one backtest against the tier. Raises InputError (400), Unprocessable (422, cautions to be confirmed),
    QuotaExceeded (403), Conflict (409, the key was used for another request).
    """
    found = check(user, payload)
    submitting.refuse_unconfirmed(payload, found.cautions)
    return _create(user, found, readers.idempotency_key(idempotency_key))


def cancel(user: User, study_id: uuid.UUID | str) -> AllocationStudy:
    """Stop it: at once while it waits, within about a second while it runs. Over already: nothing happens."""
    study = selectors.get(user, study_id)
    claims.cancel(study)
    return study


def remove(user: User, study_id: uuid.UUID | str) -> None:
    """Delete it with what it found. A worker that is at it notices and stops. What was tried stays counted."""
    selectors.get(user, study_id).delete()


def save_as_strategy(user: User, study_id: uuid.UUID | str, name: str) -> UserStrategy:
    """Keep a finished study as a strategy under a name: backtests and sessions then hold the same weights.

    Raises Conflict while it is not DONE or the name is taken, QuotaExceeded.
    """
    run = _finished(selectors.get(user, study_id)).run
    return strategy_services.create(
        user,
        name=name,
        strategy=run.strategy,
        parameters=run.strategy_parameters,
        settings=session_settings.changed(run.settings),
    )


def open_backtest(user: User, study_id: uuid.UUID | str, which: str) -> Backtest:
    """Run its backtest (which: "chosen"), or that of equal weights ("equal"), as one of its own, with all charts.

    Twice the same is the same backtest. Raises Conflict while the study is not DONE, QuotaExceeded.
    """
    study = selectors.get(user, study_id)
    which = readers.strict(readers.choice, "which", which, WHICH)
    config = _finished(study)
    run = config.run if which == "chosen" else equal_weight(config)
    named = replace(run, name=(f"{study}" if which == "chosen" else f"{study}, equal weights")[:120])
    return backtest_services.start(user, named, f"portfolio-{study.pk}-{which}")


def _finished(study: AllocationStudy) -> StudyConfig:
    if study.state != _State.DONE:
        raise Conflict("Only a finished portfolio can be taken further.", code="not_done")
    try:
        return selectors.config_of(study)
    except InputError as error:
        text = "The platform has changed and refuses the stored request."
        raise Conflict(text, code="not_repeatable", faults=error.faults) from None


def _create(user: User, found: Checked, key: str | None) -> AllocationStudy:
    config, run = found.config, found.config.run
    plain = config.as_dict()
    with transaction.atomic():
        # One lock per user: double clicks and parallel posts queue here, so that the key and the quota hold.
        locked = quotas.lock(user)
        if (before := submitting.sent_before(AllocationStudy, user, key, plain)) is not None:
            return before
        counts = (backtest_selectors.active_count, passport_selectors.active_count, selectors.active_count)
        submitting.count(locked, active=sum(count(user) for count in counts), bars=found.bars)
        study = AllocationStudy.objects.create(
            owner=user,
            name=run.name,
            config=plain,
            method=config.method,
            symbols=list(run.symbols),
            timeframe=run.timeframe,
            rebalance=config.rebalance,
            idempotency_key=key,
            strategy_version=catalogue.get(run.strategy).version(),
        )
        transaction.on_commit(lambda: tasks.enqueue_study(study.pk))
    return study
