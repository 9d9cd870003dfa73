"""What every request of every provider by network goes through: its budget before it, its count after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from marketdata import budget, usage
from marketdata.providers.base import ProviderError

TOO_MANY = (418, 429)
MOST_WAIT_S: dict[budget.Purpose, float] = {"history": 70.0, "live": 5.0}
"""How long a request waits for its turn: history runs in workers, and the windows of most plans are a minute."""
_PAUSE_S, _MOST_PAUSE_S = 2.0, 3 * 86_400.0  # where the vendor does not say how long; the longest ban there is


class Meter:
    """One provider's, with one key. name: for messages. purpose: whose requests these are; see `budget`.

    Requests to the practice venue have a budget like all others, and are counted by nobody: they are no use of a plan.
    """

    def __init__(self, provider: str, name: str, base_url: str, key: str, purpose: budget.Purpose) -> None:
        self.provider, self.name, self.purpose = provider, name, purpose
        self.scope = budget.scope_of(provider, base_url, key)
        self._base_url = base_url

    def take(self, weight: int = 1) -> None:
        """Wait for the turn of a request. Raises ProviderError where that takes too long."""
        limits, waited = budget.limits_of(self.provider), 0.0
        while wait := budget.take(self.scope, limits, weight=weight, purpose=self.purpose):
            if waited + wait > MOST_WAIT_S[self.purpose]:
                text = f"{self.name}'s budget of requests is used up; it allows more in {_span(wait)}"
                raise ProviderError(text, retryable=True)
            time.sleep(wait + 0.005)
            waited += wait

    def told(self, status: int, headers: Mapping[str, str]) -> float:
        """The vendor has answered. Returns for how many seconds it wants no more requests, which all processes keep."""
        self._count(requests=1, errors=int(status >= 400))
        if status not in TOO_MANY:
            return 0.0
        seconds = min(_retry_after(headers) or _PAUSE_S, _MOST_PAUSE_S)
        budget.pause(self.scope, seconds)
        return seconds

    def wait(self, seconds: float) -> None:
        """The vendor wants no more requests for that long, and says so by another way than its status."""
        budget.pause(self.scope, seconds)

    def failed(self) -> None:
        """No answer came."""
        self._count(requests=1, errors=1)

    def wrap(self, send: Callable[..., Any], *, weight: int = 1) -> Callable[..., Any]:
        """`send` of a client library, or of our own, metered. Who was too quick, and is told for how long, asks once
        more after that; it gives what `send` does, which has `headers` and either `status_code` or `status`."""

        def metered(*args: Any, **kwargs: Any) -> Any:
            for is_last in (False, True):
                self.take(weight)
                try:
                    answer = send(*args, **kwargs)
                except Exception:
                    self.failed()
                    raise
                status = getattr(answer, "status_code", None) or answer.status
                self.told(status, answer.headers)
                if is_last or status not in TOO_MANY or not _retry_after(answer.headers):
                    break
            return answer

        return metered

    def _count(self, **more: int) -> None:
        from django.conf import settings

        if self._base_url.rstrip("/") != settings.PRACTICE_VENUE_URL.rstrip("/"):
            usage.count(self.provider, **more)


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds of a Retry-After header, which gives them or a date; 0.0 without one."""
    text = headers.get("Retry-After") or headers.get("retry-after") or ""
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
