"""The inbox, sub-accounts, executions and flows of an account by the API."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import BrokerAccount, User
from bots.brokers.base import CashActivity
from bots.live import flows
from bots.live.reconcile import take_down
from bots.models import BookingRequest, BrokerExecution, TradingSession
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.live.made import hold, live_session, truth

D = Decimal
Client = Callable[[User | None], APIClient]


@pytest.fixture
def account(alice: User) -> BrokerAccount:
    made: BrokerAccount = BrokerAccountFactory(owner=alice)
    take_down(made, truth({"MSFT": "4"}))
    made.refresh_from_db()
    return made


@pytest.fixture
def session(alice: User, account: BrokerAccount) -> TradingSession:
    return hold(live_session(alice, account, symbols=["AAPL", "MSFT"]), "AAPL", "5")


def found(account: BrokerAccount) -> str:
    """Ten units of AAPL too many; the address of the row."""
    (row,) = take_down(account, truth({"AAPL": "15", "MSFT": "4"})).opened
    return f"/api/broker-accounts/{account.pk}/inbox/{row.pk}"


@pytest.mark.row("W3")
def test_the_inbox_of_an_account(api: Client, alice: User, account: BrokerAccount, session: TradingSession) -> None:
    address = found(account)
    listed = api(alice).get(f"/api/broker-accounts/{account.pk}/inbox").json()
    (row,) = listed["results"]
    assert (row["ours"], row["theirs"], row["px"], row["state"]) == ("5", "15", "101", "OPEN")
    assert (row["breaks"], row["may_adopt"], row["refused"]) == ([], [session.pk], "")
    assert api(alice).get(address).json() == row
    done = api(alice).post(f"{address}/adopt", {"session_id": session.pk, "theirs": "15"}, format="json")
    assert (done.status_code, done.json()["state"], done.json()["session"]) == (200, "ADOPTED", session.pk)
    assert api(alice).post(f"{address}/adopt", {"session_id": session.pk}, format="json").status_code == 200
    again = api(alice).post(f"{address}/leave", {}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "decided")
    assert BookingRequest.objects.get().qty == 10
    assert api(alice).get(f"/api/broker-accounts/{account.pk}/inbox?state=all").json()["count"] == 1


@pytest.mark.row("W3")
@pytest.mark.parametrize(("decision", "state"), [("leave", "LEFT"), ("close", "CLOSING")])
def test_left_and_closed(api: Client, alice: User, account: BrokerAccount, decision: str, state: str) -> None:
    address = found(account)
    stale = api(alice).post(f"{address}/{decision}", {"theirs": "14"}, format="json")
    assert (stale.status_code, stale.json()["code"]) == (409, "changed")
    done = api(alice).post(f"{address}/{decision}", {"theirs": "15"}, format="json")
    assert (done.status_code, done.json()["state"]) == (200, state)


@pytest.mark.parametrize("theirs", [15, "1e3", "fifteen", "", "9" * 40, None])
def test_figures_are_digits_in_a_text(api: Client, alice: User, account: BrokerAccount, theirs: object) -> None:
    answer = api(alice).post(f"{found(account)}/leave", {"theirs": theirs}, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, "theirs")


def test_what_is_anothers_is_not_there(api: Client, alice: User, bob: User, account: BrokerAccount) -> None:
    address = found(account)
    other = BrokerAccountFactory(owner=alice)
    base = f"/api/broker-accounts/{account.pk}"
    for path in (address, *(f"{base}/{name}" for name in ("inbox", "parts", "executions", "cash-flows"))):
        assert api(bob).get(path).status_code == 404
        assert api(None).get(path).status_code == 401
    assert api(bob).post(f"{address}/leave", {}, format="json").status_code == 404
    wrong = address.replace(f"/{account.pk}/", f"/{other.pk}/", 1)
    assert api(alice).get(wrong).status_code == 404


@pytest.mark.row("W9", "W18")
def test_an_account_as_the_sum_of_its_parts(
    api: Client, alice: User, bob: User, account: BrokerAccount, session: TradingSession
) -> None:
    flows.keep(account, CashActivity("d-1", "deposit", D(500), "USD", timezone.now()))
    take_down(account, truth({"AAPL": "5", "MSFT": "4"}, cash="100500"))
    told = api(alice).get(f"/api/broker-accounts/{account.pk}/parts").json()
    assert told["agrees"]
    assert told["shares"] == [
        {"session": session.pk, "name": str(session), "state": "RUNNING", "cash": "9500", "reserved": "10000",
         "units": {"AAPL": "5"}}
    ]  # fmt: skip
    assert [(row["symbol"], row["sessions"], row["external"], row["broker"]) for row in told["symbols"]] == [
        ("AAPL", "5", "0", "5"), ("MSFT", "0", "4", "4"),
    ]  # fmt: skip
    assert (told["cash"], told["free"]) == ("100500", "91000")
    assert (told["returns"]["flows"], told["returns"]["net_flow"]) == (1, "500")
    handed = {"symbol": "MSFT", "qty": "4", "session_id": session.pk}
    made = api(alice).post(f"/api/broker-accounts/{account.pk}/hand-over", handed, format="json")
    assert (made.status_code, made.json()["kind"], made.json()["done_at"]) == (202, "adopt", None)
    too_many = api(alice).post(f"/api/broker-accounts/{account.pk}/hand-over", handed | {"qty": "-1"}, format="json")
    assert too_many.status_code == 409  # it is under way
    address = f"/api/trading/sessions/{session.pk}/give-back"
    given = api(alice).post(address, {"symbol": "AAPL", "qty": "2"}, format="json")
    assert (given.status_code, given.json()["kind"], given.json()["qty"]) == (202, "release", "2")
    for body, status in (({"symbol": "AAPL"}, 409), ({"symbol": "?"}, 400), ({"symbol": "AAPL", "qty": "many"}, 400)):
        assert api(alice).post(address, body, format="json").status_code == status
    assert api(bob).post(address, {"symbol": "AAPL"}, format="json").status_code == 404


@pytest.mark.row("W18")
def test_money_is_moved_once(api: Client, alice: User, account: BrokerAccount, session: TradingSession) -> None:
    address, headers = f"/api/trading/sessions/{session.pk}/cash", {"Idempotency-Key": "one"}
    answers = [api(alice).post(address, {"amount": "250.5"}, format="json", headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["amount"] == "250.5"
    beyond = api(alice).post(address, {"amount": "99999999"}, format="json")
    assert (beyond.status_code, beyond.json()["code"]) == (422, "beyond_free_cash")
    assert api(alice).post(address, {"amount": "0"}, format="json").status_code == 400


@pytest.mark.row("F39", "W18")
def test_executions_and_flows(api: Client, alice: User, account: BrokerAccount, session: TradingSession) -> None:
    for number, whose in enumerate((session, None)):
        BrokerExecution(broker_account=account, session=whose, execution_id=f"e{number}", symbol="AAPL", side="BUY",
                        qty=D(5), px=D(100), executed_at=timezone.now()).save()  # fmt: skip
    base = f"/api/broker-accounts/{account.pk}"
    assert api(alice).get(f"{base}/executions").json()["count"] == 2
    (external,) = api(alice).get(f"{base}/executions?external=true").json()["results"]
    assert (external["execution_id"], external["session"]) == ("e1", None)
    flows.keep(account, CashActivity("d-1", "dividend", D(9), "USD", timezone.now(), "AAPL"))
    (flow,) = api(alice).get(f"{base}/cash-flows?kind=dividend").json()["results"]
    assert (flow["amount"], flow["symbol"], flow["parts"]) == ("9", "AAPL", [])
    assert api(alice).get(f"{base}/cash-flows?kind=gift").status_code == 400


@pytest.mark.row("W3")
def test_an_account_is_compared_on_demand(api: Client, alice: User, account: BrokerAccount) -> None:
    assert api(alice).post(f"/api/broker-accounts/{account.pk}/look").status_code == 202
    BrokerAccount.objects.filter(pk=account.pk).update(state="REFUSED", state_reason="They are revoked.")
    answer = api(alice).post(f"/api/broker-accounts/{account.pk}/look")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_active")
