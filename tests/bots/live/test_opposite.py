"""Sessions of one account that want opposite things: denied or settled among them, whatever the order of events."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import BrokerAccount, User
from bots.host.account import Account
from bots.live.opposite import Neighbours, crossings
from bots.live.reserve import sums
from bots.models import Order, TradingSession
from bots.services import sessions
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.host.hosting import host
from tests.bots.live.made import hold, live_session
from tests.bots.live.rig import Rig, state_of, until

D = Decimal


def order(session: int, side: str, qty: int, seq: int = 0, symbol: str = "AAPL", **columns: object) -> Order:
    fields = {
        "kind": "market",
        "time_in_force": "day",
        "decision_px": D(100),
        "is_entry": True,
        "client_order_id": f"c{session}-{seq}",
        **columns,
    }
    return Order(session_id=session, seq=seq, symbol=symbol, side=side, qty=D(qty), **fields)


@pytest.mark.row("W9")
def test_the_common_part_changes_hands() -> None:
    buy, sell, other = order(1, "BUY", 10), order(2, "SELL", 7, decision_px=D(102)), order(3, "SELL", 1, symbol="MSFT")
    (one,) = crossings([buy, sell, other])
    assert (one.buy, one.sell, one.qty, one.px) == (buy, sell, 7, 101)
    told = one.events(timezone.now())
    assert {session: (e.execution.side, e.execution.qty, e.execution.fee) for session, e in told.items()} == {
        1: ("BUY", 7, 0), 2: ("SELL", 7, 0),
    }  # fmt: skip
    assert {e.execution.execution_id for e in told.values()} == {"net-c1-0-c2-0", "net-c2-0-c1-0"}


@pytest.mark.row("W9")
def test_a_limit_is_kept() -> None:
    """What the last price does not meet is for the venue."""
    buy = order(1, "BUY", 5, kind="limit", limit_px=D(100), time_in_force="gtc")
    (one,) = crossings([buy, order(2, "SELL", 3, kind="limit", limit_px=D("99.5"))])
    assert (one.qty, one.px) == (3, 100)
    assert crossings([buy, order(2, "SELL", 3, kind="limit", limit_px=D("100.5"))]) == []
    assert crossings([buy, order(2, "SELL", 3, decision_px=D(101))]) == [], "their middle is beyond the limit"


@pytest.mark.parametrize(
    "columns",
    [
        {"kind": "stop"}, {"role": "stop"}, {"state": "ACCEPTED"}, {"decision_px": None}, {"filled_qty": D(5)},
        {"time_in_force": "cls"}, {"time_in_force": "fok"},
    ],
)  # fmt: skip
def test_what_is_not_settled(columns: dict) -> None:
    assert crossings([order(1, "BUY", 5), order(2, "SELL", 5, **columns)]) == []
    assert crossings([order(1, "BUY", 5), order(1, "SELL", 5, seq=1)]) == []  # never with itself


@pytest.mark.row("W9")
@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["BUY", "SELL"]), st.integers(1, 50)), max_size=12))
def test_whatever_is_decided_the_account_is_the_same(decided: list[tuple[int, str, int]]) -> None:
    """No order gives more than it has, what one buys another sells, and nothing is left that could still be settled."""
    orders = [order(session, side, qty, seq) for seq, (session, side, qty) in enumerate(decided)]
    units = dict.fromkeys(range(1, 5), D(0))
    left = {each.seq: each.qty for each in orders}
    for crossing in crossings(orders):
        assert crossing.buy.session_id != crossing.sell.session_id
        units[crossing.buy.session_id] += crossing.qty
        units[crossing.sell.session_id] -= crossing.qty
        left[crossing.buy.seq] -= crossing.qty
        left[crossing.sell.seq] -= crossing.qty
    assert sum(units.values()) == 0
    assert min(left.values(), default=0) >= 0
    buyers = {each.session_id for each in orders if each.side == "BUY" and left[each.seq]}
    sellers = {each.session_id for each in orders if each.side == "SELL" and left[each.seq]}
    assert not (buyers and sellers) or (buyers == sellers and len(buyers) == 1)


@pytest.fixture
def account(alice: User) -> BrokerAccount:
    return BrokerAccountFactory(owner=alice)


@pytest.mark.row("W9")
def test_an_entry_against_another_session_is_denied(account: BrokerAccount, alice: User) -> None:
    mine, other = live_session(alice, account), live_session(alice, account, name="The other")
    near = Neighbours(account.pk)
    entry = order(mine.pk, "BUY", 5)
    assert near.refusal(entry) == ""
    hold(other, "AAPL", "-3")  # no host of ours runs it: its rows tell
    assert near.refusal(entry) == (
        "“The other” holds -3 AAPL on the same account: AAPL is not bought against it (opposite_order)"
    )
    assert near.refusal(order(mine.pk, "SELL", 5)) == ""
    assert near.refusal(order(other.pk, "BUY", 5)) == ""  # its own
    BrokerAccount.objects.filter(pk=account.pk).update(opposite_orders="net")
    assert near.refusal(entry) == ""


def test_an_entry_that_is_about_to_be_sent_counts(account: BrokerAccount, alice: User) -> None:
    mine, other = live_session(alice, account), live_session(alice, account, name="The other")
    near, running = Neighbours(account.pk), Account.load(other)
    near.join(running)
    entry = order(mine.pk, "BUY", 5)
    assert near.refusal(entry) == ""
    Order.objects.create(
        session=other, broker_account=account, seq=1, client_order_id="x", symbol="AAPL", side="SELL", qty=D(2),
        kind="market", time_in_force="day", is_entry=True, reason="signal", decided_at=timezone.now(),
    )  # fmt: skip
    running = Account.load(other)
    near.join(running)
    assert "“The other” is about to sell AAPL" in near.refusal(entry)


@pytest.mark.django_db(transaction=True)
@pytest.mark.row("W9")
def test_two_sessions_settle_what_they_can_among_themselves(alice: User, rig: Rig) -> None:
    """One follows prices and one goes against them: what one buys while the other sells changes hands, and the venue
    sees only the rest."""
    BrokerAccount.objects.filter(pk=rig.account.pk).update(opposite_orders="net")
    against = {"strategy": "zscore_reversion", "strategy_parameters": {"lookback": 4, "entry_z": 0.8, "exit_z": 0.1}}
    both: list[TradingSession] = [
        rig.session(initial_cash=D(20_000), settings={"allow_fractional": False}),
        rig.session(initial_cash=D(30_000), settings={"allow_fractional": False}, **against),
    ]
    with host():
        for session in both:
            until(session, lambda s=session: state_of(s) == "RUNNING")
        netted = rig.account.executions.filter(execution_id__startswith="net-")
        until(both[0], lambda: netted.count() >= 4, 60)
        for session in both:
            sessions.stop(alice, session.pk, "flatten")
        for session in both:
            until(session, lambda s=session: state_of(s) == "STOPPED", 60)
    told = rig.ledger()
    assert told["positions"] == {}
    venue = rig.account.executions.exclude(execution_id__startswith="net-")
    assert venue.count() == len(told["executions"])
    bought = sum(row.qty for row in netted if row.side == "BUY")
    assert bought == sum(row.qty for row in netted if row.side == "SELL")
    spent = sum(s.cash - s.initial_cash for s in TradingSession.objects.all())
    assert D(told["cash"]) - 100_000 == pytest.approx(spent, abs=D("0.0001"))
    assert sums(rig.account).agrees
