"""What users are told: on the site and by Telegram; and that it never costs whoever tells it anything."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts import deliveries, tasks
from accounts.models import Delivery, Notification, NotificationChannel
from accounts.reporters import KINDS
from accounts.reporters.outbox import MAX_WAITING
from accounts.services import notifications
from engine.errors import InputError
from tests.accounts.receiver import Receiver
from tests.servers import wait_until

TOKEN = "123456789:AAcanary-token-of-a-bot-which-is-7QXZ"  # not-a-secret
SIGNING = "a signing secret of hers"


@pytest.fixture
def telegram(alice, receiver, settings) -> Receiver:
    """alice's Telegram, which is this test's own server."""
    settings.TELEGRAM_BASE_URL = receiver.url
    notifications.set_channel(alice, "telegram", address="42", secret=TOKEN)
    return receiver


def tell(user, **kwargs):
    return notifications.notify(
        user, "session_halted", **{"level": "error", "title": "Halted", "text": "The feed is silent.", **kwargs}
    )


# --- on the site -----------------------------------------------------------------------------------------------------
@pytest.mark.row("O1", "O4")
def test_a_user_is_told_and_reads_it_through_the_api(alice, bob, api):
    tell(alice, link="/backtests/", session_id="6f1c")
    tell(bob, title="His")
    tell(alice, level="info", title="Filled")
    program = api(alice)
    listed = program.get("/api/notifications").json()
    assert [row["title"] for row in listed["results"]] == ["Filled", "Halted"]
    halted = listed["results"][1]
    assert (halted["event"], halted["level"], halted["link"], halted["session_id"], halted["read_at"]) == (
        "session_halted",
        "error",
        "/backtests/",
        "6f1c",
        None,
    )
    read = program.post(f"/api/notifications/{halted['id']}/read")
    assert read.json()["read_at"] is not None
    assert program.post(f"/api/notifications/{halted['id']}/read").json() == read.json()
    assert [row["title"] for row in program.get("/api/notifications?unread=true").json()["results"]] == ["Filled"]
    assert [row["title"] for row in program.get("/api/notifications?level=error").json()["results"]] == ["Halted"]
    assert program.post("/api/notifications/read-all").json() == {"marked": 1}
    assert program.get("/api/notifications?unread=true").json()["count"] == 0
    his = Notification.objects.get(title="His")
    assert program.post(f"/api/notifications/{his.pk}/read").status_code == 404
    assert program.get("/api/notifications?unread=perhaps").status_code == 400
    assert Notification.objects.get(title="His").read_at is None


@pytest.mark.row("O1")
def test_everybody_is_told(alice, bob, carol):
    bob.is_active = False
    bob.save()
    assert notifications.notify_everybody("maintenance", level="warning", title="Down at noon") == 2
    assert set(Notification.objects.values_list("owner__username", flat=True)) == {"alice", "carol"}


def test_the_same_is_said_once_until_it_is_read(alice, bob):
    first = tell(alice, dedup="feed AAPL")
    assert tell(alice, dedup="feed AAPL") is None
    assert tell(bob, dedup="feed AAPL") is not None
    assert tell(alice) is not None
    assert tell(alice) is not None  # without a key nothing is the same
    notifications.mark_read(alice, first.pk)
    assert tell(alice, dedup="feed AAPL") is not None


@pytest.mark.django_db(transaction=True)
def test_what_is_undone_is_not_told_and_a_refusal_undoes_nothing(alice, bob):
    with transaction.atomic():
        tell(alice)
        transaction.set_rollback(True)
    assert not Notification.objects.exists()
    with transaction.atomic():
        bob.email = "new@example.com"
        bob.save()
        tell(alice, dedup="x")
        assert tell(alice, dedup="x") is None
        with connection.cursor() as cursor:  # the transaction still stands
            cursor.execute("SELECT 1")
    bob.refresh_from_db()
    assert bob.email == "new@example.com"


@pytest.mark.parametrize(
    "kwargs", [{"level": "loud"}, {"data": {"at": object()}}, {"title": "x\x00" * 900, "text": "\ud800" * 2_000}]
)
def test_telling_never_raises(alice, telegram, kwargs):
    tell(alice, **kwargs)
    for row in Notification.objects.all():
        assert len(row.title) <= 120
        assert "\x00" not in row.title


@pytest.mark.parametrize("link", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/" + "x" * 300])
def test_a_link_leads_to_this_site_or_nowhere(alice, link):
    assert tell(alice, link=link).link == ""


def test_old_news_are_forgotten(alice):
    now = timezone.now()
    kept, read, ancient = tell(alice), tell(alice), tell(alice)
    Notification.objects.filter(pk=read.pk).update(read_at=now - timedelta(days=91))
    Notification.objects.filter(pk=ancient.pk).update(created_at=now - timedelta(days=366))
    old = Delivery.objects.create(owner=alice, kind="telegram", address="1", event="x", note={}, ended_at=now)
    Delivery.objects.filter(pk=old.pk).update(ended_at=now - timedelta(days=31))
    tasks.forget_expired()
    assert list(Notification.objects.all()) == [kept]
    assert not Delivery.objects.exists()


# --- Telegram --------------------------------------------------------------------------------------------------------
@pytest.mark.row("O4", "A9")
def test_telegram_gets_what_matters_and_the_token_is_nowhere(alice, telegram, caplog):
    caplog.set_level(logging.DEBUG)
    tell(alice, level="info", title="Filled")  # below the channel's level
    tell(alice)
    assert deliveries.run_due() == 1
    [(path, _, _)] = telegram.seen
    assert path == f"/bot{TOKEN}/sendMessage"
    assert telegram.body() == {
        "chat_id": "42",
        "text": "❗ Halted\nThe feed is silent.",
        "link_preview_options": {"is_disabled": True},
    }
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.tries, delivery.last_error, bool(delivery.secret)) == ("SENT", 1, "", False)
    from tradingsite.logs import redact

    assert TOKEN not in redact(caplog.text)


@pytest.mark.parametrize(
    ("status", "words", "ends"),
    [
        (401, "does not know this bot token", True),
        (403, "may not write to this chat", True),
        (429, "answered 429", False),
        (502, "answered 502", False),
    ],
)
def test_what_telegram_refuses_is_said_in_words(alice, telegram, status, words, ends):
    telegram.answers = [status]
    tell(alice)
    deliveries.run_due()
    delivery = Delivery.objects.get()
    assert words in delivery.last_error
    assert (delivery.state == "FAILED") == ends


@pytest.mark.row("A9")
def test_a_bot_has_a_channel_of_its_own(bob, receiver, settings):
    settings.TELEGRAM_BASE_URL = receiver.url
    tell(bob, also=[notifications.channel("telegram", "77", TOKEN)])
    assert TOKEN not in str(list(Delivery.objects.values()))
    deliveries.run_due()
    assert receiver.body()["chat_id"] == "77"


# --- channels --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "sent", "paths"),
    [
        ("telegram", {"address": "42"}, ["secret"]),
        ("telegram", {"address": "my chat", "secret": "x"}, ["address", "secret"]),
        ("webhook", {"address": "https://8.8.8.8/", "secret": "short"}, ["secret"]),
        ("telegram", {"address": "42", "secret": TOKEN, "min_level": "loud"}, ["min_level"]),
    ],
)
def test_what_can_never_work_is_refused_when_it_is_set_up(alice, kind, sent, paths):
    with pytest.raises(InputError) as caught:
        notifications.set_channel(alice, kind, **sent)
    assert [fault.path for fault in caught.value.faults] == paths


def test_a_secret_stays_when_only_the_rest_is_changed(alice, telegram):
    notifications.set_channel(alice, "telegram", address="43", min_level="critical")
    row = NotificationChannel.objects.get()
    assert (row.address, row.secret.reveal()) == ("43", TOKEN)
    tell(alice)
    notifications.set_channel(alice, "telegram", address="43", min_level="info", enabled=False)
    tell(alice, level="critical")
    assert not Delivery.objects.exists()
    notifications.remove_channel(alice, "telegram")
    assert not NotificationChannel.objects.exists()


@pytest.mark.row("A9", "O4")
def test_a_program_sets_up_a_channel_and_never_reads_its_secret(alice, bob, api):
    program, url = api(alice), "/api/notifications/channels"
    assert program.get(url).json() == []
    made = program.put(f"{url}/telegram", {"address": "42", "secret": TOKEN})
    assert made.status_code == 200
    [listed] = program.get(url).json()
    assert listed == made.json()
    assert (listed["secret"], listed["min_level"], listed["enabled"]) == ("set, ends in …7QXZ", "warning", True)
    assert program.put(f"{url}/telegram", {"address": "42", "enabled": False}).json()["secret"] == listed["secret"]
    assert program.post(f"{url}/telegram/test").status_code == 202
    assert Delivery.objects.get().event == "test"
    refused = program.put(f"{url}/webhook", {"address": "http://[::ffff:10.0.0.1]/", "secret": SIGNING})
    assert (refused.status_code, refused.json()["code"]) == (400, "target_not_allowed")
    assert refused.json()["errors"][0]["path"] == "address"
    for method in ("put", "delete"):
        assert getattr(program, method)(f"{url}/pigeon", {"address": "x"}).status_code == 404
    assert api(bob).delete(f"{url}/telegram").status_code == 404
    assert program.delete(f"{url}/telegram").status_code == 204
    assert program.get(url).json() == []


def test_a_flood_ends_at_some_point(alice, telegram):
    for _ in range(MAX_WAITING + 5):
        tell(alice)
    assert Delivery.objects.count() == MAX_WAITING
    assert Notification.objects.count() == MAX_WAITING + 5


def test_a_lost_key_fails_the_delivery_in_words(alice, telegram, settings):
    tell(alice)
    settings.SECRETS_KEYS = []
    deliveries.run_due()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.last_error[:31]) == (
        "FAILED",
        "A stored secret is under key " + delivery.last_error[29:31],
    )
    assert telegram.seen == []


def test_every_kind_says_what_its_fields_are():
    for kind in KINDS.values():
        assert all((kind.label, kind.help, kind.address_label, kind.address_help, kind.secret_label, kind.secret_help))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.row("C5", "O4")
def test_a_worker_delivers_what_is_told(alice, receiver, start_worker):
    """Through the real queue: told in one process, sent by another."""
    notifications.set_channel(alice, "telegram", address="42", secret=TOKEN)
    start_worker("housekeeping", env={"TELEGRAM_BASE_URL": receiver.url})
    tell(alice)
    wait_until(lambda: Delivery.objects.get().state == "SENT", "the delivery", timeout_s=20)
    assert len(receiver.seen) == 1
