"""Browsers that ask the site for something, and what is told from their answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib.messages import get_messages
from django.db import transaction
from django.http import HttpResponse
from django.test import Client

from accounts.models import User

# What differs between any two answers: a CSRF token, the key that a form draws, the id of a request.
DRAWN = re.compile(r"\b(?:[A-Za-z0-9]{64}|[0-9a-f]{32})\b")


class Browser:
    """The browser in which `user` is logged in; None: nobody. It remembers nothing from one request to the next."""

    def __init__(self, user: User | None) -> None:
        self._client, self._session = Client(raise_request_exception=False), ""
        if user is not None:
            self._client.force_login(user)
            self._session = self._client.cookies["sessionid"].value

    def ask(
        self, method: str, path: str, sent: Mapping[str, Any] | None = None, *, keep: bool = False, htmx: bool = False
    ) -> HttpResponse:
        """One request. sent: the query of a GET, the JSON of the API, the form of a page.

        Whatever it changed is undone, unless `keep`. htmx: as a page asks for a part of itself. The answer's `told` is
        its body, `said` are the messages that the next page shows.
        """
        self._client.cookies.clear()
        self._client.cookies["sessionid"] = self._session
        headers = {"HX-Request": "true"} if htmx else {}
        body, content_type = b"", "application/x-www-form-urlencoded"
        if method in ("GET", "HEAD"):
            path += f"?{urlencode(sent, doseq=True)}" if sent else ""
        elif path.startswith("/api/"):
            body, content_type = json.dumps(sent or {}, default=str).encode(), "application/json"
        else:
            body = urlencode(sent or {}, doseq=True).encode()
        with transaction.atomic():
            response = self._client.generic(method, path, body, content_type=content_type, headers=headers)
            if response.streaming:
                response.told = b"".join(response.streaming_content)
            else:
                response.told = response.content
            response.said = [str(message) for message in get_messages(response.wsgi_request)]
            transaction.set_rollback(not keep)
        return response


def is_login_redirect(response: HttpResponse) -> bool:
    return response.status_code == 302 and response["Location"].startswith(("/accounts/login/", "/operators/login/"))


def turned_away(response: HttpResponse, path: str) -> bool:
    """Whether nobody was let in."""
    return response.status_code == 405 or (
        response.status_code == 401 if path.startswith("/api/") else is_login_redirect(response)
    )
