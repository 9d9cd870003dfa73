"""Prices and units that jump under resting stops: gaps, splits, the end of the day for fractions, refused moves."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from accounts.models import Notification, User
from bots.live import protecting
from bots.models import OrderRole, TradingSession
from bots.services import sessions
from marketdata.columns import BarColumns
from marketdata.models import Instrument
from tests.bots.host import market
from tests.bots.host.hosting import host
from tests.bots.live.audit import check
from tests.bots.live.rig import Rig, state_of, until
from tests.bots.live.test_coins import COINS, coin  # noqa: F401 - a fixture
from tests.bots.live.test_protecting import HOLD, PROTECTED, held, working

pytestmark = [pytest.mark.django_db(transaction=True)]

STOPPED: dict[str, Any] = {"allow_fractional": False, "stop_loss_pct": 10.0}


def settled(session: TradingSession) -> bool:
    return not session.orders.filter(state__in=("INTENT", "SUBMITTED", "PENDING_REPLACE", "PENDING_CANCEL")).exists()


def covered(rig: Rig, session: TradingSession) -> bool:
    return bool(held(rig) > 0 and working(rig, "stop") and settled(session))


def finish(alice: User, session: TradingSession) -> None:
    sessions.stop(alice, session.pk, "flatten")
    until(session, lambda: state_of(session) == "STOPPED", 60)


# --- gaps (32) ------------------------------------------------------------------------------------------------------


@pytest.mark.row("I3", "I8")
@pytest.mark.fault(32)
def test_a_gap_through_a_stop_is_paid_in_full(alice: User, rig: Rig) -> None:
    """It fills at the price at which trading goes on, not at the stop's, and the loss says so."""
    session = rig.session(settings=STOPPED, **HOLD)
    with host():
        until(session, lambda: covered(rig, session))
        stop = Decimal(working(rig, "stop")[0]["stop_price"])
        gap = (stop * Decimal("0.8")).quantize(Decimal("0.01"))
        rig.price(str(gap))
        until(session, lambda: session.positions.filter(is_open=False).exists())
        finish(alice, session)
    check(rig, session)
    position = session.positions.get()
    assert (position.exit_px, position.exit_reason) == (gap, "stop_loss")
    assert position.realised_pnl == (gap - position.entry_px) * position.entered_qty
    out = session.trades.get(is_entry=False)
    assert abs(out.slippage) == stop - gap, "against the stop that was set"


@pytest.mark.row("I3", "I8")
@pytest.mark.fault(32)
@pytest.mark.parametrize("coin", ["alpaca"], indirect=True)
def test_a_stop_limit_that_is_left_behind_raises_an_alarm(alice: User, coin: tuple[Rig, str]) -> None:  # noqa: F811
    """Coins at Alpaca take stop-limits only. The market falls through the limit: we leave at market, and tell."""
    rig, symbol = coin
    at = market.WARMUP + 300
    ts = market.BEGIN + np.arange(market.WARMUP + 5_000, dtype=np.int64) * market.MINUTE
    close = np.where(np.arange(len(ts)) < at, 100.0, 85.0)
    bars = BarColumns(ts, close, close + 0.01, close - 0.01, close, np.full(len(ts), 1_000.0))
    market.put(symbol, bars, calendar="24/7")
    Instrument.objects.filter(symbol=symbol).update(lot_size=Decimal("0.00001"), fractionable=True)
    session = market.session(
        alice, mode="LIVE", broker_account=rig.account, symbols=[symbol], **HOLD,
        feed_options=market.replay(market.FIRST, market.FIRST + 4_000 * market.MINUTE, speed=1_800),
        settings={"allow_fractional": True, "stop_loss_pct": 5.0},
    )  # fmt: skip
    with host():
        until(session, lambda: working(rig, "stop_limit"))
        rig.price("85.00", COINS["alpaca"][0])
        assert working(rig, "stop_limit"), "it woke up, and nobody buys at its limit"
        until(session, lambda: session.positions.filter(is_open=False).exists(), 40)
        until(session, lambda: Notification.objects.filter(owner=alice, event="stop_left_behind").exists())
        finish(alice, session)
    check(rig, session)
    position = session.positions.order_by("pk")[0]
    assert (position.exit_px, position.exit_reason) == (85, "stop_loss")


# --- splits (33) ----------------------------------------------------------------------------------------------------


