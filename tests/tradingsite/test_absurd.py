"""Absurd ids and queries: told no, or shown the page without them, and never a fault of ours."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import get_resolver, reverse

from accounts import quotas
from accounts.models import Tier, User
from tests.tradingsite import sent, world
from tests.tradingsite.asking import Browser
from tests.tradingsite.rights import routes

LONG = "9" * 5_000  # more digits than Python reads
NUMBERS = ("0", str(2**63), str(10**30), LONG)
TEXTS = ("x", "-1", "%00", "a%00b", "saved-" + LONG, "x" * 10_000)
VALUES = ("-1", str(10**30), LONG, "\x00", "x" * 10_000, "٣", "NaN")
# Every name that some page looks for in its address.
NAMES = [
    "account", "after", "adjustment", "back", "bot", "custom", "end", "from", "group", "headline", "ids", "key", "kind",
    "method", "mode", "next", "page", "part", "period", "pick", "preset", "problem", "q", "reason", "risk", "saved",
    "session", "show", "side", "since", "sort", "source", "start", "state", "strategy", "symbol", "tab", "timeframe",
    "to", "type",
]  # fmt: skip
PLACE = 918_273


@pytest.mark.django_db(transaction=True)
@pytest.mark.one_database
@pytest.mark.row("A6")
def test_absurd_ids_and_queries_are_no_fault(sample_prices, alice: User, practice_venue):
    Tier.objects.update(**dict.fromkeys(quotas.LABELS), allows_custom_strategies=True)
    parts = world.build(alice).url_parts()
    browser = Browser(alice)
    wrong: list[str] = []

    def ask(path: str, query: dict[str, Any] | None = None) -> None:
        if (status := browser.ask("GET", path, query).status_code) >= 500:
            wrong.append(f"{path[:100]} with {str(query)[:100]}: {status}")

    for name, pattern in routes(get_resolver()):
        kwargs = {key: parts[key] for key in pattern.pattern.converters}
        for key, value in kwargs.items():
            if isinstance(value, int | str):
                place = PLACE if isinstance(value, int) else str(PLACE)
                path = reverse(name, kwargs=kwargs | {key: place})
                for absurd in NUMBERS if isinstance(value, int) else TEXTS:
                    ask(path.replace(str(PLACE), absurd))
        path = reverse(name, kwargs=kwargs)
        if not path.startswith("/api/"):
            for absurd in VALUES:
                ask(path, dict.fromkeys(NAMES, absurd))
    for method, name, _, field, how, also in sent.ON_PAGES:
        if method == "GET":
            for absurd in NUMBERS:
                ask(reverse(name), {**also, field: how.format(absurd)})
    assert not wrong, "\n".join(wrong)
