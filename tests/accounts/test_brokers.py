"""Accounts at brokers, against the practice venue: keys are tried before they are kept, and never come out again."""

from __future__ import annotations

import datetime
import io
import logging
import os
import threading
from base64 import urlsafe_b64encode
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts import selectors
from accounts.models import AuditEvent, BrokerAccount, Notification
from accounts.services import brokers
from accounts.services.brokers.checking import Checked, refuse_unfit
from engine.errors import InputError
from tests.accounts.factories import BrokerAccountFactory
from tradingsite.lib.errors import Conflict, NotAllowed, NotFound, TooMany, Unavailable, Unprocessable

KEY, SECRET = "PKCANARY0000000000007QXZ", "canary-secret-of-an-account-0000"
VALUES = {"name": "Mine", "kind": "alpaca", "environment": "PRACTICE", "api_key": KEY, "api_secret": SECRET}
pytestmark = pytest.mark.django_db(transaction=True)


def trail(user) -> str:
    """Everything the audit trail has of a user, as text."""
    return "\n".join(f"{row.action} {row.target} {row.detail_text}" for row in AuditEvent.objects.filter(chain=user.pk))


@pytest.mark.row("A9", "W20")
def test_good_keys_are_kept_encrypted_with_what_the_venue_said(alice, practice_venue, caplog):
    practice_venue.open_account(KEY, SECRET)
    with caplog.at_level(logging.DEBUG):
        account = brokers.add(alice, VALUES)
    account.refresh_from_db()
    assert (account.state, account.cash, account.equity) == ("ACTIVE", Decimal(50_000), Decimal(50_000))
    assert account.account_number
    assert account.permissions["trade"] is True
    assert account.checked_at is not None
    assert (account.api_key.reveal(), account.api_secret.reveal()) == (KEY, SECRET)
    with connection.cursor() as cursor:
        cursor.execute("SELECT api_key, api_secret FROM accounts_brokeraccount")
        stored = "".join(cursor.fetchone())
    shown = f"{stored} {account} {account!r} {account.__dict__} {trail(alice)} {caplog.text}"
    assert KEY not in shown
    assert SECRET not in shown
    assert "broker_account.added" in trail(alice)
    assert "7QXZ" in trail(alice)


@pytest.mark.row("A9")
def test_wrong_keys_are_refused_with_the_venues_words_and_counted(alice, practice_venue):
    with pytest.raises(Unprocessable, match=r"The venue refuses these keys\. .*revoked") as caught:
        brokers.add(alice, VALUES, ip="10.0.0.1")
    assert (caught.value.status, caught.value.code) == (422, "keys_refused")
    assert SECRET not in caught.value.message
    assert not BrokerAccount.objects.exists()
    for _ in range(4):
        with pytest.raises(Unprocessable):
            brokers.add(alice, VALUES, ip="10.0.0.1")
    with pytest.raises(TooMany):
        brokers.add(alice, VALUES, ip="10.0.0.1")


@pytest.mark.row("A9")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"may_withdraw": True}, "keys_may_withdraw"),
        ({"may_trade": False}, "keys_may_not_trade"),
        ({"is_real_money": True}, "wrong_environment"),
    ],
)
def test_keys_that_work_and_are_not_taken_all_the_same(change, code):
    facts = {"is_real_money": False, "may_trade": True, "may_withdraw": None, "may_short": False, **change}
    with pytest.raises(Unprocessable) as caught:
        refuse_unfit("PAPER", Checked(account_number="1", currency="USD", **facts))
    assert caught.value.code == code


@pytest.mark.row("A9", "B17")
def test_keys_that_may_withdraw_are_refused_by_what_the_venue_says(alice, practice_venue):
    practice_venue.open_account(KEY, SECRET)
    practice_venue.venue.exchange.accounts[KEY].may_withdraw = True
    with pytest.raises(Unprocessable, match="may withdraw") as caught:
        brokers.add(alice, {**VALUES, "kind": "binance"})
    assert caught.value.code == "keys_may_withdraw"
    practice_venue.venue.exchange.accounts[KEY].may_withdraw = False
    assert brokers.add(alice, {**VALUES, "kind": "binance"}).permissions["withdraw"] is False


