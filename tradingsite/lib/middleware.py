"""What every request passes: a request id, the text rule, and refusals said as a page or as the API's JSON."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse

from tradingsite.lib.errors import ApiError, as_refusal
from tradingsite.lib.pages import refuse
from tradingsite.lib.parsers import check_texts

log = logging.getLogger(__name__)
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class RequestIdMiddleware:
    """Sets `request.request_id` (32 hex digits, drawn here, never the client's) and answers it as X-Request-ID."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.request_id = uuid.uuid4().hex  # type: ignore[attr-defined]
        with structlog.contextvars.bound_contextvars(request_id=request.request_id):  # type: ignore[attr-defined]
            response = self.get_response(request)
        response["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
        return response


class RefusalMiddleware:
    """Turns refusals that services raise in page views into pages, and checks the text that comes in.

    The API's own views are answered by `errors.exception_handler`; what fails before them comes here.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            check_texts({"path": request.path_info})
            check_texts(request.GET)
        except Exception as exc:
            return self._answer(request, exc)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        """Form fields, read here only where a page will read them anyway."""
        if request.content_type in _FORMS and not request.path_info.startswith("/api/"):
            try:
                check_texts(request.POST)
            except Exception as exc:
                return self._answer(request, exc)
        return None

    def process_exception(self, request: HttpRequest, exc: Exception) -> HttpResponse | None:
        refusal = as_refusal(exc)
        return self._refuse(request, refusal, exc) if refusal else None

    def _answer(self, request: HttpRequest, exc: Exception) -> HttpResponse:
        refusal = as_refusal(exc)
        if refusal is None:
            raise exc
        return self._refuse(request, refusal, exc)

    def _refuse(self, request: HttpRequest, refusal: ApiError, exc: Exception) -> HttpResponse:
        if refusal.status >= 500:
            log.error("request %s refused: %s", request.request_id, refusal.code, exc_info=exc)  # type: ignore[attr-defined]
        return refuse(request, refusal)
