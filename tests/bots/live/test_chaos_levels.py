"""Prices and units that jump under resting stops: gaps, splits, refused moves."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Any

import numpy as np
import pytest

from accounts.models import Notification, User
from bots.host.tape import Tape
from bots.live import unexplained
from bots.models import OrderRole, TradingSession
from bots.parity.again import run_again
from bots.services import sessions
from marketdata.columns import BarColumns
from marketdata.models import Instrument
from tests.bots.host import market
from tests.bots.host.hosting import host, wait_for
from tests.bots.live.audit import check
from tests.bots.live.rig import KEY, Rig, state_of, story, until
from tests.bots.live.test_coins import COINS, coin  # noqa: F401 - a fixture
from tests.bots.live.test_protecting import HOLD, PROTECTED, held, working
from tests.bots.live.test_resting_entries import FAR

pytestmark = [pytest.mark.django_db(transaction=True)]

TICK = Decimal("0.01")
STOPPED: dict[str, Any] = {"allow_fractional": False, "stop_loss_pct": 10.0}


def settled(session: TradingSession) -> bool:
    return not session.orders.filter(state__in=("INTENT", "SUBMITTED", "PENDING_REPLACE", "PENDING_CANCEL")).exists()


def covered(rig: Rig, session: TradingSession) -> bool:
    """Every unit is under exits at what follows from the price that was booked for it, and nothing is under way. (A
    bracket's legs rest before its fill is booked, and move afterwards.)"""
    position, stops = session.positions.filter(is_open=True).first(), working(rig, "stop")
    if position is None or not settled(session):
        return False
    at_level = all(rests(order["stop_price"], position.entry_px * Decimal("0.9")) for order in stops) and all(
        rests(order["limit_price"], position.entry_px * Decimal("1.1")) for order in working(rig, "limit")
    )
    return at_level and sum(Decimal(order["qty"]) for order in stops) == held(rig) > 0


def rests(px: str, level: Decimal) -> bool:
    """Whether an exit that sells at `px` stays there: it is wanted on the tick above its level, and one off is near."""
    return abs(Decimal(px) - round(level, 6).quantize(TICK, ROUND_CEILING)) <= TICK


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
    ("new", "old", "overnight", "fractional", "in_lieu"),
    [
        pytest.param(4, 1, True, False, False, id="4 for 1"),
        pytest.param(4, 1, False, False, False, id="4 for 1 while a host runs"),
        pytest.param(3, 2, True, True, False, id="3 for 2 of a fraction"),
        pytest.param(3, 2, False, False, False, id="3 for 2 while a host runs"),
        pytest.param(1, 5, True, False, False, id="1 for 5"),
        pytest.param(1, 5, False, True, False, id="1 for 5 of a fraction while a host runs"),
        pytest.param(1, 10, True, True, True, id="1 for 10 and money for a fraction"),
        pytest.param(1, 10, False, False, True, id="1 for 10 and money while a host runs"),
    ],
)
def test_a_split_takes_resting_exits_with_it(
    alice: User, rig: Rig, new: int, old: int, overnight: bool, fractional: bool, in_lieu: bool
) -> None:
    """Units times the ratio, prices divided by it, at the venue and here, before anything is sent; the stop that rests
    sells at its new level and not before. in_lieu: a part of a unit is paid in money."""
    session = rig.session(settings=PROTECTED | {"allow_fractional": fractional}, **HOLD)
    with host():
        until(session, lambda: covered(rig, session))
        units, stop = held(rig), Decimal(working(rig, "stop")[0]["stop_price"])
        px, cash = session.positions.get().entry_px, Decimal(rig.ledger()["cash"])
        sessions.pause(alice, session.pk)
        until(session, lambda: state_of(session) == "PAUSED")
        if not overnight:
            rig.control("splits", symbol="SIM-ALPHA", new=new, old=old, in_lieu=in_lieu)
            until(session, session.adjustments.filter(kind="split").exists, 15)
    if overnight:
        rig.control("splits", symbol="SIM-ALPHA", new=new, old=old, in_lieu=in_lieu)
    kept = (units * new / old).quantize(Decimal("1E-9"))
    paid_for = kept % 1 if in_lieu else Decimal(0)
    with host():
        until(session, session.adjustments.filter(kind="split").exists)
        level, moved = stop * old / new, 2 * TICK * max(Decimal(old) / new, 1)

        def follows() -> bool:
            theirs = {(Decimal(order["qty"]), Decimal(order["stop_price"])) for order in working(rig, "stop")}
            ours = session.orders.filter(role=OrderRole.STOP, state__in=("SUSPENDED", "ACCEPTED"))
            near = all(abs(px - level) <= moved for _, px in theirs)
            return near and covered(rig, session) and {(row.qty, row.stop_px) for row in ours} == theirs

        until(session, follows)
        left = held(rig)
        assert abs(left - (kept - paid_for)) <= Decimal("1E-9"), "the venue rounds the last decimal in its own way"
        position = session.positions.get()
        assert position.qty == held(rig)
        assert abs(position.entry_px * kept - px * units) < Decimal("0.01"), "what it cost stays"
        assert (Decimal(rig.ledger()["cash"]) > cash) == bool(paid_for)
        level = max(Decimal(order["stop_price"]) for order in working(rig, "stop"))
        rig.price(str((level * Decimal("1.02")).quantize(Decimal("0.01"))))
        assert held(rig) == left, "not sold early"
        rig.price(str((level * Decimal("0.99")).quantize(Decimal("0.01"))))
        until(session, lambda: session.positions.filter(is_open=False, exit_reason="stop_loss").exists())
        finish(alice, session)
    check(rig, session)
    assert not rig.ledger()["positions"]
    assert not rig.account.discrepancies.exists()
    closes = [close for (close,) in session.decisions.order_by("ts_ns").values_list("close")]
    assert 0.8 < closes[0] / closes[-1] / (new / old) < 1.25, "prices of a feed that knows of no split are divided"


