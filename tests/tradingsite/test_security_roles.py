"""Who may do what: every URL × method × {anonymous, another user, a paying user, an operator, the owner}.

The routes come from the URL configuration. A route that is not in `rights.ROUTES` fails the test, so that nobody adds
one without saying whose it is.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.http import HttpResponse
from django.urls import get_resolver, reverse

from accounts import quotas
from accounts.models import Tier, User
from tests.accounts.factories import UserFactory
from tests.tradingsite import world
from tests.tradingsite.asking import DRAWN, Browser, is_login_redirect, turned_away
from tests.tradingsite.rights import OPEN, OWN, ROUTES, STAFF, routes

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def comparable(response: HttpResponse, path: str) -> str:
    """Status and body without what differs between any two requests."""
    return f"{response.status_code} {DRAWN.sub('…', response.told.decode().replace(path, '…'))}"


def elsewhere(value: Any) -> Any:
    """An id of the same form that nothing has."""
    return uuid.UUID(int=1) if isinstance(value, uuid.UUID) else 987_654 if isinstance(value, int) else value


@pytest.fixture
def roles(alice: User, bob: User, carol: User) -> dict[str, Browser]:
    """The browser of each role."""
    # What is looked at here are rights, not amounts, and not what a tier lacks.
    Tier.objects.update(**dict.fromkeys(quotas.LABELS), allows_custom_strategies=True)
    users = {
        "anonymous": None,
        "another user": bob,
        "a paying user": UserFactory(tier_id=Tier.ENTERPRISE),
        "an operator": carol,
        "the owner": alice,
    }
    return {role: Browser(user) for role, user in users.items()}


def test_every_route_is_in_the_table():
    assert {name for name, _ in routes(get_resolver())} == set(ROUTES)


@pytest.mark.django_db(transaction=True)
@pytest.mark.one_database
@pytest.mark.row("A5", "A6")
def test_every_url_and_method_for_every_role(sample_prices, alice, roles, practice_venue):
    parts = world.build(alice).url_parts()
    wrong: list[str] = []
    for name, pattern in routes(get_resolver()):
        kwargs = {key: parts[key] for key in pattern.pattern.converters}
        path = reverse(name, kwargs=kwargs)
        other_kwargs = {key: elsewhere(value) for key, value in kwargs.items()}
        for method in METHODS:
            for role, browser in roles.items():
                response = browser.ask(method, path)
                status = response.status_code
                rule = ROUTES[name]
                if status >= 500:
                    good = False
                elif rule is not OPEN and role == "anonymous":
                    good = turned_away(response, path)
                elif rule is STAFF and role != "an operator":
                    good = status in (403, 405)
                elif rule is OWN and role != "the owner":
                    good = status == 405
                    if status in (404, 400):  # 400: the body is looked at before the object is
                        nowhere = reverse(name, kwargs=other_kwargs)
                        good = comparable(response, path) == comparable(browser.ask(method, nowhere), nowhere)
                else:
                    good = status not in (401, 403, 404) and (rule is OPEN or not is_login_redirect(response))
                if not good:
                    wrong.append(f"{method} {path} ({name}) as {role}: {status}")
    assert not wrong, "\n".join(wrong)


def desk_paths() -> Iterator[str]:
    """The pages of the operators' desk, of rows that exist or not."""
    for name in ("index", "password_change", "jsi18n"):
        yield reverse(f"admin:{name}")
    for model in admin.site._registry:
        base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield from (reverse(f"{base}_{page}") for page in ("changelist", "add"))
        yield from (reverse(f"{base}_{page}", args=["1"]) for page in ("change", "delete", "history"))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_operators_desk_is_for_operators(method, roles):
    """Whether a row exists is answered after the login, never before."""
    wrong = []
    for path in desk_paths():
        for role in ("anonymous", "another user", "a paying user"):
            if not is_login_redirect(response := roles[role].ask(method, path)):
                wrong.append(f"{method} {path} as {role}: {response.status_code}")
        status = roles["an operator"].ask(method, path).status_code
        if status >= 500 or (method == "GET" and path.count("/") <= 4 and status not in (200, 302)):
            wrong.append(f"{method} {path} as an operator: {status}")
    assert not wrong, "\n".join(wrong)
