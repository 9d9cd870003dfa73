"""Names that are markup or script are shown as the text they are, on every page that shows them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import User
from backtests import services
from backtests.models import Backtest
from strategies import services as strategy_services
from tests.bots.factories import fill_session, make_bot, make_session

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

_RUN = "window.__hit=1"
HOSTILE = [
    f"<script>{_RUN}</script>",
    f"</script><script>{_RUN}</script>",
    f"</title><script>{_RUN}</script>",
    f"</textarea><script>{_RUN}</script>",
    f"</option></select><script>{_RUN}</script>",
    f"<img src=x onerror={_RUN}>",
    f'"><img src=x onerror={_RUN}>',
    f"'><img src=x onerror={_RUN}>",
    f"<svg onload={_RUN}>",
    f"<svg/onload={_RUN}>",
    f"<svg><script>{_RUN}</script></svg>",
    f"<svg><animate onbegin={_RUN} attributeName=x dur=1s>",
    f"<body onload={_RUN}>",
    f"<details open ontoggle={_RUN}>",
    f"<input autofocus onfocus={_RUN}>",
    f"<select autofocus onfocus={_RUN}>",
    f"<video><source onerror={_RUN}>",
    f"<audio src=x onerror={_RUN}>",
    f"<marquee onstart={_RUN}>",
    f"<iframe src=javascript:parent.{_RUN}>",
    f'<iframe srcdoc="<script>parent.{_RUN}</script>">',
    f"<object data=javascript:{_RUN}>",
    f"<embed src=javascript:{_RUN}>",
    f"<a href=javascript:{_RUN}>x</a>",
    f'" onmouseover="{_RUN}',
    f"' onmouseover='{_RUN}",
    f'" autofocus onfocus="{_RUN}" x="',
    f'" style="animation-name:x" onanimationstart="{_RUN}',
    f"javascript:{_RUN}",
    f"`;{_RUN};//",
    f"';{_RUN};//",
    f'";{_RUN};//',
    f"</script><svg onload={_RUN}>",
    f"-->{_RUN}<!--",
    f"<!--><script>{_RUN}</script>",
    f"<math><mtext><script>{_RUN}</script>",
    f"<template><script>{_RUN}</script></template>",
    f"<noscript><img src=x onerror={_RUN}></noscript>",
    "<style>*{display:none}</style>",
    "<link rel=stylesheet href=//example.invalid/x.css>",
    "<meta http-equiv=refresh content=0;url=//example.invalid>",
    "<base href=//example.invalid/>",
    "<form action=//example.invalid><button>",
    "<div hx-get=/accounts/logout/ hx-trigger=load>",
    f"<div hx-on:htmx:load={_RUN}>",
    f"<b data-hx-on:click={_RUN}>",
    "{{ 7|add:7 }}{% csrf_token %}",
    "{{constructor.constructor('window.__hit=1')()}}",
    "&lt;script&gt;window.__hit=1&lt;/script&gt;",
    "%3Cscript%3Ewindow.__hit=1%3C/script%3E",
]


def untouched(page: Page, address: str) -> None:
    """The page did nothing that a name told it to."""
    page.goto(address)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.__hit") is None, address
    assert (
        page.evaluate("document.querySelectorAll('iframe, object, embed, marquee, math, base, video, audio').length")
        == 0
    )
    assert page.evaluate("document.querySelectorAll('script:not([src]):not([type=\"application/json\"])').length") == 0
    assert "example.invalid" not in page.url
    expect(page.locator("h1")).to_be_visible()


def test_hostile_names_are_only_text(visit: Callable[..., Page], alice: User, run_now: Callable[..., Backtest]) -> None:
    assert len(HOSTILE) == 50
    shown = run_now(alice)
    rows = [
        Backtest(
            **{
                field.attname: getattr(shown, field.attname)
                for field in Backtest._meta.concrete_fields
                if field.attname not in ("id", "name", "idempotency_key")
            },
            name=text,
        )
        for text in HOSTILE
    ]
    Backtest.objects.bulk_create(rows)
    saved = [
        strategy_services.create(alice, name=text[:80], strategy="momentum", parameters={}) for text in HOSTILE[:20]
    ]
    page = visit(alice)
    for address in ("/backtests/", "/backtests/?page=2", "/backtests/?page=3", "/backtests/new/", "/strategies/"):
        untouched(page, address)
    assert page.request.get("/backtests/?q=%3Cscript%3E").text().count("<script>") == 0
    # the name of a real run, on its own page, in charts, dialogs and the search
    for text in HOSTILE:
        Backtest.objects.filter(pk=shown.pk).update(name=text)
        answer = page.request.get(reverse("backtests:detail", args=[shown.pk])).text()
        assert text not in answer or "<" not in text, text
    for text in (HOSTILE[1], HOSTILE[6], HOSTILE[27]):
        Backtest.objects.filter(pk=shown.pk).update(name=text, strategy_label=text)
        untouched(page, reverse("backtests:detail", args=[shown.pk]))
        page.get_by_role("button", name="Delete").click()
        expect(page.get_by_role("dialog", name="Delete this backtest?")).to_contain_text(text)
        page.keyboard.press("Escape")
        page.keyboard.press("Control+k")
        page.keyboard.type("crossover" if "crossover" in text else text[:12])
        page.wait_for_timeout(400)
        assert page.evaluate("window.__hit") is None
    untouched(page, f"/backtests/compare/?ids={shown.pk},{_other(alice, shown).pk}")
    untouched(page, f"/backtests/new/?saved={saved[0].pk}&symbol={'%3Cimg src=x onerror=window.__hit=1%3E'}")


def _other(owner: User, shown: Backtest) -> Backtest:
    return services.selectors.for_user(owner).exclude(pk=shown.pk).first()


def test_hostile_text_of_sessions_and_bots_is_only_text(visit: Callable[..., Page], alice: User) -> None:
    for text in HOSTILE:
        make_session(alice, name=text[:80], state="STOPPED")
        make_bot(alice, name=text[:80], description=text)
    for text in (HOSTILE[1], HOSTILE[6], HOSTILE[27]):
        bot = make_bot(alice, name=f"1{text}"[:80])
        session = fill_session(make_session(alice, bot=bot, name=text, state="DEGRADED", state_reason=text), bars=20)
        session.decisions.update(detail=text, reasoning=text, gates=[{"gate": text, "value": text, "ok": False}])
        session.events.create(kind="fault", level="error", text=text)
        session.orders.update(state_reason=text)
        page = visit(alice)
        one = reverse("bots:session", args=[session.pk])
        tabs = [f"{one}?tab={tab}" for tab in ("overview", "orders", "decisions", "settings", "log", text)]
        for address in ("/", "/sessions/", "/bots/", reverse("bots:bot", args=[bot.pk]), *tabs):
            untouched(page, address)
        page.goto("/")
        page.locator(f".session-card[data-session='{session.pk}']").get_by_role("button", name="Stop").click()
        expect(page.get_by_role("dialog").filter(has_text="Stop “")).to_contain_text(text)
        page.keyboard.press("Escape")
        page.keyboard.press("Control+k")
        page.keyboard.type("pause " + text[:12])
        page.wait_for_timeout(400)
        assert page.evaluate("window.__hit") is None
        session.delete()
