"""What a LIVE session must satisfy before it is written, through the API, against the practice venue."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections

from accounts.models import BrokerAccount, User
from bots.models import TradingSession
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.live.rig import Rig

pytestmark = [pytest.mark.django_db(transaction=True)]

START = "/api/trading/sessions/start"


@pytest.fixture
def body(rig: Rig) -> dict[str, Any]:
    return {
        "mode": "LIVE",
        "broker_account_id": rig.account.pk,
        "symbols": ["SIM-ALPHA"],
        "strategy": "ma_crossover",
        "timeframe": "1s",
        "initial_cash": 5_000,
    }


def post(client: Any, body: dict[str, Any], **headers: str) -> Any:
    return client.post(START, body, content_type="application/json", headers=headers)


@pytest.mark.row("C1", "I8")
def test_a_live_session_is_written_with_its_account(alice: User, api: Any, rig: Rig, body: dict[str, Any]) -> None:
    client = api(alice)
    first = post(client, body, **{"Idempotency-Key": "k"})
    assert first.status_code == 201, first.content
    session = TradingSession.objects.get(pk=first.json()["id"])
    assert (session.mode, session.broker_account, session.initial_cash) == ("LIVE", rig.account, 5_000)
    again = post(client, body, **{"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["id"]) == (200, session.pk)
    other = BrokerAccountFactory(owner=alice)
    moved = post(client, {**body, "broker_account_id": other.pk}, **{"Idempotency-Key": "k"})
    assert moved.status_code in (409, 422, 503), "another account is another request"
    assert TradingSession.objects.count() == 1


@pytest.mark.row("C1", "W9")
@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"broker_account_id": None}, 400, "required"),
        ({"mode": "PAPER"}, 400, "conflict"),
        ({"broker_account_id": 999_999}, 404, "not_found"),
        ({"settings": {"size_at": "fill"}}, 400, "needs_matching"),
        ({"settings": {"fill_at": "this_close"}}, 400, "needs_matching"),
        ({"strategy": "market_making"}, 400, "conflict"),
        ({"symbols": ["SIM-OMEGA"]}, 422, "not_listed"),
        ({"initial_cash": 100_001}, 422, "beyond_free_cash"),
    ],
)
def test_what_cannot_run_is_refused(
    changes: dict[str, Any], status: int, code: str, alice: User, api: Any, rig: Rig, body: dict[str, Any]
) -> None:
    answer = post(api(alice), {**body, **changes})
    said = answer.json()
    assert answer.status_code == status, said
    assert code in (said["code"], *(fault["code"] for fault in said.get("errors", []))), said
    assert not TradingSession.objects.exists()


@pytest.mark.row("C1")
def test_another_users_account_is_as_if_it_were_not(alice: User, bob: User, api: Any, rig: Rig, body: Any) -> None:
    theirs = BrokerAccountFactory(owner=bob)
    answer = post(api(alice), {**body, "broker_account_id": theirs.pk})
    unknown = post(api(alice), {**body, "broker_account_id": 999_999})
    assert (answer.status_code, answer.json()["message"]) == (404, unknown.json()["message"])


@pytest.mark.row("W20")
def test_real_money_is_off_until_an_operator_says_otherwise(alice: User, api: Any, rig: Rig, body: Any) -> None:
    BrokerAccount.objects.filter(pk=rig.account.pk).update(environment="LIVE")
    answer = post(api(alice), body)
    assert (answer.status_code, answer.json()["code"]) in ((422, "live_trading_off"), (403, "step_up_required"))
    assert not TradingSession.objects.exists()


@pytest.mark.row("C1")
def test_an_account_whose_keys_are_refused_runs_nothing(alice: User, api: Any, rig: Rig, body: Any) -> None:
    rig.fault(kind="status", status=401)
    answer = post(api(alice), body)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_active")
    rig.account.refresh_from_db()
    assert rig.account.state == "REFUSED"
    assert post(api(alice), body).status_code == 409


@pytest.mark.row("W9")
def test_starts_at_once_never_reserve_more_than_there_is(alice: User, api: Any, rig: Rig, body: Any) -> None:
    """F24 at a broker: five clicks of 30,000 each on an account of 100,000."""
    from accounts.models import Tier

    User.objects.filter(pk=alice.pk).update(tier_id=Tier.PREMIUM)
    client = api(alice)

    def click(_: int) -> int:
        try:
            return int(post(client, {**body, "initial_cash": 30_000}).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(5) as pool:
        answers = sorted(pool.map(click, range(5)))
    assert answers == [201, 201, 201, 422, 422]
    assert sum(row.initial_cash for row in TradingSession.objects.all()) == Decimal(90_000)