@pytest.mark.row("A9")
def test_an_exchange_that_is_not_supported_is_told_so(alice):
    values = {**VALUES, "kind": "ccxt", "environment": "PAPER", "options": {"exchange": "no_such_exchange"}}
    with pytest.raises(Unprocessable) as caught:
        brokers.add(alice, values)
    assert caught.value.code == "not_offered"


@pytest.mark.row("A9")
def test_a_venue_that_is_silent_leaves_nothing_behind(alice, practice_venue):
    practice_venue.open_account(KEY, SECRET)
    practice_venue.fault(kind="status", status=503, path="/v2/account", method="GET", when="before", times=30)
    for _ in range(6):  # no try that counts: nothing was learned about the keys
        with pytest.raises(Unavailable, match="Nothing was saved"):
            brokers.add(alice, VALUES)
    assert not BrokerAccount.objects.exists()
    practice_venue.venue.faults.clear()
    assert brokers.add(alice, VALUES).state == "ACTIVE"


@pytest.mark.row("A9")
def test_real_money_and_practice_need_their_switches(alice, settings):
    settings.LIVE_TRADING, settings.PRACTICE_VENUE = False, False
    for environment, code in (("LIVE", "live_trading_off"), ("PRACTICE", "practice_venue_off")):
        with pytest.raises(NotAllowed) as caught:
            brokers.add(alice, {**VALUES, "environment": environment})
        assert caught.value.code == code


@pytest.mark.row("A9")
def test_the_same_account_is_here_once_for_each_user(alice, bob, practice_venue):
    practice_venue.open_account(KEY, SECRET)
    first = brokers.add(alice, VALUES)
    with pytest.raises(InputError, match="an account of this name"):
        brokers.add(alice, VALUES)
    with pytest.raises(Conflict, match="“Mine”") as caught:
        brokers.add(alice, {**VALUES, "name": "Again"})
    assert (caught.value.code, caught.value.extra["broker_account_id"]) == ("already_added", first.pk)
    assert brokers.add(bob, VALUES).owner == bob
    brokers.close(alice, first.pk)
    assert brokers.add(alice, VALUES).pk != first.pk


@pytest.mark.row("A9")
def test_two_adds_at_once_make_one_account(alice, practice_venue):
    practice_venue.open_account(KEY, SECRET)
    outcomes: list[str] = []

    def add(name: str) -> None:
        try:
            outcomes.append(brokers.add(alice, {**VALUES, "name": name}).state)
        except Conflict as refusal:
            outcomes.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=add, args=[f"Mine {number}"]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["ACTIVE", *["already_added"] * 3]


@pytest.mark.row("A9", "B7")
@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "a‮b"}, "name"),
        ({"kind": "etrade"}, "kind"),
        ({"environment": "TEST"}, "environment"),
        ({"kind": "ccxt"}, "environment"),
        ({"api_key": ""}, "api_key"),
        ({"api_secret": "x" * 4_001}, "api_secret"),
        ({"api_secret": "schlüssel"}, "api_secret"),
        ({"options": {"exchange": "kraken"}}, "options.exchange"),
        ({"options": ["kraken"]}, "options"),
        ({"kind": "binance", "options": {"quote": "US Dollar"}}, "options.quote"),
        ({"options": {"crypto_fee_ratio": "1.5"}}, "options.crypto_fee_ratio"),
        ({"kind": "ccxt", "environment": "PAPER"}, "options.exchange"),
        ({"opposite_orders": "maybe"}, "opposite_orders"),
        ({"is_staff": True}, "is_staff"),
    ],
)
def test_what_is_typed_wrong_is_named_before_any_venue_is_asked(alice, change, path):
    with pytest.raises(InputError) as caught:
        brokers.add(alice, {**VALUES, **change})
    assert path in {fault.path for fault in caught.value.faults}
    assert SECRET not in str(caught.value)


