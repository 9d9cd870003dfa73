"""The account pages, through the browser's door."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from accounts.services import notifications
from tests.accounts.factories import PASSWORD

NEW_PASSWORD = "pack up your troubles"
SIGN_UP = {"username": "dora", "email": "Dora@Example.com", "password": NEW_PASSWORD, "timezone": "Europe/Berlin"}


def test_sign_up_makes_a_free_user_and_logs_in(client, db):
    answer = client.post("/accounts/sign-up/", SIGN_UP)
    assert answer.status_code == 302
    dora = User.objects.get(username="dora")
    assert (dora.email, dora.timezone, dora.tier_id) == ("dora@example.com", "Europe/Berlin", "FREE")
    assert dora.password.startswith("argon2")
    assert not dora.is_staff
    assert client.get("/accounts/settings/").context["user"] == dora


@pytest.mark.row("A8")
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": "ALICE"}, "username"),
        ({"username": "ab"}, "username"),
        ({"username": "dora@example.com"}, "username"),
        ({"username": "dоra"}, "username"),  # the о is Cyrillic
        ({"email": "ALICE@example.com"}, "email"),
        ({"email": "no address"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "1234567890"}, "password"),
        ({"password": "password1234"}, "password"),
        ({"password": "dora@example"}, "password"),
        ({"password": "x" * 257}, "password"),
    ],
)
def test_a_refused_sign_up_marks_the_field_and_keeps_what_was_typed(change, field, client, alice):
    page = client.post("/accounts/sign-up/", SIGN_UP | change)
    assert page.status_code == 200
    assert list(page.context["form"].errors) == [field]
    html = page.content.decode()
    assert f'value="{(SIGN_UP | change)["username"]}"' in html
    assert f'value="{(SIGN_UP | change)["password"]}"' not in html
    assert 'aria-invalid="true"' in html
    assert User.objects.count() == 1


def test_the_api_registers_under_the_same_rules(api, alice):
    client = api(None)
    refused = client.post("/api/auth/register", {"username": "Alice", "email": "a@b", "password": "short"})
    assert refused.status_code == 400
    assert {fault["path"] for fault in refused.json()["errors"]} == {"email", "password"}
    taken = client.post("/api/auth/register", {**SIGN_UP, "username": "Alice"})
    assert [(f["path"], f["code"]) for f in taken.json()["errors"]] == [("username", "already_taken")]
    made = client.post("/api/auth/register", SIGN_UP)
    assert made.status_code == 201
    body = made.json()
    assert body["user"]["tier"]["code"] == "FREE"
    assert client.get("/api/auth/me", HTTP_AUTHORIZATION=f"Bearer {body['access']}").json()["username"] == "dora"


@pytest.mark.parametrize("field", ["tier", "tier_id", "is_staff", "is_superuser", "login_epoch", "id"])
def test_nobody_signs_up_as_somebody_better(field, api, client, db):
    value = {"tier": "ENTERPRISE", "tier_id": "ENTERPRISE", "id": 1, "login_epoch": 5}.get(field, True)
    assert api(None).post("/api/auth/register", {**SIGN_UP, field: value}).status_code == 400
    assert not User.objects.exists()
    client.post("/accounts/sign-up/", {**SIGN_UP, field: value})
    dora = User.objects.get()
    assert (dora.tier_id, dora.is_staff, dora.is_superuser, dora.login_epoch) == ("FREE", False, False, 0)


def test_sign_up_can_be_closed(client, api, settings, db):
    settings.SIGN_UP_OPEN = False
    assert client.get("/accounts/sign-up/").status_code == 403
    assert api(None).post("/api/auth/register", SIGN_UP).json()["code"] == "sign_up_closed"
    assert b"Make an account" not in client.get("/accounts/login/").content
    assert not User.objects.exists()


def test_login_and_logout(client, alice):
    assert client.get("/accounts/settings/").status_code == 302
    wrong = client.post("/accounts/login/", {"username": "alice", "password": "wrong"})
    assert b"do not match" in wrong.content
    right = client.post("/accounts/login/?next=/accounts/settings/", {"username": "Alice", "password": PASSWORD})
    assert right.status_code == 302
    assert client.get("/accounts/settings/").status_code == 200
    assert client.get("/accounts/logout/").status_code == 405, "a link or an image must not log anybody out"
    assert client.post("/accounts/logout/").status_code == 302
    assert client.get("/accounts/settings/").status_code == 302


@pytest.mark.parametrize("page", ["/accounts/login/", "/accounts/sign-up/"])
@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_no_open_redirect(page, target, client, alice):
    sent = {"username": "alice", "password": PASSWORD} if "login" in page else SIGN_UP
    answer = client.post(page, {**sent, "next": target})
    assert answer.status_code == 302
    assert answer["Location"] == "/"


def test_login_goes_on_to_the_page_that_was_asked_for(client, alice):
    form = {"username": "alice", "password": PASSWORD, "next": "/accounts/password/"}
    assert client.post("/accounts/login/", form)["Location"] == "/accounts/password/"


def test_the_session_id_changes_at_login(client, alice):
    client.get("/accounts/login/")
    client.session["x"] = 1
    client.session.save()
    before = client.session.session_key
    client.post("/accounts/login/", {"username": "alice", "password": PASSWORD})
    assert client.session.session_key != before


def test_a_disabled_user_cannot_log_in(client, alice):
    alice.is_active = False
    alice.save()
    page = client.post("/accounts/login/", {"username": "alice", "password": PASSWORD})
    assert page.status_code == 200
    assert b"do not match, or the account is disabled" in page.content


def test_a_changed_password_keeps_this_browser_and_ends_the_others(client, alice):
    other = Client()
    for browser in (client, other):
        browser.post("/accounts/login/", {"username": "alice", "password": PASSWORD})
    form = {"current_password": PASSWORD, "new_password": NEW_PASSWORD, "repeated": NEW_PASSWORD}
    assert client.post("/accounts/password/", form).status_code == 302
    assert client.get("/accounts/settings/").status_code == 200
    assert other.get("/accounts/settings/").status_code == 302


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"current_password": "wrong"}, "current_password"),
        ({"new_password": "short", "repeated": "short"}, "new_password"),
        ({"repeated": "something else"}, "repeated"),
    ],
)
def test_a_refused_password_says_which(change, field, client, alice):
    client.force_login(alice)
    form = {"current_password": PASSWORD, "new_password": NEW_PASSWORD, "repeated": NEW_PASSWORD}
    page = client.post("/accounts/password/", form | change)
    assert list(page.context["form"].errors) == [field]
    assert NEW_PASSWORD not in page.content.decode()
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_logging_out_everywhere_else(client, alice, api):
    other, program = Client(), api(alice)
    for browser in (client, other):
        browser.force_login(alice)
    assert client.post("/accounts/logout-everywhere/").status_code == 302
    assert client.get("/accounts/settings/").status_code == 200
    assert other.get("/accounts/settings/").status_code == 302
    assert program.get("/api/auth/me").status_code == 401


def test_preferences(client, alice):
    client.force_login(alice)
    answer = client.post("/accounts/settings/", {"timezone": "Asia/Tokyo", "theme": "dark"})
    assert answer.status_code == 302
    assert answer.cookies["theme"].value == "dark"
    alice.refresh_from_db()
    assert (alice.timezone, alice.theme) == ("Asia/Tokyo", "dark")
    bad = client.post("/accounts/settings/", {"timezone": "Mars/Olympus", "theme": "mauve"})
    assert set(bad.context["form"].errors) == {"timezone", "theme"}


def test_preferences_through_the_api(alice, api):
    client = api(alice)
    assert client.patch("/api/auth/me", {"timezone": "Asia/Tokyo"}).json()["timezone"] == "Asia/Tokyo"
    assert client.patch("/api/auth/me", {"theme": "dark"}).json()["timezone"] == "Asia/Tokyo"
    refused = client.patch("/api/auth/me", {"timezone": "../../etc/passwd"})
    assert refused.json()["errors"][0]["path"] == "timezone"


def test_a_new_device_starts_with_the_users_theme(client, alice):
    User.objects.filter(pk=alice.pk).update(theme="dark")
    answer = client.post("/accounts/login/", {"username": "alice", "password": PASSWORD})
    assert answer.cookies["theme"].value == "dark"


def test_pages_show_times_in_the_users_zone(client, carol):
    User.objects.filter(pk=carol.pk).update(timezone="Asia/Tokyo", date_joined="2026-01-01T20:00:00Z")
    client.force_login(carol)
    page = client.get(f"/operators/accounts/user/{carol.pk}/change/")
    assert "Jan. 2, 2026, 5 a.m." in page.content.decode()


def test_the_settings_page_shows_tier_and_usage(client, alice):
    client.force_login(alice)
    html = client.get("/accounts/settings/").content.decode()
    assert "Your tier: Free" in html
    assert "2,500,000" in html
    assert "/api/auth/token" in html


def test_notifications_page_marks_reads_and_pages(client, alice, bob):
    for number in range(30):
        notifications.notify(alice, "x", level="info", title=f"Note {number}", link="/backtests/")
    his = notifications.notify(bob, "x", level="info", title="His")
    assert client.get("/notifications/").status_code == 302
    client.force_login(alice)
    page = client.get("/notifications/")
    assert (len(page.context["page"]), page.context["unread"]) == (25, 30)
    newest = page.context["page"][0]
    answer = client.post(f"/notifications/{newest.pk}/read/", {"show": "unread"})
    assert (answer.status_code, answer["Location"]) == (302, "/notifications/?show=unread")
    assert client.get("/notifications/?show=unread").context["page"].paginator.count == 29
    assert client.post(f"/notifications/{his.pk}/read/").status_code == 404
    client.post("/notifications/read-all/")
    assert client.get("/notifications/").context["unread"] == 0
    assert "Nothing unread" in client.get("/notifications/?show=unread").content.decode()


def test_without_a_key_a_channel_is_refused_in_words(client, alice, settings):
    settings.SECRETS_KEYS = []
    client.force_login(alice)
    sent = {"address": "42", "secret": "123456789:" + "x" * 30, "min_level": "info", "enabled": "on"}
    page = client.post("/accounts/settings/channels/telegram/", sent)
    assert "This server stores no secrets" in page.content.decode()
    assert sent["secret"] not in page.content.decode()
    assert client.post("/accounts/settings/channels/pigeon/", sent).status_code == 404
