"""Users for tests."""

from __future__ import annotations

from functools import cache

import factory
from django.contrib.auth.hashers import make_password

from accounts.models import Tier, User

PASSWORD = "a long road to Tipperary"


@cache
def _hashed() -> str:
    """Hashed once: argon2 takes longer than most tests."""
    return make_password(PASSWORD)


class UserFactory(factory.django.DjangoModelFactory):
    """A user of tier FREE whose password is `PASSWORD`."""

    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"user{n}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.com")
    password = factory.LazyFunction(_hashed)
    tier_id = Tier.FREE
