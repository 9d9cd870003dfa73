"""Decisions on differences, and money and units moved by hand: what each asks of the host, and what is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from accounts.models import AuditEvent, BrokerAccount, User
from bots import ids
from bots.live.differences import Doubts
from bots.live.reconcile import take_down
from bots.live.reserve import keep_outside, sums
from bots.models import BookingRequest, BrokerHolding, Discrepancy, SessionEvent, TradingSession
from bots.services import inbox
from bots.states import SessionState
from engine.errors import InputError
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.factories import make_session
from tests.bots.live.made import hold, live_session, truth
from tradingsite.lib.errors import Conflict, NotFound, Unprocessable

D = Decimal


@pytest.fixture
def account(alice: User) -> BrokerAccount:
    made = BrokerAccountFactory(owner=alice, name="Mine")
    take_down(made, truth())
    made.refresh_from_db()
    return made


@pytest.fixture
def session(alice: User, account: BrokerAccount) -> TradingSession:
    return live_session(alice, account, symbols=["AAPL", "MSFT"])


def found(account: BrokerAccount, qty: str = "10", symbol: str = "AAPL") -> Discrepancy:
    take_down(account, truth({symbol: qty} if qty != "0" else {}, cash=str(account.cash)))
    return account.discrepancies.get(ended_at__isnull=True, kind="position")


@pytest.mark.row("W3")
def test_adopting_asks_the_sessions_host(account: BrokerAccount, session: TradingSession, alice: User) -> None:
    row = inbox.adopt(alice, found(account).pk, session.pk)
    again = inbox.adopt(alice, row.pk, session.pk)
    assert (again.state, again.session, again.decided_by, again.ended_at) == ("ADOPTED", session, alice, None)
    request = BookingRequest.objects.get()
    assert (request.kind, request.symbol, request.qty, request.px) == ("adopt", "AAPL", 10, 100)
    assert (request.discrepancy, request.requested_by, request.ref) == (row, alice, f"adopt-{row.pk}")
    event = AuditEvent.objects.get(action="inbox.adopted")
    assert (event.actor, event.target, event.detail["session"]) == ("alice", f"broker account {account.pk}", session.pk)
    assert SessionEvent.objects.filter(session=session, text__startswith="Adopt 10 AAPL").count() == 1
    with pytest.raises(Conflict):
        inbox.leave(alice, row.pk)
    # While it is being booked, the same difference is not told again.
    assert take_down(account, truth({"AAPL": "10"})).opened == []


@pytest.mark.row("W3")
def test_units_that_are_gone_are_given_up(account: BrokerAccount, session: TradingSession, alice: User) -> None:
    other = hold(live_session(alice, account, symbols=["AAPL"]), "AAPL", "10")
    hold(session, "AAPL", "2")
    row = found(account, "9")
    inbox.adopt(alice, row.pk, other.pk)
    request = BookingRequest.objects.get()
    assert (request.kind, request.qty) == ("release", 3)
    Discrepancy.objects.filter(pk=row.pk).update(state="OPEN")
    with pytest.raises(Unprocessable, match="holds 2 AAPL"):
        inbox.adopt(alice, row.pk, session.pk)


@pytest.mark.parametrize(
    ("columns", "error", "code"),
    [
        ({"symbols": ["MSFT"]}, Unprocessable, "cannot_be_adopted"),
        ({"state": SessionState.STOPPED}, Conflict, "session_over"),
        ({"state": SessionState.HALTED}, Conflict, "session_over"),
        ({"wanted": "STOP"}, Conflict, "session_over"),
        ({"initial_cash": D(900)}, Unprocessable, "beyond_session_cash"),
    ],
)
def test_who_cannot_adopt(account: BrokerAccount, alice: User, columns: dict, error: type, code: str) -> None:
    session = live_session(alice, account, **{"symbols": ["AAPL"], **columns})
    row = found(account)
    with pytest.raises(error) as refused:
        inbox.adopt(alice, row.pk, session.pk)
    assert refused.value.code == code
    row.refresh_from_db()
    assert row.state == "OPEN"
    assert BookingRequest.objects.count() == 0


def test_not_a_session_of_another_account_and_not_another_users_row(
    account: BrokerAccount, session: TradingSession, alice: User, bob: User
) -> None:
    elsewhere = live_session(alice, BrokerAccountFactory(owner=alice), symbols=["AAPL"])
    row = found(account)
    with pytest.raises(Unprocessable, match="another account"):
        inbox.adopt(alice, row.pk, elsewhere.pk)
    for act in (inbox.leave, inbox.close):
        with pytest.raises(NotFound):
            act(bob, row.pk)
    with pytest.raises(NotFound):
        inbox.adopt(bob, row.pk, session.pk)
    with pytest.raises(NotFound):
        inbox.leave(alice, 2**70)


@pytest.mark.row("W3", "W9")
def test_what_is_left_is_external_from_then_on(account: BrokerAccount, session: TradingSession, alice: User) -> None:
    hold(session, "AAPL", "4")
    row = found(account, "14")
    inbox.leave(alice, row.pk)
    assert inbox.leave(alice, row.pk).state == "LEFT"
    assert account.holdings.get(symbol="AAPL").external == 10
    assert take_down(account, truth({"AAPL": "14"})).agrees
    assert sums(account).agrees
    # Missing units can be left, too: the owner says that they are to be nobody's.
    row = found(account, "1")
    assert row.detail["breaks"] == [session.pk]
    inbox.leave(alice, row.pk)
    assert account.holdings.get(symbol="AAPL").external == -3
    assert take_down(account, truth({"AAPL": "1"})).agrees


@pytest.mark.row("W18")
def test_a_difference_of_cash_that_is_left_is_a_flow(account: BrokerAccount, alice: User) -> None:
    take_down(account, truth(cash="100250"))
    row = account.discrepancies.get(kind="cash")
    for act in (
        lambda: inbox.close(alice, row.pk),
        lambda: inbox.adopt(alice, row.pk, live_session(alice, account).pk),
    ):
        with pytest.raises(Unprocessable):
            act()
    inbox.leave(alice, row.pk)
    assert account.cash_flows.get(ref=f"difference-{row.pk}").amount == 250
    assert take_down(account, truth(cash="100250")).agrees


@pytest.mark.row("W3")
def test_closing_names_its_order_once(account: BrokerAccount, alice: User) -> None:
    row = inbox.close(alice, found(account).pk)
    again = inbox.close(alice, row.pk)
    assert (again.state, again.client_order_id) == ("CLOSING", ids.closing_order_id(row.pk, 1))
    assert again.client_order_id == row.client_order_id
    assert AuditEvent.objects.filter(action="inbox.closing").count() == 1


def test_a_difference_that_has_changed_is_not_decided_unseen(account: BrokerAccount, alice: User) -> None:
    row = found(account)
    take_down(account, truth({"AAPL": "12"}), Doubts(wait_s=0))
    for act in (inbox.leave, inbox.close):
        with pytest.raises(Conflict) as refused:
            act(alice, row.pk, theirs=D(10))
        assert refused.value.code == "changed"
    assert inbox.leave(alice, row.pk, theirs=D(12)).state == "LEFT"


@pytest.mark.row("W9")
def test_external_units_are_handed_to_a_session(account: BrokerAccount, session: TradingSession, alice: User) -> None:
    BrokerHolding.objects.create(
        broker_account=account, symbol="AAPL", qty=D(8), external=D(8), avg_px=D(50), seen_at=account.seen_at
    )
    for qty in (D(0), D(9), D(-1)):
        with pytest.raises(InputError):
            inbox.hand_over(alice, account, "AAPL", qty, session.pk)
    request = inbox.hand_over(alice, account, "AAPL", D(5), session.pk)
    assert (request.kind, request.qty, request.px, request.discrepancy) == ("adopt", 5, 50, None)
    with pytest.raises(Conflict) as refused:
        inbox.hand_over(alice, account, "AAPL", D(5), session.pk)
    assert refused.value.code == "under_way"


@pytest.mark.row("W9", "W3")
def test_units_are_given_back_to_their_owner(account: BrokerAccount, session: TradingSession, alice: User) -> None:
    hold(session, "AAPL", "10")
    for qty in (D(0), D(11), D(-1), D("NaN")):
        with pytest.raises(InputError):
            inbox.give_back(alice, session.pk, "AAPL", qty)
    request = inbox.give_back(alice, session.pk, "AAPL", D(4))
    assert (request.kind, request.qty, request.px, request.requested_by) == ("release", 4, 100, alice)
    value = BookingRequest.objects.get(kind="cash")
    assert (value.amount, value.is_flow, value.ref) == (-400, True, f"{request.ref}-value")
    event = AuditEvent.objects.get(action="inbox.given_back")
    assert (event.target, event.detail["qty"]) == (f"broker account {account.pk}", "4")
    with pytest.raises(Conflict) as refused:
        inbox.give_back(alice, session.pk, "AAPL")
    assert refused.value.code == "under_way"
    with pytest.raises(Conflict) as refused:
        inbox.give_back(alice, session.pk, "MSFT")
    assert refused.value.code == "not_open"
    # What was booked is external from then on, and adds up.
    BookingRequest.objects.update(done_at=session.created_at)
    keep_outside([request.pk, value.pk])
    session.positions.update(qty=D(6))
    assert take_down(account, truth({"AAPL": "10"}, cash=str(account.cash))).opened == []
    assert account.holdings.get().external == 4
    assert sums(account).agrees


def test_only_a_session_that_runs_at_a_broker_gives_back(
    account: BrokerAccount, session: TradingSession, alice: User, bob: User
) -> None:
    hold(session, "AAPL", "10")
    with pytest.raises(NotFound):
        inbox.give_back(bob, session.pk, "AAPL")
    with pytest.raises(Conflict) as refused:
        inbox.give_back(alice, make_session(alice).pk, "AAPL")
    assert refused.value.code == "not_live"
    TradingSession.objects.filter(pk=session.pk).update(state=SessionState.STOPPED)
    with pytest.raises(Conflict) as refused:
        inbox.give_back(alice, session.pk, "AAPL")
    assert refused.value.code == "session_over"


@pytest.mark.row("W18")
def test_money_moves_to_a_session_and_back(account: BrokerAccount, session: TradingSession, alice: User) -> None:
    request = inbox.move_cash(alice, session.pk, D("2500.5"), key="a")
    assert inbox.move_cash(alice, session.pk, D("2500.5"), key="a") == request
    assert (request.kind, request.amount, request.is_flow) == ("cash", D("2500.5"), True)
    with pytest.raises(Conflict) as reused:
        inbox.move_cash(alice, session.pk, D(1), key="a")
    assert reused.value.code == "key_reused"
    # 100,000 less 10,000 of the session and what is on its way to it.
    with pytest.raises(Unprocessable) as refused:
        inbox.move_cash(alice, session.pk, D("87499.51"))
    assert refused.value.code == "beyond_free_cash"
    inbox.move_cash(alice, session.pk, D(-6_000))
    with pytest.raises(Unprocessable) as refused:
        inbox.move_cash(alice, session.pk, D(-5_000))
    assert refused.value.code == "beyond_session_cash"
    for amount in (D(0), D("NaN"), D("Infinity"), D(10) ** 16):
        with pytest.raises(InputError):
            inbox.move_cash(alice, session.pk, amount)
    event = AuditEvent.objects.filter(action="broker_account.cash_moved").first()
    assert event is not None
