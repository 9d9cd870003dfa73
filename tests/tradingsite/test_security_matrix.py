"""Who may do what: every URL × method × {anonymous, another user, a paying user, an operator, the owner}.

The routes come from the URL configuration. A route that is not in the table below fails the test, so that nobody adds
one without saying whose it is.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts import quotas
from accounts.models import Tier, User
from tests.accounts.factories import UserFactory
from tests.tradingsite import world

OPEN = "anyone"
USER = "whoever is logged in"
OWN = "its owner; to others it does not exist"
STAFF = "operators"

ROUTES = {
    "home": OPEN,
    "schema": OPEN,
    "api-docs": OPEN,
    "accounts:login": OPEN,
    "accounts:signup": OPEN,
    "accounts:logout": OPEN,  # ends the caller's own session, if any
    "accounts:logout_everywhere": USER,
    "accounts:settings": USER,
    "accounts:password": USER,
    "accounts:channel": USER,
    "accounts:channel-test": OWN,
    "accounts:channel-remove": OWN,
    "accounts:confirm": USER,
    "brokers:list": USER,
    "brokers:practice": USER,
    "brokers:add": USER,
    "brokers:account": OWN,
    "brokers:change": OWN,
    "brokers:keys": OWN,
    "brokers:check": OWN,
    "brokers:close": OWN,
    "inbox": USER,
    "inbox-look": OWN,
    "inbox-adopt": OWN,
    "inbox-leave": OWN,
    "inbox-close": OWN,
    "brokers:hand-over": OWN,
    "brokers:move-cash": OWN,
    "brokers:give-back": OWN,
    "bots-api:session-give-back": OWN,
    "bots-api:session-cash": OWN,
    "bots-api:inbox": OWN,
    "bots-api:inbox-one": OWN,
    "bots-api:inbox-adopt": OWN,
    "bots-api:inbox-leave": OWN,
    "bots-api:inbox-close": OWN,
    "bots-api:account-look": OWN,
    "bots-api:account-parts": OWN,
    "bots-api:account-hand-over": OWN,
    "bots-api:account-executions": OWN,
    "bots-api:account-cash-flows": OWN,
    "notifications:list": USER,
    "notifications:read-all": USER,
    "notifications:read": OWN,
    "accounts-api:register": OPEN,
    "accounts-api:token": OPEN,
    "accounts-api:refresh": OPEN,
    "accounts-api:logout": USER,
    "accounts-api:me": USER,
    "accounts-api:password": USER,
    "accounts-api:tiers": USER,
    "accounts-api:risk-envelope": USER,
    "accounts-api:kill-switch": USER,
    "accounts-api:broker-accounts": USER,
    "accounts-api:broker-account-practice": USER,
    "accounts-api:broker-account": OWN,
    "accounts-api:broker-account-check": OWN,
    "accounts-api:notifications": USER,
    "accounts-api:notifications-read-all": USER,
    "accounts-api:notification-read": OWN,
    "accounts-api:channels": USER,
    "accounts-api:channel": OWN,
    "accounts-api:channel-test": OWN,
    "marketdata:index": USER,
    "marketdata:instrument": OWN,
    "marketdata:instrument-bars": OWN,
    "marketdata:instrument-delete": OWN,
    "marketdata:import": USER,
    "marketdata:health": USER,
    "marketdata:refetch": OWN,
    "marketdata:news": USER,
    "marketdata:news-import": USER,
    "marketdata:news-fetch": USER,
    "marketdata:news-delete": USER,
    "marketdata:watchlist": USER,
    "marketdata:import-detail": OWN,
    "marketdata-api:market-status": USER,
    "marketdata-api:market-data": USER,
    "marketdata-api:instruments": USER,
    "marketdata-api:news": USER,
    "marketdata-api:news-import": USER,
    "marketdata-api:news-fetch": USER,
    "marketdata-api:news-score": USER,
    "marketdata-api:news-of-symbol": USER,
    "marketdata-api:watchlist": USER,
    "marketdata-api:instrument": OWN,
    "marketdata-api:coverage": USER,
    "marketdata-api:gaps": USER,
    "marketdata-api:health": USER,
    "marketdata-api:sources": USER,
    "marketdata-api:usage": USER,
    "marketdata-api:disagreements": USER,
    "marketdata-api:revisions": USER,
    "marketdata-api:choices": USER,
    "marketdata-api:refetches": USER,
    "marketdata-api:refetch": OWN,
    "marketdata-api:import": USER,
    "marketdata-api:imports": USER,
    "marketdata-api:import-detail": OWN,
    "strategies:list": USER,
    "strategies:public": USER,
    "strategies:new": USER,
    "strategies:entry": USER,
    "strategies:compose": USER,
    "strategies:compose-member": USER,
    "strategies:compose-check": USER,
    "strategies:compose-edit": OWN,
    "strategies:detail": OWN,
    "strategies:edit": OWN,
    "strategies:copy": OWN,
    "strategies:delete": OWN,
    "strategies:gallery": USER,
    "strategies:gallery-entry": OWN,
    "strategies:gallery-chart": OWN,
    "strategies:gallery-copy": OWN,
    "strategies:gallery-rate": OWN,
    "strategies:gallery-report": OWN,
    "strategies:publish": OWN,
    "strategies:withdraw": OWN,
    "strategies:custom-publish": OWN,
    "strategies:custom-withdraw": OWN,
    "strategies:palette": USER,
    "strategies:custom": USER,
    "strategies:custom-new": USER,
    "strategies:custom-detail": OWN,
    "strategies:custom-edit": OWN,
    "strategies:custom-conditions": OWN,
    "strategies:custom-copy": OWN,
    "strategies:custom-switch": OWN,
    "strategies:custom-delete": OWN,
    "strategies-api:indicators": USER,
    "strategies-api:list": USER,
    "strategies-api:public": USER,
    "strategies-api:public-of-type": USER,
    "strategies-api:compose": USER,
    "strategies-api:of-user": OWN,
    "strategies-api:detail": OWN,
    "strategies-api:copy": OWN,
    "strategies-api:gallery": USER,
    "strategies-api:gallery-entry": OWN,
    "strategies-api:publish": OWN,
    "strategies-api:rate": OWN,
    "strategies-api:ratings": OWN,
    "strategies-api:report": OWN,
    "strategies-api:custom-publish": OWN,
    "strategies-api:custom-rate": OWN,
    "strategies-api:custom-ratings": OWN,
    "strategies-api:custom-report": OWN,
    "strategies-api:alias-custom-publish": OWN,
    "strategies-api:alias-custom-rate": OWN,
    "strategies-api:alias-custom-ratings": OWN,
    "strategies-api:alias-custom-report": OWN,
    "strategies-api:custom": USER,
    "strategies-api:custom-public": USER,
    "strategies-api:custom-validate": USER,
    "strategies-api:custom-test": USER,
    "strategies-api:custom-test-result": OWN,
    "strategies-api:custom-detail": OWN,
    "strategies-api:custom-copy": OWN,
    "strategies-api:alias-custom": USER,
    "strategies-api:alias-custom-public": USER,
    "strategies-api:alias-custom-validate": USER,
    "strategies-api:alias-custom-test": USER,
    "strategies-api:alias-custom-test-result": OWN,
    "strategies-api:alias-custom-detail": OWN,
    "strategies-api:alias-custom-copy": OWN,
    "backtests:list": USER,
    "backtests:new": USER,
    "backtests:check": USER,
    "backtests:form-part": USER,
    "backtests:symbols": USER,
    "backtests:compare": USER,
    "backtests:palette": USER,
    "backtests:example": USER,
    "backtests:end-welcome": USER,
    "backtests:detail": OWN,
    "backtests:progress": OWN,
    "backtests:chart": OWN,
    "backtests:price": OWN,
    "backtests:cancel": OWN,
    "backtests:rerun": OWN,
    "backtests:delete": OWN,
    "backtests:save-as-strategy": OWN,
    "backtests:passport": OWN,
    "backtests:passport-of-backtest": OWN,
    "backtests:passport-of-strategy": OWN,
    "backtests:passport-make": OWN,
    "backtests:passport-cancel": OWN,
    "backtests:passport-delete": OWN,
    "backtests-api:passports": USER,
    "backtests-api:passport": OWN,
    "backtests-api:passport-cancel": OWN,
    "backtests:sweeps": USER,
    "backtests:new-sweep": USER,
    "backtests:check-sweep": USER,
    "backtests:sweep-form-part": USER,
    "backtests:sweep": OWN,
    "backtests:sweep-progress": OWN,
    "backtests:sweep-cells": OWN,
    "backtests:sweep-take": OWN,
    "backtests:sweep-cancel": OWN,
    "backtests:sweep-resume": OWN,
    "backtests:sweep-delete": OWN,
    "backtests-api:sweeps": USER,
    "backtests-api:sweep-check": USER,
    "backtests-api:sweep": OWN,
    "backtests-api:sweep-cancel": OWN,
    "backtests-api:sweep-resume": OWN,
    "backtests-api:sweep-cells": OWN,
    "backtests-api:sweep-best": OWN,
    "backtests-api:sweep-open": OWN,
    "backtests-api:sweep-save": OWN,
    "backtests-api:run": USER,
    "backtests-api:health": USER,
    "backtests-api:strategies": USER,
    "backtests-api:list": USER,
    "backtests-api:compare": USER,
    "backtests-api:detail": OWN,
    "backtests-api:cancel": OWN,
    "backtests-api:rerun": OWN,
    "backtests-api:save-as-strategy": OWN,
    "backtests-api:trades": OWN,
    "backtests-api:trades-csv": OWN,
    "backtests-api:explanations": OWN,
    "backtests-api:equity": OWN,
    "backtests-api:result": OWN,
    "backtests-api:performance-overview": USER,
    "backtests-api:performance-analytics": USER,
    "backtests-api:performance-strategy": USER,
    "backtests-api:performance-strategy-id": OWN,
    "backtests-api:performance-record": OWN,
    "bots:equity": USER,
    "bots:sessions": USER,
    "bots:palette": USER,
    "bots:new-session": USER,
    "bots:check-session": USER,
    "bots:form-part": USER,
    "bots:symbols": USER,
    "bots:first": USER,
    "bots:stop-everything": USER,
    "bots:list": USER,
    "bots:new": USER,
    "bots:check-bot": USER,
    "bots:session": OWN,
    "bots:session-price": OWN,
    "bots:session-equity": OWN,
    "bots:pause": OWN,
    "bots:resume": OWN,
    "bots:stop": OWN,
    "bots:close-position": OWN,
    "bots:give-back": OWN,
    "bots:settings": OWN,
    "bots:rollback": OWN,
    "bots:parity": OWN,
    "bots:bot": OWN,
    "bots:edit": OWN,
    "bots:clone": OWN,
    "bots:delete": OWN,
    "bots:start": OWN,
    "bots:templates": USER,
    "bots:template-use": OWN,
    "bots:template-change": OWN,
    "bots:template-delete": OWN,
    "bots:template-save": OWN,
    "trades": USER,
    "trades-csv": USER,
    "trade": OWN,
    "orders": USER,
    "order": OWN,
    "positions": USER,
    "position": OWN,
    "position-chart": OWN,
    "position-close": OWN,
    "analytics": USER,
    "analytics-data": USER,
    "risk": USER,
    "risk-stop": USER,
    "risk-allow": USER,
    "risk-progress": USER,
    "risk-limits": USER,
    "risk-check": USER,
    "bots:secrets": OWN,
    "bots:secrets-forget": OWN,
    "bots-api:trading-start": USER,
    "bots-api:trading-stop": USER,
    "bots-api:stop-everything": USER,
    "bots-api:trading-positions": USER,
    "bots-api:trading-performance": USER,
    "bots-api:sessions": USER,
    "bots-api:session-start": USER,
    "bots-api:session": OWN,
    "bots-api:session-stop": OWN,
    "bots-api:session-pause": OWN,
    "bots-api:session-resume": OWN,
    "bots-api:session-trades": OWN,
    "bots-api:session-settings": OWN,
    "bots-api:session-settings-history": OWN,
    "bots-api:session-settings-rollback": OWN,
    "bots-api:session-equity": OWN,
    "bots-api:session-decisions": OWN,
    "bots-api:session-events": OWN,
    "bots-api:session-parity": OWN,
    "bots-api:active-session": OWN,
    "bots-api:sessions-of-user": OWN,
    "bots-api:stats-of-user": OWN,
    "bots-api:portfolio-of-user": OWN,
    "bots-api:bots": USER,
    "bots-api:bot-import": USER,
    "bots-api:bot": OWN,
    "bots-api:bot-config": OWN,
    "bots-api:bot-secrets": OWN,
    "bots-api:bot-clone": OWN,
    "bots-api:bot-start": OWN,
    "bots-api:bot-stop": OWN,
    "bots-api:bot-pause": OWN,
    "bots-api:bot-resume": OWN,
    "bots-api:templates": USER,
    "bots-api:template": OWN,
    "bots-api:template-use": OWN,
    "bots-api:preflight": OWN,
    "bots-api:orders": USER,
    "bots-api:order": OWN,
    "bots-api:trades": USER,
    "bots-api:trades-csv": USER,
    "bots-api:trades-stats": USER,
    "bots-api:trade": OWN,
    "bots-api:positions": USER,
    "bots-api:positions-summary": USER,
    "bots-api:position": OWN,
    "bots-api:position-close": OWN,
    "bots-api:summary": USER,
    "bots-api:stats": USER,
    "bots-api:stats-pnl": USER,
    "bots-api:stats-performance": USER,
    "bots-api:stats-bots": USER,
    "bots-api:stats-symbols": USER,
    "bots-api:system": STAFF,
    "bots-api:risk-exposure": USER,
    "bots-api:risk-limits": USER,
    "bots-api:risk-correlation": USER,
}
CSRF_TOKEN = re.compile(r"\b[A-Za-z0-9]{64}\b")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def routes(resolver: URLResolver, namespace: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every named pattern with its full name, the admin's left out (`desk_paths` has them)."""
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            if inner != "admin:":
                yield from routes(entry, inner)
        else:
            yield f"{namespace}{entry.name or entry.pattern}", entry


