"""Operators: every row of this app in the admin, with filters and without secrets; nobody else gets in."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin

from accounts import tokens
from accounts.models import ApiLogin, Delivery, NotificationChannel, Tries, User
from accounts.services import notifications, risk
from tests.accounts.factories import BrokerAccountFactory, UserFactory

TOKEN = "123456789:AAcanary-token-of-a-bot-which-is-7QXZ"  # not-a-secret


@pytest.mark.parametrize("model", apps.get_app_config("accounts").get_models())
def test_every_model_is_there_with_filters(model, client, carol, alice):
    tokens.begin(alice)
    Tries.objects.create(key="k", window_start="2026-01-01T00:00:00Z", count=3)
    risk.throw_kill_switch(alice, True)
    risk.throw_platform_switch(carol, True)
    notifications.set_channel(alice, "telegram", address="42", secret=TOKEN)
    notifications.try_channel(alice, "telegram")
    account = BrokerAccountFactory(owner=alice)
    client.force_login(carol)
    assert admin.site._registry[model].list_filter
    base = f"/operators/accounts/{model._meta.model_name}/"
    listing = client.get(base)
    assert listing.status_code == 200
    row = model._default_manager.first()
    detail = client.get(f"{base}{row.pk}/change/")
    assert detail.status_code == 200
    for page in (listing, detail):
        html = page.content.decode()
        for secret in (
            alice.password,
            carol.password,
            ApiLogin.objects.get().refresh_jti,
            alice.get_session_auth_hash(),
            TOKEN,
            NotificationChannel.objects.get().secret.stored,
            Delivery.objects.get(event="test").secret.stored,
            account.api_key.reveal(),
            account.api_secret.reveal(),
            account.api_key.stored,
            account.api_secret.stored,
        ):
            assert secret not in html
        assert "argon2" not in html


def test_only_staff_get_in(client, alice):
    assert client.get("/operators/").status_code == 302
    client.force_login(alice)
    assert client.get("/operators/accounts/user/").status_code == 302


def test_an_operator_makes_a_user_and_sets_a_password(client, carol):
    client.force_login(carol)
    form = {"username": "dora", "email": "d@example.com", "tier": "BASIC", "usable_password": "true"}
    form |= {"password1": "pack up your troubles", "password2": "pack up your troubles"}
    assert client.post("/operators/accounts/user/add/", form).status_code == 302
    dora = User.objects.get(username="dora")
    assert dora.tier_id == "BASIC"
    page = client.get(f"/operators/accounts/user/{dora.pk}/change/")
    assert f"/operators/accounts/user/{dora.pk}/password/" in page.content.decode()
    form = {"usable_password": "true", "password1": "smile smile smile", "password2": "smile smile smile"}
    assert client.post(f"/operators/accounts/user/{dora.pk}/password/", form).status_code == 302
    dora.refresh_from_db()
    assert dora.check_password("smile smile smile")


@pytest.mark.parametrize("action", ["disable", "end_logins"])
def test_ending_a_users_logins(action, client, carol, alice, api):
    program = api(alice)
    assert program.get("/api/auth/me").status_code == 200
    client.force_login(carol)
    client.post("/operators/accounts/user/", {"action": action, "_selected_action": [alice.pk]})
    assert program.get("/api/auth/me").status_code == 401
    alice.refresh_from_db()
    assert alice.is_active == (action != "disable")


def test_ending_one_login(client, carol, api):
    user = UserFactory()
    program, other = api(user), api(user)
    client.force_login(carol)
    first = ApiLogin.objects.order_by("created_at").first()
    client.post("/operators/accounts/apilogin/", {"action": "end", "_selected_action": [str(first.pk)]})
    assert [c.get("/api/auth/me").status_code for c in (program, other)] == [401, 200]


def test_logins_cannot_be_made_or_changed_by_hand(client, carol, alice):
    tokens.begin(alice)
    client.force_login(carol)
    assert client.get("/operators/accounts/apilogin/add/").status_code == 403
    assert client.post(f"/operators/accounts/apilogin/{ApiLogin.objects.get().pk}/change/", {}).status_code == 403
