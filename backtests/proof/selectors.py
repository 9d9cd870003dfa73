"""Reads of passports. Each takes the user whose eyes it reads with."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import User
from backtests.jobs import rows as jobs
from backtests.models import Backtest, Passport
from backtests.proof import VERSION, sharpe, trials
from engine.errors import InputError
from marketdata.models import Coverage
from marketdata.selectors import visible_instruments
from strategies import catalogue
from strategies.models import UserStrategy
from strategies.proving import Choice

_HEAVY = ("config", "document")


def for_user(user: User) -> QuerySet[Passport]:
    """The user's passports, newest first, without the long columns."""
    return Passport.objects.filter(owner=user).defer(*_HEAVY)


def get(user: User, passport_id: uuid.UUID) -> Passport:
    """One of the user's own. Raises NotFound for any other."""
    return jobs.one(Passport.objects.filter(owner=user), passport_id, "There is no such passport.")


def of_backtest(user: User, backtest: Backtest) -> QuerySet[Passport]:
    """Those that speak for what the backtest ran: made of it, or of another run of the same choice."""
    return for_user(user).filter(Q(backtest=backtest) | Q(choice=choice_of(backtest.config).fingerprint()))


def of_saved(user: User, saved: UserStrategy) -> QuerySet[Passport]:
    """Those of backtests that were started from the saved strategy."""
    return for_user(user).filter(saved_strategy_id=saved.pk)


def active_count(user: User) -> int:
    """How many of the user's passports wait or run."""
    return jobs.active_count(Passport, user)


def choice_of(config: dict[str, Any]) -> Choice:
    """What a stored request trades."""
    return Choice(
        strategy=config["strategy"],
        parameters=config["strategy_parameters"],
        symbols=config["symbols"],
        timeframe=config["timeframe"],
        settings=config["settings"],
    )


def stored_hash(user: User | int, source: str, symbols: Sequence[str], timeframe: str) -> str:
    """64 hex digits of the stored series as they are now; "" where one of them is not stored."""
    visible = visible_instruments(user).filter(symbol__in=symbols, source=source)
    rows = Coverage.objects.filter(instrument__in=visible, timeframe=timeframe, bars__gt=0)
    hashes = list(rows.order_by("instrument__symbol", "pk").values_list("instrument__symbol", "content_hash"))
    if {symbol for symbol, _ in hashes} != set(symbols):
        return ""
    return hashlib.sha256("\n".join(f"{symbol} {value}" for symbol, value in hashes).encode()).hexdigest()


def outdated(passport: Passport) -> list[str]:
    """Why a finished passport no longer holds, in sentences; [] while it does. For new prices see `data_moved`."""
    why = []
    try:
        if catalogue.get(passport.strategy).version() != passport.strategy_version:
            why.append("The strategy’s code has changed since.")
    except InputError:
        why.append("This release no longer ships the strategy.")
    if passport.proof_version != VERSION:
        why.append("The tests themselves have changed since.")
    if passport.saved_strategy_id is not None:
        saved = UserStrategy.objects.filter(owner=passport.owner_id, pk=passport.saved_strategy_id).first()
        if saved is not None and _differs(saved, passport.config):
            why.append("The saved strategy has other parameters or settings now.")
    if passport.verdict == Passport.Verdict.PASS and (since := tried_since(passport)):
        found = next(one for one in passport.document["findings"] if one["name"] == "deflated_sharpe")
        moments = found["details"].get("moments")
        if moments is not None and sharpe.deflated_again(moments, passport.trials + since) < sharpe.SURE:
            why.append(f"You have tried {since:,} more variants on these data since; against them it no longer stands.")
    return why


def tried_since(passport: Passport) -> int:
    """Variants that its owner tried on the same data after it was made."""
    return max(trials.counted(passport.owner_id, passport.data_key) - passport.trials, 0)


def data_moved(passport: Passport) -> bool:
    """Whether the stored prices have changed or gone on since; False where they were never stored."""
    if not passport.stored_hash:
        return False
    source = passport.config["source"]
    now = stored_hash(passport.owner_id, source, passport.symbols, passport.timeframe)
    return now != passport.stored_hash


def _differs(saved: UserStrategy, config: dict[str, Any]) -> bool:
    """Whether a run of the saved strategy as it is now would be another than the one that was examined."""
    if saved.strategy != config["strategy"]:
        return True
    pairs = ((saved.parameters, config["strategy_parameters"]), (saved.settings, config["settings"]))
    return any(examined.get(name) != value for kept, examined in pairs for name, value in kept.items())
