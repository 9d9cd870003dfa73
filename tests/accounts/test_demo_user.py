"""`manage.py create_demo_user`: a random password, told once."""

from __future__ import annotations

import io
import re

import pytest
from django.core.management import call_command

from accounts.models import User

pytestmark = pytest.mark.django_db


def run(*args: str) -> str:
    out = io.StringIO()
    call_command("create_demo_user", *args, stdout=out)
    return out.getvalue()


def told(output: str) -> str | None:
    found = re.fullmatch(r"Demo user: demo  password: (\S{16,})\n", output)
    return found[1] if found else None


def test_the_password_is_random_works_and_is_told_once(client):
    password = told(run())
    assert password
    assert client.login(username="demo", password=password)
    again = run()
    assert told(again) is None
    assert password not in again
    assert User.objects.get().check_password(password)
    User.objects.all().delete()
    assert told(run()) != password


def test_a_new_password_can_be_drawn_and_ends_logins(client):
    client.login(username="demo", password=told(run()))
    password = told(run("--new-password"))
    assert client.get("/accounts/settings/").status_code == 302
    assert client.login(username="demo", password=password)
