"""Secrets at rest: never plain in the database, readable with the right key only, and renewed on request."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from base64 import urlsafe_b64encode

import pytest
from django.core import serializers
from django.core.exceptions import FieldError, ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import CharField, TextField
from rest_framework.serializers import ModelSerializer

from accounts.models import NotificationChannel
from tests.servers import sqlite_bytes
from tests.tradingsite.test_settings import manage
from tradingsite.lib.secrets import Secret, SecretsLocked, encrypted_fields

CANARY = "canary-5f0e-token-of-a-bot-7QXZ"
pytestmark = [pytest.mark.row("A9", "W20")]


def new_key() -> str:
    return urlsafe_b64encode(os.urandom(32)).decode("ascii")


@pytest.fixture
def channel(alice):
    return NotificationChannel.objects.create(owner=alice, kind="telegram", address="42", secret=CANARY)


def test_a_secret_comes_back_only_when_it_is_asked_for(channel):
    channel.refresh_from_db()
    assert channel.secret.reveal() == CANARY
    for shown in (str(channel.secret), repr(channel.secret), f"{channel.secret}", repr(channel.__dict__)):
        assert CANARY not in shown
        assert CANARY[:-4] not in shown
    assert str(channel.secret) == "set, ends in …7QXZ"
    channel.secret = "short"
    assert (str(channel.secret), channel.secret.reveal()) == ("set", "short")
    channel.secret = ""
    assert (bool(channel.secret), str(channel.secret), channel.secret.reveal()) == (False, "not set", "")


@pytest.mark.django_db(transaction=True)
def test_a_dump_of_the_database_does_not_hold_it(channel, tmp_path):
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(FULL)")
        dump = sqlite_bytes(connection.settings_dict["NAME"])
    else:
        with connection.cursor() as cursor:
            cursor.execute("SELECT query_to_xml('SELECT * FROM accounts_notificationchannel', true, false, '')")
            dump = cursor.fetchone()[0].encode()
    assert channel.secret.stored.encode() in dump
    assert CANARY.encode() not in dump
    assert CANARY.encode().hex().encode() not in dump


def test_no_form_serializer_or_dump_holds_it(channel):
    class Everything(ModelSerializer):
        class Meta:
            model = NotificationChannel
            exclude = ("owner",)

    assert Everything(channel).data["secret"] == "set, ends in …7QXZ"
    sent = Everything(channel, data={"kind": "telegram", "address": "1", "secret": "overwritten"})
    assert sent.is_valid()
    assert "secret" not in sent.validated_data
    text = serializers.serialize("json", [channel])
    assert CANARY not in text
    NotificationChannel.objects.all().delete()
    next(serializers.deserialize("json", text)).save()
    assert NotificationChannel.objects.get().secret.reveal() == CANARY
    with pytest.raises(ValidationError):
        NotificationChannel._meta.get_field("secret").to_python("plain text")


def test_it_cannot_be_searched_for(channel):
    for name in ("secret", "secret__startswith", "secret__regex"):
        with pytest.raises(FieldError):
            NotificationChannel.objects.filter(**{name: "c"}).exists()
    NotificationChannel.objects.update(secret="set by an update")
    assert NotificationChannel.objects.get().secret.reveal() == "set by an update"


def test_without_a_key_nothing_is_stored_and_nothing_is_read(channel, settings):
    settings.SECRETS_KEYS = []
    with pytest.raises(SecretsLocked, match="SECRETS_KEYS") as caught:
        channel.secret = "another"
    assert (caught.value.status, caught.value.code) == (503, "secrets_locked")
    with pytest.raises(SecretsLocked, match=f"under key {channel.secret.key_id}, which SECRETS_KEYS does not hold"):
        NotificationChannel.objects.get().secret.reveal()
    with pytest.raises(CommandError, match="no key"):
        call_command("rotate_secrets")


def test_the_wrong_key_and_a_changed_value_are_clear_errors(channel, settings):
    key_id, stored = channel.secret.key_id, channel.secret.stored
    settings.SECRETS_KEYS = [new_key()]
    with pytest.raises(SecretsLocked, match=key_id):
        channel.secret.reveal()
    settings.SECRETS_KEYS = [new_key(), *settings.SECRETS_KEYS]
    body = stored.rsplit("$", 1)[1]
    for broken in (stored.replace(body, body[:-8] + "AAAAAAA="), CANARY, "v1$$$"):
        with pytest.raises(SecretsLocked) as caught:
            Secret(broken).reveal()
        assert CANARY not in caught.value.message


def test_rotation_puts_every_secret_under_the_first_key(channel, settings):
    [old] = settings.SECRETS_KEYS
    new = new_key()
    settings.SECRETS_KEYS = [new, old]
    out = io.StringIO()
    call_command("rotate_secrets", stdout=out)
    assert out.getvalue().startswith("1 secrets are now under key ")
    settings.SECRETS_KEYS = [new]
    assert NotificationChannel.objects.get().secret.reveal() == CANARY
    call_command("rotate_secrets", stdout=(again := io.StringIO()))
    assert again.getvalue().startswith("0 secrets")


def test_rotation_names_what_it_cannot_read_and_leaves_it(channel, settings):
    settings.SECRETS_KEYS = [new_key()]
    said = io.StringIO()
    with pytest.raises(CommandError, match="1 rows hold secrets"):
        call_command("rotate_secrets", stdout=io.StringIO(), stderr=said)
    assert f"accounts.NotificationChannel {channel.pk}: " in said.getvalue()
    assert NotificationChannel.objects.get().secret.stored == channel.secret.stored


def test_every_field_whose_name_sounds_secret_is_encrypted():
    from django.apps import apps

    sounds_secret = ("secret", "token", "api_key", "secret_key", "private_key", "passphrase")
    plain = [
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        if model._meta.app_label in {"accounts", "bots", "marketdata", "strategies", "backtests"}
        for field in model._meta.concrete_fields
        if isinstance(field, CharField | TextField)
        and field.name.endswith(sounds_secret)
        and field not in encrypted_fields(model)
    ]
    assert plain == []


@pytest.mark.parametrize("key", ["change-me", "A" * 43 + "=", "x" * 40, urlsafe_b64encode(b"abcd" * 8).decode()])
def test_a_sample_key_is_refused_and_not_shown(key):
    done = manage("check", SECRETS_KEYS=key)
    assert done.returncode == 1
    assert done.stderr.startswith("Settings: SECRETS_KEYS: key 1 is a sample or no key")
    assert key not in done.stderr
    assert manage("check", SECRETS_KEYS=f"{new_key()},{key}").stderr.startswith("Settings: SECRETS_KEYS: key 2")


def test_production_starts_without_a_key(tmp_path):
    assert manage("check", VAR_DIR=str(tmp_path)).returncode == 0
    (tmp_path / "secrets_keys").write_text(new_key(), encoding="ascii")
    program = "import django; django.setup(); from tradingsite.lib import secrets; print(secrets.current_key_id())"
    env = {"PATH": os.environ["PATH"], "ENV_FILE": os.devnull, "VAR_DIR": str(tmp_path), "SECRET_KEY": "x7" * 20}
    env["DJANGO_SETTINGS_MODULE"] = "tradingsite.settings"
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    assert len(done.stdout.strip()) == 8, done.stderr
