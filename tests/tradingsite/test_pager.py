"""What stands under a list: how many there are, in words that agree with the number."""

from __future__ import annotations

import re

import pytest
from django.core.paginator import Paginator
from django.template import Context, Template
from django.test import RequestFactory


@pytest.mark.row("N8")
@pytest.mark.parametrize(
    ("count", "number", "what", "words"),
    [
        (0, 1, "bots", "No bots"),
        (1, 1, "bots", "1 bot"),
        (1, 1, "strategies", "1 strategy"),
        (1, 1, "series", "1 series"),
        (3, 1, "round trips", "3 round trips"),
        (26, 1, "orders", "1–25 of 26 orders"),
        (1_234, 41, "orders", "1,001–1,025 of 1,234 orders"),
    ],
)
def test_what_is_under_a_list(count: int, number: int, what: str, words: str) -> None:
    page = Paginator(range(count), 25).page(number)
    context = Context({"page": page, "what": what, "request": RequestFactory().get("/?sort=-pnl")})
    text = Template("{% load ui %}{% pager page what %}").render(context)
    assert re.search(r"<span>(.*?)</span>", text)[1] == words  # type: ignore[index]
    assert ("?sort=-pnl&amp;page=2" in text) == (count > 25 and number == 1)
