"""Guessing at secrets: five bad tries in five minutes, then 429, by account and by address, on every door."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import tasks
from accounts.models import Tries
from tests.accounts.factories import PASSWORD, UserFactory

RATE_LIMIT_OF_THE_API = pytest.mark.row("A7")


def by_page(name: str, password: str, ip: str):
    return Client(REMOTE_ADDR=ip).post("/accounts/login/", {"username": name, "password": password})


def by_api(name: str, password: str, ip: str):
    return APIClient(REMOTE_ADDR=ip).post("/api/auth/token", {"username": name, "password": password})


def by_admin(name: str, password: str, ip: str):
    return Client(REMOTE_ADDR=ip).post("/operators/login/", {"username": name, "password": password})


def address(n: int) -> str:
    return f"198.51.100.{n}"


DOORS = pytest.mark.parametrize("door", [by_page, pytest.param(by_api, marks=RATE_LIMIT_OF_THE_API), by_admin])


@DOORS
def test_the_sixth_bad_try_at_an_account_is_429_from_wherever_it_comes(door, alice):
    answers = [door("alice", "wrong", address(n)).status_code for n in range(5)]
    assert 429 not in answers
    sixth = door("ALICE", "wrong", address(6))
    assert sixth.status_code == 429
    assert 0 < int(sixth["Retry-After"]) <= 300
    right = door("alice", PASSWORD, address(7))
    assert right.status_code == 429, "the right password must not tell itself apart"


@DOORS
def test_the_sixth_bad_try_from_an_address_is_429_at_whichever_account(door, alice):
    answers = [door(f"somebody{n}", "wrong", address(1)).status_code for n in range(5)]
    assert 429 not in answers
    assert door("another", "wrong", address(1)).status_code == 429
    assert door("alice", PASSWORD, address(1)).status_code == 429
    assert door("alice", PASSWORD, address(2)).status_code in (200, 302), "others are not held up"


def test_the_doors_share_one_count(alice):
    for n, door in enumerate([by_page, by_api, by_admin, by_page, by_api]):
        assert door("alice", "wrong", address(n)).status_code != 429
    assert by_admin("alice", "wrong", address(9)).status_code == 429


def test_a_name_that_does_not_exist_is_locked_like_one_that_does(alice):
    for name in ("alice", "nobody"):
        answers = [by_api(name, "wrong", address(n)).status_code for n in range(6)]
        assert answers == [401] * 5 + [429]
        Tries.objects.all().delete()


def test_good_logins_are_not_counted(alice):
    assert [by_api("alice", PASSWORD, address(1)).status_code for _ in range(8)] == [200] * 8


def test_the_window_ends(alice):
    for n in range(6):
        by_api("alice", "wrong", address(n))
    Tries.objects.update(window_start=timezone.now() - timedelta(minutes=5))
    assert by_api("alice", PASSWORD, address(1)).status_code == 200


def test_counters_are_forgotten_when_their_window_is_over(alice):
    by_api("alice", "wrong", address(1))
    tasks.forget_expired()
    assert Tries.objects.count() == 2
    Tries.objects.update(window_start=timezone.now() - timedelta(minutes=6))
    tasks.forget_expired()
    assert Tries.objects.count() == 0


def test_what_was_typed_is_not_stored(alice):
    by_api("my-secret-password", "x", address(1))
    assert "my-secret-password" not in str(list(Tries.objects.values()))


@RATE_LIMIT_OF_THE_API
@pytest.mark.django_db(transaction=True)
def test_parallel_guesses_cannot_slip_through_together(alice):
    start = threading.Barrier(12)

    def guess(n: int) -> int:
        start.wait()
        try:
            return by_api("alice", f"guess {n}", address(n)).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as pool:
        answers = sorted(pool.map(guess, range(12)))
    assert answers == [401] * 5 + [429] * 7


def test_the_login_page_keeps_the_name_and_says_how_long(alice, client):
    for _ in range(5):
        page = client.post("/accounts/login/", {"username": "alice", "password": "wrong"})
        assert page.status_code == 200
        assert b"do not match" in page.content
    page = client.post("/accounts/login/", {"username": "alice", "password": "wrong"})
    assert page.status_code == 429
    assert b"Too many tries. Wait" in page.content
    assert b'value="alice"' in page.content
    assert b"wrong" not in page.content


@RATE_LIMIT_OF_THE_API
def test_guessing_the_current_password_is_counted(alice, api):
    client = api(alice)

    def change(current: str) -> int:
        sent = {"current_password": current, "new_password": "pack up your troubles"}
        return client.post("/api/auth/password", sent).status_code

    assert [change("wrong") for _ in range(6)] == [400] * 5 + [429]
    assert change(PASSWORD) == 429


def test_trying_out_names_at_sign_up_is_counted(alice):
    def sign_up(n: int, ip: str) -> int:
        sent = {"username": "alice", "email": f"x{n}@example.com", "password": "pack up your troubles"}
        return APIClient(REMOTE_ADDR=ip).post("/api/auth/register", sent).status_code

    assert [sign_up(n, address(1)) for n in range(6)] == [400] * 5 + [429]
    page = Client(REMOTE_ADDR=address(1)).post(
        "/accounts/sign-up/", {"username": "dora", "email": "dora@example.com", "password": "pack up your troubles"}
    )
    assert page.status_code == 429
    assert b'value="dora"' in page.content
    assert sign_up(9, address(2)) == 400


@RATE_LIMIT_OF_THE_API
def test_many_accounts_from_one_address_are_stopped(db):
    def sign_up(n: int) -> int:
        sent = {"username": f"bot{n}", "email": f"bot{n}@example.com", "password": "pack up your troubles"}
        return APIClient(REMOTE_ADDR=address(1)).post("/api/auth/register", sent).status_code

    answers = [sign_up(n) for n in range(31)]
    assert answers == [201] * 30 + [429]


@RATE_LIMIT_OF_THE_API
def test_trying_out_refresh_tokens_is_counted(db):
    client = APIClient(REMOTE_ADDR=address(1))
    answers = [client.post("/api/auth/token/refresh", {"refresh": f"guess{n}"}).status_code for n in range(31)]
    assert answers == [401] * 30 + [429]


@pytest.mark.parametrize("behind_proxy", [False, True])
def test_whose_address_counts(behind_proxy, settings, db):
    """Without a proxy X-Forwarded-For is the client's own claim; with one, its last entry is the proxy's word."""
    settings.BEHIND_PROXY = behind_proxy
    UserFactory(username="alice")

    def bad_try(n: int) -> int:
        client = APIClient(REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR=f"203.0.113.{n}, 198.51.100.7")
        return client.post("/api/auth/token", {"username": f"somebody{n}", "password": "x"}).status_code

    assert [bad_try(n) for n in range(6)] == [401] * 5 + [429], "the client chose another address each time"
    other = APIClient(REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR="198.51.100.8")
    answer = other.post("/api/auth/token", {"username": "alice", "password": PASSWORD}).status_code
    assert answer == (200 if behind_proxy else 429)


def test_an_ipv6_client_counts_by_its_network(db):
    answers = [by_api(f"somebody{n}", "wrong", f"2001:db8:1:2::{n:x}").status_code for n in range(6)]
    assert answers == [401] * 5 + [429]
    assert by_api("somebody", "wrong", "2001:db8:1:3::1").status_code == 401