@pytest.mark.row("W17", "I3")
@pytest.mark.fault(33)
@pytest.mark.parametrize(
    ("new", "old", "overnight"),
    [
        (4, 1, True),
        pytest.param(
            4, 1, False, marks=pytest.mark.xfail(reason="exits that the venue rescaled are moved back", strict=True)
        ),
    ],
    ids=["4 for 1", "4 for 1 while a host runs"],
)
def test_a_split_takes_resting_exits_with_it(alice: User, rig: Rig, new: int, old: int, overnight: bool) -> None:
    """Units times the ratio, prices divided by it, at the venue and here, before anything is sent; the stop that rests
    sells at its new level and not before."""
    session, ratio = rig.session(settings=PROTECTED, **HOLD), Decimal(new) / Decimal(old)
    with host():
        until(session, lambda: covered(rig, session))
        units, stop = held(rig), Decimal(working(rig, "stop")[0]["stop_price"])
        px = session.positions.get().entry_px
        sessions.pause(alice, session.pk)
        until(session, lambda: state_of(session) == "PAUSED")
        if not overnight:
            split(rig, new, old, px)
            until(session, session.adjustments.filter(kind="split").exists, 15)
    if overnight:
        split(rig, new, old, px)
    with host():
        until(session, session.adjustments.filter(kind="split").exists)
        until(session, lambda: covered(rig, session))
        assert held(rig) == units * ratio
        theirs = working(rig, "stop")[0]
        ours = session.orders.get(role=OrderRole.STOP, state__in=("SUSPENDED", "ACCEPTED"))
        assert Decimal(theirs["qty"]) == ours.qty == units * ratio
        assert abs(Decimal(theirs["stop_price"]) - stop / ratio) <= Decimal("0.01")
        assert abs(ours.stop_px - Decimal(theirs["stop_price"])) < Decimal("1E-6")
        position = session.positions.get()
        assert abs(position.entry_px * position.qty - px * units) < Decimal("0.01"), "what it cost stays"
        level = Decimal(theirs["stop_price"])
        rig.price(str((level * Decimal("1.02")).quantize(Decimal("0.01"))))
        assert held(rig) == units * ratio, "not sold early"
        rig.price(str((level * Decimal("0.99")).quantize(Decimal("0.01"))))
        until(session, lambda: session.positions.filter(is_open=False, exit_reason="stop_loss").exists())
        finish(alice, session)
    check_after_split(rig, session)


def split(rig: Rig, new: int, old: int, px: Decimal) -> None:
    rig.control("splits", symbol="SIM-ALPHA", new=new, old=old)
    rig.price(str((px * old / new).quantize(Decimal("0.01"))))


def check_after_split(rig: Rig, session: TradingSession) -> None:
    """The audit, but for figures of orders that were over before the split: the venue has them as they were."""
    check(rig, session)
    assert not rig.ledger()["positions"]
    assert not rig.account.discrepancies.exists()


# --- the end of the day (38) ----------------------------------------------------------------------------------------


@pytest.mark.row("I3")
@pytest.mark.fault(38)
def test_a_fraction_is_shown_unprotected_overnight_and_covered_again_in_the_morning(
    alice: User, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = rig.session(settings={"allow_fractional": True, "stop_loss_pct": 10.0}, **HOLD)
    with host():
        until(session, lambda: len(working(rig, "stop")) == 2 and settled(session))
        sessions.pause(alice, session.pk)
        part, whole = sorted(working(rig, "stop"), key=lambda order: Decimal(order["qty"]))
        assert Decimal(part["qty"]) < 1
        assert (part["time_in_force"], whole["time_in_force"]) == ("day", "gtc")
        # The exchange closes: for us by its hours, at the venue with the end of all DAY orders.
        monkeypatch.setattr(protecting, "spans", SimpleNamespace(is_open=lambda *_: False))
        rig.venue.exchange.session_ends("SIM-ALPHA")
        until(session, lambda: session.orders.filter(state="EXPIRED", role=OrderRole.STOP).exists())
        until(session, Notification.objects.filter(owner=alice, event="unprotected_overnight").exists)
        monkeypatch.undo()
        until(session, lambda: len(working(rig, "stop")) == 2 and settled(session))
        assert sum(Decimal(order["qty"]) for order in working(rig, "stop")) == held(rig)
        finish(alice, session)
    check(rig, session)


# --- moved stops (37) -----------------------------------------------------------------------------------------------


@pytest.mark.row("I3")
@pytest.mark.fault(37)
def test_a_stop_that_cannot_be_moved_is_never_lost(alice: User, rig: Rig) -> None:
    """The venue refuses every replacement: the old stop stays until it is canceled for the next, and we watch
    meanwhile."""
    refusal = '{"code": 42210000, "message": "order is not replaceable"}'
    rig.fault(kind="status", method="PATCH", path="/v2/orders/.*", status=422, body=refusal, times=10_000)
    settings = {"allow_fractional": False, "trailing_stop_pct": 2.0}
    session = rig.session(settings=settings, symbols=["SIM-ALPHA", "SIM-BETA"], **HOLD)
    with host():
        until(session, lambda: session.orders.filter(role=OrderRole.STOP, state="CANCELED").exists(), 60)
        until(session, lambda: working(rig, "stop") and settled(session), 20)
        finish(alice, session)
    check(rig, session)
    assert not session.orders.filter(state="REPLACED").exists()
    assert not Notification.objects.filter(owner=alice, event="naked_position").exists()
