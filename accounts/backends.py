"""The login backend: Django's own check of name and password, behind the guard against guessing."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from accounts import guard
from accounts.models import User
from tradingsite.lib.clients import client_ip


class GuardedBackend(ModelBackend):
    """Every login passes here, whichever page or route asked, so none of them can forget the guard."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """The user, or None (wrong name, wrong password and disabled user look and last the same).

        Raises TooMany (429) after five bad tries in five minutes for this name or from this address.
        """
        if username is None or password is None:
            return None
        try:
            with guard.tried("login", account=username, ip=client_ip(request)):
                user = super().authenticate(request, username=username, password=password, **kwargs)
                if user is None:
                    raise guard.BadTry
        except guard.BadTry:
            return None
        return user
