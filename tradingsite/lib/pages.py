"""Error answers outside REST framework: a page for people, the API's JSON under /api/.

`handler400` … `handler500` and CSRF_FAILURE_VIEW of the URL configuration point here.
"""

from __future__ import annotations

import logging
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tradingsite.lib.errors import ApiError, NotAllowed, NotFound, json_answer

log = logging.getLogger(__name__)
_HEADLINES = {
    400: "That request could not be read",
    403: "Not allowed",
    404: "Nothing here",
    409: "Not possible right now",
    413: "Too large",
    422: "That does not work as it stands",
    429: "Too many tries",
    500: "Something went wrong on our side",
    503: "Not available right now",
}


class ServerFault(ApiError):
    """A fault of ours. It says nothing about its cause; the log does, under the request id."""

    status = 500
    code = "server_fault"


def refuse(request: HttpRequest, refusal: ApiError) -> HttpResponse:
    """A refusal as JSON under /api/ and for scripts that take no page, else as a page that says what happened and what
    to do."""
    if request.path_info.startswith("/api/") or not request.accepts("text/html"):
        return json_answer(request, refusal)
    shown = {
        "headline": _HEADLINES.get(refusal.status, "That did not work"),
        "message": refusal.message,
        "faults": refusal.faults,
        "status": refusal.status,
        "code": refusal.code,
        "request_id": getattr(request, "request_id", ""),
        **refusal.extra,
    }
    # The frame reads the user and the database. When the fault is ours, neither may work: a page without the frame.
    template = "errors/bare.html" if refusal.status >= 500 else "errors/page.html"
    response = render(request, template, shown, status=refusal.status)
    for name, value in refusal.headers.items():
        response[name] = value
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400"""
    return refuse(request, ApiError("The request could not be read.", code="malformed"))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403"""
    return refuse(request, NotAllowed("You may not do this."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404"""
    return refuse(request, NotFound())


def server_fault(request: HttpRequest) -> HttpResponse:
    """handler500. Django logs the traceback by itself; this line ties it to the id that the user was given."""
    log.error("request %s failed: %s %s", getattr(request, "request_id", ""), request.method, request.path_info)
    text = "Something went wrong on our side. It is in our log; name the request id below when you report it."
    return refuse(request, ServerFault(text))


def csrf_failure(request: HttpRequest, reason: str = "", **kwargs: Any) -> HttpResponse:
    """CSRF_FAILURE_VIEW: the form's token is missing, stale (page open since before a login) or from another site."""
    text = "This form was open too long, or it was sent from another site. Go back, reload the page and send it again."
    return refuse(request, NotAllowed(text, code="csrf_failed"))