@pytest.mark.row("A9")
def test_a_practice_account_takes_one_step(alice, practice_venue):
    first = brokers.add_practice(alice, Decimal(25_000))
    second = brokers.add_practice(alice)
    assert (first.name, second.name) == ("Practice", "Practice 2")
    assert (first.cash, second.cash) == (Decimal(25_000), Decimal(100_000))
    ledger = practice_venue.ledger()
    assert Decimal(ledger[first.api_key.reveal()]["cash"]) == Decimal(25_000)
    with pytest.raises(InputError, match="100 to 10,000,000"):
        brokers.add_practice(alice, Decimal(5))


@pytest.mark.row("A9")
def test_a_practice_venue_that_does_not_run_is_said_so(alice, settings):
    settings.PRACTICE_VENUE_URL = "http://127.0.0.1:9"
    with pytest.raises(Unavailable, match="does not answer at http"):
        brokers.add_practice(alice)


@pytest.mark.row("A9", "W20")
def test_keys_are_replaced_by_others_of_the_same_account_only(alice, practice_venue):
    practice_venue.open_account(KEY, SECRET)
    account = brokers.add(alice, VALUES)
    practice_venue.open_account("PKOTHER00000000", "of-another-account-00", 1_000)
    with pytest.raises(Conflict, match="another account"):
        brokers.replace_keys(alice, account.pk, "PKOTHER00000000", "of-another-account-00")
    with pytest.raises(Unprocessable, match="The venue refuses"):
        brokers.replace_keys(alice, account.pk, KEY, "wrong")
    account.refresh_from_db()
    assert account.api_secret.reveal() == SECRET
    BrokerAccount.objects.filter(pk=account.pk).update(fence=7, host="h1")
    brokers.replace_keys(alice, account.pk, KEY, SECRET)
    account.refresh_from_db()
    assert (account.fence, account.host) == (7, "h1")  # a lease is nobody else's to write
    assert "broker_account.keys_replaced" in trail(alice)


@pytest.mark.row("A9")
def test_a_check_says_what_the_venue_says_now(alice, practice_venue):
    practice_venue.open_account(KEY, SECRET)
    account = brokers.add(alice, VALUES)
    practice_venue.fault(kind="status", status=401, path="/v2/account", method="GET", when="before", times=30)
    refused = brokers.check(alice, account.pk)
    assert refused.state == "REFUSED"
    assert refused.state_reason
    practice_venue.venue.faults.clear()
    accepted = brokers.check(alice, account.pk)
    assert (accepted.state, accepted.state_reason) == ("ACTIVE", "")


@pytest.mark.row("A9", "W20")
def test_every_use_of_the_keys_is_in_the_trail(alice, practice_venue):
    account = BrokerAccountFactory(owner=alice)
    keys = brokers.keys_for(account, "host h1 trades session 5")
    assert keys == (account.api_key.reveal(), account.api_secret.reveal())
    assert "host h1 trades session 5" in trail(alice)
    assert keys[1] not in trail(alice)
    account.refresh_from_db()
    assert account.used_at is not None


