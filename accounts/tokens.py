"""Access and refresh tokens of the API: begin a login, refresh it, end it, and tell whose a token is.

A token counts while its family (`ApiLogin`) is not ended, the user is active, and the password and login epoch are
those under which it began. So a changed password, a disabled user and a logout end access tokens at once, not when
they expire. docs/decisions/tokens.md says why this is not simplejwt's own blacklist.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from accounts.models import ApiLogin, User

FAMILY = "family"


class InvalidToken(Exception):
    """Forged, expired, of the wrong kind, or of a login that has ended. The API answers 401."""


@dataclass(frozen=True, slots=True)
class TokenPair:
    """A new access token with the refresh token that replaces it; lifetimes in seconds."""

    access: str
    refresh: str
    access_expires_in: int
    refresh_expires_in: int


def begin(user: User, user_agent: str = "") -> TokenPair:
    """A new login of `user`, whose password the caller has just checked."""
    login = ApiLogin(user=user, auth_hash=user.get_session_auth_hash(), user_agent=user_agent[:200])
    refresh = _new_refresh(login)
    login.save(force_insert=True)
    return _pair(refresh)


def refresh(raw: str) -> TokenPair:
    """The next pair for a refresh token. Of parallel uses exactly one wins; the others end the family.

    Raises InvalidToken.
    """
    old = _decoded(RefreshToken, raw)
    login = _standing_login(old)
    if login is None:
        raise InvalidToken("This login has ended.")
    new = _new_refresh(login)
    with transaction.atomic():
        # One conditional statement decides the race: the row still names the token that was sent, or it does not.
        won = ApiLogin.objects.filter(pk=login.pk, refresh_jti=old["jti"], ended_at=None).update(
            refresh_jti=login.refresh_jti, refreshed_at=timezone.now(), expires_at=login.expires_at
        )
    if not won:
        _end(ApiLogin.objects.filter(pk=login.pk), ApiLogin.Ended.REUSED)
        raise InvalidToken("This refresh token was used before. The login has been ended for safety: log in again.")
    return _pair(new)


def end(raw: str | Token) -> None:
    """Log out: the family of an access or refresh token. Raises InvalidToken for what was never a token of ours."""
    token = _decoded(RefreshToken, raw) if isinstance(raw, str) else raw
    _end(ApiLogin.objects.filter(pk=token[FAMILY]), ApiLogin.Ended.LOGGED_OUT)


def owner(raw: str) -> tuple[User, AccessToken]:
    """The user whose access token this is, with the tier loaded, and the token. Raises InvalidToken."""
    token = _decoded(AccessToken, raw)
    login = _standing_login(token)
    if login is None:
        raise InvalidToken("This login has ended.")
    return login.user, token


def _decoded(kind: type[Any], raw: str) -> Any:
    try:
        token = kind(raw)
        UUID(token[FAMILY])
    except (TokenError, KeyError, ValueError, AttributeError) as exc:
        raise InvalidToken("This token is not valid or has expired.") from exc
    return token


def _standing_login(token: Token) -> ApiLogin | None:
    """The token's family with its user and tier, in one query; None when it has ended in any way."""
    login = ApiLogin.objects.select_related("user__tier").filter(pk=token[FAMILY], ended_at=None).first()
    if login is None or not login.user.is_active:
        return None
    hashes = [login.user.get_session_auth_hash(), *login.user.get_session_auth_fallback_hash()]
    return login if any(constant_time_compare(login.auth_hash, known) for known in hashes) else None


def _new_refresh(login: ApiLogin) -> RefreshToken:
    """A refresh token for this family, which is told its id and end (not saved)."""
    token = RefreshToken()
    token[FAMILY] = str(login.pk)
    login.refresh_jti = token["jti"]
    login.expires_at = datetime.fromtimestamp(token["exp"], UTC)
    return token


def _pair(token: RefreshToken) -> TokenPair:
    access = token.access_token
    return TokenPair(
        access=str(access),
        refresh=str(token),
        access_expires_in=int(AccessToken.lifetime.total_seconds()),
        refresh_expires_in=int(RefreshToken.lifetime.total_seconds()),
    )


def _end(logins: Any, reason: ApiLogin.Ended) -> None:
    logins.filter(ended_at=None).update(ended_at=timezone.now(), ended_because=reason)
