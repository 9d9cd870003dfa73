"""Refusals, and the one shape in which the API says them.

Services raise `InputError` (the input is wrong) or one of the `ApiError` kinds below (the input is fine, the answer is
no). Neither knows whether a page or the API asked: `exception_handler` turns them into the API's body, and
`tradingsite.lib.middleware.RefusalMiddleware` into a page.

Every error body of the API is ``{code, message, errors: [{path, code, message, hint}], request_id}``; a kind may add
fields of its own (a quota adds ``current``, ``maximum``, ``tier``).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from kombu.exceptions import OperationalError as BrokerDown
from redis.exceptions import RedisError
from rest_framework import exceptions as drf
from rest_framework.response import Response

from engine.errors import Fault, InputError

log = logging.getLogger(__name__)


class ApiError(Exception):
    """A refusal with a status and a stable code.

    message: plain words for the person. faults: what in the input led to it. extra: further top-level fields of the
    body.
    """

    status = 400
    code = "bad_request"

    def __init__(self, message: str, *, code: str = "", faults: Iterable[Fault] = (), **extra: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.faults = tuple(faults)
        self.extra = extra

    @property
    def headers(self) -> dict[str, str]:
        """Response headers that belong to this refusal."""
        return {}


class NotAuthenticated(ApiError):
    """Nobody we know, or wrong credentials."""

    status = 401
    code = "not_authenticated"

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="api"'}


class NotAllowed(ApiError):
    """The caller is known and may not do this."""

    status = 403
    code = "not_allowed"


class QuotaExceeded(ApiError):
    """The tier's limit is reached. Body adds ``limit`` (its name), ``current``, ``maximum`` and ``tier``."""

    status = 403
    code = "quota_exceeded"

    def __init__(self, message: str, *, limit: str, current: int, maximum: int, tier: str, **extra: Any) -> None:
        super().__init__(message, limit=limit, current=current, maximum=maximum, tier=tier, **extra)


class NotFound(ApiError):
    """No such object, or none that this caller may know of: the two are never told apart."""

    status = 404
    code = "not_found"

    def __init__(self, message: str = "There is nothing here under this address.", **kwargs: Any) -> None:
        super().__init__(message, **kwargs)


class Conflict(ApiError):
    """The object's state does not allow this now."""

    status = 409
    code = "conflict"


class TooLarge(ApiError):
    """The body or file is larger than this route takes."""

    status = 413
    code = "too_large"


class Unprocessable(ApiError):
    """Well-formed, but it makes no sense at the market or needs to be confirmed."""

    status = 422
    code = "unprocessable"


class TooMany(ApiError):
    """Too many requests or tries. `retry_after`: whole seconds until it is worth trying again."""

    status = 429
    code = "rate_limited"

    def __init__(self, message: str, *, retry_after: int, **extra: Any) -> None:
        super().__init__(message, retry_after=retry_after, **extra)
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


class Unavailable(ApiError):
    """Something this request needs (database, Redis) does not answer right now. Nothing was changed."""

    status = 503
    code = "unavailable"

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "5"}


# What REST framework calls the faults of its fields, in our words. A code that is not here keeps its name.
_CODES = {
    "null": "required",
    "blank": "required",
    "empty": "required",
    "invalid_choice": "unknown_choice",
    "max_value": "out_of_range",
    "min_value": "out_of_range",
    "max_digits": "out_of_range",
    "max_decimal_places": "out_of_range",
    "max_whole_digits": "out_of_range",
    "max_length": "out_of_range",
    "min_length": "out_of_range",
    "does_not_exist": "not_found",
    "incorrect_type": "wrong_type",
    "not_a_list": "wrong_type",
    "not_a_dict": "wrong_type",
    "unique": "already_taken",
}
_MESSAGES_AWAY = "The message server does not answer right now. Try again in a few seconds."
_AWAY: dict[type[Exception], str] = {RedisError: _MESSAGES_AWAY, BrokerDown: _MESSAGES_AWAY}
_PLAIN: dict[type[Exception], tuple[str, str]] = {
    drf.NotAuthenticated: ("not_authenticated", "Log in, or send a valid access token."),
    drf.AuthenticationFailed: ("not_authenticated", "This token or login is not valid."),
    drf.PermissionDenied: ("not_allowed", "You may not do this."),
    drf.NotFound: ("not_found", "There is nothing here under this address."),
    drf.MethodNotAllowed: ("method_not_allowed", "This address does not answer to this method."),
    drf.NotAcceptable: ("not_acceptable", "The API answers in application/json only."),
    drf.UnsupportedMediaType: ("unsupported_media_type", "Send the body in a media type that this route takes."),
    drf.ParseError: ("malformed", "The body could not be read."),
}


