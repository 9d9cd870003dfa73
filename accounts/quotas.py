"""What a user's tier allows, in a way that parallel requests cannot get around.

    with transaction.atomic():
        user = quotas.lock(user)                       # everybody who counts for this user queues here
        quotas.check_backtest(user, active=…, today=…, bars=…)   # count now, inside the lock
        Backtest.objects.create(…)

The apps above own what is counted (accounts knows no backtest), so the caller counts. For the settings page they
register their counts with `show_usage`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.transaction import TransactionManagementError

from accounts.models import Tier, User
from tradingsite.lib.errors import NotAllowed, QuotaExceeded, TooLarge

BYTES_IN_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """One line of "your tier and how much of it you use". maximum None: no limit; current None: not counted."""

    name: str
    label: str
    current: int | None
    maximum: int | None


LABELS = {
    "max_active_sessions": "Trading sessions at once",
    "max_concurrent_backtests": "Backtests at once",
    "max_backtests_per_day": "Backtests a day (UTC)",
    "max_backtest_bars": "Bars in one backtest",
    "max_concurrent_sweeps": "Sweeps at once",
    "max_sweep_cells": "Combinations in one sweep",
    "max_saved_strategies": "Saved strategies",
    "max_upload_mb": "Size of an upload (MB)",
    "max_waiting_imports": "Imports waiting at once",
    "max_stored_bars": "Bars kept of your own files",
    "api_requests_per_minute": "API requests a minute",
}
_counters: dict[str, Callable[[User], int]] = {}


def lock(user: User) -> User:
    """Lock the user's row until the caller's transaction ends; the row as it is now, with its tier.

    On PostgreSQL by SELECT … FOR UPDATE, on SQLite by the write lock that an IMMEDIATE transaction holds from the
    start.
    Raises TransactionManagementError outside a transaction, where the lock would be gone at once.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("quotas.lock needs a transaction around it")
    return User.objects.select_for_update(of=("self",)).select_related("tier").get(pk=user.pk)


def check_backtest(user: User, *, active: int, today: int, bars: int | None = None) -> None:
    """May this (locked) user submit one more backtest?

    active: their backtests waiting or running; today: submitted since 00:00 UTC; bars: bars times symbols of this one,
    where known. Raises QuotaExceeded.
    """
    _check(user, "max_concurrent_backtests", active, "backtests at once. Wait for one to end, or cancel it.")
    _check(user, "max_backtests_per_day", today, "backtests a day. The next day begins at 00:00 UTC.")
    if bars is not None:
        check_bars(user, bars)


def check_bars(user: User, bars: int) -> None:
    """May this user run a backtest over so many bars (times symbols)? Raises QuotaExceeded."""
    maximum = user.tier.max_backtest_bars
    if maximum is not None and bars > maximum:
        text = f"{maximum:,} bars in one backtest; this one has {bars:,}. Take a shorter period or fewer symbols."
        raise _exceeded(user.tier, "max_backtest_bars", bars, maximum, text)


def check_sweep(user: User, *, active: int, cells: int) -> None:
    """May this (locked) user start one more sweep? active: theirs that wait or run; cells: combinations of this one.

    Raises QuotaExceeded.
    """
    _check(user, "max_concurrent_sweeps", active, "sweeps at once. Wait for one to end, or cancel it.")
    check_sweep_cells(user, cells)


def check_sweep_cells(user: User, cells: int) -> None:
    """May this user sweep over so many combinations? Raises QuotaExceeded."""
    maximum = user.tier.max_sweep_cells
    if maximum is not None and cells > maximum:
        text = f"{maximum:,} combinations in one sweep; this one has {cells:,}. Take wider steps, or draw at random."
        raise _exceeded(user.tier, "max_sweep_cells", cells, maximum, text)


def check_saved_strategies(user: User, saved: int) -> None:
    """May this (locked) user, who has `saved` strategies, save one more? Raises QuotaExceeded."""
    _check(user, "max_saved_strategies", saved, "saved strategies. Delete one that you no longer need.")


def check_session(user: User, active_ids: Sequence[Any]) -> None:
    """May this (locked) user start one more trading session?

    active_ids: ids of their sessions that are active now. Raises QuotaExceeded, whose body names them
    (`active_session_ids`), so that a client can say which one to stop.
    """
    ids = [str(session_id) for session_id in active_ids]
    text = "trading sessions at once. Stop one first."
    _check(user, "max_active_sessions", len(ids), text, active_session_ids=ids)


def check_custom_strategy(user: User) -> None:
    """May this user make a custom strategy, or run one in a session? Raises NotAllowed (`tier_too_low`)."""
    if not user.tier.allows_custom_strategies:
        enough = list(Tier.objects.filter(allows_custom_strategies=True).values_list("label", flat=True))
        text = f"Custom strategies are not part of tier {user.tier.label}; they need {' or '.join(enough)}."
        raise NotAllowed(text, code="tier_too_low", tier=user.tier.code)


def check_upload(user: User, size_bytes: int) -> None:
    """May this user upload a file of this size? Raises TooLarge (413) with the fields of a quota."""
    maximum = user.tier.max_upload_mb
    if maximum is not None and size_bytes > maximum * BYTES_IN_MB:
        size = -(-size_bytes // BYTES_IN_MB)
        text = f"Tier {user.tier.label} allows files of {maximum} MB; this one has {size} MB."
        raise TooLarge(text, limit="max_upload_mb", current=size, maximum=maximum, tier=user.tier.code)


def check_import(user: User, *, waiting: int, stored_bars: int) -> None:
    """May this (locked) user bring in one more file?

    waiting: their imports queued or being read; stored_bars: bars kept of their own instruments. What a file holds is
    known only once it is read, so the last one taken may go over. Raises QuotaExceeded.
    """
    _check(user, "max_waiting_imports", waiting, "imports waiting at once. Let one end first.")
    _check(user, "max_stored_bars", stored_bars, "stored bars. Delete an instrument that you no longer need.")


def show_usage(limit: str, count: Callable[[User], int]) -> None:
    """Register how much of a limit (a field name of Tier) a user has used. Call in AppConfig.ready."""
    if limit not in LABELS:
        raise ValueError(f"{limit} is no limit of Tier")
    _counters[limit] = count


def usage(user: User) -> list[Usage]:
    """Every limit of the user's tier, with what is used of it where an app counts it."""
    return [
        Usage(name, label, _counters[name](user) if name in _counters else None, getattr(user.tier, name))
        for name, label in LABELS.items()
    ]


def _check(user: User, limit: str, current: int, text: str, **extra: Any) -> None:
    """One more than `current` must fit under the limit."""
    maximum = getattr(user.tier, limit)
    if maximum is not None and current >= maximum:
        raise _exceeded(user.tier, limit, current, maximum, f"{maximum:,} {text}", **extra)


def _exceeded(tier: Tier, limit: str, current: int, maximum: int, text: str, **extra: Any) -> QuotaExceeded:
    words = f"Tier {tier.label} allows {text}"
    return QuotaExceeded(words, limit=limit, current=current, maximum=maximum, tier=tier.code, **extra)