@pytest.mark.row("W17", "I3")
@pytest.mark.fault(33)
def test_a_stop_that_fires_before_its_split_is_listed_is_booked_after_it(alice: User, rig: Rig) -> None:
    session = rig.session(settings=STOPPED, **HOLD)
    with host():
        until(session, lambda: covered(rig, session))
        units, stop = held(rig), Decimal(working(rig, "stop")[0]["stop_price"])
        sessions.pause(alice, session.pk)
        until(session, lambda: state_of(session) == "PAUSED")
        rig.control("splits", symbol="SIM-ALPHA", new=4, old=1)
        fell = (stop / 4 - 1).quantize(Decimal("0.01"))
        rig.price(str(fell))
        until(session, lambda: session.positions.filter(is_open=False, exit_reason="stop_loss").exists())
        finish(alice, session)
    check(rig, session)
    sold = session.trades.get(is_entry=False)
    assert (sold.qty, sold.px) == (units * 4, fell)
    assert not rig.account.discrepancies.exists()


@pytest.mark.row("W17", "I9")
@pytest.mark.fault(33)
def test_what_no_split_explains_is_never_traded_on(alice: User, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue has changed units and orders, and lists nothing: nothing is sent, and the session halts in time."""
    monkeypatch.setattr(unexplained, "WAIT_S", 4.0)
    session = rig.session(settings=PROTECTED, **HOLD)
    with host():
        until(session, lambda: covered(rig, session))
        rig.venue.here(lambda: (rig.venue.exchange.split("SIM-ALPHA", 4, 1), rig.customer.flows.clear()))
        orders = len(rig.customer.orders)
        wait_for(lambda: state_of(session) == "HALTED")
        assert session.events.filter(kind="split", text__contains="nothing is sent for it").exists(), story(session)
        waits = session.events.filter(detail__to="DEGRADED", text__contains="changed its orders by itself")
        assert waits.exists(), story(session)
        assert "lists no split of it" in TradingSession.objects.get(pk=session.pk).state_reason
        assert len(rig.customer.orders) == orders, "nothing was sent"
        wait_for(rig.account.discrepancies.filter(kind="position", state="OPEN").exists)
    assert Notification.objects.filter(owner=alice, event="session_halted", level="critical").exists()


@pytest.mark.row("W17", "I5")
@pytest.mark.fault(33)
def test_an_entry_that_rests_follows_a_split(alice: User, rig: Rig) -> None:
    """Whole lots are left of it, here as at the venue; it fills at its new limit. The split is told to the account
    because its owner holds a unit."""
    session = rig.session(settings={**FAR, "maker_order_timeout": None}, **HOLD)
    rig.control("orders", key=KEY, symbol="SIM-ALPHA", side="buy", type="market", time_in_force="day", qty="1")
    with host():
        until(session, lambda: working(rig, "limit") and settled(session))
        (before,) = working(rig, "limit")
        rig.control("splits", symbol="SIM-ALPHA", new=3, old=2)
        until(session, session.adjustments.filter(kind="split").exists, 15)
        until(session, lambda: not session.orders.filter(qty=Decimal(before["qty"])).exists())
        (after,) = working(rig, "limit")
        row = session.orders.get(state="ACCEPTED")
        assert row.qty == Decimal(after["qty"]) == Decimal(before["qty"]) * 3 // 2
        assert abs(row.limit_px - Decimal(before["limit_price"]) * 2 / 3) < Decimal("0.01")
        rig.price(after["limit_price"])
        until(session, lambda: session.positions.filter(is_open=True).exists())
        assert session.positions.get().qty == row.qty
        finish(alice, session)
    check(rig, session, external=True)
    assert rig.ledger()["positions"] == {"SIM-ALPHA": "1.5"}


@pytest.mark.row("W17", "W1")
@pytest.mark.fault(33)
def test_a_strategy_sees_no_crash_in_a_split(alice: User, rig: Rig) -> None:
    """What it remembers is in new units, also after another start; the backtest of the tape reads the same signals. It
    is paused, and only looks."""
    session = rig.session(symbols=["SIM-BETA"], wanted="PAUSE")
    rig.control("orders", key=KEY, symbol="SIM-BETA", side="buy", type="market", time_in_force="day", qty="3")

    def goes_on() -> None:
        seen = session.cycles.count()
        until(session, lambda: session.cycles.count() > seen + 20)

    with host():
        goes_on()
        rig.control("splits", symbol="SIM-BETA", new=10, old=1)
        until(session, session.adjustments.filter(kind="split").exists, 15)
        goes_on()
    with host():
        goes_on()
        finish(alice, session)
    check(rig, session, external=True)
    tape = Tape.of(session)
    read = run_again(tape).signals
    assert {key: said.code for key, said in tape.signals.items()} == read
    assert len(set(read.values())) > 1, "it had something to say"
    (split,) = tape.splits
    before, after = (tape.deciding["SIM-BETA"].close[part] for part in (0, -1))
    assert 8 < before / after < 12.5
    assert (split.symbol, split.ratio) == ("SIM-BETA", 10.0)


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
