"""Reads of saved strategies. Each takes the user whose eyes it reads with."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from accounts.models import User
from strategies.models import UserStrategy
from tradingsite.lib.errors import NotFound

MAX_ID = 2**63 - 1
PUBLIC = Q(is_public=True) & ~Q(publication__hidden=True)  # what no operator has hidden


def for_user(user: User) -> QuerySet[UserStrategy]:
    """The user's own, the last changed first."""
    return UserStrategy.objects.filter(owner=user)


def public(strategy_type: str | None = None) -> QuerySet[UserStrategy]:
    """Those that anybody may read and copy, of one type where it is named."""
    rows = UserStrategy.objects.filter(PUBLIC).select_related("owner")
    return rows if strategy_type is None else rows.filter(strategy_type=strategy_type)


def get(user: User, strategy_id: int) -> UserStrategy:
    """One of the user's own. Raises NotFound for any other."""
    return _one(for_user(user), strategy_id)


def readable(user: User, strategy_id: int) -> UserStrategy:
    """One of the user's own or a public one. Raises NotFound for any other."""
    return _one(UserStrategy.objects.filter(Q(owner=user) | PUBLIC).select_related("owner"), strategy_id)


def count(user: User) -> int:
    """How many the user has saved; what the tier's limit counts."""
    return for_user(user).count()


def _one(rows: QuerySet[UserStrategy], strategy_id: int) -> UserStrategy:
    # A number wider than the column is an error on PostgreSQL, not a miss.
    found = rows.filter(pk=strategy_id).first() if 0 < strategy_id <= MAX_ID else None
    if found is None:
        raise NotFound("There is no such strategy.")
    return found
