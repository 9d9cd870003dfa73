"""How many requests a minute the API takes from one user (the tier's limit) or, before login, from one address.

Counted in Redis over a sliding minute. When Redis is down requests pass, with a line in the log: a rate limit that
turns a cache failure into an outage protects nothing. (Tries at passwords are counted elsewhere, in the database.)
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from tradingsite.lib.clients import client_ip

if TYPE_CHECKING:  # REST framework's views import this module by its setting
    from rest_framework.views import APIView

log = logging.getLogger(__name__)
_MINUTE = 60


class RequestsPerMinute(BaseThrottle):
    """The site's default throttle."""

    def __init__(self) -> None:
        self._wait: float | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        if request.user is not None and request.user.is_authenticated:
            limit, key = request.user.tier.api_requests_per_minute, f"rate:user:{request.user.pk}"
        else:
            limit, key = settings.API_ANON_REQUESTS_PER_MINUTE, f"rate:ip:{client_ip(request)}"
        if limit is None:
            return True
        try:
            self._wait = seconds_over(key, limit, time.time())
        except (RedisError, OSError):
            log.exception("request rates are not counted: the cache does not answer")
            return True
        return self._wait is None

    def wait(self) -> float | None:
        return self._wait


def seconds_over(key: str, limit: int, now: float) -> float | None:
    """Count one request at `now` (s); None while the last sixty seconds hold at most `limit`, else the wait (s).

    The sliding window is the usual estimate: this minute's count plus the last one's, weighed by how much of it is
    still inside the window. One atomic increment, so parallel requests cannot slip under the limit.
    """
    minute, into = divmod(now, _MINUTE)
    name = f"{key}:{int(minute)}"
    cache.add(name, 0, timeout=2 * _MINUTE)
    try:
        this = cache.incr(name)
    except ValueError:  # the cache was emptied in between
        cache.set(name, 1, timeout=2 * _MINUTE)
        this = 1
    last = cache.get(f"{key}:{int(minute) - 1}", 0)
    if this + last * (1 - into / _MINUTE) <= limit:
        return None
    return _MINUTE - into
