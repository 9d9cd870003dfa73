"""Access and refresh tokens through the API: who gets in, and what ends a login."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import jwt
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from accounts import tasks, tokens
from accounts.models import ApiLogin
from tests.accounts.factories import PASSWORD, UserFactory

NEW_PASSWORD = "pack up your troubles"


def log_in(user, password=PASSWORD) -> dict:
    response = APIClient().post("/api/auth/token", {"username": user.username, "password": password})
    assert response.status_code == 200, response.content
    return response.json()


def me(access: str) -> int:
    return APIClient().get("/api/auth/me", HTTP_AUTHORIZATION=f"Bearer {access}").status_code


def refresh(token: str):
    return APIClient().post("/api/auth/token/refresh", {"refresh": token})


@pytest.mark.row("A1")
def test_a_token_opens_the_api_and_nothing_else_does(alice):
    pair = log_in(alice)
    answer = APIClient().get("/api/auth/me", HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    assert answer.json()["username"] == "alice"
    assert pair["access_expires_in"] <= 300
    assert me("") == 401
    assert APIClient().get("/api/auth/me").status_code == 401


def forged(claims: dict, key: str, algorithm: str) -> str:
    return jwt.encode(claims, key, algorithm=algorithm)


@pytest.mark.row("A1")
def test_forged_expired_and_wrong_tokens_are_refused(alice):
    pair = log_in(alice)
    claims = jwt.decode(pair["access"], options={"verify_signature": False})
    head, body, signature = pair["access"].split(".")
    bad = {
        "refresh as access": pair["refresh"],
        "another key": forged(claims, "another key, thirty-two bytes long", "HS256"),
        "no algorithm": forged(claims, "", "none"),
        "another algorithm": forged(claims, settings.SECRET_KEY, "HS512"),
        "signature cut": f"{head}.{body}.",
        "signature changed": f"{head}.{body}.{signature[:-2]}AA",
        "expired": forged({**claims, "exp": 1_000_000_000}, settings.SECRET_KEY, "HS256"),
        "no expiry": forged({k: v for k, v in claims.items() if k != "exp"}, settings.SECRET_KEY, "HS256"),
        "no family": forged({k: v for k, v in claims.items() if k != "family"}, settings.SECRET_KEY, "HS256"),
        "a family that is no id": forged({**claims, "family": "alice"}, settings.SECRET_KEY, "HS256"),
        "not a token": "abc",
        "two words": f"{pair['access']} x",
    }
    answers = {name: me(token) for name, token in bad.items()}
    assert answers == dict.fromkeys(bad, 401)
    assert refresh(pair["access"]).status_code == 401, "an access token must not refresh"
    assert me(pair["access"]) == 200


def test_wrong_name_wrong_password_and_disabled_user_get_the_same_answer(alice):
    disabled = UserFactory(is_active=False)
    bodies = []
    for name, password in [("nobody", PASSWORD), ("alice", "wrong"), (disabled.username, PASSWORD)]:
        response = APIClient().post("/api/auth/token", {"username": name, "password": password})
        assert response.status_code == 401
        bodies.append({**response.json(), "request_id": ""})
    assert bodies[0] == bodies[1] == bodies[2]


def test_each_refresh_token_works_once_and_its_reuse_ends_the_login(alice):
    first = log_in(alice)
    second = refresh(first["refresh"]).json()
    assert me(second["access"]) == 200
    assert refresh(first["refresh"]).status_code == 401
    assert refresh(second["refresh"]).status_code == 401, "the family must have ended"
    assert me(second["access"]) == 401
    assert ApiLogin.objects.get().ended_because == ApiLogin.Ended.REUSED


def test_another_login_survives_the_reuse(alice):
    mine, stolen = log_in(alice), log_in(alice)
    refresh(stolen["refresh"])
    refresh(stolen["refresh"])
    assert me(mine["access"]) == 200
    assert refresh(mine["refresh"]).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_ten_parallel_refreshes_exactly_one_wins(alice):
    token = log_in(alice)["refresh"]
    start = threading.Barrier(10)

    def use(_: int) -> int:
        start.wait()
        try:
            return refresh(token).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(use, range(10)))
    assert sorted(answers) == [200] + [401] * 9


def test_logout_ends_access_and_refresh_at_once(alice):
    pair, other = log_in(alice), log_in(alice)
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    assert client.post("/api/auth/logout", {}).status_code == 204
    assert me(pair["access"]) == 401
    assert refresh(pair["refresh"]).status_code == 401
    assert me(other["access"]) == 200, "another device stays logged in"


def test_logout_everywhere_ends_sessions_and_all_tokens(alice, client):
    client.force_login(alice)
    pair, other = log_in(alice), log_in(alice)
    caller = APIClient(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    assert caller.post("/api/auth/logout", {"everywhere": True}).status_code == 204
    assert me(other["access"]) == 401
    assert refresh(other["refresh"]).status_code == 401
    assert client.get("/api/auth/me").status_code == 401


def test_a_session_can_log_out_through_the_api(alice, client):
    client.force_login(alice)
    assert client.post("/api/auth/logout", {}, content_type="application/json").status_code == 204
    assert client.get("/api/auth/me").status_code == 401


def test_a_changed_password_ends_everything_else(alice, client):
    client.force_login(alice)
    pair, other = log_in(alice), log_in(alice)
    caller = APIClient(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    sent = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    fresh = caller.post("/api/auth/password", sent).json()
    for old in (pair, other):
        assert me(old["access"]) == 401
        assert refresh(old["refresh"]).status_code == 401
    assert client.get("/api/auth/me").status_code == 401
    assert me(fresh["access"]) == 200
    assert refresh(fresh["refresh"]).status_code == 200
    log_in(alice, NEW_PASSWORD)


def test_a_password_set_by_any_other_way_ends_tokens_too(alice):
    """As `manage.py changepassword` and the admin do it: nothing of ours is called."""
    pair = log_in(alice)
    alice.set_password(NEW_PASSWORD)
    alice.save()
    assert me(pair["access"]) == 401
    assert refresh(pair["refresh"]).status_code == 401


def test_a_disabled_user_is_out_at_once(alice, client):
    client.force_login(alice)
    pair = log_in(alice)
    alice.is_active = False
    alice.save()
    assert me(pair["access"]) == 401
    assert refresh(pair["refresh"]).status_code == 401
    assert client.get("/api/auth/me").status_code == 401


def test_no_token_is_kept_in_the_database(alice):
    pair = log_in(alice)
    row = ApiLogin.objects.filter(user=alice).values().get()
    for token in pair["access"], pair["refresh"]:
        assert token not in str(row)
        assert token.rsplit(".", 1)[1] not in str(row)


def test_ended_logins_are_forgotten_only_when_their_tokens_have_expired(alice):
    log_in(alice)
    tasks.forget_expired()
    assert ApiLogin.objects.count() == 1
    ApiLogin.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    tasks.forget_expired()
    assert ApiLogin.objects.count() == 0


def test_the_owner_of_an_access_token_comes_in_one_query(alice, django_assert_num_queries):
    pair = tokens.begin(alice)
    with django_assert_num_queries(1):
        user, token = tokens.owner(pair.access)
        assert user.tier.code == "FREE"
    assert isinstance(token, AccessToken)
