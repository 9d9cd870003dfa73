"""What tests of the gallery share: real sample prices, and a strategy that is public."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from backtests import published
from strategies import services
from strategies.gallery import publishing
from strategies.gallery.models import Publication
from strategies.models import UserStrategy
from tests.backtests.conftest import own_queue, sample_data  # noqa: F401  (each test sends to a queue of its own)

WORDS = "Follows the crossing of two averages. Loses in markets that go sideways."


@pytest.fixture
def publish() -> Callable[..., Publication]:
    """`publish(user, name, …)` saves a public strategy of that user's; its publication as it is then."""

    def make(user: User, name: str = "Crossing", **fields: Any) -> Publication:
        fields = {"strategy": "ma_crossover", "description": WORDS, "is_public": True, **fields}
        found = publishing.of(services.create(user, name=name, **fields))
        assert found is not None
        return found

    return make


@pytest.fixture
def measured(sample_data: None, publish: Callable[..., Publication]) -> Callable[..., Publication]:  # noqa: F811
    """As `publish`, with its figures computed here and now."""

    def make(user: User, name: str = "Crossing", **fields: Any) -> Publication:
        row = publish(user, name, **fields)
        published.measure(row.pk)
        row.refresh_from_db()
        return row

    return make


def saved_of(row: Publication) -> UserStrategy:
    """The saved strategy of a publication."""
    assert row.strategy is not None
    return row.strategy
