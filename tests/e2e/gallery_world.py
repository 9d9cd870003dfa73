"""A gallery in which everything is to be seen: figures, warnings, ratings, what waits and what failed."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts.models import User
from backtests import published
from bots import services as bot_services
from strategies import services
from strategies.gallery import opinions, publishing
from strategies.gallery.models import Publication
from strategies.models import UserStrategy
from tests.accounts.factories import UserFactory
from tests.bots.factories import make_bot

LONG = "A name that goes on and on and does not want to end anywhere near here"


def public(owner: User, name: str, strategy: str = "ma_crossover", **fields: object) -> Publication:
    """A published strategy without figures yet."""
    words = "Follows the crossing of two averages on daily bars. Loses in markets that go sideways, and at every turn."
    row = publishing.of(
        services.create(owner, name=name, strategy=strategy, description=words, is_public=True, **fields)
    )
    assert row is not None
    return row


@pytest.fixture
def gallery_pages(alice: User, bob: User, sample_data: None) -> dict[str, str]:
    """Every page of the gallery and of bot templates by name → address, as bob sees them."""
    shown = public(
        alice, "Patient crossing", parameters={"fast_window": 15, "slow_window": 60}, settings={"stop_loss_pct": 8.0}
    )
    other = public(alice, LONG, "bollinger")
    waiting, failed = public(alice, "Just published", "momentum"), public(alice, "Without prices", "breakout")
    published.measure(shown.pk)
    published.measure(other.pk)
    Publication.objects.filter(pk=failed.pk).update(
        state="FAILED", problem="1d bars of all of NONE are stored no longer"
    )
    opinions.rate(bob, shown, {"stars": 4, "comment": "Does what it says, and not more. " * 5})
    for stars in (5, 3):
        opinions.rate(UserFactory(), shown, {"stars": stars})
    services.update(alice, other.strategy_id, {"parameters": {"window": 30}})
    own = services.create(bob, name="Mine", strategy="zscore_reversion")
    template = bot_services.templates.save(
        bob, make_bot(bob, name="Night owl").pk, {"name": LONG, "does": "Buys", "loses": "Often", "is_shared": True}
    )
    assert UserStrategy.objects.filter(owner=bob).exists()
    return {
        "gallery": reverse("strategies:gallery"),
        "gallery, nothing found": reverse("strategies:gallery") + "?q=nothing-like-it",
        "published": reverse("strategies:gallery-entry", args=[shown.pk]),
        "published, stale": reverse("strategies:gallery-entry", args=[other.pk]),
        "published, waiting": reverse("strategies:gallery-entry", args=[waiting.pk]),
        "published, failed": reverse("strategies:gallery-entry", args=[failed.pk]),
        "publish": reverse("strategies:publish", args=[own.pk]),
        "bot templates": reverse("bots:templates"),
        "change a template": reverse("bots:template-change", args=[f"saved-{template.pk}"]),
    }
