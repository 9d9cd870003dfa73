"""A bot's keys and its own Telegram chat: they go in, are used, and come out nowhere."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import deliveries
from accounts.models import AuditEvent, Delivery, Notification, User
from bots import services
from bots.models import Bot, BotSecrets, Position
from engine.errors import InputError
from tests.accounts.receiver import receiving
from tests.bots.factories import make_bot
from tests.bots.host.hosting import host, make, wait_for
from tests.servers import sqlite_bytes
from tradingsite.lib.errors import NotFound

CANARIES = {
    "api_key": "AKcanary-9d31-of-a-bot-4KEY",  # not-a-secret
    "secret_key": "canary-77ab-secret-of-a-bot-5SEC",
    "telegram_token": "123456789:AAcanary-token-of-a-bot-which-is-7QXZ",  # not-a-secret
}
ALL = {**CANARIES, "telegram_chat_id": "-100200", "testnet": False, "telegram_trades": True}


def holds_none(text: str | bytes) -> bool:
    """Whether none of the canaries stands in it, nor any of them without its ending."""
    where = text.encode() if isinstance(text, str) else text
    return not any(form in where for secret in CANARIES.values() for form in _forms(secret))


def _forms(secret: str) -> list[bytes]:
    return [secret.encode(), secret[:-4].encode(), secret.encode().hex().encode()]


@pytest.fixture
def bot(alice: User) -> Bot:
    return make_bot(alice, name="Keeper")


@pytest.mark.row("A9")
def test_a_program_sets_them_and_reads_only_their_endings(alice: User, bob: User, bot: Bot, api: Any) -> None:
    client, url = api(alice), f"/api/bots/{bot.pk}/secrets"
    nothing = client.get(url).json()
    assert nothing == {
        **dict.fromkeys(CANARIES, "not set"),
        "testnet": True, "telegram_chat_id": "", "telegram_trades": False, "updated_at": None,
    }  # fmt: skip
    answer = client.put(url, ALL)
    assert answer.status_code == 200
    for read in (answer, client.get(url)):
        told = read.json()
        assert told["api_key"] == "set, ends in …4KEY"
        assert told["telegram_token"] == "set, ends in …7QXZ"
        assert (told["testnet"], told["telegram_chat_id"], told["telegram_trades"]) == (False, "-100200", True)
        assert holds_none(read.content)
    changed = client.put(url, {"secret_key": None, "testnet": True}).json()
    assert (changed["api_key"], changed["secret_key"]) == ("set, ends in …4KEY", "not set")
    assert changed["testnet"] is True
    stored = BotSecrets.objects.get(bot=bot)
    assert stored.api_key.reveal() == CANARIES["api_key"]
    stranger = api(bob)
    for answer in (stranger.get(url), stranger.put(url, ALL), stranger.delete(url)):
        assert answer.status_code == 404
    assert client.delete(url).status_code == 204
    assert client.get(url).json() == nothing
    assert client.delete(url).status_code == 204, "twice is fine"


@pytest.mark.row("A8", "A9")
@pytest.mark.parametrize(
    ("sent", "faults"),
    [
        ({"api_key": 5}, {"api_key": "wrong_type"}),
        ({"api_key": "k" * 501}, {"api_key": "too_long"}),
        ({"secret_key": "with a space"}, {"secret_key": "bad_text"}),
        ({"testnet": "yes"}, {"testnet": "wrong_type"}),
        ({"apikey": "k"}, {"apikey": "unknown_field"}),
        ({"telegram_token": CANARIES["telegram_token"]}, {"telegram_chat_id": "required"}),
        ({"telegram_chat_id": "42"}, {"telegram_token": "required"}),
        (
            {"telegram_chat_id": "my chat", "telegram_token": "no-token"},
            {"telegram_chat_id": "bad_text"},
        ),
        (
            {"telegram_chat_id": "mychat", "telegram_token": "no-token"},
            {"telegram_chat_id": "bad_text", "telegram_token": "bad_text"},
        ),
    ],
)
def test_what_can_never_work_is_refused_and_not_echoed(alice: User, bot: Bot, sent: Any, faults: Any) -> None:
    with pytest.raises(InputError) as caught:
        services.secrets.put(alice, bot.pk, sent)
    assert {fault.path: fault.code for fault in caught.value.faults} == faults
    assert holds_none(str(caught.value))
    assert not BotSecrets.objects.filter(bot=bot).exists()


@pytest.mark.row("A9")
def test_what_was_set_is_audited_and_nothing_else(alice: User, bob: User, bot: Bot) -> None:
    services.secrets.put(alice, bot.pk, ALL)
    services.secrets.put(alice, bot.pk, {"api_key": ""})
    services.secrets.forget(alice, bot.pk)
    trail = AuditEvent.objects.filter(action="bot.secrets").order_by("pk")
    told = [json.loads(event.detail_text) for event in trail]
    assert told[0]["set"] == ["api_key", "secret_key", "telegram_chat_id", "telegram_token", "telegram_trades"]
    assert [entry["forgotten"] for entry in told] == [[], ["api_key"], ["api_key", "secret_key", "telegram_token"]]
    assert {event.target for event in trail} == {f"bot {bot.pk}"}
    assert all(holds_none(event.detail_text) for event in AuditEvent.objects.all())
    for call in (lambda: services.secrets.put(bob, bot.pk, ALL), lambda: services.secrets.forget(bob, bot.pk)):
        with pytest.raises(NotFound):
            call()


@pytest.mark.row("A9")
def test_a_clone_and_an_export_are_without_them(alice: User, bot: Bot, api: Any) -> None:
    services.secrets.put(alice, bot.pk, ALL)
    document = api(alice).get(f"/api/bots/{bot.pk}/config")
    assert holds_none(document.content)
    assert not {"secrets", *CANARIES, "telegram_chat_id"} & set(document.json()["bot"])
    for other in (services.bots.clone(alice, bot.pk), services.bots.import_config(alice, document.json())):
        assert not BotSecrets.objects.filter(bot=other).exists()
    services.bots.remove(alice, bot.pk)
    assert not BotSecrets.objects.exists()


@pytest.mark.row("A9")
def test_the_bots_page_sets_and_forgets_them_and_never_shows_them(alice: User, bot: Bot) -> None:
    client = Client()
    client.force_login(alice)
    page, save = reverse("bots:bot", args=[bot.pk]), reverse("bots:secrets", args=[bot.pk])
    assert "Keys and chat of its own" in client.get(page).content.decode()
    typed = {**CANARIES, "telegram_chat_id": "-100200"}
    answer = client.post(save, typed, follow=True)
    assert answer.redirect_chain[0][0] == f"{page}#secrets"
    shown = answer.content.decode()
    assert "set, ends in …4KEY" in shown
    assert 'value="-100200"' in shown
    assert holds_none(shown)
    stored = BotSecrets.objects.get(bot=bot)
    assert stored.secret_key.reveal() == CANARIES["secret_key"]
    assert stored.testnet is False, "the box was not ticked"
    refused = client.post(save, {"telegram_chat_id": "nochat", "api_key": CANARIES["api_key"]})
    assert refused.status_code == 400
    assert "This is no chat id." in refused.content.decode()
    assert holds_none(refused.content), "what was typed as a secret does not come back either"
    client.post(save, {"telegram_chat_id": "", "testnet": "on"})
    stored.refresh_from_db()
    assert (stored.has_chat, bool(stored.telegram_token), bool(stored.api_key)) == (False, False, True)
    client.post(reverse("bots:secrets-forget", args=[bot.pk]))
    assert not BotSecrets.objects.exists()


@pytest.mark.row("A9")
def test_operators_do_not_see_them(carol: User, alice: User, bot: Bot) -> None:
    services.secrets.put(alice, bot.pk, ALL)
    client = Client()
    client.force_login(carol)
    for model in admin.site._registry:
        if model._meta.app_label == "bots":
            listing = client.get(reverse(f"admin:bots_{model._meta.model_name}_changelist"))
            assert holds_none(listing.content)
    page = client.get(reverse("admin:bots_botsecrets_change", args=[bot.pk])).content
    assert b"Keeper" in page
    assert holds_none(page)
    assert b"-100200" not in page
    assert b"4KEY" not in page, "not even how it ends"


@pytest.mark.django_db(transaction=True)
@pytest.mark.row("A9", "O4", "W20")
def test_its_sessions_write_to_its_own_chat_and_the_token_is_nowhere(
    alice: User, settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One that trades and one that must halt, in a real host; then the database's own file and every log line."""
    trader, broken = (make_bot(alice, name=name) for name in ("Trader", "Broken"))
    services.secrets.put(alice, trader.pk, {**ALL, "telegram_chat_id": "1001"})
    services.secrets.put(alice, broken.pk, {**ALL, "telegram_chat_id": "1002", "telegram_trades": False})
    trading, halting = make(alice, bot=trader), make(alice, bot=broken)
    Position.objects.create(
        session=halting, symbol="SIM-ALPHA", number=1, side="BUY", qty=1, entered_qty=1, entry_px=100, current_px=100,
        opened_at=timezone.now(),
    )  # fmt: skip
    with receiving() as telegram, caplog.at_level(logging.INFO):
        settings.TELEGRAM_BASE_URL = telegram.url
        with host():
            wait_for(lambda: Delivery.objects.filter(event="session_halted").exists())
            wait_for(lambda: Delivery.objects.filter(event="trade_executed").count() >= 2)
        deliveries.run_due()
        bodies = [telegram.body(n) for n in range(len(telegram.seen))]
        paths = {path for path, _, _ in telegram.seen}
    assert paths == {f"/bot{CANARIES['telegram_token']}/sendMessage"}
    [halted] = [body["text"] for body in bodies if body["chat_id"] == "1002"]
    assert halted.startswith("🚨 ")
    assert "Its ledger does not agree with itself" in halted
    traded = [body["text"] for body in bodies if body["chat_id"] == "1001"]
    fill = trading.trades.order_by("pk").first()
    assert f"{fill.side} {fill.qty.normalize():f} {fill.symbol} at {fill.px.normalize():f}" in traded[0]
    assert not Notification.objects.filter(event="trade_executed").exists(), "only the chat is told of each trade"
    assert Notification.objects.filter(event="session_halted", session_id=str(halting.pk)).exists()
    assert caplog.records
    assert holds_none(caplog.text)
    assert holds_none(_whole_database(tmp_path))


def _whole_database(tmp_path: Path) -> bytes:
    """Everything that a backup would hold, and what `dumpdata` writes."""
    written = tmp_path / "dump.json"
    call_command("dumpdata", "bots", "accounts", output=str(written), verbosity=0)
    dump = written.read_bytes()
    assert b"bots.botsecrets" in dump
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(FULL)")
        return dump + sqlite_bytes(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        for table in ("bot_secrets", "accounts_delivery", "accounts_auditevent"):
            cursor.execute("SELECT table_to_xml(%s, true, false, '')", [table])
            dump += cursor.fetchone()[0].encode()
    return dump
