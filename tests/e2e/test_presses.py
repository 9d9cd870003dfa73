"""Presses too many: the second one of a double click, and the one after Back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from bots.models import Bot, TradingSession
from tests.bots.factories import make_bot, make_session

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
BACK = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"  # as from the browser's memory


@pytest.mark.row("N11")
def test_the_second_press_of_a_double_click_answers_no_question(visit: Callable[..., Page], alice: User) -> None:
    session, bot = make_session(alice), make_bot(alice)
    page = visit(alice)
    page.goto(f"/sessions/{session.pk}/")
    page.get_by_test_id("stop").dblclick()
    expect(page.get_by_role("dialog", name="Stop this session?")).to_be_visible()
    page.goto(f"/bots/{bot.pk}/")
    dialog = page.get_by_role("dialog")
    page.evaluate(  # the worst case: what answers yes comes up under the pointer
        """() => { const box = [...document.querySelectorAll("button")].find((b) => b.textContent.trim() === "Delete")
             .getBoundingClientRect();
           const yes = document.getElementById("confirm-yes");
           Object.assign(yes.style, { position: "fixed", left: `${box.left}px`, top: `${box.top}px`,
             width: `${box.width}px`, height: `${box.height}px` }); }"""
    )
    page.get_by_role("button", name="Delete").dblclick()
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("button", name="Delete")).to_be_visible()
    assert Bot.objects.filter(pk=bot.pk).exists()
    assert TradingSession.objects.get(pk=session.pk).wanted == TradingSession.Wanted.RUN


@pytest.mark.row("N11")
def test_what_back_brings_up_again_can_be_sent_and_asks_first(visit: Callable[..., Page], alice: User) -> None:
    bot = make_bot(alice)
    page = visit(alice)
    sent: list[str] = []
    page.route("**/delete/", lambda route: (sent.append(route.request.url), route.fulfill(status=204)))
    page.goto(f"/bots/{bot.pk}/")
    button, dialog = page.get_by_role("button", name="Delete").first, page.get_by_role("dialog")
    for times in (1, 2):
        button.click()
        expect(dialog).to_be_visible()
        assert len(sent) == times - 1, "it asks before it is sent"
        with page.expect_response("**/delete/"):
            dialog.get_by_role("button", name="Delete").click()
        assert len(sent) == times
        expect(button).to_have_attribute("aria-disabled", "true")
        page.evaluate(BACK)
        expect(button).not_to_have_attribute("aria-disabled", "true")
