"""The inbox and the parts of an account in a browser: what differs, what each button says it will do, and does."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import BrokerAccount, User
from bots.brokers.base import BrokerOrder, CashActivity
from bots.live import flows
from bots.live.reconcile import take_down
from bots.models import Adjustment, BookingRequest, BrokerExecution, Discrepancy
from bots.orders import OrderState
from bots.services import inbox
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.live.made import hold, live_session, truth

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
D = Decimal
HELD = {"SIM-ALPHA": "25", "SIM-BETA": "7", "SIM-GAMMA": "4"}


@pytest.fixture
def account(alice: User) -> BrokerAccount:
    """Two sessions trade on it; ten units too many, three too few, an order of nobody here, 250 too much."""
    made: BrokerAccount = BrokerAccountFactory(owner=alice, name="Practice")
    take_down(made, truth({"SIM-GAMMA": "4"}, at=timezone.now() - datetime.timedelta(days=40)))
    made.refresh_from_db()
    trend = hold(live_session(alice, made, name="Trend of Alpha"), "SIM-ALPHA", "15")
    hold(
        live_session(alice, made, name="Beta by hand", symbols=["SIM-BETA", "SIM-ALPHA", "SIM-GAMMA"]), "SIM-BETA", "10"
    )
    now = timezone.now()
    for number, (session, symbol, side, qty, px) in enumerate(
        [(trend, "SIM-ALPHA", "BUY", 15, 100), (None, "SIM-ALPHA", "BUY", 10, 97)]
    ):
        BrokerExecution(
            broker_account=made, session=session, execution_id=f"2026::{number}", symbol=symbol, side=side, qty=D(qty),
            px=D(px), executed_at=now,
        ).save()  # fmt: skip
    flows.keep(made, CashActivity("d-1", "deposit", D(5_000), "USD", now - datetime.timedelta(days=10)))
    flows.keep(made, CashActivity("v-1", "dividend", D("12.5"), "USD", now, "SIM-ALPHA", text="Cash dividend"))
    Adjustment(session=trend, kind="cash", ref="flow", amount=D("7.5"), at=now,
               cash_flow=made.cash_flows.get(kind="dividend")).save()  # fmt: skip
    BookingRequest.objects.update(done_at=now)
    by_hand = BrokerOrder("hand", "v-9", "SIM-BETA", "SELL", "limit", OrderState.ACCEPTED, D(5), limit_px=D("120.5"))
    # What was booked at the moment of a look would say nothing yet.
    made.executions.update(seen_at=now - datetime.timedelta(minutes=1))
    take_down(made, truth(HELD, by_hand, cash="102792.50"))
    made.refresh_from_db()
    return made


@pytest.mark.row("W3")
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_a_difference_is_adopted_left_and_closed(
    visit: Callable[..., Page], alice: User, account: BrokerAccount, width: int, theme: str
) -> None:
    page = visit(alice, width=width, theme=theme)
    page.goto(reverse("home"))
    if width < 720:
        page.get_by_role("button", name="More sections").click()
    page.get_by_role("link", name="Inbox 4 to decide").click()
    rows = page.get_by_test_id("difference")
    expect(rows).to_have_count(4)
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    alpha = rows.filter(has_text="SIM-ALPHA position")
    expect(alpha).to_contain_text("the account has 25, our books say 15")
    expect(alpha.get_by_label("Session that adopts SIM-ALPHA")).to_contain_text("Beta by hand")
    alpha.get_by_label("Session that adopts SIM-ALPHA").focus()  # as a person does: meanwhile the list is not renewed
    alpha.get_by_label("Session that adopts SIM-ALPHA").select_option(label="Beta by hand")
    alpha.get_by_test_id("adopt").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The session takes 10 SIM-ALPHA over as its own at 97")
    dialog.get_by_role("button", name="Adopt").click()
    expect(alpha).to_contain_text("Being adopted")
    assert BookingRequest.objects.get(done_at=None).session.name == "Beta by hand"

    beta = rows.filter(has_text="SIM-BETA position")
    expect(beta).to_contain_text("1 session halted: Beta by hand has more in the books than the account has.")
    beta.get_by_test_id("close").click()
    expect(dialog).to_contain_text("Practice is told to buy 3 SIM-BETA at the market.")
    dialog.get_by_role("button", name="Close at the market").click()
    expect(beta).to_contain_text("Being closed")

    cash = rows.filter(has=page.get_by_role("heading", name="Cash"))
    cash.get_by_test_id("leave").click()
    dialog.get_by_role("button", name="Leave external").click()
    expect(rows).to_have_count(3)
    assert account.cash_flows.filter(ref__startswith="difference-").get().amount == 250

    # What is found meanwhile comes by itself.
    take_down(account, truth(HELD, cash="102792.50"))
    expect(rows.filter(has_text="working order")).to_have_count(0)
    page.get_by_role("link", name="All", exact=True).click()
    expect(rows).to_have_count(4)
    expect(rows.filter(has_text="working order")).to_contain_text("Gone by itself")


@pytest.mark.row("W9", "W18")
@pytest.mark.parametrize(("width", "theme"), [(1440, "dark"), (390, "light")])
def test_an_account_is_the_sum_of_its_parts(
    visit: Callable[..., Page], alice: User, account: BrokerAccount, width: int, theme: str
) -> None:
    page = visit(alice, width=width, theme=theme)
    page.goto(reverse("brokers:account", args=[account.pk]) + "?tab=parts")
    units = page.get_by_test_id("unit-parts").get_by_role("row")
    expect(units.filter(has_text="SIM-ALPHA")).to_contain_text("To decide")
    expect(units.filter(has_text="SIM-GAMMA")).to_contain_text("Yes")
    expect(page.get_by_test_id("cash-parts")).to_contain_text("Trend of Alpha")
    expect(page.get_by_text("Time-weighted return")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    page.get_by_label("Amount (USD)").fill("a lot")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.get_by_text("a lot is no figure.")).to_be_visible()
    page.get_by_label("Amount (USD)").fill("1,500")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.get_by_text("It is being moved")).to_be_visible()
    assert BookingRequest.objects.get(kind="cash", done_at=None).amount == 1_500
    page.get_by_role("button", name="Hand over").click()
    page.get_by_role("dialog").get_by_role("button", name="Hand over").click()
    expect(page.get_by_text("They are being handed over")).to_be_visible()
    assert BookingRequest.objects.get(kind="adopt", done_at=None).qty == 4

    page.get_by_role("link", name="Executions").click()
    expect(page.get_by_test_id("executions").get_by_role("row")).to_have_count(3)
    page.get_by_role("link", name="External only").click()
    expect(page.get_by_test_id("executions").get_by_role("row")).to_have_count(2)
    page.get_by_role("link", name="Money", exact=True).click()
    money = page.get_by_test_id("flows").get_by_role("row")
    expect(money.filter(has_text="Dividend")).to_contain_text("Trend of Alpha +7.50")
    expect(money.filter(has_text="Opening balance")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.row("W3")
def test_an_inbox_in_which_nothing_differs(visit: Callable[..., Page], alice: User, bob: User) -> None:
    quiet: BrokerAccount = BrokerAccountFactory(owner=alice, name="Quiet")
    take_down(quiet, truth())
    page = visit(alice)
    page.goto(reverse("inbox"))
    expect(page.get_by_test_id("agrees")).to_contain_text("Everything agrees")
    expect(page.get_by_text("ago").first).to_be_visible()
    take_down(quiet, truth({"SIM-ALPHA": "1"}))  # it is told at once
    expect(page.get_by_test_id("difference")).to_have_count(1)
    page = visit(bob)
    page.goto(reverse("inbox"))
    expect(page.get_by_role("heading", name="There is nothing to compare yet")).to_be_visible()
    expect(page.get_by_role("link", name="Inbox")).to_have_count(0)
    assert Discrepancy.objects.count() == 1


@pytest.mark.row("W3")
@pytest.mark.parametrize("width", [1440, 390])
def test_the_count_in_the_frame_follows_without_a_reload(
    visit: Callable[..., Page], alice: User, account: BrokerAccount, width: int
) -> None:
    page = visit(alice, width=width)
    page.goto(reverse("trades"))
    expect(page.locator("#connection")).to_have_attribute("data-state", "open")
    if width < 720:
        expect(page.get_by_role("button", name="More sections, 4 to decide in the inbox")).to_contain_text("4")
        page.get_by_role("button", name="More sections").click()
    expect(page.get_by_role("link", name="Inbox 4 to decide")).to_be_visible()
    page.evaluate("document.body.dataset.mark = 'the same page'")

    inbox.leave(alice, Discrepancy.objects.get(state="OPEN", kind="order").pk)
    expect(page.get_by_role("link", name="Inbox 3 to decide")).to_be_visible()
    take_down(account, truth({**HELD, "SIM-DELTA": "2"}, cash="102792.50"))  # somebody buys there
    expect(page.get_by_role("link", name="Inbox 4 to decide")).to_be_visible()
    books = {"SIM-ALPHA": "15", "SIM-BETA": "10", "SIM-GAMMA": "4"}
    take_down(account, truth(books, cash="102542.50"))
    expect(page.get_by_test_id("inbox-count")).to_be_hidden()
    assert page.locator("body").get_attribute("data-mark") == "the same page"
