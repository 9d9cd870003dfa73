"""The bell, its list and the channels: live, and with what matters said aloud."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import Delivery, NotificationChannel, User
from accounts.services import notifications

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
TOKEN = "123456789:AAcanary-token-of-a-bot-which-is-7QXZ"  # not-a-secret


def tell(user: User, level: str, title: str, text: str = "") -> None:
    notifications.notify(user, "session_halted", level=level, title=title, text=text)


@pytest.mark.row("O1", "O3")
@pytest.mark.parametrize("width", [1440, 390])
def test_the_bell_counts_and_what_matters_is_said(
    visit: Callable[..., Page], alice: User, bob: User, width: int
) -> None:
    tell(alice, "info", "An old one")
    page = visit(alice, width=width)
    page.goto(reverse("backtests:list"))
    bell = page.get_by_role("link", name="Notifications, 1 unread")
    expect(bell).to_be_visible()
    expect(page.locator("#connection")).to_have_attribute("data-state", "open")
    tell(bob, "critical", "Not hers")
    tell(alice, "info", "Ten bought")
    expect(page.locator("#bell")).to_have_text("Notifications, 2 unread2")
    expect(page.locator("#toasts .toast")).to_have_count(0)
    tell(alice, "error", "Halted", "<b>The feed</b> is silent")
    expect(page.locator("#toasts")).to_contain_text("Halted — <b>The feed</b> is silent")
    expect(page.get_by_text("Not hers")).to_have_count(0)

    page.locator("#bell").click()
    expect(page.get_by_role("listitem").filter(has_text="Halted")).to_contain_text("unread")
    tell(alice, "warning", "Silent again")  # an open list is renewed
    expect(page.get_by_role("heading", name="Silent again")).to_be_visible()
    page.get_by_role("button", name="Mark “Halted” as read").click()
    expect(page.locator("[data-bell-count]")).to_have_text("3")
    page.get_by_role("link", name="Unread (3)").click()
    expect(page.get_by_role("heading", name="Halted")).to_have_count(0)
    notifications.mark_all_read(alice)  # in another window
    expect(page.get_by_role("heading", name="Nothing unread")).to_be_visible()
    expect(page.locator("[data-bell-count]")).to_be_hidden()


@pytest.mark.row("A9", "O4")
def test_a_channel_is_set_up_tried_and_removed(visit: Callable[..., Page], alice: User) -> None:
    page = visit(alice)
    page.goto(reverse("accounts:settings"))
    page.get_by_label("Chat id").fill("my chat")
    page.get_by_label("Bot token").fill(TOKEN)
    page.get_by_role("button", name="Save Telegram").click()
    expect(page.get_by_text("This is no chat id.")).to_be_visible()
    expect(page.get_by_label("Chat id")).to_have_value("my chat")
    expect(page.get_by_label("Bot token")).to_have_value("")
    page.get_by_label("Chat id").fill("42")
    page.get_by_label("Bot token").fill(TOKEN)
    page.get_by_role("button", name="Save Telegram").click()
    expect(page.get_by_text("set, ends in …7QXZ")).to_be_visible()
    assert TOKEN not in page.content()
    page.get_by_label("Chat id").fill("43")  # the token stays
    page.get_by_role("button", name="Save Telegram").click()
    expect(page.get_by_label("Chat id")).to_have_value("43")
    row = NotificationChannel.objects.get()
    assert (row.address, row.secret.reveal()) == ("43", TOKEN)
    page.get_by_role("button", name="Send a test by Telegram").click()
    expect(page.get_by_role("row", name="Telegram Test message Waiting")).to_be_visible()
    assert Delivery.objects.get().event == "test"
    page.get_by_role("button", name="Remove Telegram").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("not set up")).to_have_count(2)
    page.get_by_label("Address", exact=True).fill("http://localhost/")
    page.get_by_label("Signing secret").fill("a signing secret of hers")
    page.get_by_role("button", name="Save Webhook").click()
    expect(page.get_by_text("inside a private network")).to_be_visible()
    assert not NotificationChannel.objects.exists()
