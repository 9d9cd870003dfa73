"""Step-up: the password once more, before somebody who sits at an open browser, or holds a stolen token, can reach
money. It lasts five minutes, in the login session it was given in; a program sends the password each time.
"""

from __future__ import annotations

import datetime

from django.http import HttpRequest
from django.utils import timezone
from rest_framework.request import Request

from accounts import guard
from accounts.services import audit
from engine.errors import Fault, InputError
from tradingsite.lib.clients import client_ip
from tradingsite.lib.errors import NotAllowed

LASTS = datetime.timedelta(minutes=5)
_SESSION_KEY = "stepped_up_at"


class StepUpNeeded(NotAllowed):
    """The caller is who they are, and has to say their password again first."""

    code = "step_up_required"


def require(request: HttpRequest | Request, password: str = "", *, what: str = "this") -> None:
    """Let the request pass where its user has given the password within `LASTS`, or gives it now.

    password: what was sent with it, "" for nothing. what: what is about to be done, in words. Raises StepUpNeeded
    (403), InputError for a wrong password, TooMany after five wrong ones in five minutes.
    """
    if password:
        confirm(request, password)
    elif not is_fresh(request):
        text = f"Give your password once more: {what} needs it, and it counts for five minutes."
        hint = "A program sends it in the field password; a page asks for it."
        raise StepUpNeeded(text, faults=[Fault("password", "required", "Your password, once more.", hint)])


def confirm(request: HttpRequest | Request, password: str) -> None:
    """Check the password of the request's user, and remember it in their login session, if the request has one.

    Raises InputError for a wrong one, TooMany after five of them in five minutes. Each is in the audit trail.
    """
    user, web = request.user, getattr(request, "_request", request)
    try:
        with guard.tried("step-up", account=str(user.pk), ip=client_ip(web)):
            if not user.check_password(password):
                raise guard.BadTry
    except guard.BadTry:
        audit.record(user, "stepup.refused", target=f"user {user.pk}")
        raise InputError(Fault("password", "wrong_password", "This is not your password.")) from None
    audit.record(user, "stepup.confirmed", target=f"user {user.pk}")
    if _has_login_session(request):
        web.session[_SESSION_KEY] = timezone.now().timestamp()


def is_fresh(request: HttpRequest | Request) -> bool:
    """Whether the password was given in this login session within `LASTS`."""
    if not _has_login_session(request):
        return False
    web = getattr(request, "_request", request)
    given, now = web.session.get(_SESSION_KEY), timezone.now().timestamp()
    return isinstance(given, float) and 0 <= now - given < LASTS.total_seconds()


def _has_login_session(request: HttpRequest | Request) -> bool:
    """False for a program with a token: a session that its request happens to carry is another login."""
    return not isinstance(request, Request) or request.auth is None
