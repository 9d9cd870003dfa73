"""`/health`: can this installation do its work? `/health/live`: does this process answer at all?

Readiness (200 or 503) looks at the database, Redis, the workers and the disk; a load balancer or a person asks it.
Liveness looks at nothing; a container engine asks it, and restarts the process when no answer comes.
"""

from __future__ import annotations

import logging
import shutil
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

from tradingsite import __version__, heartbeat

log = logging.getLogger(__name__)

VENUE_WITHIN_S = 0.5


class HealthMiddleware:
    """Answers the two health paths before anything else looks at the request.

    It stands before the host check and the redirect to HTTPS, because probes call by address and without TLS. It takes
    no input and says nothing secret.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info not in {"/health", "/health/", "/health/live"}:
            return self.get_response(request)
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        return live() if request.path_info == "/health/live" else ready()


def live() -> JsonResponse:
    return _uncached(JsonResponse({"status": "ok", "version": __version__}))


def ready() -> JsonResponse:
    """200 when everything works, else 503; `checks` names what does not.

    Sessions that wait for a host leave the site usable: degraded, and still 200, so that no load balancer takes the
    pages away over it. A practice venue that does not answer is told, and ends nothing but rehearsals.
    """
    checks = {"database": _database(), "redis": _redis(), "disk": _disk()}
    if checks["redis"] == "ok":
        silent = heartbeat.silent()
        checks |= {f"worker_{queue}": silent.get(queue, "ok") for queue in heartbeat.QUEUES}
    well = all(state == "ok" for state in checks.values())
    if checks["database"] == "ok":
        checks["sessions"] = _sessions()
    if settings.PRACTICE_VENUE:
        checks["practice_venue"] = _practice_venue()
    hosted = checks.get("sessions", "ok") == "ok"
    status = "unavailable" if not well else "ok" if hosted else "degraded"
    body = {"status": status, "version": __version__, "checks": checks}
    return _uncached(JsonResponse(body, status=200 if well else 503))


def _uncached(response: JsonResponse) -> JsonResponse:
    response["Cache-Control"] = "no-store"
    return response


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except Exception as error:  # whatever the driver raises, the answer is the same; the log has the rest
        log.warning("health: the database does not answer: %s", error)
        return "does not answer"
    return "ok"


def _sessions() -> str:
    from bots.selectors.system import hosts_fault  # models are there only once Django is set up

    try:
        return hosts_fault() or "ok"
    except Exception as error:  # migrations that wait, a table that is locked: never a fault of the answer
        log.warning("health: session hosts cannot be looked at: %s", error)
        return "cannot be looked at"


def _practice_venue() -> str:
    url = urlsplit(settings.PRACTICE_VENUE_URL)
    try:
        socket.create_connection((url.hostname or "", url.port or 80), timeout=VENUE_WITHIN_S).close()
    except OSError:
        return "does not answer"
    return "ok"


def _redis() -> str:
    try:
        cache.get("health")
    except Exception as error:
        log.warning("health: Redis does not answer: %s", error)
        return "does not answer"
    return "ok"


def _disk() -> str:
    try:
        free_mb = shutil.disk_usage(settings.VAR_DIR).free // 1_048_576
    except OSError as error:  # not mounted, removed, not allowed
        log.warning("health: the data directory cannot be looked at: %s", error)
        return "unavailable"
    return "ok" if free_mb >= settings.HEALTH_MIN_FREE_MB else "nearly full"