@pytest.mark.row("A9", "I8")
def test_refused_keys_stop_that_account_and_tell_its_owner_once(alice, bob):
    account, other = BrokerAccountFactory(owner=alice, name="Hers"), BrokerAccountFactory(owner=bob)
    secret = account.api_secret.reveal()
    assert brokers.mark_refused(account, f"forbidden: key revoked ({secret})")
    assert brokers.mark_refused(account, "forbidden")
    account.refresh_from_db()
    assert account.state == "REFUSED"
    assert account.state_reason.startswith("forbidden: key revoked")
    told = Notification.objects.get(owner=alice)
    assert told.title == "Alpaca refuses the keys of “Hers”"
    assert "others go on" in told.text
    assert secret not in told.text + account.state_reason + trail(alice)
    other.refresh_from_db()
    assert (other.state, Notification.objects.filter(owner=bob).count()) == ("ACTIVE", 0)
    with pytest.raises(Conflict, match="key revoked"):
        brokers.keys_for(account, "try again")
    brokers.mark_ok(account)
    account.refresh_from_db()
    assert (account.state, account.state_reason) == ("ACTIVE", "")


def test_keys_that_were_replaced_meanwhile_are_not_the_ones_that_were_refused(alice):
    account = BrokerAccountFactory(owner=alice)
    held = BrokerAccount.objects.get(pk=account.pk)
    account.api_secret = "another-secret-of-it-0"
    account.save()
    assert brokers.mark_refused(held, "revoked") is False
    account.refresh_from_db()
    assert account.state == "ACTIVE"


@pytest.mark.row("A9")
def test_closing_forgets_the_keys_and_keeps_the_row(alice):
    account = BrokerAccountFactory(owner=alice)
    closed = brokers.close(alice, account.pk)
    assert (closed.state, bool(closed.api_key), bool(closed.api_secret)) == ("CLOSED", False, False)
    assert brokers.close(alice, account.pk).closed_at == closed.closed_at
    assert list(selectors.broker_accounts(alice)) == []
    for act in (
        lambda: brokers.rename(alice, account.pk, "New"),
        lambda: brokers.check(alice, account.pk),
        lambda: brokers.keys_for(account, "trade"),
    ):
        with pytest.raises(Conflict):
            act()


@pytest.mark.row("A9", "W20")
def test_names_and_policies_change_and_leave_a_trail(alice):
    account = BrokerAccountFactory(owner=alice, name="Old")
    BrokerAccountFactory(owner=alice, name="Taken")
    brokers.rename(alice, account.pk, " New ")
    brokers.set_opposite_orders(alice, account.pk, "net")
    account.refresh_from_db()
    assert (account.name, account.opposite_orders) == ("New", "net")
    assert '"after":"New"' in trail(alice)
    with pytest.raises(InputError, match="of this name"):
        brokers.rename(alice, account.pk, "Taken")


def test_another_users_account_does_not_exist(alice, bob):
    account = BrokerAccountFactory(owner=alice)
    for act in (
        lambda: brokers.rename(bob, account.pk, "Stolen"),
        lambda: brokers.check(bob, account.pk),
        lambda: brokers.replace_keys(bob, account.pk, "a", "b"),
        lambda: brokers.close(bob, account.pk),
    ):
        with pytest.raises(NotFound):
            act()


def test_what_the_venue_says_of_money_is_stored_as_columns_take_it(alice):
    account, now = BrokerAccountFactory(owner=alice), timezone.now()
    brokers.saw(account, cash=Decimal("1.123456789"), equity=Decimal("NaN"), buying_power=Decimal("1E30"), at=now)
    account.refresh_from_db()
    assert (account.cash, account.equity, account.buying_power) == (Decimal("1.12345679"), None, None)
    assert account.seen_at - now < datetime.timedelta(seconds=1)


@pytest.mark.row("W20")
def test_rotation_covers_the_keys_of_accounts(alice, settings):
    account = BrokerAccountFactory(owner=alice)
    key, old = account.api_key.reveal(), settings.SECRETS_KEYS
    settings.SECRETS_KEYS = [urlsafe_b64encode(os.urandom(32)).decode(), *old]
    call_command("rotate_secrets", stdout=(said := io.StringIO()))
    assert said.getvalue().startswith("2 secrets")
    settings.SECRETS_KEYS = settings.SECRETS_KEYS[:1]
    account.refresh_from_db()
    assert account.api_key.reveal() == key
