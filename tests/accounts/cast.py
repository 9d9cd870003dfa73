"""Who acts in the tests: alice, bob who must never see what is hers, and carol of the operators."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
import redis
from django.core.cache import cache
from rest_framework.test import APIClient

from accounts import tokens
from accounts.models import User
from tests.accounts.factories import UserFactory


@pytest.fixture
def alice(db: None) -> User:
    """A user of tier FREE."""
    return UserFactory(username="alice")


@pytest.fixture
def bob(db: None) -> User:
    """Another user of tier FREE."""
    return UserFactory(username="bob")


@pytest.fixture
def carol(db: None) -> User:
    """An operator: staff and superuser."""
    return UserFactory(username="carol", is_staff=True, is_superuser=True)


@pytest.fixture
def premium(alice: User) -> User:
    """alice on a tier that has custom strategies."""
    User.objects.filter(pk=alice.pk).update(tier_id="PREMIUM")
    alice.refresh_from_db()
    return alice


@pytest.fixture
def api() -> Callable[[User | None], APIClient]:
    """`api(alice)` calls the API with an access token of hers, `api(None)` without one."""

    def client(user: User | None) -> APIClient:
        caller = APIClient()
        if user is not None:
            caller.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.begin(user).access}")
        return caller

    return client


@pytest.fixture(autouse=True)
def _fresh_rates() -> Iterator[None]:
    """Request rates are counted in the cache, which no rollback empties."""
    yield
    with contextlib.suppress(redis.RedisError):  # the test took the server away
        cache.clear()
