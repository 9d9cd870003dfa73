"""/api/broker-accounts: keys go in with the password once more, and never come out."""

from __future__ import annotations

import pytest
from django.core.cache import cache

from accounts.models import AuditEvent, BrokerAccount, Tier
from tests.accounts.factories import PASSWORD, BrokerAccountFactory

URL = "/api/broker-accounts"
KEY, SECRET = "PKCANARY0000000000007QXZ", "canary-secret-of-an-account-0000"
BODY = {"name": "Mine", "kind": "alpaca", "environment": "PAPER", "api_key": KEY, "api_secret": SECRET}
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paper_network(practice_venue, settings):
    """Alpaca's paper network, as the practice venue speaks it."""
    settings.ALPACA_PAPER_URL = practice_venue.url
    practice_venue.open_account(KEY, SECRET)
    return practice_venue


@pytest.mark.row("A9", "W20")
def test_an_account_is_added_listed_changed_checked_and_closed(alice, api, paper_network):
    program = api(alice)
    answer = program.post(URL, {**BODY, "password": PASSWORD})
    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert (told["state"], told["key_ending"], told["cash"], told["sessions"]) == ("ACTIVE", "7QXZ", 50_000.0, 0)
    one = f"{URL}/{told['id']}"
    assert [row["id"] for row in program.get(URL).json()["results"]] == [told["id"]]
    changed = program.patch(one, {"name": "Renamed", "opposite_orders": "net"})
    assert (changed.json()["name"], changed.json()["opposite_orders"]) == ("Renamed", "net")
    assert program.post(f"{one}/check").json()["state"] == "ACTIVE"
    for page in (answer, changed, program.get(one), program.get(URL)):
        assert KEY not in page.content.decode()
        assert SECRET not in page.content.decode()
    assert program.delete(one).status_code == 204
    closed = program.get(one).json()
    assert (closed["state"], closed["key_ending"]) == ("CLOSED", "")
    assert program.get(URL).json()["results"] == []
    assert program.post(f"{one}/check").json()["code"] == "closed"


@pytest.mark.row("A9")
def test_a_program_gives_the_password_each_time(alice, api, paper_network):
    program = api(alice)
    missing = program.post(URL, BODY)
    assert (missing.status_code, missing.json()["code"]) == (403, "step_up_required")
    assert missing.json()["errors"][0]["path"] == "password"
    wrong = program.post(URL, {**BODY, "password": "guess"})
    assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (400, "wrong_password")
    assert not BrokerAccount.objects.exists()
    made = program.post(URL, {**BODY, "password": PASSWORD}).json()
    replaced = {"api_key": KEY, "api_secret": SECRET}
    assert program.patch(f"{URL}/{made['id']}", replaced).status_code == 403
    assert program.patch(f"{URL}/{made['id']}", {**replaced, "password": PASSWORD}).status_code == 200
    assert program.patch(f"{URL}/{made['id']}", {"api_key": KEY, "password": PASSWORD}).status_code == 400
    actions = set(AuditEvent.objects.filter(chain=alice.pk).values_list("action", flat=True))
    assert {"stepup.refused", "stepup.confirmed", "broker_account.added", "broker_account.keys_replaced"} <= actions


@pytest.mark.row("A9", "S4")
def test_five_wrong_passwords_are_all(alice, api, paper_network):
    program = api(alice)
    for _ in range(5):
        assert program.post(URL, {**BODY, "password": "guess"}).status_code == 400
    locked = program.post(URL, {**BODY, "password": PASSWORD})
    assert (locked.status_code, locked.json()["code"]) == (429, "rate_limited")


@pytest.mark.row("A9", "B17")
def test_wrong_keys_are_a_422_with_the_venues_reason(alice, api, paper_network):
    answer = api(alice).post(URL, {**BODY, "api_secret": "wrong-secret-0000", "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (422, "keys_refused")
    assert "revoked" in answer.json()["message"]
    assert "wrong-secret-0000" not in answer.content.decode()


@pytest.mark.row("A9")
def test_real_money_is_off_until_the_installation_allows_it(alice, api, practice_venue, settings):
    settings.ALPACA_LIVE_URL = practice_venue.url
    body = {**BODY, "environment": "LIVE", "api_key": "AKLIVE0000000000007QXZ", "password": PASSWORD}
    refused = api(alice).post(URL, body)
    assert (refused.status_code, refused.json()["code"]) == (403, "live_trading_off")


@pytest.mark.row("A9")
def test_a_practice_account_needs_no_key_and_no_password(alice, api, practice_venue):
    answer = api(alice).post(f"{URL}/practice", {"cash": 30_000})
    assert answer.status_code == 201, answer.content
    assert (answer.json()["environment"], answer.json()["cash"]) == ("PRACTICE", 30_000.0)
    assert api(alice).post(f"{URL}/practice", {"cash": 5}).status_code == 400
    assert api(alice).post(f"{URL}/practice", {"owner": 1}).json()["errors"][0]["code"] == "unknown_field"


@pytest.mark.row("A5", "A9")
def test_another_users_account_is_a_404_like_none(alice, bob, api):
    hers = BrokerAccountFactory(owner=alice)
    program = api(bob)
    for method, path in (("get", ""), ("patch", ""), ("delete", ""), ("post", "/check")):
        found = getattr(program, method)(f"{URL}/{hers.pk}{path}", {})
        none = getattr(program, method)(f"{URL}/987654{path}", {})
        assert (found.status_code, none.status_code) == (404, 404)
        assert {**found.json(), "request_id": ""} == {**none.json(), "request_id": ""}
    hers.refresh_from_db()
    assert hers.state == "ACTIVE"


@pytest.mark.row("A9")
def test_requests_count_against_the_tiers_rate(alice, api):
    Tier.objects.update(api_requests_per_minute=2)
    cache.clear()
    program = api(alice)
    assert [program.get(URL).status_code for _ in range(4)][-1] == 429