def browser(user: User | None) -> str:
    """The session cookie of a browser in which `user` is logged in; empty for nobody."""
    if user is None:
        return ""
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


def ask(session: str, method: str, path: str) -> HttpResponse:
    """One request with this session cookie; whatever it changed is undone."""
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = session
    with transaction.atomic():
        response = client.generic(method, path, b"{}", content_type="application/json")
        if response.streaming:
            b"".join(response.streaming_content)
        transaction.set_rollback(True)
    return response


def is_login_redirect(response: HttpResponse) -> bool:
    return response.status_code == 302 and response["Location"].startswith(("/accounts/login/", "/operators/login/"))


def turned_away(response: HttpResponse, path: str) -> bool:
    return response.status_code == 405 or (
        response.status_code == 401 if path.startswith("/api/") else is_login_redirect(response)
    )


def comparable(response: HttpResponse, path: str) -> str:
    """Status and body without what differs between any two requests."""
    text = response.content.decode().replace(response["X-Request-ID"], "…").replace(path, "…")
    return f"{response.status_code} {CSRF_TOKEN.sub('…', text)}"


def elsewhere(value: Any) -> Any:
    """An id of the same form that nothing has."""
    return uuid.UUID(int=1) if isinstance(value, uuid.UUID) else 987_654 if isinstance(value, int) else value