def body(
    code: str, message: str, request_id: str = "", faults: Iterable[Fault] = (), extra: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The body of an error answer, as documented in the module's docstring."""
    errors = [fault.as_dict() for fault in faults]
    return {"code": code, "message": message, "errors": errors, "request_id": request_id, **(extra or {})}


def call_unavailable(kind: type[Exception], message: str) -> None:
    """From now on an exception of this kind is answered with 503 and `message`: what an app needs does not answer."""
    _AWAY[kind] = message


def as_refusal(exc: Exception) -> ApiError | None:
    """The refusal that an exception means, or None when it is a fault of ours."""
    if isinstance(exc, ApiError):
        return exc
    if isinstance(exc, InputError):
        return ApiError(_summary(exc.faults), code="invalid_input", faults=exc.faults)
    if isinstance(exc, Http404):
        return NotFound()
    if isinstance(exc, DjangoPermissionDenied):
        return NotAllowed("You may not do this.")
    if isinstance(exc, RequestDataTooBig):
        return TooLarge("The body is larger than this route takes.")
    if isinstance(exc, SuspiciousOperation):
        return ApiError("The request could not be read.", code="malformed")
    for kind, message in _AWAY.items():
        if isinstance(exc, kind):
            return Unavailable(message)
    # SQLite also calls a missing table or column "operational"; that is a fault of ours and no passing trouble.
    if isinstance(exc, OperationalError) and "no such" not in str(exc):
        return Unavailable("The database does not answer right now. Try again in a few seconds.")
    return None


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's EXCEPTION_HANDLER: every refusal in our body; None (a 500) only for faults of ours."""
    request_id = getattr(context["request"], "request_id", "")
    refusal = as_refusal(exc)
    if refusal is not None:
        if refusal.status >= 500:
            log.error("request %s refused: %s", request_id, refusal.code, exc_info=exc)
        content = body(refusal.code, refusal.message, request_id, refusal.faults, refusal.extra)
        return Response(content, status=refusal.status, headers=refusal.headers)
    if not isinstance(exc, drf.APIException):
        return None
    headers = {}
    if getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = exc.auth_header
    if isinstance(exc, drf.Throttled):
        wait = max(1, int((exc.wait or 0) + 0.999))
        headers["Retry-After"] = str(wait)
        message = f"Too many requests. Try again in {wait} s."
        return Response(body("rate_limited", message, request_id, (), {"retry_after": wait}), 429, headers=headers)
    if isinstance(exc, drf.ValidationError):
        faults = tuple(_faults(exc.detail, ""))
        return Response(body("invalid_input", _summary(faults), request_id, faults), 400, headers=headers)
    for kind, (code, message) in _PLAIN.items():
        if isinstance(exc, kind):
            return Response(body(code, message, request_id), exc.status_code, headers=headers)
    return Response(body(exc.default_code, str(exc.detail), request_id), exc.status_code, headers=headers)


def json_answer(request: HttpRequest, refusal: ApiError) -> JsonResponse:
    """A refusal as the API's body, for places outside REST framework (URL resolver, middleware)."""
    content = body(refusal.code, refusal.message, getattr(request, "request_id", ""), refusal.faults, refusal.extra)
    return JsonResponse(content, status=refusal.status, headers=refusal.headers)


def _summary(faults: tuple[Fault, ...]) -> str:
    first = faults[0]
    text = f"{first.path}: {first.message}" if first.path else first.message
    return text if len(faults) == 1 else f"{text} (and {len(faults) - 1} more)"


def _faults(detail: Any, path: str) -> Iterator[Fault]:
    """REST framework's nested error details as flat faults, each with the path of its field."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            if name == "non_field_errors":
                yield from _faults(inner, path)
            else:
                # An int key is REST framework's index of a list item.
                step = f"{path}[{name}]" if isinstance(name, int) else f"{path}.{name}" if path else str(name)
                yield from _faults(inner, step)
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, (dict, list))
            if nested and not inner:
                continue  # the item at this index is fine
            yield from _faults(inner, f"{path}[{index}]" if nested else path)
    else:
        code = getattr(detail, "code", "invalid")
        yield Fault(path, _CODES.get(code, code), str(detail))
