"""Pictures of the gallery's pages and of bot templates, for eyes: `pytest tests/e2e/gallery_screenshots.py`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from accounts.models import User
from tests.e2e.gallery_world import gallery_pages  # noqa: F401
from tests.e2e.screenshots import take

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")])
def test_take_them(
    visit: Callable[..., Page],
    bob: User,
    gallery_pages: dict[str, str],  # noqa: F811
    width: int,
    theme: str,
) -> None:
    page = visit(bob, width=width, theme=theme)
    for name, address in gallery_pages.items():
        page.goto(address)
        take(page, f"gallery {name}", f"{width}-{theme}")
