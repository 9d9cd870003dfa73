"""Webhooks: signed, tried three times, and never a way into our own network."""

from __future__ import annotations

import hashlib
import hmac
import time

import pytest
from django.core.cache import cache
from django.utils import timezone

from accounts import deliveries
from accounts.models import Delivery, Notification, NotificationChannel
from accounts.reporters import outbound
from accounts.reporters.base import NotDelivered
from accounts.reporters.webhook import WebhookReporter
from accounts.services import notifications
from tests.accounts.receiver import Receiver, receiving

SIGNING = "a signing secret of hers"


@pytest.fixture
def webhook(alice, receiver, settings) -> Receiver:
    """alice's webhook, which is this test's own server: on loopback, so the guard is off."""
    settings.WEBHOOK_PORTS, settings.WEBHOOK_PRIVATE_NETWORKS = [receiver.port], True
    notifications.set_channel(alice, "webhook", address=f"{receiver.url}/hook?a=1", secret=SIGNING, min_level="info")
    return receiver


def tell(user):
    return notifications.notify(user, "session_halted", level="error", title="Halted", text="The feed is silent.")


def due_now() -> None:
    Delivery.objects.filter(state="WAITING").update(next_try_at=timezone.now())


@pytest.mark.row("C5", "O4")
def test_a_webhook_is_signed_and_carries_the_facts(alice, webhook):
    notifications.post_event(
        alice, "session_created", {"symbols": ["AAPL"]}, title="Session created", session_id="6f1c"
    )
    assert not Notification.objects.exists()
    deliveries.run_due()
    [(path, headers, body)] = webhook.seen
    assert path == "/hook?a=1"
    assert headers["Host"] == f"127.0.0.1:{webhook.port}"
    assert headers["X-Tradewright-Event"] == "session_created"
    told = webhook.body()
    assert (told["event"], told["session_id"], told["data"]) == ("session_created", "6f1c", {"symbols": ["AAPL"]})
    at, _, mac = headers["X-Tradewright-Signature"].removeprefix("t=").partition(",v1=")
    assert abs(int(at) - time.time()) < 60
    assert hmac.new(SIGNING.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest() == mac


@pytest.mark.row("C5")
def test_three_tries_with_waits_then_it_has_failed(alice, webhook):
    webhook.answers = [503]
    tell(alice)
    for tries, wait in ((1, 10), (2, 60)):
        assert deliveries.run_due() == 1
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.tries) == ("WAITING", tries)
        assert abs((delivery.next_try_at - timezone.now()).total_seconds() - wait) < 5
        assert deliveries.run_due() == 0  # not due yet
        due_now()
    assert deliveries.run_due() == 1
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.tries, delivery.last_error) == ("FAILED", 3, "The address answered 503.")
    assert delivery.ended_at is not None
    assert not delivery.secret
    due_now()
    assert deliveries.run_due() == 0
    assert len(webhook.seen) == 3


def test_a_try_that_works_later_is_a_delivery(alice, webhook):
    webhook.answers = [500, 200]
    tell(alice)
    deliveries.run_due()
    due_now()
    deliveries.run_due()
    assert (Delivery.objects.get().state, len(webhook.seen)) == ("SENT", 2)


def test_nobody_waits_for_a_user_with_many_messages(alice, bob, webhook):
    notifications.set_channel(bob, "webhook", address=f"{webhook.url}/his", secret=SIGNING)
    for _ in range(12):
        tell(alice)
    tell(bob)
    assert deliveries.run_alone() == 13
    order = [path for path, _, _ in webhook.seen]
    assert order.index("/his") == 5  # after the first few of hers
    cache.add(deliveries._RUNNING, 1)  # another worker is at it
    tell(alice)
    assert deliveries.run_alone() == 0
    cache.delete(deliveries._RUNNING)
    assert deliveries.run_alone() == 1


@pytest.mark.row("A8", "C5")
def test_a_redirect_is_not_followed(alice, webhook):
    with receiving() as inside:
        webhook.answers, webhook.headers = [302], {"Location": f"{inside.url}/secret"}
        tell(alice)
        deliveries.run_due()
        assert Delivery.objects.get().state == "FAILED"
        assert (len(webhook.seen), inside.seen) == (1, [])


PRIVATE = [
    "http://127.0.0.1/",
    "http://localhost/",
    "http://0.0.0.0/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::1]/",
    "http://[::]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:8.8.8.8]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://127.1/",
]
NONSENSE = [
    "http://8.8.8.8:22/",
    "http://8.8.8.8:0/",
    "http://8.8.8.8:99999/",
    "http://8.8.8.8:8000/",
    "file:///etc/passwd",
    "ftp://8.8.8.8/",
    "gopher://8.8.8.8/",
    "http://user:pw@8.8.8.8/",
    "http://8.8.8.8\\@127.0.0.1/",
    "http://8.8.8.8/\r\nX: y",
    "http:///path",
    "http://no-such-host.invalid/",
    "//8.8.8.8/",
    "",
    "http://8.8.8.8/" + "x" * 500,
]


@pytest.mark.row("A8", "C5")
@pytest.mark.parametrize("url", PRIVATE + NONSENSE)
def test_an_address_inside_is_refused_when_saved_and_when_sent(alice, url):
    with pytest.raises(outbound.TargetNotAllowed) as caught:
        notifications.set_channel(alice, "webhook", address=url, secret=SIGNING)
    assert (caught.value.status, caught.value.code) == (400, "target_not_allowed")
    assert not NotificationChannel.objects.exists()
    with pytest.raises((outbound.TargetNotAllowed, outbound.NoAnswer)):
        outbound.post(url, b"", {})


@pytest.mark.row("A8", "C5")
def test_a_name_that_points_inside_after_it_was_checked_is_not_called(alice, receiver, settings):
    settings.WEBHOOK_PORTS = [receiver.port]
    answers = iter([["93.184.216.34"], ["127.0.0.1"], ["93.184.216.34", "127.0.0.1"]])
    asked = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    url = f"http://hooks.example:{receiver.port}/"
    outbound.check(url, rebinding)
    note = notifications._note(alice, "x", "info", "x", "", "", "", "", None)
    for _ in range(2):
        with pytest.raises(NotDelivered, match="private network") as caught:
            WebhookReporter(url, SIGNING, rebinding).send(note)
        assert not caught.value.retry
    assert asked == ["hooks.example"] * 3
    assert receiver.seen == []


@pytest.mark.row("C5")
def test_the_connection_goes_to_the_address_that_was_judged(receiver, settings):
    settings.WEBHOOK_PORTS, settings.WEBHOOK_PRIVATE_NETWORKS = [receiver.port], True
    asked = []

    def once(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    assert outbound.post(f"http://hooks.example:{receiver.port}/a", b"{}", {}, once) == 200
    assert asked == [("hooks.example", receiver.port)]
    assert receiver.seen[0][1]["Host"] == f"hooks.example:{receiver.port}"


@pytest.mark.row("C5")
def test_a_proxy_of_the_environment_is_not_used(receiver, settings, monkeypatch):
    settings.WEBHOOK_PORTS, settings.WEBHOOK_PRIVATE_NETWORKS = [receiver.port], True
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    assert outbound.post(f"{receiver.url}/a", b"{}", {}) == 200
