"""Users and their accounts at brokers, for tests."""

from __future__ import annotations

from decimal import Decimal
from functools import cache

import factory
from django.contrib.auth.hashers import make_password

from accounts.models import BrokerAccount, Tier, User

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


class BrokerAccountFactory(factory.django.DjangoModelFactory):
    """An active account at the practice venue, whose keys nobody has tried."""

    class Meta:
        model = BrokerAccount

    owner = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"Account {n}")
    kind = BrokerAccount.Kind.ALPACA
    environment = BrokerAccount.Environment.PRACTICE
    api_key = factory.Sequence(lambda n: f"PKPRACTICE{n:08}")
    api_secret = factory.Sequence(lambda n: f"practice-secret-{n:08}")
    account_number = factory.Sequence(lambda n: f"PA{n:08}")
    cash = equity = buying_power = Decimal(100_000)
