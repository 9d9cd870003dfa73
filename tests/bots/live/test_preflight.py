"""Orders looked at before they are sent: by the API, and by a session that would have sent them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from bots.models import Decision
from bots.practice.orders import Instrument
from bots.services import sessions
from tests.accounts.factories import UserFactory
from tests.bots.host.hosting import host
from tests.bots.live.audit import check
from tests.bots.live.rig import Rig, state_of, until

pytestmark = [pytest.mark.django_db(transaction=True)]


def ask(rig: Rig, user: User, **order: Any) -> Any:
    client = APIClient()
    client.force_authenticate(user)
    body = {"symbol": "SIM-ALPHA", "side": "BUY", "kind": "limit", "qty": "10", "limit_px": "20.00", **order}
    return client.post(f"/api/broker-accounts/{rig.account.pk}/preflight", body, format="json")


@pytest.mark.row("W12")
def test_the_api_tells_what_the_venue_would_refuse(alice: User, rig: Rig) -> None:
    sound = ask(rig, alice)
    assert (sound.status_code, sound.json()["accepted"]) == (200, True)
    told = ask(rig, alice, limit_px="20.005", qty="0.5", time_in_force="gtc").json()
    assert told["accepted"] is False
    found = {problem["code"]: problem for problem in told["problems"]}
    assert Decimal(found["price_step"]["nearest"]) == Decimal("20.00")
    assert Decimal(found["not_fractionable"]["nearest"]) == Decimal(1)
    poor = ask(rig, alice, qty="1000000").json()["problems"][-1]
    assert (poor["code"], Decimal(poor["nearest"])) == ("buying_power", Decimal(5_000))
    assert not rig.ledger()["orders"], "nothing was sent"
    assert ask(rig, UserFactory()).status_code == 404
    bad = ask(rig, alice, kind="iceberg")
    assert (bad.status_code, "kind" in str(bad.json())) == (400, True)


@pytest.mark.row("W12")
def test_an_entry_that_breaks_a_rule_is_denied_with_the_reason(alice: User, rig: Rig) -> None:
    rig.venue.exchange.instruments["SIM-ALPHA"] = Instrument("SIM-ALPHA", lot=Decimal(1000), fractionable=False,
                                                             shortable=False)  # fmt: skip
    session = rig.session(settings={"allow_fractional": False, "allow_short": True})
    with host():
        # Between them others wait, because the venue has rejected one.
        denied = session.orders.filter(state="DENIED", state_reason__contains="cannot be sold short").order_by("pk")
        until(session, denied.exists, 60)
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED", 60)
    check(rig, session)
    first = denied[0]
    decision = Decision.objects.filter(session=session, order_seq=first.seq).get()
    gate = next(gate for gate in decision.gates if gate["gate"] == "venue_rule")
    assert (gate["ok"], gate["text"]) == (False, first.state_reason)
