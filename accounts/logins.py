"""Logins as the websocket sees them (`Login` of tradingsite.lib.consumers), and the end of all logins of a user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.db.models import F
from django.http import parse_cookie

from accounts import tokens
from accounts.models import User
from tradingsite.lib import realtime


@dataclass(frozen=True, slots=True)
class SessionLogin:
    """A browser, by its session cookie."""

    session_key: str
    user_id: int

    def user(self) -> User | None:
        """The user while the session exists and its password and login epoch still hold."""
        return _session_user(self.session_key)


@dataclass(frozen=True, slots=True)
class BearerLogin:
    """A program, by its access token."""

    access: str
    user_id: int

    def user(self) -> User | None:
        """The user until the token expires or its login ends."""
        try:
            return tokens.owner(self.access)[0]
        except tokens.InvalidToken:
            return None


def of_websocket(scope: Mapping[str, Any]) -> SessionLogin | BearerLogin | None:
    """The login of an ASGI websocket scope: a bearer token where there is one, else the session cookie."""
    headers = dict(scope["headers"])
    scheme, _, access = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "bearer":
        try:
            return BearerLogin(access, tokens.owner(access)[0].pk)
        except tokens.InvalidToken:
            return None
    key = parse_cookie(headers.get(b"cookie", b"").decode("latin-1")).get(settings.SESSION_COOKIE_NAME, "")
    user = _session_user(key) if key else None
    return SessionLogin(key, user.pk) if user else None


def end_all(user: User) -> None:
    """End every session, token and websocket of this user. `user` gets its new login epoch."""
    User.objects.filter(pk=user.pk).update(login_epoch=F("login_epoch") + 1)
    user.refresh_from_db(fields=["login_epoch"])
    realtime.recheck(user.pk)


def _session_user(key: str) -> User | None:
    store = import_module(settings.SESSION_ENGINE).SessionStore(key)
    user = get_user(SimpleNamespace(session=store))  # type: ignore[arg-type]  (it reads nothing but the session)
    return user if isinstance(user, User) and user.is_active else None
