"""JSON from a provider by HTTP: with a time limit, a size limit, and errors in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from marketdata.providers.base import ProviderError

if TYPE_CHECKING:
    import httpx

    from marketdata.providers.meter import Meter

MAX_BODY = 32 * 1024 * 1024
CONNECT_S, READ_S = 3.0, 10.0


def get_json(
    meter: Meter,
    url: str,
    params: Mapping[str, str],
    *,
    what: str,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = READ_S,
    weight: int = 1,
) -> Any:
    """The answer's JSON. meter: whose budget it takes `weight` of. what: for messages, e.g. "AAPL". The address and its
    keys never get there.

    Raises ProviderError: not reached, unknown (404), refused (401, 403), too many requests (429), a budget that is used
    up, anything else.
    """
    import httpx  # only where a worker asks for it: it costs a web process 40 ms and 10 MB

    limits = httpx.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s))

    def send() -> httpx.Response:
        with (
            httpx.Client(timeout=limits, headers=dict(headers or {})) as client,
            client.stream("GET", url, params=dict(params)) as response,
        ):
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_BODY:
                    raise ProviderError(f"{meter.name}'s answer is too large", retryable=False)
            kept = {name: response.headers[name] for name in ("Retry-After",) if name in response.headers}
            return httpx.Response(response.status_code, headers=kept, content=bytes(body))

    try:
        answer = meter.wrap(send, weight=weight)()
    except httpx.HTTPError as error:
        raise ProviderError(f"{meter.name} cannot be reached ({type(error).__name__})", retryable=True) from error
    refuse_status(meter.name, answer.status_code, what)
    try:
        return answer.json()
    except ValueError as error:
        raise ProviderError(f"{meter.name}'s answer was no JSON", retryable=True) from error


def refuse_status(provider: str, status: int, what: str) -> None:
    """Raises ProviderError for every HTTP status but 200."""
    if status == 404:
        raise ProviderError(f"{provider} knows no {what}", retryable=False)
    if status in (401, 403):
        raise ProviderError(f"{provider} refuses the key, or the key's plan does not include {what}", retryable=False)
    if status in (418, 429):
        raise ProviderError(f"{provider} refuses more requests for now", retryable=True)
    if status != 200:
        raise ProviderError(f"{provider} answered with status {status}", retryable=status >= 500)