@pytest.fixture
def roles(alice: User, bob: User, carol: User) -> dict[str, str]:
    """The session cookie of each role."""
    # What is looked at here are rights, not amounts, and not what a tier lacks.
    Tier.objects.update(**dict.fromkeys(quotas.LABELS), allows_custom_strategies=True)
    users = {
        "anonymous": None,
        "another user": bob,
        "a paying user": UserFactory(tier_id=Tier.ENTERPRISE),
        "an operator": carol,
        "the owner": alice,
    }
    return {role: browser(user) for role, user in users.items()}


def test_every_route_is_in_the_table():
    assert {name for name, _ in routes(get_resolver())} == set(ROUTES)


@pytest.mark.django_db(transaction=True)
@pytest.mark.row("A5", "A6")
def test_every_url_and_method_for_every_role(alice, roles, practice_venue):
    parts = world.build(alice).url_parts()
    wrong: list[str] = []
    for name, pattern in routes(get_resolver()):
        kwargs = {key: parts[key] for key in pattern.pattern.converters}
        path = reverse(name, kwargs=kwargs)
        other_kwargs = {key: elsewhere(value) for key, value in kwargs.items()}
        for method in METHODS:
            for role, session in roles.items():
                response = ask(session, method, path)
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
                        good = comparable(response, path) == comparable(ask(session, method, nowhere), nowhere)
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
            if not is_login_redirect(response := ask(roles[role], method, path)):
                wrong.append(f"{method} {path} as {role}: {response.status_code}")
        status = ask(roles["an operator"], method, path).status_code
        if status >= 500 or (method == "GET" and path.count("/") <= 4 and status not in (200, 302)):
            wrong.append(f"{method} {path} as an operator: {status}")
    assert not wrong, "\n".join(wrong)
