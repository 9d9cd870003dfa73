"""How many variants a user ever tried on some data: what deflates the best of them.

Backtests, sweeps and optimisers count here and nowhere else. What a passport runs is not counted: it examines a choice
that was made before (docs/robustness.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from accounts.models import User
from backtests.models import TrialCount

# Of a request: what changes nothing that is traded.
_NOT_TRADED: Final = frozenset({"name", "metrics", "benchmark"})


def is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two requests of backtests ask for the same variant, over the same days."""
    names = (one.keys() | other.keys()) - _NOT_TRADED
    return all(one.get(name) == other.get(name) for name in names)


def key_of(source: str, symbols: Iterable[str]) -> str:
    """The data that tries count on: 64 hex digits for a source and a set of symbols.

    Neither dates nor the timeframe are in it: the same prices, cut otherwise, are no new evidence.
    """
    return hashlib.sha256("\n".join([source, *sorted(set(symbols))]).encode()).hexdigest()


def count(user: User | int, data_key: str, variants: int) -> int:
    """Add `variants` that were tried just now; the sum of all ever. Safe in parallel.

    Call it in the transaction that keeps what was found, so that work which is done twice counts once.
    Raises ValueError for a negative number.
    """
    if variants < 0:
        raise ValueError("what was tried stays tried")
    owner = user if isinstance(user, int) else user.pk
    with transaction.atomic():
        TrialCount.objects.bulk_create([TrialCount(owner_id=owner, data_key=data_key)], ignore_conflicts=True)
        rows = TrialCount.objects.filter(owner_id=owner, data_key=data_key)
        rows.update(variants=F("variants") + variants, updated_at=Now())
        return rows.values_list("variants", flat=True).get()


def counted(user: User | int, data_key: str) -> int:
    """The sum of all variants that were ever tried; 0 for data never touched."""
    owner = user if isinstance(user, int) else user.pk
    return TrialCount.objects.filter(owner_id=owner, data_key=data_key).values_list("variants", flat=True).first() or 0
