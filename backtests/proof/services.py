"""Writes: what a user does with passports. Every function takes the acting user; other ids raise `NotFound`."""

from __future__ import annotations

import uuid

from django.db import transaction

from accounts import quotas
from accounts.models import User
from backtests import selectors as backtest_selectors
from backtests import tasks
from backtests.jobs import submitting
from backtests.models import Backtest, Passport
from backtests.proof import VERSION, selectors, trials
from backtests.proof.claims import claims
from engine.errors import Fault, InputError
from strategies import catalogue
from tradingsite.lib.errors import Conflict, Unprocessable


def request(user: User, backtest_id: uuid.UUID | str) -> Passport:
    """A passport for what a finished backtest ran; the one that waits or runs already, if there is one.

    It counts as one backtest against the tier. Its seed comes from the choice itself, so nobody can draw until one
    passes. Raises NotFound, Conflict while the backtest is not DONE, Unprocessable for symbols that run alone and for
    a strategy that this release ships no longer, QuotaExceeded.
    """
    backtest = backtest_selectors.get(user, backtest_id)
    if backtest.state != Backtest.State.DONE:
        raise Conflict("Only what a finished backtest ran can be examined.", code="not_done")
    _refuse_unfit(backtest)
    choice = selectors.choice_of(backtest.config).fingerprint()
    with transaction.atomic():
        locked = quotas.lock(user)  # double clicks queue here
        waiting = Passport.objects.filter(owner=user, backtest=backtest, state__in=Passport.ACTIVE).first()
        if waiting is not None:
            return waiting
        submitting.count(locked, active=backtest_selectors.active_count(user) + selectors.active_count(user))
        passport = Passport.objects.create(
            owner=user,
            backtest=backtest,
            config=backtest.config,
            strategy=backtest.strategy,
            strategy_label=backtest.strategy_label,
            saved_strategy_id=backtest.saved_strategy_id,
            symbols=backtest.symbols,
            timeframe=backtest.timeframe,
            choice=choice,
            data_key=trials.key_of(backtest.config["source"], backtest.symbols),
            seed=int(choice[:8], 16),
            strategy_version=catalogue.get(backtest.strategy).version(),
            proof_version=VERSION,
        )
        transaction.on_commit(lambda: tasks.enqueue_passport(passport.pk))
    return passport


def cancel(user: User, passport_id: uuid.UUID) -> Passport:
    """Stop it: at once while it waits, within about a second while it runs. Over already: nothing happens."""
    passport = selectors.get(user, passport_id)
    claims.cancel(passport)
    return passport


def remove(user: User, passport_id: uuid.UUID) -> None:
    """Delete it. A worker that is at it notices and stops. What was tried stays counted."""
    selectors.get(user, passport_id).delete()


def _refuse_unfit(backtest: Backtest) -> None:
    if backtest.config["symbols_alone"] and len(backtest.symbols) > 1:
        text = "Symbols that run alone are several strategies at once; examine them one at a time"
        raise Unprocessable(f"{text}.", code="symbols_alone", faults=[Fault("backtest_id", "symbols_alone", text)])
    try:
        catalogue.get(backtest.strategy)
    except InputError as error:
        raise Unprocessable(str(error), code="unknown_strategy", faults=list(error.faults)) from None
