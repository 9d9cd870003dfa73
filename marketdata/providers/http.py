"""JSON from a provider by HTTP: with a time limit, a size limit, and errors in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marketdata.providers.base import ProviderError

MAX_BODY = 32 * 1024 * 1024
CONNECT_S, READ_S = 3.0, 10.0


def get_json(
    provider: str,
    url: str,
    params: Mapping[str, str],
    *,
    what: str,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = READ_S,
) -> Any:
    """The answer's JSON. provider, what: for messages, e.g. "Yahoo", "AAPL". The address and its keys never get there.

    Raises ProviderError: not reached, unknown (404), refused (401, 403), too many requests (429), anything else.
    """
    import httpx  # only where a worker asks for it: it costs a web process 40 ms and 10 MB

    limits = httpx.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s))
    try:
        with (
            httpx.Client(timeout=limits, headers=dict(headers or {})) as client,
            client.stream("GET", url, params=dict(params)) as response,
        ):
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_BODY:
                    raise ProviderError(f"{provider}'s answer is too large", retryable=False)
            status = response.status_code
    except httpx.HTTPError as error:
        raise ProviderError(f"{provider} cannot be reached ({type(error).__name__})", retryable=True) from error
    refuse_status(provider, status, what)
    try:
        return httpx.Response(200, content=bytes(body)).json()
    except ValueError as error:
        raise ProviderError(f"{provider}'s answer was no JSON", retryable=True) from error


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
