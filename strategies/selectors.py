"""Reads of saved and custom strategies. Each takes the user whose eyes it reads with."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import TypeVar

from django.db.models import Q, QuerySet

from accounts.models import User
from strategies.models import ConditionTest, CustomStrategy, UserStrategy
from tradingsite.lib.errors import NotFound

MAX_ID = 2**63 - 1
PUBLIC = Q(is_public=True) & ~Q(publication__hidden=True)  # what no operator has hidden
Row = TypeVar("Row", UserStrategy, CustomStrategy)
_users: list[Callable[[CustomStrategy], Sequence[str]]] = []


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
    """How many the user has saved, custom ones counted; what the tier's limit counts."""
    return for_user(user).count() + custom_of(user).count()


def custom_of(user: User) -> QuerySet[CustomStrategy]:
    """The user's own custom strategies, the last changed first."""
    return CustomStrategy.objects.filter(owner=user)


def public_custom() -> QuerySet[CustomStrategy]:
    """Custom strategies that anybody may read and copy."""
    return CustomStrategy.objects.filter(PUBLIC).select_related("owner")


def custom(user: User, custom_id: int) -> CustomStrategy:
    """One of the user's own custom strategies. Raises NotFound for any other."""
    return _one(custom_of(user), custom_id)


def readable_custom(user: User, custom_id: int) -> CustomStrategy:
    """One of the user's own custom strategies or a public one. Raises NotFound for any other."""
    return _one(CustomStrategy.objects.filter(Q(owner=user) | PUBLIC).select_related("owner"), custom_id)


def condition_test(user: User, test_id: uuid.UUID) -> ConditionTest:
    """One of the user's own looks at trees over bars. Raises NotFound for any other, and once it is forgotten."""
    found = ConditionTest.objects.filter(owner=user, pk=test_id).first()
    if found is None:
        raise NotFound("There is no such test.")
    return found


def tell_users_of_custom(ask: Callable[[CustomStrategy], Sequence[str]]) -> None:
    """Register what runs custom strategies: `ask` names what runs one now. Call in AppConfig.ready."""
    _users.append(ask)


def running_custom(row: CustomStrategy) -> list[str]:
    """What runs this custom strategy now, in words."""
    return [name for ask in _users for name in ask(row)]


def _one(rows: QuerySet[Row], key: int) -> Row:
    # A number wider than the column is an error on PostgreSQL, not a miss.
    found = rows.filter(pk=key).first() if 0 < key <= MAX_ID else None
    if found is None:
        raise NotFound("There is no such strategy.")
    return found
