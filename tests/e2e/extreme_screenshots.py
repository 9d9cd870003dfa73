"""Pictures of pages under strain, for eyes: long names, forty symbols, millions, losses, coins worth nothing, errors.

`pytest tests/e2e/extreme_screenshots.py`. Not part of the suite, as `screenshots` beside it.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from accounts.models import BrokerAccount, User
from accounts.services import notifications
from bots.brokers.base import CashActivity
from bots.live import flows
from bots.live.reconcile import take_down
from bots.models import Position, TradingSession
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.factories import fill_session, make_bot, make_session
from tests.bots.live.made import hold, live_session, truth
from tests.e2e.screenshots import take
from tests.e2e.trading_world import LONG

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
FORTY = [f"SIM-{letter}{number:02}" for letter in "ABCD" for number in range(1, 11)]
UNBROKEN = "Pneumonoultramicroscopicsilicovolcanoconiosis" * 2
LOOKS = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]


@pytest.fixture
def extremes(alice: User) -> dict[str, Any]:
    """Millions in forty symbols, a heavy loss, dust of a coin, and an account whose every name is long."""
    User.objects.filter(pk=alice.pk).update(tier_id="ENTERPRISE", welcome_done=True)
    bot = make_bot(alice, name=f"{LONG} bot", symbols=FORTY, capital=Decimal(7_500_000), description=f"{LONG}. " * 3)
    rich = fill_session(make_session(alice, name=LONG, bot=bot, symbols=FORTY, initial_cash=Decimal(7_500_000)))
    poor = fill_session(make_session(alice, name=UNBROKEN[:80], initial_cash=Decimal(2_400_000)), bars=120)
    TradingSession.objects.filter(pk=poor.pk).update(
        equity=Decimal("1034567.89"), day_start_equity=Decimal(2_412_000), total_pnl=Decimal("-1365432.11"),
        unrealised_pnl=Decimal("-98765.43"),
    )  # fmt: skip
    dust = make_session(alice, name="Dust", symbols=["SHIB-USDT"], initial_cash=Decimal(1_000))
    hold(dust, "SHIB-USDT", "12345678.90123456", "0.00001234")
    account: BrokerAccount = BrokerAccountFactory(
        owner=alice, name=f"{LONG} account", environment="LIVE", cash=Decimal("12345678.90"),
        equity=Decimal("23456789.01"), buying_power=Decimal("46913578.02"),
    )  # fmt: skip
    take_down(account, truth(at=timezone.now() - datetime.timedelta(days=30), cash="12345678.90"))
    account.refresh_from_db()
    live = hold(live_session(alice, account, name=f"{LONG} live", symbols=FORTY[:3]), FORTY[0], "-120", "1234.5")
    flows.keep(account, CashActivity("d-1", "deposit", Decimal("-2500000.55"), "USD", timezone.now(), text=LONG))
    take_down(account, truth({FORTY[0]: "2500000", FORTY[1]: "0.00000001"}, cash="9845678.35"))
    for level in ("info", "warning", "critical"):
        notifications.notify(alice, "x", level=level, title=f"{LONG}: {level}", text=f"{UNBROKEN} {LONG}", link="/")
    return {"bot": bot, "rich": rich, "poor": poor, "dust": dust, "account": account, "live": live}


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_take_what_is_long_and_large(
    visit: Callable[..., Page], alice: User, extremes: dict[str, Any], width: int, theme: str
) -> None:
    page = visit(alice, width=width, theme=theme)
    session, account = f"/sessions/{extremes['rich'].pk}/", f"/brokers/{extremes['account'].pk}/"
    position = Position.objects.filter(session=extremes["dust"]).get()
    addresses = {
        "dashboard": "/", "session": session, "session positions": f"{session}?tab=positions",
        "session orders": f"{session}?tab=orders", "session decisions": f"{session}?tab=decisions",
        "session settings": f"{session}?tab=settings", "session of losses": f"/sessions/{extremes['poor'].pk}/",
        "session of dust": f"/sessions/{extremes['dust'].pk}/?tab=positions",
        "session live": f"/sessions/{extremes['live'].pk}/",
        "sessions": "/sessions/", "bots": "/bots/", "bot": f"/bots/{extremes['bot'].pk}/",
        "trades": "/trades/", "orders": "/orders/", "positions": "/positions/",
        "position": f"/positions/{position.pk}/",
        "analytics": "/analytics/", "risk": "/risk/", "notifications": "/notifications/",
        "brokers": "/brokers/", "account": account, "account parts": f"{account}?tab=parts",
        "account flows": f"{account}?tab=flows", "inbox": "/inbox/",
        "live start": f"/sessions/new/?account={extremes['account'].pk}",
        "bot edit": f"/bots/{extremes['bot'].pk}/edit/",
    }  # fmt: skip
    too_wide = []
    for name, address in addresses.items():
        page.goto(address)
        take(page, f"extreme {name}", f"{width}-{theme}")
        if page.evaluate("document.documentElement.scrollWidth") > width:
            too_wide.append(name)
    assert not too_wide


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_take_errors(visit: Callable[..., Page], alice: User, width: int, theme: str) -> None:
    look = f"{width}-{theme}"
    page = visit(alice, width=width, theme=theme)
    for status in (400, 403, 404):
        page.watcher.expect(status)
    page.goto("/sessions/999/")
    take(page, "error 404", look)
    page.goto(reverse("accounts:settings"))
    page.evaluate("document.querySelectorAll('[name=csrfmiddlewaretoken]').forEach((field) => (field.value = ''))")
    page.evaluate("document.querySelector('form[method=post] [type=submit]').form.submit()")
    take(page, "error 403", look)
    stranger = visit(width=width, theme=theme)
    stranger.watcher.expect(404)
    stranger.goto("/no/such/page/")
    take(stranger, "error 404 stranger", look)
    words = {"headline": "Something went wrong on our side", "status": 500, "request_id": "7f3c2a"}
    stranger.set_content(render_to_string("errors/bare.html", {**words, "message": "It is in our log. " * 3}))
    take(stranger, "error 500", look)
