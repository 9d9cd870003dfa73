"""Against guessing: five bad tries in five minutes per account and per address, then 429 until the window ends.

Used by the login backend (and so by every login: page, admin, API) and by whatever else takes a secret. An account name
that does not exist counts like one that does.

An account's tries are counted before the secret is looked at, in one atomic statement, so that parallel guesses cannot
slip through together; a good one gives its count back. An address, behind which a whole office may log in at nine
o'clock, is counted only for what turned out bad.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import Tries
from tradingsite.lib.errors import TooMany

LIMIT = 5
WINDOW = timedelta(minutes=5)


class BadTry(Exception):
    """Raised inside `tried` by code that found the secret wrong, so that the try is counted."""


@contextmanager
def tried(action: str, *, account: str = "", ip: str = "", limit: int = LIMIT) -> Iterator[None]:
    """Wrap the check of a secret: ``with tried("login", account=name, ip=ip): …``; leave by `BadTry` when it is wrong.

    action: tries at different things are counted apart. An empty account or ip is not counted.
    Raises TooMany (429) before the block runs when this account or address had `limit` bad tries in the window.
    """
    account_key, ip_key = _key(action, "account", account), _key(action, "ip", ip)
    now = timezone.now()
    bad = Tries.objects.filter(key=ip_key, window_start__gt=now - WINDOW, count__gte=limit).first() if ip else None
    if bad is not None:
        raise _refusal(bad, now)
    if account:
        reserved = _count(account_key, now)
        if reserved.count > limit:
            _give_back(account_key)
            raise _refusal(reserved, now)
    try:
        yield
    except BadTry:
        if ip:
            _count(ip_key, now)
        raise
    if account:
        _give_back(account_key)


def spend(action: str, *, ip: str, limit: int) -> None:
    """Count one use of something that an address may do `limit` times in five minutes. Raises TooMany (429)."""
    now = timezone.now()
    used = _count(_key(action, "ip", ip), now)
    if used.count > limit:
        raise _refusal(used, now)


def forget_old(now: datetime) -> int:
    """Delete counters whose window has ended; the number deleted."""
    return Tries.objects.filter(window_start__lte=now - WINDOW).delete()[0]


def _count(key: str, now: datetime) -> Tries:
    with transaction.atomic():
        Tries.objects.bulk_create([Tries(key=key, window_start=now)], ignore_conflicts=True)
        Tries.objects.filter(key=key, window_start__lte=now - WINDOW).update(window_start=now, count=0)
        Tries.objects.filter(key=key).update(count=F("count") + 1)
        return Tries.objects.get(key=key)


def _give_back(key: str) -> None:
    Tries.objects.filter(key=key, count__gt=0).update(count=F("count") - 1)


def _refusal(row: Tries, now: datetime) -> TooMany:
    seconds = max(1, math.ceil((row.window_start + WINDOW - now).total_seconds()))
    minutes = math.ceil(seconds / 60)
    text = f"Too many tries. Wait {minutes} minute{'s' if minutes > 1 else ''} and try again."
    return TooMany(text, retry_after=seconds)


def _key(action: str, kind: str, value: str) -> str:
    """A hash, because people type passwords into the name field."""
    return hashlib.sha256(f"{action}\0{kind}\0{value.casefold()}".encode()).hexdigest()
