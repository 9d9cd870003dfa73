"""Sessions and bots in every state, for pages: what alice sees when some of hers run, and some went wrong."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.models import Tier, User
from bots.models import Decision, ParityReport, SessionEvent, TradingSession
from bots.presenters.session_tabs import TABS
from tests.bots.factories import fill_session, make_bot, make_session

LONG = "A name that goes on and on and does not want to end anywhere near here"
MANY = [f"SIM-{number:02}" for number in range(1, 19)]


def full_session(owner: User, **columns: object) -> TradingSession:
    """A running session with everything on its page: trades, gates, versions, differences, faults in its log."""
    session = fill_session(make_session(owner, **columns), bars=120)
    denied = session.decisions.order_by("-ts_ns")[:3]
    Decision.objects.filter(pk__in=[row.pk for row in denied]).update(
        action="BUY",
        confidence=0.8,
        outcome="no_slot",
        detail="1 of 1 positions is open",
        gates=[
            {"gate": "signal", "value": "BUY", "limit": None, "ok": True},
            {"gate": "min_confidence", "value": 0.8, "limit": 0.4, "ok": True},
            {"gate": "max_open_positions", "value": 1, "limit": 1, "ok": False},
        ],
    )
    difference = {
        "label": "timing", "symbol": "SIM-ALPHA", "ts": "2026-03-02 14:31", "what": "Fill one bar later",
        "session": "BUY 9 at 101.20", "backtest": "BUY 9 at 101.12",
    }  # fmt: skip
    ParityReport.objects.create(
        session=session, up_to_ns=1, cycles=120, identical=False, orders_compared=20, fills_compared=18,
        counts={"timing": 1}, differences=[difference],
    )  # fmt: skip
    SessionEvent.objects.create(session=session, level="warning", kind="feed", text="Silent for 12 s; back by itself")
    SessionEvent.objects.create(session=session, level="error", kind="guard", text="A stop was missing for 3 s. " * 6)
    return session


@pytest.fixture
def trading_pages(alice: User) -> dict[str, str]:
    """Every page of sessions and bots by name → address, with something on each."""
    User.objects.filter(pk=alice.pk).update(tier=Tier.objects.get(code=Tier.PREMIUM), welcome_done=True)
    bot = make_bot(alice, name="Night owl", description="Crosses averages while others sleep.")
    make_bot(alice, name=f"{LONG} bot", symbols=MANY, settings={"stop_loss_pct": 2.0, "max_open_positions": 4})
    running = full_session(alice, name="Golden cross on two", symbols=["SIM-ALPHA", "SIM-BETA"], bot=bot)
    paused = fill_session(make_session(alice, name="Resting", state="PAUSED", wanted="PAUSE", timeframe="5m"), bars=40)
    many = fill_session(make_session(alice, name=LONG, symbols=MANY, timeframe="1h"), bars=30)
    stopping = fill_session(
        make_session(alice, name="On its way out", state="STOPPING", wanted="STOP", stop_policy="flatten"), bars=30
    )
    halted = make_session(
        alice, name="Needs you", state="HALTED", state_reason="The venue knows 9 SIM-ALPHA more than the ledger."
    )
    degraded = make_session(alice, name="No prices", state="DEGRADED", state_reason="The feed is silent since 14:02.")
    failed = make_session(alice, name="Cannot run", state="FAILED", state_reason="The strategy is gone.")
    over = fill_session(make_session(alice, name="Done", state="STOPPED", initial_cash=Decimal(2_500)), bars=60)
    empty = make_session(alice, name="Just started", state="SCHEDULED")
    tabs = {f"session {name}": f"{reverse('bots:session', args=[running.pk])}?tab={name}" for name, _ in TABS}
    states = {"paused": paused, "many symbols": many, "stopping": stopping, "halted": halted, "degraded": degraded}
    states |= {"failed": failed, "over": over, "starting": empty}
    return {
        "dashboard": reverse("home"),
        **tabs,
        "decisions of one outcome": f"{tabs['session decisions']}&outcome=no_slot",
        **{f"session {name}": reverse("bots:session", args=[row.pk]) for name, row in states.items()},
        "session starting decisions": f"{reverse('bots:session', args=[empty.pk])}?tab=decisions",
        "session over settings": f"{reverse('bots:session', args=[over.pk])}?tab=settings",
        "sessions": reverse("bots:sessions"),
        "sessions, nothing found": f"{reverse('bots:sessions')}?q=nothing-like-it",
        "start": reverse("bots:new-session"),
        "start again": f"{reverse('bots:new-session')}?from={over.pk}",
        "bots": reverse("bots:list"),
        "bot": reverse("bots:bot", args=[bot.pk]),
        "bot new": reverse("bots:new"),
        "bot edit": reverse("bots:edit", args=[bot.pk]),
    }
