"""A real browser on the real site. Skipped, with the reason, where there is no Chromium."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright

from accounts.models import User
from tests.accounts.cast import _fresh_rates, alice, api, bob, carol  # noqa: F401
from tests.backtests.conftest import run_now, sample_data  # noqa: F401
from tests.conftest import Site
from tests.e2e.watching import Watcher
from tests.e2e.world import pages  # noqa: F401
from tradingsite.celery import app

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ARTIFACTS = Path(__file__).resolve().parents[2] / "test-artifacts"  # ignored by git; what a failed test last saw
PATIENCE_MS = 45_000


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    """One Chromium for all browser tests.

    Playwright's event loop stays in the test's thread, where Django then refuses database calls for fear of blocking
    it. Here nothing else runs on that loop, so the refusal is lifted while the browser is open.
    """
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
    else:
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture(autouse=True)
def _resting_worker(request: pytest.FixtureRequest) -> Iterator[None]:
    """Once a test has started the shared worker, it rests during the tests that did not ask for it.

    They run backtests in this process, or want to see one wait.
    """
    if "backtest_worker" in request.fixturenames:
        yield
        return

    def tell(command: str) -> None:
        app.control.broadcast(command, arguments={"queue": "backtests"}, reply=True, timeout=0.3, limit=1)

    tell("cancel_consumer")
    yield
    app.control.purge()
    tell("add_consumer")


@pytest.fixture
def visit(browser: Browser, live_site: Site, request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """`visit(user, width=1440, theme="light")` opens a page of its own browser profile, signed in as that user.

    Every page is watched: the test fails at its end when one wrote an error, broke the content policy, or was refused
    something without `page.watcher.expect(status)`.
    """
    contexts, watchers = [], []
    failed_before = request.session.testsfailed

    def opened(
        user: User | None = None, *, width: int = 1440, theme: str = "light", palette: str = "", **options: object
    ) -> Page:
        context = browser.new_context(
            base_url=live_site.url,
            viewport={"width": width, "height": 844 if width < 720 else 900},
            color_scheme=theme,
            **options,
        )
        context.set_default_timeout(PATIENCE_MS)
        if user is not None:
            client = Client()
            client.force_login(user)
            context.add_cookies(
                [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_site.url}]
            )
        if palette:
            context.add_cookies([{"name": "palette", "value": palette, "url": live_site.url}])
        page = context.new_page()
        page.watcher = Watcher(page)  # type: ignore[attr-defined]
        contexts.append(context)
        watchers.append(page.watcher)  # type: ignore[attr-defined]
        return page

    yield opened
    for number, context in enumerate(contexts):
        if request.session.testsfailed > failed_before:
            for page in context.pages:
                page.screenshot(path=ARTIFACTS / f"{request.node.name}-{number}.png", full_page=True)
        context.close()
    faults = [fault for watcher in watchers for fault in watcher.faults]
    assert not faults, "\n".join(faults)
